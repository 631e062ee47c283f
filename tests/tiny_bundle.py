"""A bundle of a network that has learnt nothing: what it writes is noise, but it writes it quickly."""

from pathlib import Path

import torch

from dispatch.domain.linear import SYMBOLS
from dispatch.model import (
    BundleConfig,
    TokenizerConfig,
    Transformer,
    TransformerConfig,
    save_bundle,
    train_tokenizer,
)


def save_tiny_bundle(path: Path, seed: int = 0) -> None:
    """The bundle of that name in a new folder; each seed has a network of its own."""
    texts = ["山区公路积雪3米,断电,50人被困,急需发电机和医疗队", "派3台除雪车至A7公路,医疗队随行"] * 20
    tokenizer = train_tokenizer(texts, TokenizerConfig(character_coverage=1.0), SYMBOLS)
    torch.manual_seed(seed)
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size,
        d_model=16,
        num_heads=2,
        encoder_layers=1,
        decoder_layers=1,
        d_feedforward=32,
        dropout=0.0,
        norm="pre",
        positions="sinusoidal",
        max_length=512,
    )
    bundle = BundleConfig(name=path.name, model=config, situations=True, created_by="a test")
    save_bundle(path, bundle, Transformer(config), tokenizer, {"pairs": 0}, f"# {path.name}\n")
