"""Dropout keeps the mean, drops the share it says, and passes gradients where it kept."""

import pytest
import torch

from dispatch.model.dropout import Dropout


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5])
def test_it_drops_the_share_and_scales_the_rest(probability: float) -> None:
    dropped = Dropout(probability)(torch.ones(100_003))  # no multiple of eight
    zeros = (dropped == 0).float().mean().item()
    assert zeros == pytest.approx(probability, abs=1 / 512 + 0.006)  # rounding, and 4 standard deviations
    torch.testing.assert_close(dropped[dropped != 0].unique(), torch.tensor([1 / (1 - round(probability * 256) / 256)]))


def test_neighbours_are_dropped_independently() -> None:
    dropped = (Dropout(0.5)(torch.ones(80_000)) == 0).float().view(-1, 8)  # the eight bytes of one drawn word
    correlation = torch.corrcoef(dropped.T)
    assert (correlation - torch.eye(8)).abs().max() < 0.05
    torch.testing.assert_close(dropped.mean(0), torch.full((8,), 0.5), atol=0.03, rtol=0)


def test_gradients_flow_where_elements_were_kept() -> None:
    x = torch.ones(3, 5, 7, requires_grad=True)
    dropped = Dropout(0.5)(x)
    dropped.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, dropped.detach())


def test_the_generator_decides_and_bfloat16_stays_bfloat16() -> None:
    x, dropout = torch.ones(50, dtype=torch.bfloat16), Dropout(0.5)
    torch.manual_seed(3)
    first = dropout(x)
    torch.manual_seed(3)
    assert torch.equal(dropout(x), first)
    assert first.dtype == torch.bfloat16
    assert not torch.equal(dropout(x), first)


def test_nothing_is_dropped_in_eval_mode_or_at_zero() -> None:
    x = torch.randn(4, 4)
    assert Dropout(0.0)(x) is x
    assert Dropout(0.9).eval()(x) is x
