"""Bundles of untrained networks: what they write is nonsense, which every rule of an engine must survive."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dispatch.domain.linear import LOCATION, SYMBOLS
from dispatch.model import (
    Bundle,
    BundleConfig,
    TokenizerConfig,
    Transformer,
    TransformerConfig,
    load_bundle,
    save_bundle,
    train_tokenizer,
)

REPORTS = ("山区公路积雪3米,断电,50人被困", "发大水了", "楼里着火了,八楼还有人,快来救人!")
TOKENIZER = train_tokenizer(REPORTS, TokenizerConfig(character_coverage=1.0), SYMBOLS)
SHAPE = TransformerConfig(
    vocab_size=TOKENIZER.vocab_size,
    d_model=32,
    num_heads=4,
    encoder_layers=1,
    decoder_layers=1,
    d_feedforward=64,
    max_length=64,
)
FONDNESS, LIVELINESS = 3.0, 0.5


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Bundle]:
    """Saves and loads a bundle; fields of the network's configuration can be given."""

    def make(situations: bool = True, seed: int = 3, **fields: object) -> Bundle:
        torch.manual_seed(seed)
        config = replace(SHAPE, **fields)  # type: ignore[arg-type]
        model = Transformer(config)
        with torch.no_grad():
            # Fond of writing places, which are then hardly ever what somebody has said.
            model.embedding.weight[TOKENIZER.symbol_id(LOCATION)] *= FONDNESS
            for layer in (*model.encoder_layers, *model.decoder_layers):
                for parameter in layer.parameters():
                    # As they are, the layers change so little that each token is followed by itself.
                    parameter += LIVELINESS * torch.randn_like(parameter)
        path: Path = tmp_path_factory.mktemp("bundle") / "tiny"
        save_bundle(path, BundleConfig("tiny", config, situations, "test"), model, TOKENIZER, {}, "card")
        return load_bundle(path)

    return make
