"""The store: every instruction, written to the database before anybody hears of it."""

import re
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import URL, Engine, Select, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dispatch.store.connection import connect, parse_url, store_errors, writing
from dispatch.store.errors import RequestIdConflict
from dispatch.store.migrate import prepare
from dispatch.store.records import EarlierRequest, Instruction, check_storable
from dispatch.store.schema import Base, IncidentRow, InstructionRow, ModelRow, RequestRow

_NAME = re.compile("instructions/([0-9a-f]{32})")
_INSERTS: dict[str, Callable[[type[Base]], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


class Store:
    """Requests and their instructions in SQLite or PostgreSQL. Threads may share one; make it with `Store.open`.

    Every method raises StoreError where the database fails. On SQLite let one process alone write.
    """

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine = engine
        self._writer = writing(engine)
        self._url = url

    @classmethod
    def open(cls, url: str) -> "Store":
        """The store at `sqlite:///FILE` or `postgresql://…`. A missing file and its folder are made; so are the tables
        of an empty database.

        Raises StoreError where the database cannot be written, is another program's, or is of another schema than
        this Dispatch's, and ValueError for a bad URL.
        """
        parsed = parse_url(url)
        engine = connect(parsed)
        try:
            with store_errors("open the database", parsed), writing(engine).begin() as connection:
                prepare(connection, parsed)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, parsed)

    def save(self, draft: Instruction, principal: str = "") -> Instruction:
        """Store a draft and return it under its name; it is on disk when this returns.

        Where the principal's request_id is already stored, that answer is returned instead; RequestIdConflict if its
        body was another. ValueError names the field that cannot be stored.
        """
        check_storable(draft)
        with store_errors("save the instruction", self._url):
            try:
                with Session(self._writer) as session, session.begin():
                    return _insert(session, draft, principal)
            except IntegrityError:
                stored = self.find_request(draft.request_id, principal)
                if stored is None:
                    raise
        if stored.body_digest != draft.body_digest:
            raise RequestIdConflict(draft.request_id)
        return stored

    def find_request(self, request_id: str, principal: str = "") -> Instruction | None:
        """The answer stored for a principal's request_id."""
        found = self._read(
            select(InstructionRow)
            .join(InstructionRow.request)
            .where(RequestRow.principal == principal, RequestRow.request_id == request_id)
        )
        return found[0] if found else None

    def get(self, name: str) -> Instruction | None:
        """The instruction named `instructions/ID`."""
        if not (match := _NAME.fullmatch(name)):
            return None
        found = self._read(select(InstructionRow).where(InstructionRow.id == match[1]))
        return found[0] if found else None

    def list_recent(self, limit: int) -> list[Instruction]:
        """The instructions stored last, newest first."""
        newest = InstructionRow.created_at.desc(), InstructionRow.id
        return self._read(select(InstructionRow).order_by(*newest).limit(limit))

    def list_since(self, moment: datetime, limit: int) -> list[EarlierRequest]:
        """The requests answered at a moment or after it, newest first, at most ``limit``."""
        query = (
            select(
                InstructionRow.id,
                RequestRow.request_id,
                RequestRow.incident_id,
                RequestRow.report,
                InstructionRow.situations,
            )
            .join(InstructionRow.request)
            .where(InstructionRow.created_at >= moment)
            .order_by(InstructionRow.created_at.desc(), InstructionRow.id)
            .limit(limit)
        )
        with store_errors("read the database", self._url), Session(self._engine) as session:
            return [
                EarlierRequest(
                    name=f"instructions/{row.id}",
                    request_id=row.request_id or "",
                    incident_id=row.incident_id or "",
                    report=row.report,
                    situations=row.situations,
                )
                for row in session.execute(query)
            ]

    def ping(self) -> None:
        """Raise StoreError if the database cannot be read now."""
        self.list_recent(1)

    def close(self) -> None:
        """Let go of the database; a second time does nothing."""
        self._engine.dispose()

    def _read(self, query: Select[InstructionRow]) -> list[Instruction]:
        with store_errors("read the database", self._url), Session(self._engine) as session:
            return [_record(row) for row in session.scalars(query)]


def _insert(session: Session, draft: Instruction, principal: str) -> Instruction:
    if draft.incident_id:
        _insert_missing(session, IncidentRow, {"id": draft.incident_id, "created_at": draft.created_at})
    _insert_missing(session, ModelRow, {**draft.model, "first_seen_at": draft.created_at})
    values = asdict(draft)
    request = RequestRow(
        id=uuid.uuid4().hex,
        principal=principal,
        request_id=draft.request_id or None,
        incident_id=draft.incident_id or None,
        **{key: values[key] for key in ("body_digest", "report", "context", "decoding", "prefix", "created_at")},
    )
    row = InstructionRow(id=uuid.uuid4().hex, request=request, model_digest=draft.model["digest"])
    for key in InstructionRow.__table__.columns.keys() & values.keys():
        setattr(row, key, values[key])
    session.add(row)
    session.flush()
    session.expire_all()  # what is returned is read back, so it equals what `get` will say
    return _record(row)


def _insert_missing(session: Session, table: type[Base], values: dict[str, object]) -> None:
    """Insert a row unless its key is there; two at the same time do not collide."""
    insert = _INSERTS[session.get_bind().dialect.name]
    session.execute(insert(table).values(values).on_conflict_do_nothing())


def _record(row: InstructionRow) -> Instruction:
    request, model = row.request, row.model
    return Instruction(
        name=f"instructions/{row.id}",
        request_id=request.request_id or "",
        incident_id=request.incident_id or "",
        report=request.report,
        context=request.context,
        decoding=request.decoding,
        prefix=request.prefix,
        body_digest=request.body_digest,
        instruction=row.instruction,
        candidates=row.candidates,
        situations=row.situations,
        plan=row.plan,
        checks=row.checks,
        confidence=row.confidence,
        model={"name": model.name, "digest": model.digest},
        doctrine=row.doctrine,
        timings=row.timings,
        priority=row.priority,
        review_state=row.review_state,
        created_at=row.created_at,
    )
