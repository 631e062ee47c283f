"""A text cut where marks begin and end, so that marks that overlap can each be shown."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """Something to show about ``text[start:end]``, in code points."""

    label: str
    start: int
    end: int


@dataclass(frozen=True)
class Segment:
    """A part of a text with the labels of all marks upon it, in the order in which they were given."""

    text: str
    labels: tuple[str, ...]


def cut(text: str, marks: Sequence[Mark]) -> list[Segment]:
    """The segments of a text, which joined are the text; what a mark has beyond the text is left out."""
    ends = {0, len(text)}
    for mark in marks:
        ends.update(min(max(at, 0), len(text)) for at in (mark.start, mark.end))
    edges = sorted(ends)
    return [
        Segment(
            text[start:end],
            tuple(dict.fromkeys(mark.label for mark in marks if mark.start <= start and end <= mark.end)),
        )
        for start, end in itertools.pairwise(edges)
    ]
