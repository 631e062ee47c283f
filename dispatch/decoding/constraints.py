"""Constraints: which tokens a hypothesis may write next, whatever the network prefers."""

from collections.abc import Collection, Sequence
from typing import Protocol

from sentencepiece import SentencePieceProcessor

from dispatch.domain.linear import CONTEXT_LOCATION, LOCATION, REPORT
from dispatch.model import Tokenizer


class Constraint(Protocol):
    """Restricts the hypotheses of one row; what it answers is a function of their tokens alone."""

    def allowed(self, tokens: Sequence[int]) -> Collection[int] | None:
        """The ids that may follow `tokens` (forced prefix included, bos not); None for any, and so is an empty one."""
        ...

    def completion(self, tokens: Sequence[int]) -> Sequence[int]:
        """What must be written where `tokens` would end with a stop token (it may end so); nothing if they may."""
        ...


class Spelling:
    """The UTF-8 bytes that each token of a tokenizer writes: none for control symbols and special ids.

    Bytes make one of a character's own token and of its byte-fallback tokens, and do not care how a text was divided.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        processor = SentencePieceProcessor(model_proto=tokenizer.model_proto)
        ids = range(tokenizer.eos_id + 1, tokenizer.vocab_size)
        self.tokenizer = tokenizer
        self.symbols = frozenset(token for token in ids if processor.is_control(token))
        self._bytes = [b""] * tokenizer.vocab_size
        self._tokens: dict[bytes, list[int]] = {}
        for token in ids:
            if token not in self.symbols:
                piece = processor.id_to_piece(token)
                # A byte-fallback token is named <0xE5>. A space is ▁ here, as in all of SentencePiece's own texts.
                spelled = bytes.fromhex(piece[3:5]) if processor.is_byte(token) else piece.encode()
                self._bytes[token] = spelled
                self._tokens.setdefault(spelled, []).append(token)
        self._longest = max(map(len, self._tokens), default=0)

    def write(self, tokens: Sequence[int]) -> bytes:
        """The bytes of a sequence."""
        return b"".join([self._bytes[token] for token in tokens])

    def continuing(self, text: bytes, start: int) -> list[int]:
        """The tokens whose bytes stand in a text at `start`."""
        ends = range(start + 1, min(start + self._longest, len(text)) + 1)
        return [token for end in ends for token in self._tokens.get(text[start:end], ())]


class SpanConstraint:
    """Behind ``<location>``: a contiguous span of the report's text or of the context's location, in whole characters.

    Any control symbol, or the end of the sequence, may follow the place, and ``<location>`` itself (no place).
    Elsewhere everything is allowed. `source` are the ids that the encoder reads: what was cut off is no source.
    """

    def __init__(self, source: Sequence[int], spelling: Spelling) -> None:
        tokenizer = spelling.tokenizer
        self._spelling = spelling
        self._location_id = tokenizer.symbol_id(LOCATION)
        self._closing = spelling.symbols | {tokenizer.eos_id}
        self._texts = _texts_behind(
            (tokenizer.symbol_id(REPORT), tokenizer.symbol_id(CONTEXT_LOCATION)), source, spelling
        )
        self._answers: dict[bytes, frozenset[int]] = {}

    def allowed(self, tokens: Sequence[int]) -> frozenset[int] | None:
        """See :class:`Constraint`. Where a forced prefix is within a place that is no span, the place must end."""
        start = len(tokens)
        while start and tokens[start - 1] not in self._spelling.symbols:
            start -= 1
        if start == 0 or tokens[start - 1] != self._location_id:
            return None
        written = self._spelling.write(tokens[start:])
        if written not in self._answers:  # the hypotheses of a beam often write the same place
            self._answers[written] = self._following(written)
        return self._answers[written]

    def completion(self, tokens: Sequence[int]) -> Sequence[int]:
        """Nothing: see :class:`Constraint`."""
        return ()

    def first_violation(self, tokens: Sequence[int], start: int = 0) -> int | None:
        """The first position from `start` on that holds a token which was not allowed there; None where all were."""
        place = None  # where the place that is being written begins, its <location> included
        for position, token in enumerate(tokens):
            if (
                place is not None
                and position >= start
                and token not in (self.allowed(tokens[place:position]) or [token])
            ):
                return position
            if token in self._spelling.symbols:
                place = position if token == self._location_id else None
        return None

    def _following(self, written: bytes) -> frozenset[int]:
        ends = [(text, end) for text in self._texts for end in _ends(text, written)]
        following = {token for text, end in ends for token in self._spelling.continuing(text, end)}
        whole = all(_is_boundary(text, end) for text, end in ends)
        return self._closing | following if whole else frozenset(following)


def _texts_behind(symbols: Collection[int], source: Sequence[int], spelling: Spelling) -> list[bytes]:
    """The texts that follow these symbols in the source, up to the next symbol, in whole characters."""
    marks = [place for place, token in enumerate(source) if token in spelling.symbols]
    texts = []
    for start, end in zip(marks, [*marks[1:], len(source)], strict=True):
        if source[start] in symbols:
            # Where the source was cut, the last character may lack some of its bytes.
            texts.append(spelling.write(source[start + 1 : end]).decode(errors="ignore").encode())
    return texts


def _ends(text: bytes, part: bytes) -> list[int]:
    """Where each occurrence of a part ends; the occurrences of nothing are where characters begin."""
    if not part:
        return [place for place in range(len(text)) if _is_boundary(text, place)]
    ends = []
    found = text.find(part)  # UTF-8: what begins as a character does is found only where one begins
    while found >= 0:
        ends.append(found + len(part))
        found = text.find(part, found + 1)
    return ends


def _is_boundary(text: bytes, place: int) -> bool:
    """Whether no character goes on over this place: the further bytes of one are 10xxxxxx."""
    return place == len(text) or text[place] & 0xC0 != 0x80
