"""Normalisation of what the model reads, with a map back to the characters that were typed.

NFKC, after: newlines and tabs become spaces; other control characters and lone surrogates become U+FFFD; zero-width
characters are dropped; ▁ (SentencePiece's own space) becomes _.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from dispatch.domain import Context

_ZERO_WIDTH = frozenset("\u200b\u200c\u200d\u2060\ufeff")
_SPACES = frozenset("\t\n\v\f\r\x85")
_NEEDS_CLEANING = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200b-\u200d\u2060\ufeff\u2581]")


@dataclass(frozen=True)
class NormalizedText:
    """``text[i]`` comes from the character at ``offsets[i]`` of the original (code points); offsets never fall."""

    text: str
    offsets: tuple[int, ...] | range
    original_length: int

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original's span that ``text[start:end]`` comes from."""
        if start >= end:
            position = self.offsets[start] if start < len(self.offsets) else self.original_length
            return position, position
        first, last = self.offsets[start], self.offsets[end - 1]
        after = next((offset for offset in self.offsets[end:] if offset > last), self.original_length)
        return first, after


def normalize(text: str) -> NormalizedText:
    """The text as the model reads it."""
    if _NEEDS_CLEANING.search(text) is None and unicodedata.is_normalized("NFKC", text):
        return NormalizedText(text, range(len(text)), len(text))
    return _normalize(text)


@lru_cache(64)  # whoever has to do with a report normalises it: half a dozen of them for each request
def _normalize(text: str) -> NormalizedText:
    """Character by character."""
    characters: list[str] = []
    offsets: list[int] = []
    for cluster, positions in _clusters(text):
        composed = unicodedata.normalize("NFKC", cluster).replace("\u2581", "_")
        characters.append(composed)
        # A cluster that keeps its length maps one to one; else all of it comes from its first character.
        offsets += positions if len(composed) == len(positions) else [positions[0]] * len(composed)
    return NormalizedText("".join(characters), tuple(offsets), len(text))


def normalize_context(context: Context) -> Context:
    """A context with its texts as the model reads them."""
    return Context(normalize(context.location).text, tuple(normalize(issued).text for issued in context.issued))


def _clusters(text: str) -> list[tuple[str, list[int]]]:
    """Runs of characters that compose with each other, each with the places of its characters."""
    clusters: list[tuple[str, list[int]]] = []
    for position, original in enumerate(text):
        if original in _ZERO_WIDTH:
            continue
        char = _clean(original)
        if clusters and _composes(clusters[-1][0], char):
            cluster, positions = clusters[-1]
            clusters[-1] = (cluster + char, [*positions, position])
        else:
            clusters.append((char, [position]))
    return clusters


def _composes(cluster: str, char: str) -> bool:
    """Whether NFKC of both together is not just one after the other, or a following mark may reorder with this one."""
    if char.isascii() or "\u4e00" <= char <= "\u9fff":  # a short cut for what most reports are made of
        return False
    if unicodedata.combining(unicodedata.normalize("NFKD", char)[0]):
        return True
    together = unicodedata.normalize("NFKC", cluster + char)
    return together != unicodedata.normalize("NFKC", cluster) + unicodedata.normalize("NFKC", char)


def _clean(char: str) -> str:
    if char in _SPACES:
        return " "
    return "\ufffd" if unicodedata.category(char) in ("Cc", "Cs") else char
