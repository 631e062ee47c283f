"""The step function: all that the search knows of a network. R rows of hypotheses, T new tokens, V vocabulary."""

from typing import Protocol

import torch
from torch import Tensor

from dispatch.model import Transformer


class StepFunction(Protocol):
    """Scores the next token of rows of hypotheses, one row at first for each sequence, and owns their cached state."""

    @property
    def max_length(self) -> int:
        """The most tokens, bos included, that a row can be fed."""
        ...

    def step(self, tokens_RT: Tensor) -> Tensor:
        """Feed T new tokens to every row; returns logits_RTV, the scores of the token after each of them."""
        ...

    def select(self, rows_R: Tensor) -> None:
        """Keep these rows, in this order: reorders, duplicates and drops."""
        ...


class TransformerStep:
    """The step function of our Transformer, which must be in eval mode: encodes once, then steps with a cache."""

    @torch.inference_mode()
    def __init__(self, model: Transformer, source_BS: Tensor) -> None:
        self._model = model
        self._device = source_BS.device
        self._cache = model.start(model.encode(source_BS))

    @property
    def max_length(self) -> int:
        return self._model.config.max_length

    def step(self, tokens_RT: Tensor) -> Tensor:
        return self._model.step(tokens_RT.to(self._device), self._cache)

    def select(self, rows_R: Tensor) -> None:
        self._cache.select(rows_R.to(self._device))
