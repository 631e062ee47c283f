"""What hypotheses propose: the best tokens, the nucleus, and draws from it."""

from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dispatch.decoding.policies import best_tokens, draw_tokens, nucleus

rows = st.lists(st.integers(-6, 0).map(float), min_size=2, max_size=8)  # few values, so that many are equal


@given(rows, st.integers(1, 10))
def test_best_tokens_are_in_order_and_the_lower_id_wins_among_equals(row: list[float], count: int) -> None:
    expected = sorted(range(len(row)), key=lambda token: (-row[token], token))[:count]
    assert best_tokens(torch.tensor([row]), count).tolist() == [expected]


def test_best_tokens_leave_their_input_alone() -> None:
    logprobs_RV = torch.tensor([[-1.0, -2.0]])
    best_tokens(logprobs_RV, 2)
    assert logprobs_RV.tolist() == [[-1.0, -2.0]]


@given(rows, st.integers(0, 8), st.sampled_from([0.1, 0.5, 0.9, 1.0]), st.sampled_from([0.5, 1.0, 2.0]))
def test_the_nucleus_is_the_smallest_set_that_reaches_top_p(
    row: list[float], top_k: int, top_p: float, temperature: float
) -> None:
    logprobs_V = torch.log_softmax(torch.tensor(row, dtype=torch.float64), dim=-1)
    probabilities = [float(p) for p in torch.softmax(logprobs_V / temperature, dim=-1)]
    ranked = sorted(range(len(row)), key=lambda token: (-probabilities[token], token))[: top_k or None]
    kept = nucleus(logprobs_V[None], temperature, top_k, top_p)[0]
    inside = [token for token in ranked if kept[token] > 0]
    mass = sum(probabilities[token] for token in ranked)
    assert inside == ranked[: len(inside)]  # the most probable ones, and none outside the top k
    assert sum(kept.tolist()) == pytest.approx(sum(probabilities[token] for token in inside))
    assert sum(probabilities[token] for token in inside) >= top_p * mass - 1e-9
    assert sum(probabilities[token] for token in inside[:-1]) < top_p * mass + 1e-9


def test_nucleus_of_a_worked_example() -> None:
    logprobs_RV = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log()
    assert nucleus(logprobs_RV, 1.0, 0, 0.6)[0].tolist() == pytest.approx([0, 0.4, 0, 0.3], abs=1e-6)
    assert nucleus(logprobs_RV, 1.0, 3, 1.0)[0].tolist() == pytest.approx([0, 0.4, 0.2, 0.3], abs=1e-6)
    # The top 2 hold 0.4 / 0.7 = 0.57 of what is left: enough for 0.5, so only the first stays.
    assert nucleus(logprobs_RV, 1.0, 2, 0.5)[0].tolist() == pytest.approx([0, 0.4, 0, 0], abs=1e-6)


def test_the_nucleus_is_no_larger_than_it_must_be_and_prefers_lower_ids() -> None:
    logprobs_RV = torch.full((1, 4096), 1 / 4096).log()  # equal probabilities, exact in binary
    assert nucleus(logprobs_RV, 1.0, 0, 0.5)[0].nonzero().flatten().tolist() == list(range(2048))
    assert nucleus(logprobs_RV, 1.0, 3, 1.0)[0].nonzero().flatten().tolist() == [0, 1, 2]


def test_draws_follow_the_probabilities() -> None:
    probabilities_RV = torch.tensor([[0.1, 0.0, 0.6, 0.3]], dtype=torch.float64)
    generator = Random(1)
    draws = [int(draw_tokens(probabilities_RV, [generator])) for _ in range(4000)]
    frequencies = [draws.count(token) / len(draws) for token in range(4)]
    assert frequencies == pytest.approx([0.1, 0.0, 0.6, 0.3], abs=0.03)  # over 3.8 standard deviations
    assert draws.count(1) == 0


@given(st.lists(st.integers(0, 3), min_size=2, max_size=8).filter(any), st.integers())
def test_an_impossible_token_is_never_drawn(weights: list[int], seed: int) -> None:
    generator = Random(seed)
    probabilities_RV = torch.tensor([weights], dtype=torch.float64)
    assert all(weights[int(draw_tokens(probabilities_RV, [generator]))] for _ in range(20))


def test_the_least_draw_passes_over_an_impossible_token() -> None:
    class Zero(Random):
        def random(self) -> float:
            return 0.0

    assert draw_tokens(torch.tensor([[0.0, 0.5, 0.5]], dtype=torch.float64), [Zero()]).tolist() == [[1]]


def test_each_row_draws_from_its_own_generator() -> None:
    probabilities_RV = torch.full((3, 1000), 0.001, dtype=torch.float64)
    together = draw_tokens(probabilities_RV, [Random(1), Random(2), Random(1)]).flatten().tolist()
    alone = [int(draw_tokens(probabilities_RV[:1], [Random(seed)])) for seed in (1, 2)]
    assert together == [*alone, alone[0]]


@pytest.mark.parametrize("top_p", [5e-324, 1e-300])
def test_the_least_nucleus_is_the_most_probable_token(top_p: float) -> None:
    probabilities_RV = nucleus(torch.log_softmax(torch.tensor([[0.0, 1.0, 0.5]]), dim=-1), 1.0, 0, top_p)
    assert draw_tokens(probabilities_RV, [Random(1)]).tolist() == [[1]]


def test_the_largest_random_number_draws_a_token_that_is_possible() -> None:
    class Largest(Random):
        def random(self) -> float:
            return 1 - 2**-53

    assert draw_tokens(torch.tensor([[3e-320, 0.0], [0.1, 0.0]], dtype=torch.float64), [Largest()] * 2).tolist() == [
        [0],
        [0],
    ]
