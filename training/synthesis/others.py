"""Reports that ask for nobody: offers, what is resolved, news, thanks, chatter, tests, pranks, questions, knowledge."""

from collections.abc import Mapping

from training.synthesis.draft import glue
from training.synthesis.holdout import Draw
from training.synthesis.lexicon import Entries, Lexicon
from training.synthesis.placeholders import PlaceholderMaker

# The lexicon's lists of each kind of report, by weight.
KINDS: Mapping[str, Mapping[str, float]] = {
    "offer": {"offer": 1.0},
    "resolved": {"resolved": 1.0},
    "other": {"news": 3, "thanks": 2, "chatter": 2, "test": 2, "prank": 1, "question": 2, "knowledge": 2},
}
# What may stand beside them and asks for nobody either.
_BESIDE: Mapping[str, tuple[str, ...]] = {
    "offer": ("contacts", "times", "repost"),
    "resolved": ("times", "verified"),
    "other": ("times",),
}
_APPENDED_SHARE = 0.35  # of what is resolved: an update to an old request, which still stands there


class OtherPhrasing:
    """Says what is no request."""

    def __init__(self, lexicon: Lexicon, placeholders: PlaceholderMaker) -> None:
        self._words = lexicon.other
        self._frames = lexicon.frames
        self._placeholders = placeholders

    def report(self, kind: str, hazard: str, place: str, draw: Draw, request: str) -> str:
        """A report of a kind other than request. ``request`` is an earlier report of the same place, or "": where
        it is now resolved, the update stands before or behind it."""
        lists = KINDS[kind]
        name = draw.rng.choices(tuple(lists), tuple(lists.values()))[0]
        text = self._fill(self._words[name], hazard, place, draw)
        if kind == "resolved" and request:
            joiner = draw.pick((",", "。", "。", " ", "!"))
            return glue(text, request, joiner) if draw.chance(0.5) else glue(request, text, joiner)
        for beside in _BESIDE[kind]:
            if draw.chance(0.2):
                text = self._with(text, beside, hazard, place, draw)
        return text

    def is_appended(self, kind: str, draw: Draw) -> bool:
        """Whether a report of this kind is an update to an earlier request."""
        return kind == "resolved" and draw.chance(_APPENDED_SHARE)

    def _with(self, text: str, beside: str, hazard: str, place: str, draw: Draw) -> str:
        entries = self._frames["styles"]["post"]["contacts"] if beside == "contacts" else self._frames[beside]
        clause = self._fill(entries.calm, hazard, place, draw)
        joiner = draw.pick((",", ",", "。", " "))
        first, second = (text, clause) if beside in ("contacts", "repost") or draw.chance(0.4) else (clause, text)
        return glue(first, second, joiner)

    def _fill(self, entries: Entries, hazard: str, place: str, draw: Draw) -> str:
        given = {"place": place, "hazard": self._words["hazard_words"][hazard].pick(draw).text}
        return self._placeholders.fill(entries.pick(draw), draw, given)
