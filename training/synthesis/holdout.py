"""What training never sees: the names, numbers, combinations and lexicon entries that test splits are made of.

Each of them is on one side by a hash of its own text, so that neither a seed nor a size can move it to the other.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import count
from typing import TypeVar

SEED_PLACE = "A7"  # the road of the pair that the project grew from: in no training file

_SHARE = 10  # one in ten of each is held out

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


def _in_held_out_bucket(text: str) -> bool:
    return int.from_bytes(sha256(text.encode()).digest()[:4]) % _SHARE == 0


def is_held_out_name(name: str) -> bool:
    """Whether a town, village, road, estate or landmark of this name belongs to the held-out side."""
    return _in_held_out_bucket(f"name:{name}") if name else False


def is_held_out_number(slot: str, value: int) -> bool:
    """Whether a stated number of 10 or more belongs, in this slot, to the held-out side."""
    return value >= 10 and value not in VAGUE_BOUNDS and _in_held_out_bucket(f"{slot}:{value}")


@cache
def is_held_out_combination(hazard: str, need: str) -> bool:
    """Whether a need asked for in this hazard belongs to the held-out side."""
    if need in _ALWAYS_KNOWN_NEEDS or (hazard, need) in _ALWAYS_KNOWN:
        return False
    return _in_held_out_bucket(f"hazard-need:{hazard}:{need}")


def is_held_out_entry(text: str) -> bool:
    """Whether an entry of the lexicon belongs to the held-out side (in lists that are long enough for two)."""
    return _in_held_out_bucket(f"entry:{text}")


@dataclass(frozen=True)
class Sides:
    """Which side of the hold-out each kind is drawn from: True is the held-out side, which training never reads."""

    names: bool = False
    numbers: bool = False
    combinations: bool = False
    entries: bool = False


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
        if SEED_PLACE in name or is_held_out_name(name) != self.sides.names:
            return False
        if self.sides.names:
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
        if self.sides.numbers and number >= 10:
            self.used.add("numbers")
        return number

    def admits_number(self, slot: str, value: int) -> bool:
        """Whether a stated number is on the drawer's side; those below 10 are on both."""
        return value < 10 or is_held_out_number(slot, value) == self.sides.numbers

    def admits_need(self, hazards: Sequence[str], need: str) -> bool:
        """Whether a need may be asked for: on the known side none that is held out in any of the hazards."""
        return self.sides.combinations or not any(is_held_out_combination(hazard, need) for hazard in hazards)

    def note_needs(self, hazards: Sequence[str], needs: Sequence[str]) -> None:
        """Notes whether the needs that were drawn hold a held-out combination."""
        if self.sides.combinations and any(is_held_out_combination(h, need) for h in hazards for need in needs):
            self.used.add("combinations")
