"""Sizes of the network by name."""

from dataclasses import dataclass

from dispatch.model import TransformerConfig

MAX_LENGTH = 1024  # tokens on either side


@dataclass(frozen=True)
class Preset:
    """What a preset fixes; vocabulary and dropout come from the run."""

    encoder_layers: int
    decoder_layers: int
    num_heads: int
    d_model: int
    d_feedforward: int


PRESETS = {
    "nano": Preset(encoder_layers=3, decoder_layers=3, num_heads=4, d_model=32, d_feedforward=128),
    "small": Preset(encoder_layers=6, decoder_layers=6, num_heads=6, d_model=384, d_feedforward=1536),
    "base": Preset(encoder_layers=6, decoder_layers=6, num_heads=8, d_model=512, d_feedforward=2048),
    # The shipped one. Decoding costs a pass of the decoder per token, so the depth is in the encoder.
    "default": Preset(encoder_layers=4, decoder_layers=2, num_heads=4, d_model=256, d_feedforward=1024),
}


def preset_config(
    name: str,
    vocab_size: int,
    dropout: float = 0.1,
    encoder_layers: int | None = None,
    decoder_layers: int | None = None,
) -> TransformerConfig:
    """The network of a preset, with other numbers of layers where they are given: pre-norm with sinusoidal positions.

    Raises:
        ValueError: if there is no preset of that name.
    """
    if name not in PRESETS:
        raise ValueError(f"preset is '{name}', but must be one of {', '.join(PRESETS)}")
    preset = PRESETS[name]
    return TransformerConfig(
        vocab_size=vocab_size,
        d_model=preset.d_model,
        num_heads=preset.num_heads,
        encoder_layers=preset.encoder_layers if encoder_layers is None else encoder_layers,
        decoder_layers=preset.decoder_layers if decoder_layers is None else decoder_layers,
        d_feedforward=preset.d_feedforward,
        dropout=dropout,
        norm="pre",
        positions="sinusoidal",
        max_length=MAX_LENGTH,
    )
