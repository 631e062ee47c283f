"""Which tokens a hypothesis proposes next, by strategy. R rows of hypotheses, V vocabulary, K proposals."""

from collections.abc import Collection, Sequence
from random import Random

import torch
from torch import Tensor

from dispatch.decoding.config import DecodingConfig


def propose(logprobs_RV: Tensor, generators: Sequence[Random], config: DecodingConfig) -> Tensor:
    """Proposals tokens_RK: one drawn with the row's generator when sampling, else the best `config.pool`."""
    if config.strategy == "sample":
        return draw_tokens(nucleus(logprobs_RV, config.temperature, config.top_k, config.top_p), generators)
    return best_tokens(logprobs_RV, config.pool)


def restrict(logprobs_RV: Tensor, allowed: Sequence[Collection[int] | None]) -> Tensor:
    """The log-probabilities, -inf for what a row does not allow; None or an empty collection allows any token.

    Where the network thinks nothing possible of what is allowed, all of it is as good: a row must go on.
    """
    rows = [row for row, tokens in enumerate(allowed) if tokens]
    if not rows:
        return logprobs_RV
    refused_CV = torch.ones(len(rows), logprobs_RV.shape[-1], dtype=torch.bool)
    for mask_V, row in zip(refused_CV, rows, strict=True):
        mask_V[list(allowed[row] or ())] = False
    refused_CV = refused_CV.to(logprobs_RV.device)
    restricted_CV = logprobs_RV[rows].masked_fill(refused_CV, -torch.inf)
    hopeless_C1 = restricted_CV.isneginf().all(-1, keepdim=True)
    restricted_RV = logprobs_RV.clone()
    restricted_RV[rows] = restricted_CV.masked_fill(hopeless_C1 & ~refused_CV, 0.0)
    return restricted_RV


def best_tokens(logprobs_RV: Tensor, count: int) -> Tensor:
    """The `count` most probable tokens of each row, tokens_RK, best first; of equals the lower id comes first."""
    remaining_RV = logprobs_RV.clone()
    best = []
    for _ in range(min(count, logprobs_RV.shape[-1])):
        # argmax names the first of equals; topk promises no order, and a stable sort takes twenty times as long.
        token_R1 = remaining_RV.argmax(-1, keepdim=True)
        remaining_RV.scatter_(-1, token_R1, -torch.inf)
        best.append(token_R1)
    return torch.cat(best, dim=-1)


def nucleus(logprobs_RV: Tensor, temperature: float, top_k: int, top_p: float) -> Tensor:
    """Unnormalised probabilities in float64: 0 outside the top k and the nucleus (Holtzman et al. 2020, section 3.1).

    Temperature comes first, then the top k, then the nucleus of what the top k left.
    """
    probabilities_RV = torch.softmax(logprobs_RV.double() / temperature, dim=-1)
    if top_k == 0 and top_p == 1.0:
        return probabilities_RV
    sorted_RV, order_RV = torch.sort(probabilities_RV, dim=-1, descending=True, stable=True)
    if top_k:
        sorted_RV[:, top_k:] = 0.0
    before_RV = sorted_RV.cumsum(-1) - sorted_RV
    outside_RV = before_RV >= top_p * sorted_RV.sum(-1, keepdim=True)
    outside_RV[:, 0] = False  # the product may be 0, where top_p is nearly that
    sorted_RV[outside_RV] = 0.0
    return torch.zeros_like(sorted_RV).scatter(-1, order_RV, sorted_RV)


def draw_tokens(probabilities_RV: Tensor, generators: Sequence[Random]) -> Tensor:
    """One token for each row, tokens_R1, in proportion to its probability; takes one number of each generator."""
    # Inverse transform in order of token id: rounding that differs with the batch hardly ever changes a draw.
    cumulative_RV = probabilities_RV.cumsum(-1)
    uniform_R1 = cumulative_RV.new_tensor([[generator.random()] for generator in generators])
    total_R1 = cumulative_RV[:, -1:]
    drawn_R1 = torch.minimum(uniform_R1 * total_R1, torch.nextafter(total_R1, torch.zeros_like(total_R1)))
    return torch.searchsorted(cumulative_RV, drawn_R1, right=True)
