"""The runaway guard: what only repeats itself is found, and nothing that people or doctrine write is."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.decoding.repetition import FEWEST, LONGEST, SHORTEST, is_runaway
from dispatch.domain.linear import SYMBOLS, Symbol
from dispatch.model import Tokenizer, TokenizerConfig, train_tokenizer
from training.corpus import pair_target_pieces
from training.synthesis.lexicon import Lexicon
from training.synthesis.pairs import PairGenerator, Recipe
from training.synthesis.splits import RECIPES

tokens = st.lists(st.integers(0, 3), max_size=20)


def first_runaway(sequence: list[int]) -> int | None:
    """After how many tokens a search would have ended this sequence."""
    return next((end for end in range(1, len(sequence) + 1) if is_runaway(sequence[:end])), None)


@given(tokens, st.lists(st.integers(0, 9), min_size=1, max_size=LONGEST))
def test_whatever_repeats_without_end_is_ended(before: list[int], part: list[int]) -> None:
    found = first_runaway(before + part * 60)
    assert found is not None
    assert found <= len(before) + max(FEWEST * len(part), SHORTEST)


@given(tokens, st.lists(st.integers(0, 9), min_size=3, max_size=LONGEST, unique=True))
def test_five_times_are_not_enough(before: list[int], part: list[int]) -> None:
    assert not is_runaway([10] + part * (FEWEST - 1))
    assert is_runaway([*before, 10] + part * FEWEST)


@given(tokens, st.integers(0, 20))
def test_what_comes_before_the_start_does_not_count(sequence: list[int], start: int) -> None:
    assert is_runaway(sequence, min(start, len(sequence))) == is_runaway(sequence[start:])


def test_a_part_of_nine_is_not_looked_for() -> None:
    assert not is_runaway([*range(LONGEST + 1)] * 10)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(["派3台除雪车至甲村"], TokenizerConfig(), SYMBOLS)


@pytest.mark.parametrize("text", ["1000000户停电", "电话13800000000", "等等......快", "哈" * 5, "--------", "甲村" * 5])
def test_text_that_people_write_is_no_runaway(tokenizer: Tokenizer, text: str) -> None:
    assert first_runaway(tokenizer.encode(text)) is None


@pytest.mark.parametrize("recipe", [Recipe(), RECIPES["two_incidents"], RECIPES["noisy"], RECIPES["issued"]])
def test_no_target_that_is_generated_is_a_runaway(tokenizer: Tokenizer, recipe: Recipe) -> None:
    # Most characters of these texts are unknown here and fall to bytes, which repeat more than whole ones.
    for pair in islice(PairGenerator(Lexicon.load(), "runaway", recipe).pairs(), 500):
        characters = [
            token
            for piece in pair_target_pieces(pair)
            for token in ([SYMBOLS.index(piece)] if isinstance(piece, Symbol) else [1000 + ord(c) for c in piece])
        ]
        assert first_runaway(characters) is None
        assert first_runaway(tokenizer.encode_pieces(pair_target_pieces(pair))) is None
