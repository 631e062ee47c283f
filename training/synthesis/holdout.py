"""What training never sees: the names of places and the (slot, value) pairs of numbers that test splits are made of."""

import random
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count

SEED_PLACE = "A7"  # the road of the pair that the project grew from: in no training file

_NAME_SHARE = 10  # one name in ten is held out
_NUMBER_SHARE = 10

# The bounds of vague counts (几十, 十几, 300多): words, not stated numbers, so they stand in every split.
_VAGUE_BOUNDS = frozenset(
    {10, 11, 19, 2000, 9999}
    | set(range(20, 100, 10))
    | {tens + 9 for tens in range(20, 100, 10)}
    | set(range(100, 1000, 100))
    | {hundreds + 99 for hundreds in range(100, 1000, 100)}
)


def _bucket(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:4]) if text else 0


def is_held_out_name(name: str) -> bool:
    """Whether a town, village, road or estate of this name belongs to the unseen split alone."""
    return _bucket(f"name:{name}") % _NAME_SHARE == 0


def is_held_out_number(slot: str, value: int) -> bool:
    """Whether a stated number of 10 or more belongs, in this slot, to the unseen split alone."""
    return value >= 10 and value not in _VAGUE_BOUNDS and _bucket(f"{slot}:{value}") % _NUMBER_SHARE == 0


@dataclass(frozen=True)
class Draw:
    """A source of random choices that keeps to its side of the hold-out.

    ``unseen``: names and numbers of 10 or more come from the held-out side alone; else from the other side alone.
    """

    rng: random.Random
    unseen: bool
    _allowed: dict[tuple[str, int, int], list[int]] = field(default_factory=dict)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def admits_name(self, name: str) -> bool:
        return is_held_out_name(name) == self.unseen and SEED_PLACE not in name

    def number(self, slot: str, low: int, high: int) -> int:
        """A number of ``low`` to ``high`` for a slot of the situation (trapped, cars, …).

        Where the drawer's side of the hold-out has none between them, the next one above ``high``.
        """
        key = (slot, low, high)
        if key not in self._allowed:
            values = [n for n in range(low, high + 1) if self._admits_number(slot, n)]
            self._allowed[key] = values or [next(n for n in count(high + 1) if self._admits_number(slot, n))]
        return self.rng.choice(self._allowed[key])

    def _admits_number(self, slot: str, value: int) -> bool:
        return value < 10 or is_held_out_number(slot, value) == self.unseen
