"""What answers `dispatch review` without a server: the store itself, with the answers that a server gives."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dispatch.client import (
    AuditEvent,
    Check,
    Decision,
    History,
    InstructionPage,
    ReviewClient,
    ReviewedInstruction,
)
from dispatch.client.conversion import to_check
from dispatch.client.review_conversion import to_audit_event, to_decision, to_reviewed
from dispatch.domain import default_doctrine
from dispatch.server import review_messages
from dispatch.settings import Settings
from dispatch.store import ALL_SCOPES, Instruction, QueueFilter, Store
from dispatch.v1 import types_pb2
from dispatch.workflow import ReviewConfig, ReviewDesk, Reviewer

_LOOK_AGAIN_S = 0.5
_AT_ONCE = 100


class LocalDesk:
    """The review desk of a store, for somebody who can open its file anyway and so may do everything."""

    def __init__(self, desk: ReviewDesk, reviewer: Reviewer) -> None:
        self._desk = desk
        self._reviewer = reviewer

    def list_instructions(
        self,
        *,
        states: Sequence[str],
        priority: str,
        hazard: str,
        text: str,
        claimed_by: str,
        incident_id: str,
        page_size: int,
        page_token: str,
    ) -> InstructionPage:
        wanted = QueueFilter(
            states=tuple(states),
            priority=priority,
            hazard=hazard,
            text=text,
            claimed_by=claimed_by,
            incident_id=incident_id,
        )
        page = self._desk.list(self._reviewer, wanted, limit=page_size, token=page_token)
        listed = (to_reviewed(review_messages.to_listed(instruction)) for instruction in page.instructions)
        return InstructionPage(tuple(listed), page.next_token)

    def get_instruction(self, name: str) -> History:
        instruction = _reviewed(self._desk.get(self._reviewer, name))
        decisions = self._desk.history(self._reviewer, name)
        return History(instruction, tuple(to_decision(review_messages.to_decision(review)) for review in decisions))

    def claim(self, name: str) -> ReviewedInstruction:
        return _reviewed(self._desk.claim(self._reviewer, name))

    def release(self, name: str) -> ReviewedInstruction:
        return _reviewed(self._desk.release(self._reviewer, name))

    def approve(self, name: str, *, etag: str, reason: str) -> ReviewedInstruction:
        return _reviewed(self._desk.approve(self._reviewer, name, etag=etag, reason=reason))

    def revise(self, name: str, *, etag: str, text: str, reason: str) -> ReviewedInstruction:
        return _reviewed(self._desk.revise(self._reviewer, name, etag=etag, text=text, reason=reason))

    def check_revision(self, name: str, text: str) -> tuple[Check, ...]:
        checks = self._desk.checks_of(name, text)
        return tuple(to_check(types_pb2.Check(**vars(check))) for check in checks)

    def reject(self, name: str, *, etag: str, reason: str) -> ReviewedInstruction:
        return _reviewed(self._desk.reject(self._reviewer, name, etag=etag, reason=reason))

    def return_for_review(self, name: str, *, etag: str, reason: str) -> ReviewedInstruction:
        return _reviewed(self._desk.return_for_review(self._reviewer, name, etag=etag, reason=reason))

    def recall(self, name: str, *, etag: str, reason: str, superseded_by: str) -> ReviewedInstruction:
        if superseded_by:
            return _reviewed(self._desk.supersede(self._reviewer, name, etag=etag, by=superseded_by, reason=reason))
        return _reviewed(self._desk.recall(self._reviewer, name, etag=etag, reason=reason))

    def watch(self, *, after: int, agency: str) -> Iterator[Decision]:
        self._desk.begin_watch(self._reviewer, after=after, agency=agency)
        while True:
            newest = self._desk.last_cursor(self._reviewer)
            found = self._desk.decisions(self._reviewer, after=after, agency=agency, limit=_AT_ONCE)
            yield from (to_decision(review_messages.to_decision(review)) for review in found)
            after = found[-1].cursor if found else after
            after = after if len(found) == _AT_ONCE else max(newest, after)
            if len(found) < _AT_ONCE:
                time.sleep(_LOOK_AGAIN_S)

    def list_audit_events(self, *, subject: str, after: int, page_size: int) -> tuple[AuditEvent, ...]:
        events = self._desk.audit(self._reviewer, subject=subject, after=after, limit=page_size)
        return tuple(to_audit_event(review_messages.to_audit_event(event)) for event in events)


Desk = LocalDesk | ReviewClient


@contextmanager
def open_local_desk(database_url: str, actor: str, settings: Settings) -> Iterator[Desk]:
    """A desk at a store. Raises StoreError where that cannot be used."""
    store = Store.open(database_url)
    config = ReviewConfig(lease_s=settings.review_lease_s, low_confidence=settings.review_low_confidence)
    try:
        yield LocalDesk(ReviewDesk(store, default_doctrine(), config), Reviewer(actor, ALL_SCOPES))
    finally:
        store.close()


def _reviewed(instruction: Instruction) -> ReviewedInstruction:
    return to_reviewed(review_messages.to_instruction(instruction))
