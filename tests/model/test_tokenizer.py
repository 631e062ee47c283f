"""The tokenizer loses nothing, and nobody types a control symbol."""

from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatch.domain.linear import INSTRUCTION, REPORT, SITUATION, SYMBOLS, Piece, Symbol
from dispatch.model import Tokenizer, TokenizerConfig, normalize, train_tokenizer

ModelType = Literal["char", "bpe", "unigram"]
MODEL_TYPES: tuple[ModelType, ...] = ("char", "bpe", "unigram")
CORPUS = [f"派{n}台除雪车至G{n * 7}公路,医疗队 随行,协调电力公司恢复供电" for n in range(40)]


@pytest.fixture(scope="module")
def trained() -> dict[str, Tokenizer]:
    """One of each type, with rare characters left to the bytes."""
    return {
        kind: train_tokenizer(CORPUS, TokenizerConfig(kind, 500, character_coverage=0.98), SYMBOLS)
        for kind in MODEL_TYPES
    }


TEXTS = st.text(st.characters(exclude_categories=()) | st.sampled_from("派台除雪车 \u2581_<>🚒龘３\n"))


@pytest.mark.parametrize("kind", MODEL_TYPES)
@given(text=TEXTS)
@example(text="  两个  空格  ")
@example(text="\u2581派\u2581")
@example(text="<situation><0xE6><unk></s>")
@example(text="👨‍👩‍👧🚒龘𠮷")
def test_decoding_gives_the_normalized_text_back(trained: dict[str, Tokenizer], kind: ModelType, text: str) -> None:
    assert trained[kind].decode(trained[kind].encode(text)) == normalize(text).text


@pytest.mark.parametrize("kind", MODEL_TYPES)
@given(text=TEXTS)
@example(text="ﬃ㎡\u200b 3\u3000👨‍👩‍👧龘")
def test_every_token_stands_for_characters_of_the_text_in_their_order(
    trained: dict[str, Tokenizer], kind: ModelType, text: str
) -> None:
    tokens = trained[kind].encode_with_spans(text)
    assert [token for token, _, _ in tokens] == trained[kind].encode(text)
    assert all(0 <= start < end <= len(text) for _, start, end in tokens)
    starts, ends = [start for _, start, _ in tokens], [end for _, _, end in tokens]
    assert (starts, ends) == (sorted(starts), sorted(ends))


def test_a_token_stands_for_what_was_typed_however_it_is_normalised(trained: dict[str, Tokenizer]) -> None:
    text = "派３台\u200b🚒"
    spans = [text[start:end] for _, start, end in trained["char"].encode_with_spans(text)]
    assert spans == ["派", "３", "台\u200b", "🚒", "🚒", "🚒", "🚒"]


@pytest.mark.parametrize("kind", MODEL_TYPES)
@given(text=TEXTS, symbol=st.sampled_from(SYMBOLS))
def test_typed_symbols_stay_text(trained: dict[str, Tokenizer], kind: ModelType, text: str, symbol: Symbol) -> None:
    tokenizer = trained[kind]
    symbol_ids = {tokenizer.symbol_id(known) for known in SYMBOLS}
    special_ids = {tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id, tokenizer.eos_id}
    typed = f"{text}{symbol}<s></s><pad>{text}"
    assert not (symbol_ids | special_ids).intersection(tokenizer.encode(typed))
    assert tokenizer.decode_pieces(tokenizer.encode(typed)) == [normalize(typed).text]


@given(st.lists(st.sampled_from(SYMBOLS) | st.text("派台除 <s>", min_size=1), max_size=8))
def test_pieces_come_back_with_neighbouring_texts_joined(tokenizer: Tokenizer, pieces: list[Piece]) -> None:
    joined: list[Piece] = []
    for piece in pieces:
        if joined and not isinstance(piece, Symbol) and not isinstance(joined[-1], Symbol):
            joined[-1] += piece
        else:
            joined.append(piece)
    decoded = tokenizer.decode_pieces(tokenizer.encode_pieces(pieces))
    assert decoded == joined
    assert [isinstance(piece, Symbol) for piece in decoded] == [isinstance(piece, Symbol) for piece in joined]


def test_a_symbol_is_one_id_and_its_surface_as_text_is_many(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode_pieces([SITUATION]) == [tokenizer.symbol_id(SITUATION)]
    assert len(tokenizer.encode_pieces(["<situation>"])) > 1


def test_decode_skips_symbols_and_special_ids(tokenizer: Tokenizer) -> None:
    ids = [tokenizer.bos_id, *tokenizer.encode_pieces([REPORT, "积雪", INSTRUCTION, "3米"]), tokenizer.eos_id]
    ids += [tokenizer.pad_id, tokenizer.unk_id]
    assert tokenizer.decode(ids) == "积雪3米"
    assert tokenizer.decode_pieces(ids) == [REPORT, "积雪", INSTRUCTION, "3米"]


def test_half_a_character_decodes_without_an_error(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("龘")[:2]).strip("\ufffd") == ""


def test_the_ids_that_are_fixed(trained: dict[str, Tokenizer]) -> None:
    for tokenizer in trained.values():
        assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id, tokenizer.eos_id) == (0, 1, 2, 3)
        assert [tokenizer.symbol_id(symbol) for symbol in SYMBOLS] == list(range(4, 4 + len(SYMBOLS)))


def test_an_unknown_symbol_is_an_error(tokenizer: Tokenizer) -> None:
    with pytest.raises(KeyError, match="<nothing>"):
        tokenizer.encode_pieces([Symbol("<nothing>")])


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_the_same_texts_train_the_same_tokenizer(trained: dict[str, Tokenizer], kind: ModelType) -> None:
    config = TokenizerConfig(kind, 500, character_coverage=0.98)
    again = train_tokenizer(iter(CORPUS), config, SYMBOLS)
    assert again.model_proto == trained[kind].model_proto
    assert Tokenizer(again.model_proto).encode(CORPUS[0]) == trained[kind].encode(CORPUS[0])


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_a_tiny_corpus_and_a_large_vocabulary_still_train(kind: ModelType) -> None:
    tokenizer = train_tokenizer(["积雪3米"], TokenizerConfig(kind, 8000), SYMBOLS)
    assert tokenizer.vocab_size < 500
    assert tokenizer.decode(tokenizer.encode("派3台")) == "派3台"


def test_a_very_long_line_is_learned_from() -> None:
    tokenizer = train_tokenizer(["短", "积雪三米" * 3000], TokenizerConfig(character_coverage=1.0), SYMBOLS)
    assert len(tokenizer.encode("积雪")) == 2


@pytest.mark.parametrize("texts", [[], ["", "\u200b"]])
def test_no_text_is_an_error(texts: list[str]) -> None:
    with pytest.raises(ValueError, match="empty"):
        train_tokenizer(texts, TokenizerConfig(), SYMBOLS)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_type": "word"}, "model_type"),
        ({"vocab_size": 10}, "vocab_size"),
        ({"character_coverage": 2}, "coverage"),
    ],
)
def test_a_bad_configuration_names_the_field(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TokenizerConfig(**fields)  # type: ignore[arg-type]


def test_bytes_that_are_no_model_are_an_error() -> None:
    with pytest.raises(ValueError, match="no SentencePiece model"):
        Tokenizer(b"nothing of the kind")
