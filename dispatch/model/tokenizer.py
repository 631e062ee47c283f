"""The tokenizer: SentencePiece with control symbols that only our own code can put into a sequence."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from dispatch.domain.linear import Piece, Symbol
from dispatch.model.normalization import normalize

PAD_ID, UNK_ID, BOS_ID, EOS_ID = range(4)
_LONGEST_LINE = 1 << 16  # bytes; SentencePiece skips longer ones when it trains
_MOST_LINES = 1_000_000


@dataclass(frozen=True)
class TokenizerConfig:
    """How to train a tokenizer. ``char`` makes one token of a character and takes no more than it finds."""

    model_type: Literal["char", "bpe", "unigram"] = "char"
    vocab_size: int = 8000
    character_coverage: float = 0.98

    def __post_init__(self) -> None:
        if self.model_type not in ("char", "bpe", "unigram"):
            raise ValueError(f"model_type must be char, bpe or unigram, not {self.model_type!r}")
        if self.vocab_size < 500:
            raise ValueError(f"vocab_size must be at least 500 (bytes and symbols take 400), not {self.vocab_size}")
        if not 0.9 <= self.character_coverage <= 1:
            raise ValueError(f"character_coverage must be from 0.9 to 1, not {self.character_coverage}")


class Tokenizer:
    """Text and control symbols to ids and back. Any text survives, up to :func:`normalize`."""

    pad_id, unk_id, bos_id, eos_id = PAD_ID, UNK_ID, BOS_ID, EOS_ID

    def __init__(self, model_proto: bytes) -> None:
        """Raises ValueError for bytes that are no SentencePiece model."""
        self.model_proto = model_proto
        if not model_proto:
            raise ValueError("these bytes are no SentencePiece model")
        try:
            self._processor = SentencePieceProcessor(model_proto=model_proto)
        except RuntimeError as error:
            raise ValueError("these bytes are no SentencePiece model") from error
        ids = range(EOS_ID + 1, self._processor.vocab_size())
        self._symbols = {i: Symbol(self._processor.id_to_piece(i)) for i in ids if self._processor.is_control(i)}
        self._symbol_ids = {symbol: i for i, symbol in self._symbols.items()}

    @property
    def vocab_size(self) -> int:
        return int(self._processor.vocab_size())

    def pieces(self) -> list[str]:
        """How SentencePiece writes each id: no two alike."""
        return [str(self._processor.id_to_piece(token)) for token in range(self.vocab_size)]

    def encode(self, text: str) -> list[int]:
        """The ids of a text; a typed ``<situation>`` is text, never the symbol."""
        ids: list[int] = self._processor.encode(normalize(text).text)
        return ids

    def encode_with_spans(self, text: str) -> list[tuple[int, int, int]]:
        """The ids of a text, each with the span of the text as it came (code points) that it stands for.

        A token that is a part of a character stands for all of it.
        """
        normalized = normalize(text)
        ids: list[int] = self._processor.encode(normalized.text)
        # Character by byte, since a byte-fallback token is less than a character. SentencePiece writes a space as ▁.
        characters = [
            index for index, character in enumerate(normalized.text.replace(" ", "\u2581")) for _ in character.encode()
        ]
        spans, at = [], 0
        for token in ids:
            is_byte = self._processor.is_byte(token)
            after = at + (1 if is_byte else len(self._processor.id_to_piece(token).encode()))
            spans.append((token, *normalized.span(characters[at], characters[after - 1] + 1)))
            at = after
        assert at == len(characters), "the tokens do not spell the text"
        return spans

    def encode_pieces(self, pieces: Sequence[Piece]) -> list[int]:
        """The ids of text pieces and symbols. Raises KeyError for a symbol that this tokenizer was trained without."""
        ids: list[int] = []
        for piece in pieces:
            ids += [self._symbol_ids[piece]] if isinstance(piece, Symbol) else self.encode(piece)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, normalised as what is encoded is; symbols and special ids are left out."""
        text: str = self._processor.decode([i for i in ids if i > EOS_ID and i not in self._symbols])
        # A space that is not in the vocabulary falls to the bytes of SentencePiece's own space, and bytes that a
        # network made up may be control characters.
        return normalize(text.replace("\u2581", " ")).text

    def decode_pieces(self, ids: Sequence[int]) -> list[Piece]:
        """The symbols and the text between them; special ids are left out."""
        pieces: list[Piece] = []
        start = 0
        for end, token in enumerate(ids):
            if token in self._symbols:
                pieces += [self.decode(ids[start:end]), self._symbols[token]]
                start = end + 1
        return [piece for piece in (*pieces, self.decode(ids[start:])) if piece]

    def is_symbol(self, token: int) -> bool:
        """Whether an id is that of a control symbol."""
        return token in self._symbols

    def symbol_id(self, symbol: Symbol) -> int:
        """The id of a control symbol. Raises KeyError for one that this tokenizer was trained without."""
        return self._symbol_ids[symbol]


def train_tokenizer(texts: Iterable[str], config: TokenizerConfig, symbols: Sequence[Symbol]) -> Tokenizer:
    """Trains on texts; the same texts and config give the same tokenizer.

    Raises ValueError when there is no text, or vocab_size is too small for it.
    """
    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=(line for text in texts if (line := normalize(text).text)),
            model_writer=model,
            model_type=config.model_type,
            vocab_size=config.vocab_size,
            hard_vocab_limit=False,
            character_coverage=config.character_coverage,
            byte_fallback=True,
            split_digits=True,
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            normalization_rule_name="identity",
            control_symbols=[str(symbol) for symbol in symbols],
            pad_id=PAD_ID,
            unk_id=UNK_ID,
            bos_id=BOS_ID,
            eos_id=EOS_ID,
            max_sentence_length=_LONGEST_LINE,
            input_sentence_size=_MOST_LINES,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ValueError(
            f"no {config.model_type} tokenizer of at most {config.vocab_size} tokens can be trained on these texts: "
            f"they are empty, or vocab_size is too small for them ({reason})"
        ) from error
    return Tokenizer(model.getvalue())
