"""Attention: the plain formula, the fused one, training's, and their masks agree."""

import math

import pytest
import torch
import torch.nn.functional as F

from dispatch.model import MultiHeadAttention, scaled_dot_product_attention


def random_mask(*shape: int) -> torch.Tensor:
    """Random, but every query has a key."""
    mask = torch.rand(shape) < 0.5
    mask[..., 0] = True
    return mask


def test_the_plain_formula_on_two_keys_worked_by_hand() -> None:
    query = torch.tensor([[[[2.0, 0.0, 0.0, 0.0]]]])
    keys = torch.tensor([[[[math.log(3.0), 0.0, 0.0, 0.0], [0.0, 9.0, 9.0, 9.0]]]])
    values = torch.tensor([[[[4.0], [8.0]]]])
    attended, weights = scaled_dot_product_attention(query, keys, values)  # scores log 3 and 0, halved by sqrt(4)
    torch.testing.assert_close(weights.flatten(), torch.tensor([0.75, 0.25]))
    torch.testing.assert_close(attended.flatten(), torch.tensor([5.0]))


def test_the_plain_formula_equals_the_fused_kernel() -> None:
    query, key, value = torch.randn(3, 4, 5, 8), torch.randn(3, 4, 7, 8), torch.randn(3, 4, 7, 8)
    mask = random_mask(3, 1, 5, 7)
    attended, _ = scaled_dot_product_attention(query, key, value, mask)
    torch.testing.assert_close(attended, F.scaled_dot_product_attention(query, key, value, attn_mask=mask))


def test_masked_keys_get_no_weight_and_the_rest_sums_to_one() -> None:
    mask = random_mask(3, 1, 5, 7)
    _, weights = scaled_dot_product_attention(
        torch.randn(3, 4, 5, 8), torch.randn(3, 4, 7, 8), torch.randn(3, 4, 7, 8), mask
    )
    assert weights.masked_select(~mask).eq(0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4, 5))


@pytest.mark.parametrize("masked", [False, True])
def test_training_eval_and_weights_compute_the_same(masked: bool) -> None:
    attention = MultiHeadAttention(16, 4, dropout=0.0)
    x, memory = torch.randn(2, 5, 16), attention.project(torch.randn(2, 7, 16))
    mask = random_mask(2, 1, 5, 7) if masked else None
    in_training = attention.train()(x, memory, mask)
    in_eval = attention.eval()(x, memory, mask)
    with_weights, weights = attention.attend_with_weights(x, memory, mask)
    torch.testing.assert_close(in_eval, in_training)
    torch.testing.assert_close(with_weights, in_training)
    assert weights.shape == (2, 4, 5, 7)


def test_multi_head_attention_equals_torchs_on_the_same_weights() -> None:
    ours = MultiHeadAttention(16, 4, dropout=0.0).eval()
    theirs = torch.nn.MultiheadAttention(16, 4, batch_first=True).eval()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat((ours.query.weight, ours.key_value.weight)))
        theirs.in_proj_bias.copy_(torch.cat((ours.query.bias, ours.key_value.bias)))
        theirs.out_proj.load_state_dict(ours.output.state_dict())
    x, source, mask = torch.randn(2, 5, 16), torch.randn(2, 7, 16), random_mask(5, 7)
    attended, weights = ours.attend_with_weights(x, ours.project(source), mask)
    expected, expected_weights = theirs(x, source, source, attn_mask=~mask, average_attn_weights=False)
    torch.testing.assert_close(attended, expected)
    torch.testing.assert_close(weights, expected_weights)


def test_attention_weights_are_dropped_in_training_only() -> None:
    attention = MultiHeadAttention(16, 4, dropout=0.5)
    x = torch.randn(2, 5, 16)
    memory = attention.project(x)
    assert not torch.equal(attention(x, memory, None), attention(x, memory, None))
    attention.eval()
    assert torch.equal(attention(x, memory, None), attention(x, memory, None))
