"""Merging: reports that may be of one incident are proposed, a person says which are, and the draft is made anew.

The machine merges nothing by itself, and no report is ever held back: until a person has merged it, each waits in the
queue by itself; merged, it has a second draft that knows what the incident has already.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

from dispatch.decoding import DecodingConfig
from dispatch.domain import Context
from dispatch.domain.places import is_same_place
from dispatch.domain.situation import JsonObject
from dispatch.store import (
    Audit,
    Decision,
    EtagMismatch,
    Incidents,
    Instruction,
    NotFound,
    Reviews,
    StateConflict,
    Store,
)
from dispatch.store.incidents import MERGED
from dispatch.workflow.duplicates import WINDOW
from dispatch.workflow.intake import IntakeRequest
from dispatch.workflow.live import LiveIntake
from dispatch.workflow.review import ReviewDesk, Reviewer
from dispatch.workflow.standing import STANDING
from dispatch.workflow.traits import Traits, likeness, traits_of

REASONS = ("contact", "place", "text")
"""What two reports may have in common: a telephone number, a named place, words."""

_MOST_COMPARED = 500  # before and after, the nearest: somebody waits for the proposals
_LEAST_SCORE = 0.2
_MOST_EVENTS = 1000  # of one instruction
_UNDECIDED = ("pending", "claimed")

# How far one thing in common tells that two reports are of one incident, 0 to 1. What a person proposes to merge is
# looked at by that person, so these only have to put the likely ones first.
_SAME_CONTACT = 0.8
_SAME_CONTACT_ELSEWHERE = 0.4  # a volunteer, or a village's officer, who reports several
_SAME_PLACE_AND_HAZARD = 0.6
_SAME_PLACE = 0.3
_ALIKE_FROM = 0.3  # below, texts of one kind of disaster are so much alike anyhow


@dataclass(frozen=True, kw_only=True)
class MergeProposal:
    """Another report that may be of the same incident."""

    name: str
    """Of its instruction."""
    incident_id: str
    """Empty where it belongs to none yet."""
    reasons: tuple[str, ...]
    """Of REASONS, what both have in common."""
    score: float
    """0 to 1; it ranks proposals, and is no probability."""
    apart: timedelta
    """Between the two reports."""

    @property
    def into(self) -> str:
        """What to merge into, as `Merging.merge` takes it."""
        return self.incident_id or self.name


def propose_merges(store: Store, name: str, limit: int = 10) -> Sequence[MergeProposal]:
    """Reports within six hours that may be of the same incident as an instruction's, the likeliest first.

    Of an incident with several, the likeliest alone. Raises NotFound, StoreError.
    """
    instruction = store.get(name)
    if instruction is None:
        raise NotFound(name)
    own = traits_of(instruction)
    near = Incidents(store.database).near(own.created_at, within=WINDOW, limit=_MOST_COMPARED)
    others = [traits_of(request) for request in near if request.name != name]
    proposals = [
        _compare(own, other) for other in others if not own.incident_id or own.incident_id != other.incident_id
    ]
    likely = sorted(
        (proposal for proposal in proposals if proposal.reasons and proposal.score >= _LEAST_SCORE),
        key=lambda proposal: (-proposal.score, proposal.apart, proposal.name),
    )
    best: dict[str, MergeProposal] = {}
    for proposal in likely:
        best.setdefault(proposal.into, proposal)
    return list(best.values())[:limit]


class Merging:
    """Merges by a person's word. Of the event loop of the intake."""

    def __init__(self, store: Store, desk: ReviewDesk, intake: LiveIntake) -> None:
        self._store = store
        self._desk = desk
        self._intake = intake
        self._incidents = Incidents(store.database)
        self._reviews = Reviews(store.database)

    async def merge(self, reviewer: Reviewer, name: str, into_incident: str, *, etag: str) -> Instruction:
        """Have an instruction's report belong to an incident; returns the second draft for it, which then waits in the
        queue. The first draft is superseded, with the orders that it may have released.

        ``into_incident`` is an incident's id or, where it has none yet, the name of an instruction of it. Its own
        incident is fine as well: then the draft is only made anew, with what the incident has by now. ``etag`` is of
        the first draft as the reviewer saw it.

        The first draft is claimed for the reviewer meanwhile, and superseded last: wherever this ends early, the report
        is in the queue, and merging again goes on from there. Raises NotAllowed without the scope review, and for what
        is released without supervise; NotFound, EtagMismatch, LeaseHeld, StateConflict, ValueError where both are the
        same; and what `LiveIntake.submit` does.
        """
        first, request = await asyncio.to_thread(self._begin, reviewer, name, into_incident, etag)
        second = await asyncio.to_thread(self._store.find_request, request.request_id)
        if second is not None and second.review_state not in STANDING:  # of a merge that ended early, and since decided
            second, request = None, replace(request, request_id="")
        if second is None:
            second = await self._intake.submit(request)
        await asyncio.to_thread(self._reviews.decide, Decision(
            name=name,
            action="superseded",
            reviewer=reviewer.name,
            etag=first.etag,
            text=second.name,
            reason=f"merged into incident {request.incident_id}",
        ))  # fmt: skip
        return second

    def _begin(self, reviewer: Reviewer, name: str, into_incident: str, etag: str) -> tuple[Instruction, IntakeRequest]:
        """The first draft, in nobody else's hands, and what to ask for in its place."""
        reviewer.require("review")
        first = self._store.get(name)
        if first is None:
            raise NotFound(name)
        if first.etag != etag:
            raise EtagMismatch(name)
        if first.erased_at is not None or first.review_state not in STANDING:
            raise StateConflict(name, "merged", "erased" if first.erased_at else first.review_state)
        if first.review_state in _UNDECIDED:
            first = self._desk.claim(reviewer, name)
        else:
            reviewer.require("supervise")
        issued = self._issued_elsewhere(first)
        incident = self._incidents.join(name, into_incident, reviewer.name)
        request = IntakeRequest(
            first.report,
            Context(first.context.get("location", ""), tuple(issued)),
            _decoding_of(first.decoding),
            request_id=f"merge-{name.removeprefix('instructions/')}-{incident}",
            incident_id=incident,
            priority=first.priority,
            replaces=name,
        )  # without the prefix: who typed it did not know what the incident has
        return first, request

    def _issued_elsewhere(self, first: Instruction) -> Sequence[str]:
        """What the caller said was issued, without what was filled in for incidents that it belonged to."""
        events = Audit(self._store.database).events(subject=first.name, limit=_MOST_EVENTS)
        incidents = {first.incident_id, *(event.details["before"] for event in events if event.action == MERGED)} - {""}
        earlier = [row for incident in incidents for row in self._store.list_incident(incident)]
        filled = {text for row in earlier for text in (row.instruction, row.final_text)}
        return [text for text in first.context.get("issued", ()) if text not in filled]


def _compare(own: Traits, other: Traits) -> MergeProposal:
    """Each thing in common makes it likelier, and the more so the nearer both are in time."""
    apart = abs(own.created_at - other.created_at)
    found = dict(_in_common(own, other))
    doubt = 1.0
    for strength in found.values():
        doubt *= 1 - strength
    nearness = 1 - 0.5 * min(1.0, apart / WINDOW)
    return MergeProposal(
        name=other.name,
        incident_id=other.incident_id,
        reasons=tuple(found),
        score=round(nearness * (1 - doubt), 3),
        apart=apart,
    )


def _in_common(own: Traits, other: Traits) -> Iterator[tuple[str, float]]:
    """Of REASONS, each with how much it tells."""
    hazards = [hazard == theirs for place, hazard in own.places for name, theirs in other.places
               if is_same_place(place, name)]  # fmt: skip
    if own.phones.keys() & other.phones.keys():
        elsewhere = own.places and other.places and not hazards
        yield "contact", _SAME_CONTACT_ELSEWHERE if elsewhere else _SAME_CONTACT
    if hazards:
        yield "place", _SAME_PLACE_AND_HAZARD if any(hazards) else _SAME_PLACE
    alike = likeness(own.shingles, other.shingles)
    if alike >= _ALIKE_FROM:
        yield "text", alike


def _decoding_of(stored: JsonObject) -> DecodingConfig:
    """The options of a stored request; those that this version does not know are left out."""
    known = {field.name for field in fields(DecodingConfig)}
    options: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items() if name in known
    }
    return DecodingConfig(**options)
