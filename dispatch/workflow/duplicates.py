"""Duplicates: an emergency is called in more than once, and whoever decides should see the draft made for it before."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from time import monotonic

from dispatch.domain import Check
from dispatch.domain.places import find_place
from dispatch.model import normalize
from dispatch.store import EarlierRequest, Instruction, InstructionStore
from dispatch.workflow.traits import Traits, likeness, traits_of

WINDOW = timedelta(hours=6)
_MOST = 300  # of the requests in the window, the newest: a disaster's flood of calls must not slow each of them
_OVERLAP = timedelta(seconds=30)  # a row is committed some time after the moment that it carries
_FRESH_S = 1.0
_NEARLY_THE_SAME = 0.7  # of the shingles of both texts together
_FEWEST_SHINGLES = 6  # a text of a few characters is like many others


class RecentReports:
    """The requests of the last hours as they are compared with a new one. Threads may share one.

    What other processes store is read again each second; what this one stores is to be added.
    """

    def __init__(self, store: InstructionStore) -> None:
        self._store = store
        self._lock = threading.Lock()  # of all below
        self._known = _Known()
        self._added: deque[Instruction] = deque(maxlen=_MOST)
        self._read_at = float("-inf")
        self._newest: datetime | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether `refresh` would have nothing to do."""
        return monotonic() - self._read_at < _FRESH_S

    def refresh(self) -> None:
        """Read what others have stored. Raises StoreError where the store cannot be read."""
        if self.is_fresh:
            return
        with self._lock:
            since = self._newest
        now = datetime.now(UTC)
        moment = now - WINDOW if since is None else min(since, now) - _OVERLAP  # the clock may have been put back
        rows = self._store.list_since(moment, _MOST)
        with self._lock:
            self._newest = now
            self._read_at = monotonic()
            self._learn(reversed(rows))

    def add(self, stored: Instruction) -> None:
        """Know one that was just stored."""
        self._added.append(stored)

    def mark(self, draft: Instruction, replaced: str = "") -> Instruction:
        """The draft with a POSSIBLE_DUPLICATE check for the newest earlier request that may be about the same
        emergency. The one that the draft takes the place of, by its name, is none.
        """
        own = traits_of(draft)
        with self._lock:
            self._learn(self._take_added())
            alike = self._known.alike(own)
        for earlier in alike:
            if earlier.created_at < draft.created_at - WINDOW or _is_the_same_by_name(own, earlier):
                continue
            if earlier.name == replaced:
                continue
            if shared := [span for phone, span in own.phones.items() if phone in earlier.phones]:
                return _with_check(draft, earlier, "the same telephone number", min(shared))
            if places := own.places & earlier.places:
                return _with_check(draft, earlier, "the same place and hazard", _span(draft, min(places)[0]))
            if _alike(own.shingles, earlier.shingles):
                return _with_check(draft, earlier, "nearly the same words", (0, 0))
        return draft

    def _take_added(self) -> Iterable[Instruction]:
        while self._added:
            yield self._added.popleft()

    def _learn(self, requests: Iterable[EarlierRequest | Instruction]) -> None:
        """Oldest first; with the lock held."""
        for request in requests:
            if request.name not in self._known:
                self._known.add(traits_of(request))


class _Known:
    """The newest requests, and who has what: so that a new one is compared with the few that may be alike."""

    def __init__(self) -> None:
        self._numbers = count()
        self._traits: dict[str, tuple[int, Traits]] = {}
        self._having: dict[str | tuple[str, str], set[str]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._traits

    def add(self, traits: Traits) -> None:
        """The newest; the oldest is forgotten where there are too many."""
        self._traits[traits.name] = (next(self._numbers), traits)
        for one in _singles(traits):
            self._having.setdefault(one, set()).add(traits.name)
        if len(self._traits) > _MOST:
            _, oldest = self._traits.pop(next(iter(self._traits)))
            for one in _singles(oldest):
                self._having[one].discard(oldest.name)
                if not self._having[one]:
                    del self._having[one]

    def alike(self, own: Traits) -> list[Traits]:
        """Those with a telephone or place of its, and those that may be nearly the same words; the newest first."""
        # Whatever has 70% of its shingles has one of any 31% of them, such as of those that the fewest others have.
        by_rarity = sorted((len(self._having.get(shingle, ())), shingle) for shingle in own.shingles)
        enough = int((1 - _NEARLY_THE_SAME) * len(by_rarity)) + 1
        rare = (shingle for _, shingle in by_rarity[:enough])
        wanted: tuple[str | tuple[str, str], ...] = (*own.phones, *own.places, *rare)
        names = {name for one in wanted for name in self._having.get(one, ())}
        return [traits for _, traits in sorted((self._traits[name] for name in names), key=lambda each: -each[0])]


def _singles(traits: Traits) -> Iterator[str | tuple[str, str]]:
    """What is looked for; a telephone number is longer than a shingle."""
    yield from traits.phones
    yield from traits.places
    yield from traits.shingles


def _is_the_same_by_name(own: Traits, earlier: Traits) -> bool:
    """Whether the caller already says that both belong together: a repeat, or another report of one incident."""
    return bool(
        (own.request_id and own.request_id == earlier.request_id)
        or (own.incident_id and own.incident_id == earlier.incident_id)
    )


def _with_check(draft: Instruction, earlier: Traits, why: str, span: tuple[int, int]) -> Instruction:
    message = f"{why} as in {earlier.name} of the last six hours"
    check = Check("POSSIBLE_DUPLICATE", "info", message, "report", *span)
    return replace(draft, checks=[*draft.checks, check.to_dict()])


def _span(draft: Instruction, place: str) -> tuple[int, int]:
    """Where a place stands in the report's own characters; 0, 0 where it does not."""
    report = normalize(draft.report)
    start = next(find_place(place, report.text), None)
    return (0, 0) if start is None else report.span(start, start + len(place))


def _alike(shingles: frozenset[str], theirs: frozenset[str]) -> bool:
    fewest, most = sorted((len(shingles), len(theirs)))
    if fewest < _FEWEST_SHINGLES or fewest < _NEARLY_THE_SAME * most:  # no need to compare them
        return False
    return likeness(shingles, theirs) >= _NEARLY_THE_SAME
