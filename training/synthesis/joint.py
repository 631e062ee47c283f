"""How two incidents are told in one report: one behind the other, numbered, by urgency, or by turns."""

from collections.abc import Mapping
from dataclasses import dataclass

from training.synthesis.draft import JOINER
from training.synthesis.holdout import Draw
from training.synthesis.lexicon import Entries, Lexicon

_SLOTS = {name: f"{{{name}}}" for name in ("first", "second", "first_more", "second_more", "a", "b", "joiner")}
_BY_A_MARK = f"{{first}}{JOINER}{{second}}"
_BY_URGENCY = ("urgent", "mild")  # ways that go by which of the two is told first
# How often two incidents are told so, by what they are: of a few words; one of them mild; with few facts, or many.
_WAYS: Mapping[str, Mapping[str, float]] = {
    "terse": {"mark": 0.4, "second": 0.4, "any": 0.2},
    "mild": {"mark": 0.08, "second": 0.2, "any": 0.12, "mild": 0.6},
    "poor": {"mark": 0.15, "second": 0.3, "any": 0.22, "unmarked": 0.05, "urgent": 0.2, "turns": 0.08},
    "rich": {
        **{"mark": 0.15, "second": 0.3, "any": 0.2, "unmarked": 0.05, "urgent": 0.2},
        **{"turns": 0.05, "halves": 0.05},
    },
}
INCIDENTS = tuple(_WAYS)


@dataclass(frozen=True)
class Joint:
    """A template (see :class:`Draft`) whose ``{a}`` and ``{b}``, where it has them, are the places.

    ``alone``: there are words between the incidents, so that a place may stand behind its facts.
    """

    template: str
    alone: bool = True

    @property
    def by_turns(self) -> bool:
        """Whether both places are said at the beginning, and then the facts of each."""
        return "{a}" in self.template

    def with_both(self, clause: str) -> "Joint":
        """Behind the two, a clause that is said of both."""
        return Joint(f"{self.template}{JOINER}{clause}", self.alone)

    @property
    def in_halves(self) -> bool:
        """Whether each incident's facts are told in two parts."""
        return "{first_more}" in self.template


class Joints:
    """Draws joints in the lexicon's words."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._second: Entries = lexicon.frames["second"]
        self._two: Mapping[str, Mapping[str, Entries]] = lexicon.frames["two"]

    def pick(self, register: str, incidents: str, urgent_first: bool, draw: Draw) -> Joint:
        """``incidents``: what they are, one of :data:`INCIDENTS`. ``urgent_first``: the one that is told first is the
        more urgent; beside a mild one, that is the other."""
        ways = _WAYS[incidents]
        way = draw.rng.choices(tuple(ways), tuple(ways.values()))[0]
        if way == "mark":
            return Joint(_BY_A_MARK, alone=False)
        if way == "second":
            return Joint(_BY_A_MARK.replace("{second}", self._second.fill(draw, _SLOTS)))
        if way in _BY_URGENCY:
            way += "_first" if urgent_first == (way == "urgent") else "_last"
        return Joint(self._two[register][way].fill(draw, _SLOTS), alone=way != "unmarked")
