"""What an edit changes, character by character."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_MOST_PAIRS = 100_000  # of equal characters: what repeats itself would take minutes, in which nobody else is served


@dataclass(frozen=True)
class Change:
    """A run of characters that both texts have, or the old or the new one alone."""

    kind: Literal["same", "removed", "added"]
    text: str


def changes(old: str, new: str) -> list[Change]:
    """How the new text comes of the old one: what is not added is the old text, what is not removed the new.

    What stands before the first change and after the last is set aside first, which keeps a long text's edit quick.
    What is left of long texts that repeat the same few characters is told as replaced.
    """
    head = _shared(old, new)
    tail = _shared(old[head:][::-1], new[head:][::-1])
    found = [Change("same", old[:head])]
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    for kind, i, j, k, m in _opcodes(middle_old, middle_new):
        if kind == "equal":
            found.append(Change("same", middle_old[i:j]))
        else:
            found += [Change("removed", middle_old[i:j]), Change("added", middle_new[k:m])]
    found.append(Change("same", old[len(old) - tail :]))
    return [change for change in found if change.text]


def _opcodes(old: str, new: str) -> Sequence[tuple[str, int, int, int, int]]:
    """As difflib has them."""
    here, there = Counter(old), Counter(new)
    if sum(number * there[character] for character, number in here.items()) > _MOST_PAIRS:
        return [("replace", 0, len(old), 0, len(new))]
    return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    length = min(len(one), len(other))
    return next((at for at in range(length) if one[at] != other[at]), length)
