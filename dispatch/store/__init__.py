"""The store: requests, instructions and their reviews in SQLite or PostgreSQL, committed before anybody is answered."""

from dispatch.store.audit import Audit, AuditEvent, ChainReport, Fault
from dispatch.store.connection import describe, file_url, parse_url
from dispatch.store.errors import (
    EtagMismatch,
    LeaseHeld,
    NotFound,
    OnHold,
    RequestIdConflict,
    SecondReview,
    StateConflict,
    StoreError,
    StoreUnavailable,
)
from dispatch.store.incidents import Incidents
from dispatch.store.migrate import upgrade
from dispatch.store.overdue import Overdue, OverdueInstruction
from dispatch.store.queue import Page, QueueFilter
from dispatch.store.records import EarlierRequest, Instruction, body_digest, new_name
from dispatch.store.repository import InstructionStore, Store
from dispatch.store.retention import Retention, RetentionPolicy
from dispatch.store.reviews import Decision, ReleasedOrder, Review, Reviews
from dispatch.store.scopes import ALL_SCOPES, ROLES, scopes_of
from dispatch.store.spool import Replayer, SpoolingStore
from dispatch.store.statistics import Backlog, Decided, Reported, Statistics
from dispatch.store.tokens import Token, Tokens
from dispatch.store.transaction import ChainHead

__all__ = [
    "ALL_SCOPES",
    "ROLES",
    "Audit",
    "AuditEvent",
    "Backlog",
    "ChainHead",
    "ChainReport",
    "Decided",
    "Decision",
    "EarlierRequest",
    "EtagMismatch",
    "Fault",
    "Incidents",
    "Instruction",
    "InstructionStore",
    "LeaseHeld",
    "NotFound",
    "OnHold",
    "Overdue",
    "OverdueInstruction",
    "Page",
    "QueueFilter",
    "ReleasedOrder",
    "Replayer",
    "Reported",
    "RequestIdConflict",
    "Retention",
    "RetentionPolicy",
    "Review",
    "Reviews",
    "SecondReview",
    "SpoolingStore",
    "StateConflict",
    "Statistics",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "Token",
    "Tokens",
    "body_digest",
    "describe",
    "file_url",
    "new_name",
    "parse_url",
    "scopes_of",
    "upgrade",
]
