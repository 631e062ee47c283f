"""Reckonings: clauses from whose numbers the counts follow (里面原有12个,出来5个), or that hold other numbers as well.

The lexicon lists them in ``reckoned`` of people.yaml under keys that state what each entry of theirs says: what the
counts are in terms of the slots, which a reader has to add or take off, and what else is said. ``trapped = all - out``;
``trapped = n, injured = part``; ``injured = severe + light``; ``trapped = count, floor``. A slot that bears the name of
a label states it, too: two severely injured, a floor, an elderly group. ``count`` is a count of any form (十几个,
30多人); slots of other names (``other``, ``few``) count nobody.
"""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate

from dispatch.domain import labels
from dispatch.domain.situation import Count
from training.synthesis.hazards import TABLES
from training.synthesis.holdout import Draw
from training.synthesis.keys import fits_hazard, split_key
from training.synthesis.lexicon import Entries
from training.synthesis.numbers import draw_count, spell

_TERM = re.compile(r"([+-])?\s?(\w+)")
_NUMBER_LABELS = (*labels.NUMBER_FACTS, *labels.MEASURES)
_MOST_TRIES = 40  # of numbers from which every count follows that was asked for
_MOST_RECKONED = 120  # people whom a caller adds up or takes off
_LIMITS: Mapping[str, tuple[int, int]] = {
    **{"floor": (2, 18), "hours": (2, 72), "cars": (2, 60), "vehicles": (2, 12), "altitude_m": (1200, 5200)},
    **{"km": (2, 60), "age": (65, 96), "battery_percent": (1, 29), "few": (2, 5), "other": (2, 60)},
}
_PARTS = frozenset({"part", "lost", "out"})  # of the whole that another slot states
_SEVERITIES = frozenset({"severe", "moderate", "light"})
_COUNTING = ("n", "all", "count")
_WORDS = {True: ("个", "个", "人", "个人"), False: ("人", "名", "人")}
_HOUSEHOLD_WORDS = ("户", "户", "户人家")
_COLLOQUIAL = {2: "俩", 3: "仨"}  # before no measure word
_COLLOQUIAL_SHARE = 0.2


@dataclass(frozen=True)
class Reckoning:
    """What the entries under one key say: each count as a sum of slots and whole numbers with their signs."""

    key: str
    people: Mapping[str, tuple[tuple[int, str], ...]]
    slots: tuple[str, ...]
    stated: tuple[str, ...]  # labels that are said without a number
    hazards: frozenset[str]

    @classmethod
    def from_key(cls, key: str) -> "Reckoning":
        """Raises ValueError for a key that counts nobody, or states what is neither a label nor a slot."""
        people: dict[str, tuple[tuple[int, str], ...]] = {}
        slots: list[str] = []
        stated: list[str] = []
        parts, hazards = split_key(key)
        for part in parts:
            label, equals, terms = part.partition(" = ")
            if equals and label in labels.PEOPLE:
                people[label] = tuple((-1 if m[1] == "-" else 1, m[2]) for m in _TERM.finditer(terms))
                slots += [name for _, name in people[label] if not name.isdecimal()]
            elif label in labels.FLAG_FACTS or label in labels.VULNERABLE:
                stated.append(label)
            elif not equals and re.fullmatch(r"[a-z_]+", label):
                slots.append(label)
            else:
                raise ValueError(f"reckoned {key!r}: {part!r} is no count, label or slot")
        if not people:
            raise ValueError(f"reckoned {key!r}: counts nobody")
        return cls(key, people, tuple(dict.fromkeys(slots)), tuple(stated), hazards)

    @property
    def vulnerable(self) -> tuple[str, ...]:
        return tuple(name for name in (*self.slots, *self.stated) if name in labels.VULNERABLE)

    @property
    def facts(self) -> tuple[str, ...]:
        """All facts that are stated, with a number or without."""
        return tuple(name for name in (*self.slots, *self.stated) if name in labels.FACTS)

    @property
    def measures(self) -> tuple[str, ...]:
        return tuple(name for name in self.slots if name in labels.MEASURES)

    def fits(self, hazard: str) -> bool:
        """Whether reports of a hazard say such things; who has an age is said of nobody else there."""
        facts = set(self.facts) - {"age"}
        return fits_hazard(hazard, self.hazards, set(self.people), facts, set(self.measures))

    @property
    def is_closing(self) -> bool:
        """Whether it says of all others that they are well: no other people are in need beside these."""
        return "all" in self.slots and not any("all" in (name for _, name in terms) for terms in self.people.values())

    def count(self, label: str, values: Mapping[str, int]) -> int:
        return sum(sign * (int(name) if name.isdecimal() else values[name]) for sign, name in self.people[label])


@dataclass(frozen=True)
class Reckoned:
    """A reckoning with its numbers: what it states, and the slots of its entries."""

    key: str
    people: Mapping[str, Count]
    vulnerable: tuple[str, ...]
    facts: Mapping[str, bool | int]
    measures: Mapping[str, float]
    slots: Mapping[str, str]


class Reckonings:
    """The reckonings of one register, drawn so that each entry of the lexicon comes up as often as another."""

    def __init__(self, reckoned: Mapping[str, Mapping[str, Entries]], register: str) -> None:
        """``reckoned``: the section of people.yaml. Raises ValueError for a key that states no counts."""
        self._spoken = register == "spoken"
        self._reckonings = [
            (Reckoning.from_key(key), len(registers[register]))
            for key, registers in reckoned.items()
            if register in registers
        ]
        self.closing = frozenset(reckoning.key for reckoning, _ in self._reckonings if reckoning.is_closing)
        self._fitting: dict[tuple[str, str], tuple[Sequence[Reckoning], Sequence[int]]] = {}

    def pick(self, category: str, hazard: str, said: Set[str], draw: Draw, in_words: float) -> Reckoned | None:
        """One that counts people of a category, and states nothing that is ``said`` already; None where there is none.

        ``in_words`` is the chance that a number is said in Chinese numerals.
        """
        key = (hazard, category)
        if key not in self._fitting:
            fitting = [(r, entries) for r, entries in self._reckonings if category in r.people and r.fits(hazard)]
            self._fitting[key] = [r for r, _ in fitting], list(accumulate(entries for _, entries in fitting))
        reckonings, weights = self._fitting[key]
        if not reckonings:
            return None
        reckoning = draw.rng.choices(reckonings, cum_weights=weights)[0]
        if not said.isdisjoint((*reckoning.people, *reckoning.facts, *reckoning.measures)):
            return None
        if reckoning.is_closing and not said.isdisjoint(labels.PEOPLE):
            return None
        return self._reckoned(reckoning, min(TABLES[hazard].people[category][1], _MOST_RECKONED), draw, in_words)

    def _reckoned(self, reckoning: Reckoning, most: int, draw: Draw, in_words: float) -> Reckoned | None:
        values = _values(reckoning, most, draw)
        if values is None:
            return None
        word = draw.pick(_HOUSEHOLD_WORDS if "households" in reckoning.people else _WORDS[self._spoken])
        people: dict[str, Count] = {}
        slots: dict[str, str] = {}
        for label, terms in reckoning.people.items():
            if terms == ((1, "count"),):
                phrase = draw_count(label, draw, in_words, most)
                people[label], slots["count"] = phrase.count, phrase.with_measure_word(word)
            else:
                number = reckoning.count(label, values)
                people[label] = Count(number, number)
                draw.note_number(number)
        for name, value in values.items():
            slots.setdefault(name, self._said(name, value, word, draw, in_words))
        numbers = {name: value for name, value in values.items() if name in labels.NUMBER_FACTS}
        flags = {name: True for name in reckoning.stated if name in labels.FLAG_FACTS}
        measures = {name: float(values[name]) for name in reckoning.measures}
        return Reckoned(reckoning.key, people, reckoning.vulnerable, {**flags, **numbers}, measures, slots)

    def _said(self, name: str, value: int, word: str, draw: Draw, in_words: float) -> str:
        """The number of a slot, with a measure word where it counts people."""
        if name in _LIMITS:
            text = spell(value, draw, in_words)
            return text.replace("两", "二") if name == "floor" else text
        if self._spoken and value in _COLLOQUIAL and word not in _HOUSEHOLD_WORDS and draw.chance(_COLLOQUIAL_SHARE):
            return _COLLOQUIAL[value]
        return spell(value, draw, max(in_words, 0.4) if value < 10 else in_words) + word


def _values(reckoning: Reckoning, most: int, draw: Draw) -> dict[str, int] | None:
    """A number for each slot, from which counts follow that are on the drawer's side of the hold-out; None where the
    hazard has no room for them."""
    for _ in range(_MOST_TRIES):
        values: dict[str, int] = {}
        whole = 0
        for name in reckoning.slots:
            if name in _LIMITS:
                values[name] = draw.number(name, *_LIMITS[name]) if name in _NUMBER_LABELS else _limited(name, draw)
            elif name in _PARTS:
                values[name] = draw.whole(1, max(1, min(whole - 1, 9 if draw.chance(0.6) else whole - 1)))
            else:
                values[name] = _people_of(name, most, draw)
                whole = max(whole, values[name])
        if _is_sound(reckoning, values, most, draw):
            return values
    return None


def _limited(name: str, draw: Draw) -> int:
    low, high = _LIMITS[name]
    return draw.whole(low, min(9, high)) if draw.chance(0.5) else draw.whole(low, high)


def _people_of(name: str, most: int, draw: Draw) -> int:
    """How many people a slot says: few where they are a part of a sum."""
    band = draw.random()
    if name in _COUNTING:
        return draw.whole(3, 9) if band < 0.55 else draw.whole(10, 30) if band < 0.85 else draw.whole(10, max(12, most))
    return draw.whole(1, 9) if band < 0.8 else draw.whole(2, 24)


def _is_sound(reckoning: Reckoning, values: Mapping[str, int], most: int, draw: Draw) -> bool:
    """Whether every count is one that may be stated, and no part is as large as its whole."""
    for label, terms in reckoning.people.items():
        if terms == ((1, "count"),):
            continue
        number = reckoning.count(label, values)
        if not 1 <= number <= most or not draw.admits_number(label, number):
            return False
    stated = [name for name in values if name in labels.NUMBER_FACTS]
    if any(not draw.admits_number(name, values[name]) for name in stated):
        return False
    if "injured" in reckoning.people and any(
        values[name] > reckoning.count("injured", values) for name in _SEVERITIES & values.keys()
    ):
        return False
    whole = max((values[name] for name in _COUNTING if name in values), default=0)
    return all(values[name] < whole for name in _PARTS & values.keys() if whole)
