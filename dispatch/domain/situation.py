"""The situation (情报地图): the structured reading of one incident in a report, and the context beside the report."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dispatch.domain import fields, labels

JsonObject = dict[str, Any]

LIMIT = 10_000_000  # every stated number is below it, so that what doctrine computes from it fits 32 bits

_REQUESTED = re.compile(rf"(\d{{1,7}}(?:\.\d+)?)([{''.join(labels.UNITS)}])(\S.*)")


def format_number(value: float) -> str:
    """The shortest decimal text of a number: 3.0 -> "3", 0.5 -> "0.5"."""
    return str(int(value)) if value == int(value) else repr(float(value))


@dataclass(frozen=True)
class Count:
    """How many people: ``min`` to ``max`` (``None``: open above), as stated in the report."""

    min: int
    max: int | None
    approx: bool = False
    conflicting: bool = False

    def __post_init__(self) -> None:
        if self.min < 0 or (self.max is not None and self.max < self.min):
            raise ValueError(f"count {self.min}-{self.max}: must be 0 <= min <= max")
        if max(self.min, self.max or 0) >= LIMIT:
            raise ValueError(f"count {self.min}-{self.max}: must be below {LIMIT}")

    @property
    def uncertain(self) -> bool:
        """Whether somebody has to verify it: a range, an open or approximate count, or two that contradict."""
        return self.approx or self.conflicting or self.max != self.min

    def planning_number(self) -> int:
        """How many to plan for: the upper bound, but never more than twice the lower one."""
        if self.max is None:
            return 2 * self.min
        return min(self.max, 2 * self.min) if self.min else self.max

    def to_text(self) -> str:
        """One word: ``50``, ``50-60``, ``50+``; a leading ``~`` is approximate, a trailing ``!`` contradicted."""
        bounds = f"{self.min}+" if self.max is None else str(self.min)
        if self.max is not None and self.max != self.min:
            bounds = f"{self.min}-{self.max}"
        return f"{'~' if self.approx else ''}{bounds}{'!' if self.conflicting else ''}"

    @classmethod
    def from_text(cls, text: str) -> "Count":
        """Inverse of :meth:`to_text`. Raises ValueError for any other text."""
        match = re.fullmatch(r"(~?)(\d{1,7})(?:-(\d{1,7})|(\+))?(!?)", text, re.ASCII)
        if match is None:
            raise ValueError(f"not a count: {text!r}")
        approx, low, high, is_open, conflicting = match.groups()
        maximum = None if is_open else int(high or low)
        return cls(int(low), maximum, bool(approx), bool(conflicting))

    def to_dict(self) -> JsonObject:
        flags = {"approx": self.approx, "conflicting": self.conflicting}
        return {"min": self.min, "max": self.max} | {name: True for name, value in flags.items() if value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "count") -> "Count":
        """Inverse of :meth:`to_dict`; ``max`` may be left out. Raises ValueError naming the field, below ``where``."""
        fields.read_object(where, data, ("min", "max", "approx", "conflicting"))
        fields.require(where, data, ("min",))
        least, most = fields.read_whole_number(f"{where}.min", data["min"]), data.get("max")
        most = None if most is None else fields.read_whole_number(f"{where}.max", most)
        approx, conflicting = (fields.read_flag(f"{where}.{n}", data.get(n, False)) for n in ("approx", "conflicting"))
        try:
            return cls(least, most, approx, conflicting)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error


@dataclass(frozen=True)
class Requested:
    """A quantity asked for on scene, in the report's own word for the item: 3 艘 橡皮艇."""

    item: str
    count: float
    unit: str

    def __post_init__(self) -> None:
        _require_number("requested", self.item, self.count)

    def to_text(self) -> str:
        return f"{format_number(self.count)}{self.unit}{self.item}"

    @classmethod
    def from_text(cls, text: str) -> "Requested":
        """Inverse of :meth:`to_text`. Raises ValueError for any other text."""
        match = _REQUESTED.fullmatch(text)
        if match is None:
            raise ValueError(f"not a requested quantity: {text!r}")
        return cls(match[3], float(match[1]), match[2])

    def to_dict(self) -> JsonObject:
        return {"item": self.item, "count": self.count, "unit": self.unit}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "requested") -> "Requested":
        """Inverse of :meth:`to_dict`; ``unit`` may be left out. Raises ValueError naming the field, below ``where``."""
        fields.read_object(where, data, ("item", "count", "unit"))
        fields.require(where, data, ("item", "count"))
        return cls(
            fields.read_text(f"{where}.item", data["item"]),
            fields.read_number(f"{where}.count", data["count"]),
            fields.read_text(f"{where}.unit", data.get("unit", "")),
        )


@dataclass(frozen=True)
class Context:
    """What is known beside the report's text.

    ``location`` is the caller's place as the phone or the cell gives it; ``issued`` are the instructions already issued
    for the incident, oldest first.
    """

    location: str = ""
    issued: tuple[str, ...] = ()

    def to_dict(self) -> JsonObject:
        data: JsonObject = {"location": self.location} if self.location else {}
        return data | ({"issued": list(self.issued)} if self.issued else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Context":
        """Raises ValueError, naming the field, when a field has the wrong type or is unknown; null is left out."""
        fields.read_object("context", data, ("location", "issued"))
        location = "" if data.get("location") is None else fields.read_text("context.location", data["location"])
        issued = () if data.get("issued") is None else fields.read_texts("context.issued", data["issued"])
        return cls(location, issued)


@dataclass(frozen=True)
class Situation:
    """One incident as read from a report. Label tuples keep the order of :mod:`dispatch.domain.labels`.

    ``location`` is a verbatim span of the report or of the context's location, or "" when unknown; ``facts`` are the
    closed set that doctrine's rules read (flags are ``True``, the others numbers).
    """

    kind: str = "request"
    location: str = ""
    hazards: tuple[str, ...] = ()
    people: Mapping[str, Count] = field(default_factory=dict)
    vulnerable: tuple[str, ...] = ()
    outages: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    not_needed: tuple[str, ...] = ()
    requested: tuple[Requested, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, float | bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks every field (labels against their closed sets) and puts labels in canonical order."""
        for name in ("kind", "location"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"situation.{name}: must be text, not {getattr(self, name)!r}")
        _require_known("kind", (self.kind,), labels.KINDS)
        for name, known in LABEL_FIELDS.items():
            object.__setattr__(self, name, _canonical(name, getattr(self, name), known))
        for name, known in MAP_FIELDS.items():
            values = getattr(self, name)
            object.__setattr__(self, name, {key: values[key] for key in _canonical(name, tuple(values), known)})
        for name in ("measures", "facts"):
            for label, value in getattr(self, name).items():
                _require_number(name, label, value)

    def to_dict(self) -> JsonObject:
        """JSON object; empty fields are left out except kind and location."""
        data: JsonObject = {"kind": self.kind, "location": self.location}
        optional: JsonObject = {name: list(getattr(self, name)) for name in LABEL_FIELDS}
        optional["people"] = {category: count.to_dict() for category, count in self.people.items()}
        optional["requested"] = [requested.to_dict() for requested in self.requested]
        optional["measures"] = dict(self.measures)
        optional["facts"] = dict(self.facts)
        return data | {name: value for name, value in optional.items() if value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Situation":
        """Inverse of :meth:`to_dict`. Raises ValueError naming the field that is wrong."""
        known = ("kind", "location", *LABEL_FIELDS, "requested", *MAP_FIELDS, "contacts")
        fields.read_object("situation", data, known)
        people = _read_map("people", data)
        requested = enumerate(fields.read_list("situation.requested", data.get("requested", ())))
        facts = {name: _read_fact(name, value) for name, value in _read_map("facts", data).items()}
        return cls(
            kind=data.get("kind", "request"),
            location=data.get("location", ""),
            people={name: Count.from_dict(count, f"situation.people.{name}") for name, count in people.items()},
            requested=tuple(Requested.from_dict(item, f"situation.requested[{at}]") for at, item in requested),
            measures={
                name: fields.read_number(f"situation.measures.{name}", value)
                for name, value in _read_map("measures", data).items()
            },
            facts={name: value for name, value in facts.items() if value is not False},
            **{name: fields.read_texts(f"situation.{name}", data.get(name, ())) for name in LABEL_FIELDS},
        )


LABEL_FIELDS = {
    "hazards": labels.HAZARDS,
    "vulnerable": labels.VULNERABLE,
    "outages": labels.OUTAGES,
    "needs": labels.NEEDS,
    "not_needed": labels.NEEDS,
}
MAP_FIELDS = {"people": labels.PEOPLE, "measures": labels.MEASURES, "facts": labels.FACTS}


def _require_known(name: str, values: Sequence[str], known: Sequence[str]) -> None:
    for value in values:
        if value not in known:
            raise ValueError(f"situation.{name}: unknown label {value!r}, known are {', '.join(known)}")


def _require_number(name: str, label: str, value: float) -> None:
    if not 0 <= value < LIMIT:  # false for NaN too
        raise ValueError(f"situation.{name}: {label} is {value}, must be a number from 0 to below {LIMIT}")


def _read_map(name: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A field that holds values by label; an unknown label is told before what is wrong with its value."""
    values = fields.read_object(f"situation.{name}", data.get(name, {}))
    _require_known(name, tuple(values), MAP_FIELDS[name])
    return values


def _read_fact(name: str, value: Any) -> float | bool:
    read = fields.read_flag if name in labels.FLAG_FACTS else fields.read_number
    return read(f"situation.facts.{name}", value)


def _canonical(name: str, values: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    _require_known(name, values, known)
    return tuple(sorted(set(values), key=known.index))
