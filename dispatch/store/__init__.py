"""The store: requests and instructions in SQLite or PostgreSQL, committed before anybody is answered."""

from dispatch.store.connection import describe, parse_url
from dispatch.store.errors import RequestIdConflict, StoreError
from dispatch.store.migrate import upgrade
from dispatch.store.records import EarlierRequest, Instruction, body_digest
from dispatch.store.repository import Store

__all__ = [
    "EarlierRequest",
    "Instruction",
    "RequestIdConflict",
    "Store",
    "StoreError",
    "body_digest",
    "describe",
    "parse_url",
    "upgrade",
]
