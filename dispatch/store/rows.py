"""Instructions and the rows that hold them."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select

from dispatch.domain import PRIORITIES
from dispatch.store.errors import NotFound, RequestIdConflict
from dispatch.store.records import EarlierRequest, Instruction, key_in, new_name
from dispatch.store.schema import Base, IncidentRow, InstructionRow, ModelRow, RequestRow
from dispatch.store.transaction import Row, Transaction

TABLES = Base.metadata.tables
INCIDENTS, MODELS = TABLES[IncidentRow.__tablename__], TABLES[ModelRow.__tablename__]
REQUESTS, INSTRUCTIONS = TABLES[RequestRow.__tablename__], TABLES[InstructionRow.__tablename__]

_SAME = tuple(
    item.name
    for item in fields(Instruction)
    if item.name not in ("name", "request_id", "incident_id", "claimed_by", "model")
)
_OF_REQUEST = ("principal", "request_id", "incident_id", "report", "context", "decoding", "prefix", "body_digest")


def instructions() -> Select[Any]:
    """Everything of instructions that `record_of` needs."""
    return (
        select(INSTRUCTIONS, *(REQUESTS.c[name] for name in _OF_REQUEST), MODELS.c.name.label("model_name"))
        .join(REQUESTS, INSTRUCTIONS.c.request_key == REQUESTS.c.id)
        .join(MODELS, INSTRUCTIONS.c.model_digest == MODELS.c.digest)
    )


def record_of(row: Mapping[str, Any] | RowMapping) -> Instruction:
    """The record that a row of `instructions()` holds."""
    return Instruction(
        name=f"instructions/{row['id']}",
        request_id=row["request_id"] or "",
        incident_id=row["incident_id"] or "",
        claimed_by=row["claimed_by"] or "",
        model={"name": row["model_name"], "digest": row["model_digest"]},
        **{name: row[name] for name in _SAME},
    )


def earlier_requests() -> Select[Any]:
    """Everything of requests that `earlier_request_of` needs."""
    asked = (REQUESTS.c.request_id, REQUESTS.c.incident_id, REQUESTS.c.report)
    return select(INSTRUCTIONS.c.id, *asked, INSTRUCTIONS.c.situations, INSTRUCTIONS.c.created_at).join(
        REQUESTS, INSTRUCTIONS.c.request_key == REQUESTS.c.id
    )


def earlier_request_of(row: RowMapping) -> EarlierRequest:
    """The record that a row of `earlier_requests()` holds."""
    return EarlierRequest(
        name=f"instructions/{row['id']}",
        request_id=row["request_id"] or "",
        incident_id=row["incident_id"] or "",
        report=row["report"],
        situations=row["situations"],
        created_at=row["created_at"],
    )


def find_by_request_id(connection: Connection, principal: str, request_id: str) -> Instruction | None:
    """The answer stored for a principal's request_id."""
    query = instructions().where(REQUESTS.c.principal == principal, REQUESTS.c.request_id == request_id)
    found = connection.execute(query).one_or_none()
    return None if found is None else record_of(found._mapping)


def find_by_key(connection: Connection, key: str | None) -> Instruction | None:
    """The instruction with an ID."""
    if key is None:
        return None
    found = connection.execute(instructions().where(INSTRUCTIONS.c.id == key)).one_or_none()
    return None if found is None else record_of(found._mapping)


def require(transaction: Transaction, name: str) -> Row:
    """The row of the instruction named. Raises NotFound."""
    key = key_in(name)
    row = None if key is None else transaction.find(INSTRUCTIONS, key)
    if row is None:
        raise NotFound(name)
    return row


def save(transaction: Transaction, draft: Instruction, principal: str) -> Instruction:
    """Store a draft, or find what is stored already under its name or request_id.

    Raises RequestIdConflict where the request_id's body was another.
    """
    connection = transaction.connection
    earlier = find_by_key(connection, key_in(draft.name))
    if earlier is None and draft.request_id:
        earlier = find_by_request_id(connection, principal, draft.request_id)
        if earlier is not None and earlier.body_digest != draft.body_digest:
            raise RequestIdConflict(draft.request_id)
    return earlier or insert(transaction, draft, principal, "instruction.stored", {})


def insert(
    transaction: Transaction, draft: Instruction, principal: str, action: str, details: Mapping[str, Any]
) -> Instruction:
    """Store a draft that is new, with its event."""
    created = {"created_at": draft.created_at}
    if draft.incident_id and transaction.find(INCIDENTS, draft.incident_id) is None:
        transaction.insert(INCIDENTS, {"id": draft.incident_id, **created})
    if transaction.find(MODELS, draft.model["digest"]) is None:
        transaction.insert(MODELS, {**draft.model, "first_seen_at": draft.created_at})
    values = vars(draft)
    key = key_in(draft.name or new_name())
    nullable = {name: values[name] or None for name in ("request_id", "incident_id", "claimed_by")}
    request = transaction.insert(REQUESTS, {**values, **nullable, "id": key, "principal": principal})
    answer = {
        "id": key,
        "request_key": key,
        "model_digest": draft.model["digest"],
        "urgency": PRIORITIES.index(draft.priority) if draft.priority in PRIORITIES else len(PRIORITIES),
    }
    row = transaction.insert(INSTRUCTIONS, {**values, **nullable, **answer})
    transaction.record(action, principal, f"instructions/{key}", details)
    asked = {name: request[name] for name in _OF_REQUEST}
    return record_of({**row, **asked, "model_name": draft.model["name"]})
