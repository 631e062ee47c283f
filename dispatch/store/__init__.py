"""The store: requests, instructions and their reviews in SQLite or PostgreSQL, committed before anybody is answered."""

from dispatch.store.connection import describe, parse_url
from dispatch.store.errors import (
    EtagMismatch,
    LeaseHeld,
    NotFound,
    OnHold,
    RequestIdConflict,
    StateConflict,
    StoreError,
    StoreUnavailable,
)
from dispatch.store.migrate import upgrade
from dispatch.store.records import EarlierRequest, Instruction, body_digest, new_name
from dispatch.store.repository import InstructionStore, Store

__all__ = [
    "EarlierRequest",
    "EtagMismatch",
    "Instruction",
    "InstructionStore",
    "LeaseHeld",
    "NotFound",
    "OnHold",
    "RequestIdConflict",
    "StateConflict",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "body_digest",
    "describe",
    "new_name",
    "parse_url",
    "upgrade",
]
