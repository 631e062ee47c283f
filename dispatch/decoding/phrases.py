"""What a request asks of the instruction's text: phrases that it must hold or must not, and its least length.

All of it is said of the decoded text, never of tokens: a text is the same however it was divided into tokens, and a
character may be spelled by bytes. Text is written so that normalising leaves it as it is, for the decoded text is
normalised: what stands in it once stays, whatever follows.
"""

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from itertools import chain

from dispatch.decoding.config import DecodingConfig
from dispatch.decoding.constraints import Constraint, Spelling
from dispatch.domain.linear import INSTRUCTION
from dispatch.model import normalize

_SEPARATORS = (",", ";", "、", " ")
_SPACE = "\u2581"  # SentencePiece's own
_IDEOGRAPHS = range(0x4E00, 0x9FFF)
_MOST_ANSWERS = 300  # that are kept, some as large as the vocabulary

_Open = tuple[str, ...]
"""What would complete banned phrases at a place."""


class Alphabet:
    """What the tokens of a tokenizer write: texts, or one byte of a character."""

    def __init__(self, spelling: Spelling) -> None:
        self.spelling = spelling
        self.tokenizer = spelling.tokenizer
        self.texts: dict[int, str] = {}
        """By token, those alone that normalising leaves as they are."""
        self.bytes: dict[int, int] = {}
        """Tokens by their byte, where it is not a character."""
        for token in range(self.tokenizer.vocab_size):
            spelled = spelling.write([token])
            if len(spelled) == 1 and spelled[0] >= 0x80:
                self.bytes[spelled[0]] = token
            elif spelled and _is_normal(text := _as_text(spelled)):
                self.texts[token] = text
        self.composing = {token: text for token, text in self.texts.items() if not _stands_alone(text[0])}
        """Those texts that may compose with what precedes them."""
        self.end = frozenset({self.tokenizer.eos_id})
        self.all_but_end = frozenset(range(self.tokenizer.vocab_size)) - self.end
        self._continuing: dict[tuple[str, frozenset[str], bytes], frozenset[int]] = {}

    def continuing(self, cluster: str, refused: frozenset[str], pending: bytes) -> frozenset[int]:
        """The bytes that go on with a character, or begin one, that may stand behind a cluster when it is whole."""
        place = cluster, refused, pending
        if place not in self._continuing:
            if len(self._continuing) >= _MOST_ANSWERS:
                self._continuing.clear()
            self._continuing[place] = frozenset(
                token
                for byte, token in self.bytes.items()
                if any(
                    char not in refused and _is_normal(cluster + char) for char in _characters(pending + bytes([byte]))
                )
            )
        return self._continuing[place]


class Phrases:
    """The phrases of a request, by which any number of its sequences may be written.

    A text is what is written so far, in whole characters, and `pending` the bytes of one that has only begun.
    """

    def __init__(self, decoding: DecodingConfig, alphabet: Alphabet) -> None:
        self._alphabet = alphabet
        self._required = decoding.required_texts
        self._banned = decoding.banned_texts
        refused = {token for token, text in alphabet.texts.items() if any(phrase in text for phrase in self._banned)}
        self._composing = {token: text for token, text in alphabet.composing.items() if token not in refused}
        self._plain = frozenset(alphabet.texts.keys() - refused - alphabet.composing.keys())
        self._answers: dict[tuple[str, _Open, bytes], frozenset[int]] = {}

    def following(self, text: str, pending: bytes) -> frozenset[int]:
        """The tokens that may come next; never none."""
        place = _last_cluster(text), self._open(text), pending
        if place not in self._answers:
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            self._answers[place] = self._following(*place)
        return self._answers[place]

    def missing(self, text: str) -> list[str]:
        """The required phrases that a text does not hold."""
        return [phrase for phrase in self._required if phrase not in text]

    def completion(self, text: str) -> list[int]:
        """The tokens that add what is missing, as :func:`complete` does."""
        added = _completion(text, self._required, self._banned)
        return self._alphabet.tokenizer.encode(added) if added else []

    def _open(self, text: str) -> _Open:
        """What would complete a banned phrase that has begun."""
        rests = {
            phrase[size:] for phrase in self._banned for size in range(1, len(phrase)) if text.endswith(phrase[:size])
        }
        return tuple(sorted(rests))

    def _following(self, cluster: str, rests: _Open, pending: bytes) -> frozenset[int]:
        refused = frozenset(phrase for phrase in (*rests, *self._banned) if len(phrase) == 1)
        begun = self._alphabet.continuing(cluster, refused, pending)
        if pending:
            return begun
        composed = {token for token, text in self._composing.items() if _is_normal(cluster + text)}
        written = self._plain | composed
        if rests:
            written -= {token for token in written if self._alphabet.texts[token].startswith(rests)}
        return written | begun


def complete(text: str, decoding: DecodingConfig) -> str:
    """A text with the required phrases that it lacks at its end, each behind a comma where text precedes it.

    Where a comma would complete a banned phrase, another character stands there.
    """
    return text + _completion(text, decoding.required_texts, decoding.banned_texts)


class InstructionConstraint:
    """Holds the instruction, and nothing before it, to a request's phrases and least length.

    `situation` restricts what stands before the instruction; a sequence cannot end there.
    """

    def __init__(
        self, phrases: Phrases, min_tokens: int, alphabet: Alphabet, situation: Constraint | None = None
    ) -> None:
        self._phrases = phrases
        self._min_tokens = min_tokens
        self._alphabet = alphabet
        self._situation = situation
        self._instruction_id = alphabet.tokenizer.symbol_id(INSTRUCTION)

    def allowed(self, tokens: Sequence[int]) -> Collection[int]:
        """See :class:`Constraint`."""
        if self._instruction_id not in tokens:
            bound = self._situation.allowed(tokens) if self._situation else None
            return self._alphabet.all_but_end.intersection(bound or self._alphabet.all_but_end)
        written = tokens[tokens.index(self._instruction_id) + 1 :]
        text, pending = self._text(written)
        following = self._phrases.following(text, pending)
        is_long_enough = len(written) >= self._min_tokens or self._phrases.missing(text)
        return following | self._alphabet.end if is_long_enough and not pending else following

    def completion(self, tokens: Sequence[int]) -> Sequence[int]:
        """The required phrases that are missing, and the end; nothing within a character, where nothing can end."""
        if self._instruction_id not in tokens:
            return ()
        written = tokens[tokens.index(self._instruction_id) + 1 :]
        text, pending = self._text(written)
        added = [] if pending else self._phrases.completion(text)
        is_long_enough = len(written) + len(added) >= self._min_tokens
        return [*added, *self._alphabet.end] if added and is_long_enough else added

    def _text(self, tokens: Sequence[int]) -> tuple[str, bytes]:
        """Whole characters, and the bytes of one that has only begun."""
        written = self._alphabet.spelling.write(tokens)
        begun = next((size for size in (1, 2, 3) if _begins(written[-size:])), 0) if written else 0
        whole = written[: len(written) - begun]
        return _as_text(whole), written[len(whole) :]


def _completion(text: str, required: Sequence[str], banned: Sequence[str]) -> str:
    added = ""
    for phrase in required:
        if phrase not in text + added:
            added += _separator(text + added, phrase, banned) + phrase
    return added


def _separator(text: str, phrase: str, banned: Sequence[str]) -> str:
    none = ("",) if not text or text.endswith(_SEPARATORS) else ()
    # The last resort is a character of no banned phrase: these cannot hold every ideograph.
    for separator in chain(none, _SEPARATORS, map(chr, _IDEOGRAPHS)):
        added = separator + phrase
        completes = any(one in text[max(len(text) - len(one) + 1, 0) :] + added for one in banned)
        if not completes and _is_normal(_last_cluster(text) + added):
            return separator
    return _SEPARATORS[0]  # behind a text that is not normalised, which no network writes


def _as_text(spelled: bytes) -> str:
    return spelled.decode(errors="replace").replace(_SPACE, " ")


def _begins(part: bytes) -> bool:
    """Whether these bytes are the beginning of a character, and not all of it."""
    return len(part) < _length(part[0])


def _length(lead: int) -> int:
    """The bytes of the character that begins with this one; 0 for one that begins none."""
    return 1 if lead < 0x80 else 0 if not 0xC2 <= lead <= 0xF4 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


def _characters(part: bytes) -> Iterable[str]:
    """The characters that begin with these bytes, as text."""
    length = _length(part[0])
    if not length:
        return
    lead = part[0] & (0x7F >> length) if length > 1 else part[0]
    for byte in part[1:]:
        if byte & 0xC0 != 0x80:
            return
        lead = lead << 6 | byte & 0x3F
    open_bits = 6 * (length - len(part))
    least = (0, 0, 0x80, 0x800, 0x10000)[length]
    for code in range(max(lead << open_bits, least), min((lead + 1) << open_bits, 0x110000)):
        if not 0xD800 <= code < 0xE000:
            yield " " if chr(code) == _SPACE else chr(code)


def _is_normal(text: str) -> bool:
    # The library's answer first: it is quick, and of some million characters most are not normal.
    return unicodedata.is_normalized("NFKC", text) and normalize(text).text == text


def _stands_alone(char: str) -> bool:
    """Whether a character surely never composes with what precedes it."""
    return char.isascii() or "\u4e00" <= char <= "\u9fff"


def _last_cluster(text: str) -> str:
    """The part of a text that may compose with what follows: from its last character that is no combining mark."""
    start = len(text) - 1
    while start > 0 and unicodedata.combining(text[start]):
        start -= 1
    return text[max(start, 0) :]
