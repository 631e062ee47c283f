"""A report in parts: what is said first and last, and the clauses between, which may be said in any order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from training.synthesis.holdout import Draw

NARROW_MARKS = ",!?;:()"
WIDE_MARKS = "".join(chr(ord(mark) + 0xFEE0) for mark in NARROW_MARKS)  # the full-width forms
CLAUSE_MARKS = ",!?;。、" + WIDE_MARKS[:4]
_MARKS = CLAUSE_MARKS + ":…~. \n" + WIDE_MARKS[4]
_CLOSING = "】#"
_NUMBER_EDGE = re.compile(r"[0-9A-Za-z零〇一二两三四五六七八九十百千万几数多余半+.]")
_MIXED_SHARE = 0.2  # of reports that change their punctuation between clauses
JOINER = "{joiner}"  # in a joint: where the report's punctuation between clauses goes
_TOLD = ("{first}", "{second}", "{first_more}", "{second_more}")  # in a joint: the blocks in their order


@dataclass(frozen=True)
class Block:
    """One incident: the clause that names its place (first or last; "" for none) and everything else.

    ``bare_place``: the clause is nothing but the place, which what follows may lean on: A7公路 积雪3米.
    """

    place_first: str
    units: tuple[str, ...]
    place_last: str = ""
    bare_place: bool = False

    def clauses(self) -> list[str]:
        return [clause for clause in (self.place_first, *self.units, self.place_last) if clause]


@dataclass(frozen=True)
class Draft:
    """A report before its clauses are put together.

    ``joint`` says how two incidents are told together: a text with ``{first}`` and ``{second}`` (and, where they are
    told by turns, ``{first_more}`` and ``{second_more}``) for the blocks; "" for one incident.
    """

    opening: str
    blocks: tuple[Block, ...]
    joint: str
    tail: tuple[str, ...]
    joiners: tuple[str, ...]
    finals: tuple[str, ...]

    def text(self, draw: Draw) -> str:
        """The report; punctuation between clauses is drawn."""
        joiner = draw.pick(self.joiners)
        joiners = self.joiners if draw.chance(_MIXED_SHARE) else (joiner,)
        text = ""
        for clause in (self.opening, *self._told(joiners, draw), *self.tail):
            text = glue(text, clause, draw.pick(joiners))
        return text + ("" if text[-1:] in _MARKS else draw.pick(self.finals))

    def _told(self, joiners: Sequence[str], draw: Draw) -> list[str]:
        """The incidents, in as many parts as the joint has marks between."""
        texts = [_block_text(block, joiners, draw) for block in self.blocks]
        parts = self.joint.split(JOINER) if self.joint else [_TOLD[0]]
        for slot, said in zip(_TOLD, texts, strict=False):
            parts = [part.replace(slot, said) for part in parts]
        return parts

    def reordered(self, draw: Draw) -> "Draft | None":
        """The same clauses in another order; None where there is only one order."""
        if not any(len(set(block.units)) > 1 for block in self.blocks):
            return None
        while True:
            blocks = tuple(replace(block, units=tuple(draw.shuffled(block.units))) for block in self.blocks)
            if blocks != self.blocks:
                return replace(self, blocks=blocks)


def glue(left: str, right: str, joiner: str) -> str:
    """Two clauses with a joiner between them, unless a mark stands there; numbers never run into each other."""
    if not left or not right:
        return left + right
    if left[-1] in _MARKS + _CLOSING or right[0] in _MARKS:
        return left + right
    if not joiner and _NUMBER_EDGE.match(left[-1]) and _NUMBER_EDGE.match(right[0]):
        joiner = ","
    return left + joiner + right


def _block_text(block: Block, joiners: Sequence[str], draw: Draw) -> str:
    clauses = block.clauses()
    if not clauses:
        return ""
    text, rest = clauses[0], clauses[1:]
    if block.bare_place and rest:
        lean = "" if draw.chance(0.75) else draw.pick(joiners)
        text, rest = glue(text, rest[0], lean), rest[1:]
    for clause in rest:
        text = glue(text, clause, draw.pick(joiners))
    return text
