"""Position encodings equal the paper's formula and end where they say."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dispatch.model.positions import LearnedPositions, SinusoidalPositions


@given(position=st.integers(0, 511), pair=st.integers(0, 15))
def test_sines_and_cosines_of_the_paper(position: int, pair: int) -> None:
    encoding = SinusoidalPositions(512, 32)(0, 512)[position]
    angle = position / 10_000 ** (2 * pair / 32)
    assert encoding[2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-4)
    assert encoding[2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-4)


@pytest.mark.parametrize("positions", [SinusoidalPositions(8, 4), LearnedPositions(8, 4)])
def test_a_later_start_continues_and_the_end_is_an_error(positions: SinusoidalPositions | LearnedPositions) -> None:
    assert torch.equal(positions(3, 5), positions(0, 8)[3:])
    with pytest.raises(ValueError, match="9 tokens is longer than the model's max_length of 8"):
        positions(3, 6)


def test_sinusoidal_positions_are_neither_stored_nor_learned() -> None:
    positions = SinusoidalPositions(8, 4)
    assert not positions.state_dict()
    assert not list(positions.parameters())


def test_learned_positions_learn() -> None:
    positions = LearnedPositions(8, 4)
    positions(2, 3).sum().backward()
    assert positions.table_TD.grad is not None
    assert positions.table_TD.grad.sum(1).tolist() == [0, 0, 4, 4, 4, 0, 0, 0]
