"""Verification finds what the search finds, wherever a draft is wrong."""

from collections.abc import Collection, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.decoding import DecodingConfig, Hypothesis, search, verify
from tests.decoding.networks import RandomStep

BOS, STOP, VOCABULARY = 0, 1, 9
SEEDS = (1, 2, 3)
FORCED = ((), (4,), (7, 3))


class Alternating:
    """An odd token behind an even one and the other way round, except behind each third."""

    def allowed(self, tokens: Sequence[int]) -> Collection[int] | None:
        return None if len(tokens) % 3 == 0 else range((tokens[-1] + 1) % 2, VOCABULARY, 2)

    def completion(self, tokens: Sequence[int]) -> Sequence[int]:
        return ()


def written(constraint: Alternating | None) -> list[Hypothesis]:
    prefixes = [[BOS, *forced] for forced in FORCED]
    step, config = RandomStep(SEEDS, VOCABULARY), DecodingConfig(max_tokens=12)
    found = search(step, prefixes, config, frozenset({STOP}), constraints=[constraint] * len(SEEDS))
    return [best for best, *_ in found]


def verified(drafts: Sequence[Sequence[int]], constraint: Alternating | None) -> list[tuple[list[int], list[float]]]:
    fed = [[BOS, *draft] for draft in drafts]
    return verify(RandomStep(SEEDS, VOCABULARY), fed, [len(forced) for forced in FORCED], [constraint] * len(SEEDS))


@pytest.mark.parametrize("constraint", [None, Alternating()], ids=["free", "restricted"])
def test_what_the_search_writes_comes_back_whole_with_its_scores(constraint: Alternating | None) -> None:
    expected = written(constraint)
    found = verified([best.tokens for best in expected], constraint)
    for best, (tokens, scores) in zip(expected, found, strict=True):
        assert tokens == list(best.tokens)
        assert scores == pytest.approx(best.token_scores, abs=1e-5)


def test_a_constraint_decides_what_the_search_would_have_written() -> None:
    expected = written(Alternating())
    assert [tokens for tokens, _ in verified([best.tokens for best in expected], None)] != [
        list(best.tokens) for best in expected
    ]


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_behind_a_wrong_token_nothing_is_kept(data: st.DataObject) -> None:
    expected = written(None)
    drafts = [list(best.tokens) for best in expected]
    row = data.draw(st.integers(0, len(drafts) - 1))
    at = data.draw(st.integers(len(FORCED[row]), len(drafts[row]) - 1))
    wrong = data.draw(st.integers(2, VOCABULARY - 1).filter(lambda token: token != drafts[row][at]))
    behind = data.draw(st.lists(st.integers(2, VOCABULARY - 1), max_size=5))
    found = verified([*drafts[:row], [*drafts[row][:at], wrong, *behind], *drafts[row + 1 :]], None)
    for index, (best, (tokens, scores)) in enumerate(zip(expected, found, strict=True)):
        kept = at + 1 if index == row else len(best.tokens)
        assert tokens == list(best.tokens[:kept])
        assert scores == pytest.approx(best.token_scores[:kept], abs=1e-5)
