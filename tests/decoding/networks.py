"""Networks without a network, on real tokenizers: random scores that are always the same."""

from collections.abc import Sequence
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from dispatch.decoding import Spelling
from dispatch.domain.linear import SYMBOLS
from dispatch.model import Tokenizer, TokenizerConfig, train_tokenizer

# 砟, 𠮷 and the emoji are in no training text, so they fall to bytes.
TEXTS = ("壶镇镇大街街道内涝,50人被困", "山区公路积雪3米,A7公路断电", "派3台除雪车至A7公路,甲村 乙村")
ModelType = Literal["char", "bpe", "unigram"]


@cache
def tokenizer(model_type: ModelType) -> Tokenizer:
    return train_tokenizer(TEXTS * 20, TokenizerConfig(model_type, 500, 1.0), SYMBOLS)


@cache
def spelling(model_type: ModelType) -> Spelling:
    return Spelling(tokenizer(model_type))


class RandomStep:
    """Random scores by row and history, the same in any batch; `lift` may change them."""

    max_length = 400

    def __init__(self, seeds: Sequence[int], vocab_size: int, scale: float = 3.0) -> None:
        self.rows: list[tuple[int, tuple[int, ...]]] = [(seed, ()) for seed in seeds]
        self.vocab_size, self.scale = vocab_size, scale

    def scores(self, seed: int, history: tuple[int, ...]) -> Tensor:
        generator = torch.Generator().manual_seed(hash((seed, history)) % 2**31)
        return self.lift(torch.randn(self.vocab_size, generator=generator) * self.scale, history)

    def lift(self, scores_V: Tensor, history: tuple[int, ...]) -> Tensor:
        return scores_V

    def step(self, tokens_RT: Tensor) -> Tensor:
        logits_RTV = []
        for row, tokens in enumerate(tokens_RT.tolist()):
            seed, history = self.rows[row]
            histories = [(*history, *tokens[: count + 1]) for count in range(len(tokens))]
            logits_RTV.append(torch.stack([self.scores(seed, one) for one in histories]))
            self.rows[row] = (seed, histories[-1])
        return torch.stack(logits_RTV)

    def select(self, rows_R: Tensor) -> None:
        self.rows = [self.rows[row] for row in rows_R.tolist()]
