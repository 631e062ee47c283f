"""Noise: what typing, speech recognition and forwarding do to a report. What it says, and its gold, stay as they are.

The place and every number are left alone (a depth told by a roof, too), and nothing is put right beside a number.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from training.synthesis.draft import CLAUSE_MARKS, NARROW_MARKS, WIDE_MARKS
from training.synthesis.holdout import Draw
from training.synthesis.lexicon import Lexicon

_NUMERALS = "零〇一二两三四五六七八九十百千万亿几数多余半"
_DEPTHS = "[屋房楼车]顶"  # a depth in words is a number too: snow over the roof
_FIXED = re.compile(rf"[0-9A-Za-z{_NUMERALS}][0-9A-Za-z{_NUMERALS}.:+~—\-%·]*|{_DEPTHS}")
# A word without which, or with another, the report would say the opposite.
_NEGATIONS = "不没无未别勿免已"
_WIDE = str.maketrans(NARROW_MARKS, WIDE_MARKS)
_NARROW = str.maketrans(WIDE_MARKS, NARROW_MARKS)
_MARKS = tuple(CLAUSE_MARKS)
_CUTS = ("…", "……", "...", "—", "…")
_EMPHASIS = ("!", "!!", "!!!", "。。", "~")
_MOST_DRAWS = 60  # of kinds for one report, until one of them finds something to change
_EMOJI_SHARE = 0.8  # of decorated posts; those without have hashtags
_HASHTAG_SHARE = 0.4

WRITTEN = ("homophones", "typos", "shorthand", "unpunctuated", "width", "script", "emphasis")
SPOKEN = ("homophones", "homophones", "cut", "unpunctuated", "fillers", "shorthand")
_KINDS: Mapping[str, Sequence[str]] = {
    "duty": ("typos", "homophones", "width", "unpunctuated", "script"),
    "radio": ("cut", "cut", "homophones", "unpunctuated", "fillers"),
    "caller": SPOKEN,
    "relative": (*SPOKEN, "script"),
    "post": WRITTEN,
}


@dataclass(frozen=True)
class NoiseConfig:
    """``share`` of the reports have noise, of one to ``most_kinds`` kinds; ``decorated`` is the share of posts that
    have emoji or hashtags, which are no noise. The rates are the parts of the ``words`` (homophones, dialect),
    ``characters`` (typing errors, cuts) and ``marks`` (fillers, exclamation) that change where they could."""

    share: float = 0.25
    most_kinds: int = 3
    decorated: float = 0.4
    words: float = 0.35
    characters: float = 0.06
    marks: float = 0.3
    kinds: Mapping[str, Sequence[str]] = field(default_factory=lambda: _KINDS)

    def __post_init__(self) -> None:
        for name in ("share", "decorated", "words", "characters", "marks"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"noise.{name} is {getattr(self, name)}, must be from 0 to 1")
        if self.most_kinds < 1:
            raise ValueError(f"noise.most_kinds is {self.most_kinds}, must be at least 1")


@dataclass
class _Text:
    """A text while it is being changed: pieces, those of which are fixed that nothing may touch."""

    pieces: list[tuple[str, bool]]

    def change_loose(self, change: Callable[[str], str]) -> None:
        self.pieces = [(piece if fixed else change(piece), fixed) for piece, fixed in self.pieces]

    def __str__(self) -> str:
        return "".join(piece for piece, _ in self.pieces)


class Noise:
    """Makes reports noisy."""

    def __init__(self, lexicon: Lexicon) -> None:
        words = lexicon.noise
        self._variants = {name: _Variants(words[name]) for name in ("homophones", "typos", "shorthand")}
        self._traditional = str.maketrans(dict(lexicon.traditional))
        self._fillers = [template.text for template in lexicon.frames["fillers"]]
        self._emoji = [_bracketed(template.text) for template in lexicon.frames["emoji"]]
        self._hashtags = [template.text for template in lexicon.frames["hashtags"]]

    def apply(self, report: str, style: str, places: Sequence[str], config: NoiseConfig, draw: Draw) -> str:
        """The report, at times with noise; none of ``places`` and no number is changed."""
        if style == "post" and draw.chance(config.decorated):
            report = self._decorate(report, draw)
        return self._changed(report, style, places, config, draw) if draw.chance(config.share) else report

    def _changed(self, report: str, style: str, places: Sequence[str], config: NoiseConfig, draw: Draw) -> str:
        """The report with noise: kinds are drawn anew while they find nothing to change. Where none of them can (a
        report of few words, or of nothing but places and numbers), it stays as it is."""
        pieces = _split(report, places)
        for _ in range(_MOST_DRAWS):
            text = _Text(pieces)
            for kind in _some_kinds(config.kinds[style], config.most_kinds, draw):
                self._add(kind, text, config, draw)
            changed = str(text)
            if changed != report:
                return changed
        return report

    def _add(self, kind: str, text: _Text, config: NoiseConfig, draw: Draw) -> None:
        match kind:
            case "homophones" | "shorthand":
                text.change_loose(lambda piece: self._variants[kind].replace(piece, config.words, draw))
            case "typos":
                text.change_loose(lambda piece: self._variants[kind].replace(piece, config.characters, draw))
            case "cut":
                text.change_loose(lambda piece: _cut(piece, config.characters, draw))
            case "unpunctuated":
                _drop_punctuation(text, draw)
            case "fillers":
                text.change_loose(lambda piece: self._fill_in(piece, config.marks, draw))
            case "width":
                table = _WIDE if draw.chance(0.7) else _NARROW
                text.change_loose(lambda piece: piece.translate(table))
            case "script":
                text.change_loose(lambda piece: piece.translate(self._traditional))
            case "emphasis":
                text.change_loose(lambda piece: _emphasise(piece, config.marks, draw))
            case _:
                raise ValueError(f"unknown kind of noise {kind!r}")

    def _fill_in(self, piece: str, rate: float, draw: Draw) -> str:
        """Fillers behind the marks inside a piece."""
        said = piece[:1]
        for left, character in pairwise(piece):
            if left in CLAUSE_MARKS and character not in CLAUSE_MARKS and draw.chance(rate):
                said += draw.pick(self._fillers) + draw.pick(("", ","))
            said += character
        return said

    def _decorate(self, report: str, draw: Draw) -> str:
        """Emoji at the end or the beginning, hashtags before or behind, or both."""
        has_emoji = draw.chance(_EMOJI_SHARE)
        if has_emoji:
            emoji = draw.pick(self._emoji) * draw.pick((1, 1, 2, 3))
            report = report + emoji if draw.chance(0.7) else emoji + report
        if not has_emoji or draw.chance(_HASHTAG_SHARE):
            hashtag = draw.pick(self._hashtags)
            report = hashtag + report if draw.chance(0.6) else report + hashtag
        return report


class _Variants:
    """Words with the variants that may stand for them."""

    def __init__(self, variants: Mapping[Any, Sequence[Any]]) -> None:
        self._by_first: dict[str, list[tuple[str, list[str]]]] = {}
        for word, found in sorted(variants.items(), key=lambda item: -len(str(item[0]))):
            harmless = [str(v) for v in found if _is_harmless(str(v)) and (_negates(word) or not _negates(v))]
            if harmless and _is_harmless(str(word)):
                self._by_first.setdefault(str(word)[0], []).append((str(word), harmless))

    def replace(self, text: str, rate: float, draw: Draw) -> str:
        """Longer words go first; each place is tried once."""
        said: list[str] = []
        position = 0
        while position < len(text):
            word, variants = self._word_at(text, position)
            said.append(draw.pick(variants) if variants and draw.chance(rate) else word)
            position += len(word)
        return "".join(said)

    def _word_at(self, text: str, position: int) -> tuple[str, Sequence[str]]:
        for word, variants in self._by_first.get(text[position], ()):
            if text.startswith(word, position):
                return word, variants
        return text[position], ()


def _is_harmless(word: str) -> bool:
    """Words with numbers in them are left alone, and a negation that stands alone."""
    has_number = any(character in _NUMERALS or character.isdigit() for character in word)
    return bool(word) and word not in _NEGATIONS and not has_number


def _negates(word: object) -> bool:
    return not set(_NEGATIONS).isdisjoint(str(word))


def _split(report: str, places: Sequence[str]) -> list[tuple[str, bool]]:
    """The report in pieces: places with the marks beside them, and numbers with what stands beside them, are fixed."""
    fixed = [False] * len(report)
    for place in places:
        start = report.find(place) if place else -1
        while start >= 0:
            end = start + len(place)
            end += report[end : end + 1] in _MARKS
            first = start - (start > 0 and report[start - 1] in _MARKS)
            fixed[first:end] = [True] * (end - first)
            start = report.find(place, start + 1)
    for match in _FIXED.finditer(report):
        start, end = max(0, match.start() - 1), min(len(report), match.end() + 1)
        fixed[start:end] = [True] * (end - start)
    pieces: list[tuple[str, bool]] = []
    start = 0
    for position in range(1, len(report) + 1):
        if position == len(report) or fixed[position] != fixed[start]:
            pieces.append((report[start:position], fixed[start]))
            start = position
    return pieces


def _some_kinds(kinds: Sequence[str], most: int, draw: Draw) -> list[str]:
    return list(dict.fromkeys(draw.pick(kinds) for _ in range(draw.whole(1, most))))


def _cut(piece: str, rate: float, draw: Draw) -> str:
    """A broken channel: 断…电…."""
    said = piece[:1]
    for left, right in pairwise(piece):
        if left not in CLAUSE_MARKS + _NEGATIONS and right not in CLAUSE_MARKS and draw.chance(rate):
            said += draw.pick(_CUTS)
        said += right
    return said


def _drop_punctuation(text: _Text, draw: Draw) -> None:
    """All marks between clauses go, or become blanks; beside a number or a place they stay."""
    blank = draw.pick(("", "", " "))
    dropped = str.maketrans(dict.fromkeys(CLAUSE_MARKS, blank))
    text.change_loose(lambda piece: piece.translate(dropped))


def _emphasise(piece: str, rate: float, draw: Draw) -> str:
    return "".join(
        draw.pick(_EMPHASIS) if character in CLAUSE_MARKS and draw.chance(rate) else character for character in piece
    )


def _bracketed(emoji: str) -> str:
    """[笑哭]: the lexicon writes ［笑哭］, since brackets mean alternatives there."""
    return emoji.replace("［", "[").replace("］", "]")
