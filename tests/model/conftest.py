"""Small networks and a small tokenizer for the tests of the model."""

from collections.abc import Callable

import pytest
import torch

from dispatch.domain.linear import SYMBOLS
from dispatch.model import Tokenizer, TokenizerConfig, Transformer, TransformerConfig, train_tokenizer

TEXTS = (
    "山区公路积雪3米,断电,50人被困,急需发电机和医疗队",
    "派3台除雪车至A7公路,医疗队随行,协调电力公司恢复供电",
    "A road is blocked; two people need help.",
)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def make_model() -> Callable[..., Transformer]:
    """Builds a small network in eval mode; fields of its configuration can be given."""

    def make(**fields: object) -> Transformer:
        sizes = {"vocab_size": 23, "d_model": 16, "num_heads": 4, "d_feedforward": 24, "max_length": 32}
        layers = {"encoder_layers": 2, "decoder_layers": 3}
        return Transformer(TransformerConfig(**{**sizes, **layers, **fields})).eval()  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, TokenizerConfig(character_coverage=1.0), SYMBOLS)
