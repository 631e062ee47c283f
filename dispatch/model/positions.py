"""Position encodings, added to the embeddings. T sequence length, D model width."""

import math

import torch
from torch import Tensor, nn


def sinusoidal_positions(length: int, d_model: int) -> Tensor:
    """Sines and cosines of geometrically growing wavelengths (Vaswani et al. 2017, §3.5). Returns positions_TD."""
    position_T1 = torch.arange(length).unsqueeze(1)
    frequency = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10_000.0) / d_model))
    positions_TD = torch.empty(length, d_model)
    positions_TD[:, 0::2] = torch.sin(position_T1 * frequency)
    positions_TD[:, 1::2] = torch.cos(position_T1 * frequency)
    return positions_TD


class SinusoidalPositions(nn.Module):
    """Fixed position encodings; nothing is learned or stored."""

    table_TD: Tensor

    def __init__(self, max_length: int, d_model: int) -> None:
        super().__init__()
        self.register_buffer("table_TD", sinusoidal_positions(max_length, d_model), persistent=False)

    def forward(self, start: int, length: int) -> Tensor:
        """The encodings_TD of positions start … start + length - 1. ValueError beyond max_length."""
        return _slice(self.table_TD, start, length)


class LearnedPositions(nn.Module):
    """One learned vector a position."""

    def __init__(self, max_length: int, d_model: int) -> None:
        super().__init__()
        self.table_TD = nn.Parameter(torch.empty(max_length, d_model))
        nn.init.normal_(self.table_TD, std=d_model**-0.5)

    def forward(self, start: int, length: int) -> Tensor:
        """The encodings_TD of positions start … start + length - 1. ValueError beyond max_length."""
        return _slice(self.table_TD, start, length)


def _slice(table_TD: Tensor, start: int, length: int) -> Tensor:
    if start + length > len(table_TD):
        raise ValueError(
            f"a sequence of {start + length} tokens is longer than the model's max_length of {len(table_TD)}: "
            "shorten the text or train a model with a larger max_length"
        )
    return table_TD[start : start + length]
