"""What a supervisor asks of the store: how much waits, and what was decided and reported of late."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from dispatch.domain import PRIORITIES
from dispatch.domain.situation import JsonObject
from dispatch.store.database import Database
from dispatch.store.records import utc_now
from dispatch.store.reviews import REVIEWS
from dispatch.store.rows import INSTRUCTIONS, MODELS, REQUESTS

DECIDED = ("approved", "revised", "rejected")


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What waits, of one priority."""

    priority: str
    waiting: int
    """Unclaimed, or claimed by a claim that has expired."""
    claimed: int
    overdue: int
    """Of both, those past their due_at."""
    oldest: datetime | None
    """When the one was stored that has waited longest."""


@dataclass(frozen=True, kw_only=True)
class Decided:
    """One decision beside what it was about."""

    action: str
    reviewer: str
    decided_at: datetime
    created_at: datetime
    """When the draft was stored."""
    priority: str
    confidence: float
    model: str
    situations: list[JsonObject]


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One report, without its text."""

    created_at: datetime
    length: int
    """Characters."""
    checks: list[JsonObject]


class Statistics:
    """Reads a database; each answer is of bounded size. Every method raises StoreError where the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def backlog(self) -> Sequence[Backlog]:
        """By priority, the most urgent first; priorities of which nothing waits are left out."""
        table, now = INSTRUCTIONS.c, utc_now()
        expired = table.lease_expires_at <= now
        count = func.count()
        found: dict[tuple[int, bool], tuple[int, int, datetime]] = {}
        with self._database.reading() as connection:
            for state, is_expired in (("pending", None), ("claimed", True), ("claimed", False)):
                query = select(
                    table.urgency, count, count.filter(table.due_at < now), func.min(table.created_at)
                ).where(table.review_state == state, table.erased_at.is_(None))
                if is_expired is not None:
                    query = query.where(expired if is_expired else ~expired)
                for urgency, number, late, oldest in connection.execute(query.group_by(table.urgency)):
                    key = urgency, state == "claimed" and not is_expired
                    before = found.get(key, (0, 0, oldest))
                    found[key] = before[0] + number, before[1] + late, min(before[2], oldest)
        return [_backlog(urgency, found) for urgency in sorted({urgency for urgency, _ in found})]

    def decided(self, limit: int) -> Sequence[Decided]:
        """The last decisions of people about drafts, the newest first."""
        table = INSTRUCTIONS.c
        query = (
            select(
                REVIEWS.c.action,
                REVIEWS.c.reviewer,
                REVIEWS.c.decided_at,
                table.created_at,
                table.priority,
                table.confidence,
                MODELS.c.name.label("model"),
                table.situations,
            )
            .join(INSTRUCTIONS, REVIEWS.c.instruction_id == table.id)
            .join(MODELS, table.model_digest == MODELS.c.digest)
            .where(REVIEWS.c.action.in_(DECIDED))
            .order_by(REVIEWS.c.cursor.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [Decided(**row._mapping) for row in connection.execute(query)]

    def reported(self, limit: int) -> Sequence[Reported]:
        """The last reports that are not erased, the newest first."""
        table = INSTRUCTIONS.c
        query = (
            select(table.created_at, func.length(REQUESTS.c.report).label("length"), table.checks)
            .join(REQUESTS, table.request_key == REQUESTS.c.id)
            .where(table.erased_at.is_(None))
            .order_by(table.created_at.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [Reported(**row._mapping) for row in connection.execute(query)]


def _backlog(urgency: int, found: dict[tuple[int, bool], tuple[int, int, datetime]]) -> Backlog:
    parts = {claimed: found[urgency, claimed] for claimed in (False, True) if (urgency, claimed) in found}
    return Backlog(
        priority=PRIORITIES[urgency] if urgency < len(PRIORITIES) else "",
        waiting=parts[False][0] if False in parts else 0,
        claimed=parts[True][0] if True in parts else 0,
        overdue=sum(late for _, late, _ in parts.values()),
        oldest=min(oldest for *_, oldest in parts.values()),
    )
