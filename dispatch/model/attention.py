"""Multi-head attention (Vaswani et al. 2017, §3.2).

Shapes: B batch, T queries, S keys, D model width, H heads, K head width. Masks are bool, True where a query may attend.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dispatch.model.dropout import Dropout


def attention_weights(query_BHTK: Tensor, key_BHSK: Tensor, mask: Tensor | None = None) -> Tensor:
    """How much each query takes from each key: weights_BHTS, rows of which sum to 1.

    ``mask`` broadcasts to BHTS; every query must have a key that it may attend to.
    """
    # The query is scaled and the mask is added, rather than the scores divided and filled: that saves passes over the
    # largest tensors of the network, forward and back.
    scores_BHTS = (query_BHTK / math.sqrt(query_BHTK.shape[-1])) @ key_BHSK.transpose(-2, -1)
    if mask is not None:
        scores_BHTS = scores_BHTS + torch.zeros_like(mask, dtype=scores_BHTS.dtype).masked_fill_(~mask, -math.inf)
    return scores_BHTS.softmax(dim=-1)


def scaled_dot_product_attention(
    query_BHTK: Tensor, key_BHSK: Tensor, value_BHSK: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Attention written out (Vaswani et al. 2017, eq. 1). Returns attended_BHTK and weights_BHTS."""
    weights_BHTS = attention_weights(query_BHTK, key_BHSK, mask)
    return weights_BHTS @ value_BHSK, weights_BHTS


@dataclass(frozen=True)
class KeysValues:
    """What queries attend to, projected and split into heads."""

    key_BHSK: Tensor
    value_BHSK: Tensor


class MultiHeadAttention(nn.Module):
    """H attentions side by side, each over its own K = D / H wide projection of queries, keys and values."""

    def __init__(self, d_model: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = Dropout(dropout)
        self.query = nn.Linear(d_model, d_model)
        self.key_value = nn.Linear(d_model, 2 * d_model)
        self.output = nn.Linear(d_model, d_model)

    def project(self, x_BSD: Tensor) -> KeysValues:
        """The keys and values of a sequence, to be attended to."""
        key_BSD, value_BSD = self.key_value(x_BSD).chunk(2, dim=-1)
        return KeysValues(self._split_heads(key_BSD), self._split_heads(value_BSD))

    def forward(self, x_BTD: Tensor, memory: KeysValues, mask: Tensor | None) -> Tensor:
        """Attends from x to the memory. ``mask`` broadcasts to BHTS. Returns attended_BTD."""
        query_BHTK = self._split_heads(self.query(x_BTD))
        if self.training:  # on a processor torch's fused kernel is half as fast there, and has no dropout
            weights_BHTS = self.dropout(attention_weights(query_BHTK, memory.key_BHSK, mask))
            attended_BHTK = weights_BHTS @ memory.value_BHSK
        else:
            attended_BHTK = F.scaled_dot_product_attention(query_BHTK, memory.key_BHSK, memory.value_BHSK, mask)
        return self._join_heads(attended_BHTK)

    def attend_with_weights(self, x_BTD: Tensor, memory: KeysValues, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """The same as ``forward`` in eval mode, by the plain formula. Returns attended_BTD and weights_BHTS."""
        attended_BHTK, weights_BHTS = scaled_dot_product_attention(
            self._split_heads(self.query(x_BTD)), memory.key_BHSK, memory.value_BHSK, mask
        )
        return self._join_heads(attended_BHTK), weights_BHTS

    def _split_heads(self, x_BTD: Tensor) -> Tensor:
        batch, length, _ = x_BTD.shape
        return x_BTD.view(batch, length, self.num_heads, -1).transpose(1, 2)

    def _join_heads(self, x_BHTK: Tensor) -> Tensor:
        joined_BTD: Tensor = self.output(x_BHTK.transpose(1, 2).flatten(2))
        return joined_BTD
