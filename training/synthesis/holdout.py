"""What training never sees: the names, numbers, combinations and lexicon entries that test splits are made of.

Each of them is on one side by a hash of its own text, so that neither a seed nor a size can move it to another. What is
held out has two sides: confidence is fitted on things that are new to the network, and tested on others.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import count
from typing import Literal, TypeVar

SEED_PLACE = "A7"  # the road of the pair that the project grew from: in no training file

Side = Literal["known", "validation", "test"]

_SHARE = 10  # one in ten of each is held out
_VALIDATION_SHARE = 3  # and one in three of those for validation

# The bounds of vague counts (几十, 十几, 300多, 上千): words, not stated numbers, so they stand in every split.
VAGUE_BOUNDS = frozenset(
    {10, 11, 19}
    | {10 * n + 1 for n in range(2, 10)}  # 二十几
    | {step * n for step in (10, 100, 1000) for n in range(1, 10)}
    | {step * n + step - 1 for step in (10, 100, 1000) for n in range(2, 10)}
    | {199, 1999}
)

# A model that has never read these together would fail its users: the seed pair's own, what every report may ask
# for, and each hazard's first needs.
_ALWAYS_KNOWN_NEEDS = frozenset({"rescue", "medical"})
_ALWAYS_KNOWN = frozenset(
    {
        ("snow_road", "generator"),
        ("snow_road", "snow_clearing"),
        ("avalanche", "search"),
        ("flood", "boat"),
        ("flood", "evacuation"),
        ("earthquake", "search"),
        ("earthquake", "shelter"),
        ("landslide", "debris_clearing"),
        ("typhoon", "evacuation"),
        ("building_fire", "firefighting"),
        ("wildfire", "firefighting"),
        ("hazmat", "evacuation"),
        ("hazmat", "firefighting"),
        ("traffic_accident", "heavy_equipment"),
        ("collapse", "search"),
        ("mountain_rescue", "search"),
    }
)

Item = TypeVar("Item")


def _side(text: str) -> Side:
    digest = sha256(text.encode()).digest()
    if int.from_bytes(digest[:4]) % _SHARE:
        return "known"
    return "test" if int.from_bytes(digest[4:8]) % _VALIDATION_SHARE else "validation"


def side_of_name(name: str) -> Side:
    """The side of a town, village, road, estate or landmark of this name."""
    return _side(f"name:{name}") if name else "known"


def side_of_number(slot: str, value: int) -> Side:
    """The side of a stated number in this slot; those below 10 and the bounds of vague words are known."""
    return "known" if value < 10 or value in VAGUE_BOUNDS else _side(f"{slot}:{value}")


@cache
def side_of_combination(hazard: str, need: str) -> Side:
    """The side of a need that is asked for in this hazard."""
    if need in _ALWAYS_KNOWN_NEEDS or (hazard, need) in _ALWAYS_KNOWN:
        return "known"
    return _side(f"hazard-need:{hazard}:{need}")


def side_of_entry(text: str) -> Side:
    """The side of an entry of the lexicon (in lists that are long enough to be divided)."""
    return _side(f"entry:{text}")


@dataclass(frozen=True)
class Sides:
    """Which side of the hold-out each kind is drawn from; training reads the known side alone."""

    names: Side = "known"
    numbers: Side = "known"
    combinations: Side = "known"
    entries: Side = "known"

    def held_out(self) -> set[str]:
        """The kinds that are drawn from what training never reads."""
        return {kind for kind, side in vars(self).items() if side != "known"}


class Draw:
    """A source of random choices that keeps to its sides of the hold-out.

    ``used`` collects the kinds of held-out things that were drawn; whoever wants to know clears it before.
    """

    def __init__(self, rng: random.Random, sides: Sides | None = None) -> None:
        self.rng = rng
        self.sides = sides or Sides()
        self.used: set[str] = set()
        self.random = rng.random
        self._allowed: dict[tuple[str, int, int], list[int]] = {}

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items; quicker than ``rng.choice``."""
        return items[int(self.random() * len(items))]

    def whole(self, low: int, high: int) -> int:
        """A whole number of ``low`` to ``high`` that is held out nowhere: no count, or below 10."""
        return low + int(self.random() * (high - low + 1))

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        shuffled = list(items)
        self.rng.shuffle(shuffled)
        return shuffled

    def admits_name(self, name: str) -> bool:
        """Whether a name is on the drawer's side; the seed pair's road is on none."""
        if SEED_PLACE in name or side_of_name(name) != self.sides.names:
            return False
        if self.sides.names != "known":
            self.used.add("names")
        return True

    def number(self, slot: str, low: int, high: int) -> int:
        """A number of ``low`` to ``high`` for a slot of the situation (trapped, cars, …).

        Where the drawer's side of the hold-out has none between them, the next one above ``high``.
        """
        key = (slot, low, high)
        values = self._allowed.get(key)
        if values is None:
            values = [n for n in range(low, high + 1) if self.admits_number(slot, n)]
            values = values or [next(n for n in count(high + 1) if self.admits_number(slot, n))]
            self._allowed[key] = values
        number = self.pick(values)
        self.note_number(number)
        return number

    def admits_number(self, slot: str, value: int) -> bool:
        """Whether a stated number is on the drawer's side; those below 10 are on both."""
        return value < 10 or side_of_number(slot, value) == self.sides.numbers

    def note_number(self, value: int) -> None:
        """Notes that a number of the drawer's side was drawn."""
        if self.sides.numbers != "known" and value >= 10:
            self.used.add("numbers")

    def admits_need(self, hazards: Sequence[str], need: str) -> bool:
        """Whether a need may be asked for: it must be known in each of the hazards, or be on the drawer's side."""
        return all(side_of_combination(hazard, need) in ("known", self.sides.combinations) for hazard in hazards)

    def note_needs(self, hazards: Sequence[str], needs: Sequence[str]) -> None:
        """Notes whether the needs that were drawn hold a combination that training never reads."""
        if any(side_of_combination(hazard, need) != "known" for hazard in hazards for need in needs):
            self.used.add("combinations")
