"""The loss equals its formula."""

import pytest
import torch

from dispatch.model import label_smoothed_cross_entropy
from dispatch.model.loss import CHUNK


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_it_equals_the_formula_written_out(smoothing: float) -> None:
    logits, target = torch.randn(2, 3, 5), torch.tensor([[1, 4, 0], [2, 0, 0]])  # 0 pads
    expected = []
    for row, position in ((0, 0), (0, 1), (1, 0)):
        gold = int(target[row, position])
        wanted = [(1 - smoothing) * (token == gold) + smoothing / 5 for token in range(5)]
        exponentials = logits[row, position].exp()
        log_probability = (exponentials / exponentials.sum()).log()
        expected.append(-sum(w * p for w, p in zip(wanted, log_probability, strict=True)))
    loss = label_smoothed_cross_entropy(logits, target, smoothing, pad_id=0)
    torch.testing.assert_close(loss, torch.stack([torch.as_tensor(e) for e in expected]).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_its_gradient_is_that_of_torch(smoothing: float) -> None:
    rows = 2 * CHUNK + 3  # more than one chunk, and a rest
    logits, target = torch.randn(rows, 7, requires_grad=True), torch.randint(0, 7, (rows,))
    expected = torch.nn.functional.cross_entropy(logits, target, ignore_index=0, label_smoothing=smoothing)
    (expected_gradient,) = torch.autograd.grad(3 * expected, logits)
    loss = label_smoothed_cross_entropy(logits, target, smoothing, pad_id=0)
    (gradient,) = torch.autograd.grad(3 * loss, logits)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradient, expected_gradient)


def test_padding_gets_no_gradient() -> None:
    logits = torch.randn(2, 3, 5, requires_grad=True)
    loss = label_smoothed_cross_entropy(logits, torch.tensor([[1, 4, 0], [2, 0, 0]]), 0.1, pad_id=0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    learns = logits.grad.abs().sum(-1) > 0
    assert learns.tolist() == [[True, True, False], [True, False, False]]


def test_it_is_computed_in_float32() -> None:
    logits, target = torch.randn(2, 3, 5).bfloat16(), torch.tensor([[1, 4, 3], [2, 1, 1]])
    loss = label_smoothed_cross_entropy(logits, target, 0.1, pad_id=0)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, label_smoothed_cross_entropy(logits.float(), target, 0.1, pad_id=0))
