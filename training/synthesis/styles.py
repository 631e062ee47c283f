"""The five styles of reports: how long they are, and how often they hold what is no fact."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import exp

from training.synthesis.holdout import Draw


@dataclass(frozen=True)
class Style:
    """One style. Lengths in characters are log-normal: ``median`` and ``spread`` (the logarithm's deviation).

    ``share`` is the part of all reports; the other numbers are chances. ``padding`` has the weights of what is added
    until a report is as long as was drawn.
    """

    share: float
    median: float
    spread: float
    shortest: int
    longest: int
    opening: float
    time: float
    contact: float
    plea: float
    closing: float
    place_last: float
    verified: float = 0.0
    repost: float = 0.0
    aside: float = 0.06
    told: float = 0.62  # people are told of in the story, not counted
    padding: Mapping[str, float] = field(default_factory=dict)


_SPOKEN_PADDING = {"digressions": 5.0, "emotions": 4.0, "times": 1.0, "pleas": 1.5, "contacts": 0.5, "asides": 0.7}

STYLES: Mapping[str, Style] = {
    "duty": Style(
        share=0.24,
        median=52,
        spread=0.42,
        shortest=16,
        longest=150,
        opening=0.45,
        time=0.25,
        contact=0.12,
        plea=0.1,
        closing=0.2,
        place_last=0.06,
        aside=0.03,
        told=0.19,
        padding={"times": 1.0, "contacts": 1.0, "closings": 1.0, "pleas": 0.5, "asides": 0.2},
    ),
    "radio": Style(
        share=0.12,
        median=42,
        spread=0.36,
        shortest=14,
        longest=110,
        opening=0.7,
        time=0.06,
        contact=0.02,
        plea=0.2,
        closing=0.5,
        place_last=0.1,
        aside=0.02,
        told=0.19,
        padding={"closings": 1.0, "pleas": 1.0, "times": 0.4, "asides": 0.1},
    ),
    "caller": Style(
        share=0.26,
        median=56,
        spread=0.42,
        shortest=14,
        longest=170,
        opening=0.5,
        time=0.08,
        contact=0.15,
        plea=0.3,
        closing=0.2,
        place_last=0.25,
        padding=_SPOKEN_PADDING,
    ),
    "relative": Style(
        share=0.12,
        median=60,
        spread=0.4,
        shortest=20,
        longest=190,
        opening=0.55,
        time=0.1,
        contact=0.35,
        plea=0.35,
        closing=0.2,
        place_last=0.2,
        padding=_SPOKEN_PADDING,
    ),
    "post": Style(
        share=0.26,
        median=116,
        spread=0.64,
        shortest=30,
        longest=420,
        opening=0.7,
        time=0.25,
        contact=0.62,
        plea=0.3,
        closing=0.2,
        place_last=0.2,
        verified=0.3,
        repost=0.33,
        aside=0.12,
        padding=_SPOKEN_PADDING | {"contacts": 1.2, "updates": 0.8, "verified": 0.5, "repost": 0.5, "asides": 1.0},
    ),
}


_SHARES = tuple(style.share for style in STYLES.values())


@dataclass(frozen=True)
class Voice:
    """How one report is going to be written: its style, register and length in characters; ``calm``: by somebody who
    makes little of what happened."""

    name: str
    style: Style
    spoken: bool
    length: int
    calm: bool = False

    @property
    def richness(self) -> float:
        """How many facts it has room for, as a factor of their chances."""
        return min(1.25, max(0.3, self.length / 80))

    @property
    def is_terse(self) -> bool:
        return self.length == 0

    def has(self, chance: float, draw: Draw) -> bool:
        """Whether a report of this length holds something that one of middling length holds with this chance."""
        return draw.chance(chance * min(1.2, max(0.2, self.length / self.style.median)))


def tersely(voice: Voice) -> Voice:
    """The same voice in as few words as can be."""
    return replace(voice, length=0)


def calmly(voice: Voice) -> Voice:
    """The same voice, pleading for nothing and without emotions."""
    padding = {kind: weight for kind, weight in voice.style.padding.items() if kind not in ("emotions", "pleas")}
    return replace(voice, style=replace(voice.style, plea=0.0, repost=0.0, padding=padding), calm=True)


def draw_voice(draw: Draw, registers: Mapping[str, tuple[str, ...]]) -> Voice:
    """A voice; ``registers`` are those that each style's facts may be said in."""
    name = draw.rng.choices(tuple(STYLES), _SHARES)[0]
    style = STYLES[name]
    length = style.median * exp(draw.rng.gauss(0, style.spread))
    spoken = draw.pick(registers[name]) == "spoken"
    return Voice(name, style, spoken, int(min(style.longest, max(style.shortest, length))))
