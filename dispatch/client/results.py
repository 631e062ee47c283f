"""What a server answers, as plain values.

They take whatever a server sends: labels are texts, also those that this version does not know. `to_dict` gives the
JSON object that the command line prints.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dispatch.client.errors import DispatchError
from dispatch.client.report import Report

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Count:
    """How many people: `min` to `max` (None: open above), as the report states it."""

    min: int
    max: int | None
    approx: bool = False
    conflicting: bool = False
    """The report gives two counts that contradict each other."""

    def to_dict(self) -> JsonObject:
        flags = {"approx": self.approx, "conflicting": self.conflicting}
        return {"min": self.min, "max": self.max} | {name: True for name, value in flags.items() if value}


@dataclass(frozen=True)
class Requested:
    """A quantity that somebody on scene asked for, in the report's own word for the item."""

    item: str
    count: float
    unit: str

    def to_dict(self) -> JsonObject:
        return dict(vars(self))


@dataclass(frozen=True)
class Situation:
    """One incident as the model has read it from the report."""

    kind: str
    """request, offer, resolved or other."""
    location: str
    """Verbatim from the report or the context; empty when unknown."""
    hazards: tuple[str, ...]
    people: Mapping[str, Count]
    """By category: trapped, injured, buried, missing, households."""
    vulnerable: tuple[str, ...]
    outages: tuple[str, ...]
    needs: tuple[str, ...]
    not_needed: tuple[str, ...]
    requested: tuple[Requested, ...]
    measures: Mapping[str, float]
    """Stated quantities; the unit ends the name where there is one, as in snow_depth_m."""
    facts: Mapping[str, float | bool]

    def to_dict(self) -> JsonObject:
        """Empty fields are left out except kind and location."""
        labels = ("hazards", "vulnerable", "outages", "needs", "not_needed")
        optional: JsonObject = {name: list(getattr(self, name)) for name in labels}
        optional["people"] = {category: count.to_dict() for category, count in self.people.items()}
        optional["requested"] = [requested.to_dict() for requested in self.requested]
        optional["measures"] = dict(self.measures)
        optional["facts"] = dict(self.facts)
        return {"kind": self.kind, "location": self.location} | {
            name: value for name, value in optional.items() if value
        }


@dataclass(frozen=True)
class Order:
    """One order of the plan to one agency; `count` is None where doctrine gives no number."""

    agency: str
    action: str
    item: str
    count: int | None
    unit: str
    place: str

    def to_dict(self) -> JsonObject:
        return dict(vars(self))


@dataclass(frozen=True)
class Check:
    """One finding. `target[start:end]`, in code points, is what it is about; 0, 0 means the whole of it."""

    code: str
    severity: str
    """info, warning or error."""
    message: str
    target: str
    """report, instruction or context (its location)."""
    start: int
    end: int

    def to_dict(self) -> JsonObject:
        return dict(vars(self))


@dataclass(frozen=True)
class Candidate:
    """One hypothesis of the search, or doctrine's text for the situations; of the scores the higher is the better."""

    text: str
    score: float
    token_scores: tuple[float, ...]
    """Log-probability of each token; none for doctrine's text."""

    def to_dict(self) -> JsonObject:
        return {"text": self.text, "score": self.score, "token_scores": list(self.token_scores)}


@dataclass(frozen=True)
class ModelIdentity:
    """Which weights answered; `digest` is that of the bundle's checksums."""

    name: str
    digest: str

    def to_dict(self) -> JsonObject:
        return dict(vars(self))


@dataclass(frozen=True)
class Admitted:
    """Stage of a stream: the report was taken, behind `ahead` others."""

    ahead: int


@dataclass(frozen=True)
class Reading:
    """Stage of a stream: what the model has read, and how likely the instruction will be right."""

    situations: tuple[Situation, ...]
    confidence: float


@dataclass(frozen=True)
class DraftOrder:
    """Stage of a stream: one order of the instruction, which is stored by then; the texts joined are the instruction.

    The spans of `checks` count from the beginning of the whole instruction.
    """

    text: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Answer:
    """A stored instruction with everything that led to it; last stage of a stream."""

    name: str
    """Resource name in the server's store: instructions/ID."""
    instruction: str
    candidates: tuple[Candidate, ...]
    """The one to send first; its text is the instruction. None in pass-through: the instruction is the report then."""
    situations: tuple[Situation, ...]
    plan: tuple[Order, ...]
    checks: tuple[Check, ...]
    confidence: float
    """How likely the instruction is right, 0 to 1, by the bundle's calibration; without one, the probability of the
    token of which the model is least certain."""
    review_state: str
    """pending until a person decides."""
    releasable: bool
    """Whether a person has approved the text."""
    due_at: datetime | None
    """When the review is due, in UTC; None where none is scheduled."""
    model: ModelIdentity
    doctrine: str
    """Digest of the doctrine that made the plan."""
    timings: Mapping[str, float]
    """Seconds by stage."""

    @property
    def situation(self) -> Situation | None:
        """The first of the situations; None where the model reads none."""
        return self.situations[0] if self.situations else None

    def to_dict(self) -> JsonObject:
        """What `dispatch generate --json` prints, and review_state, releasable and due_at."""
        return {
            "name": self.name,
            "instruction": self.instruction,
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            "situation": self.situation.to_dict() if self.situation else {},
            "situations": [situation.to_dict() for situation in self.situations],
            "plan": [order.to_dict() for order in self.plan],
            "checks": [check.to_dict() for check in self.checks],
            "confidence": self.confidence,
            "model": self.model.to_dict(),
            "doctrine": self.doctrine,
            "timings": dict(self.timings),
            "review_state": self.review_state,
            "releasable": self.releasable,
            "due_at": self.due_at.isoformat().replace("+00:00", "Z") if self.due_at else None,
        }


Stage = Admitted | Reading | DraftOrder | Answer


@dataclass(frozen=True)
class Translated:
    """A report of `translate` with its answer, or with the error that stands in its place."""

    report: Report
    answer: Answer | None = None
    error: DispatchError | None = None


@dataclass(frozen=True)
class Model:
    """A model that the server has loaded."""

    identity: ModelIdentity
    labels: tuple[str, ...]
    """stable, canary or shadow; none where it is only asked for by name."""
    share: float
    """Of the calls that ask for no model, the part that it answers (canary) or reads along (shadow), 0 to 1."""
    engine: str

    def to_dict(self) -> JsonObject:
        return dict(vars(self)) | {"identity": self.identity.to_dict(), "labels": list(self.labels)}


@dataclass(frozen=True)
class ServedModels:
    """The models that are loaded, and whether they draft (assist) or reports pass as they are (pass-through)."""

    models: tuple[Model, ...]
    serving_mode: str

    def to_dict(self) -> JsonObject:
        return {"models": [model.to_dict() for model in self.models], "serving_mode": self.serving_mode}
