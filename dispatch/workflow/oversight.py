"""Oversight: what a supervisor should know of the reviews, of the models, and of what comes in."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from dispatch.store import Backlog, Decided, Reported, Statistics, Store

DECISIONS = 2000  # of the last ones that are looked at
REPORTS = 5000
_DRIFT_RATIO = 1.5  # of a day's median length to that of the days before it
_DRIFT_SHARE = 0.1  # by which the share of unknown characters has to rise
_FEWEST = 20  # reports a day, to be told from the others

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Times:
    """How long drafts of one priority waited for their decision, in seconds."""

    priority: str
    decisions: int
    median_s: float
    p90_s: float


@dataclass(frozen=True)
class Overrides:
    """How often drafts were not approved as they stood, of one reviewer or one hazard."""

    name: str
    decisions: int
    revised: int
    rejected: int

    @property
    def rate(self) -> float:
        """Of the decisions, those that revised or rejected."""
        return (self.revised + self.rejected) / self.decisions


@dataclass(frozen=True)
class Quality:
    """One model on one day (UTC), by what reviewers did with its drafts."""

    day: date
    model: str
    decisions: int
    unchanged: float
    """The share that was approved as it stood."""
    confidence: float
    """The mean."""


@dataclass(frozen=True)
class Drift:
    """The reports of one day (UTC)."""

    day: date
    reports: int
    median_length: float
    unknown: float
    """The share with characters that the model does not know."""
    drifted: bool
    """Whether they are unlike those of the days before."""


@dataclass(frozen=True)
class Overview:
    """All of it."""

    backlog: Sequence[Backlog]
    times: Sequence[Times]
    by_reviewer: Sequence[Overrides]
    by_hazard: Sequence[Overrides]
    quality: Sequence[Quality]
    drift: Sequence[Drift]
    decisions: int
    reports: int


def read_overview(store: Store) -> Overview:
    """Of a store as it is now. Raises StoreError."""
    found = Statistics(store.database)
    decided, reported = found.decided(DECISIONS), found.reported(REPORTS)
    return Overview(
        found.backlog(),
        times_of(decided),
        overrides_of(decided, lambda decision: [decision.reviewer]),
        overrides_of(decided, _hazards),
        quality_of(decided),
        drift_of(reported),
        len(decided),
        len(reported),
    )


def times_of(decided: Sequence[Decided]) -> list[Times]:
    """By priority, the one with the shortest median first."""
    waited = _grouped(
        (decision.priority, (decision.decided_at - decision.created_at).total_seconds()) for decision in decided
    )
    times = [Times(priority, len(each), statistics.median(each), _p90(each)) for priority, each in waited.items()]
    return sorted(times, key=lambda found: found.median_s)


def overrides_of(decided: Sequence[Decided], names: Callable[[Decided], Iterable[str]]) -> list[Overrides]:
    """By what ``names`` gives for a decision, the most often decided first."""
    actions = _grouped((name, decision.action) for decision in decided for name in names(decision))
    found = [
        Overrides(name, len(each), each.count("revised"), each.count("rejected")) for name, each in actions.items()
    ]
    return sorted(found, key=lambda overrides: (-overrides.decisions, overrides.name))


def quality_of(decided: Sequence[Decided]) -> list[Quality]:
    """By day and model, the newest first."""
    by_day = _grouped(((decision.decided_at.date(), decision.model), decision) for decision in decided)
    return [
        Quality(
            day,
            model,
            len(each),
            sum(decision.action == "approved" for decision in each) / len(each),
            statistics.fmean(decision.confidence for decision in each),
        )
        for (day, model), each in sorted(by_day.items(), key=lambda item: item[0], reverse=True)
    ]


def drift_of(reported: Sequence[Reported]) -> list[Drift]:
    """By day, the newest first; a day is compared with all before it."""
    by_day = _grouped((report.created_at.date(), report) for report in reported)
    drifts: list[Drift] = []
    lengths: list[int] = []
    unknowns: list[bool] = []
    for day, reports in sorted(by_day.items()):
        of_day = [report.length for report in reports]
        unknown_of_day = [any(check["code"] == "UNKNOWN_CHARACTERS" for check in report.checks) for report in reports]
        median, unknown = statistics.median(of_day), statistics.fmean(unknown_of_day)
        drifted = False
        if len(lengths) >= _FEWEST and len(of_day) >= _FEWEST:
            ratio = (median + 1) / (statistics.median(lengths) + 1)
            risen = unknown - statistics.fmean(unknowns)
            drifted = max(ratio, 1 / ratio) >= _DRIFT_RATIO or risen >= _DRIFT_SHARE
        drifts.append(Drift(day, len(of_day), median, unknown, drifted))
        lengths += of_day
        unknowns += unknown_of_day
    return drifts[::-1]


def _hazards(decision: Decided) -> set[str]:
    return {hazard for situation in decision.situations for hazard in situation.get("hazards", [])}


def _grouped(pairs: Iterable[tuple[K, V]]) -> Mapping[K, list[V]]:
    groups: dict[K, list[V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def _p90(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.9 * len(values)))]
