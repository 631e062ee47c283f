import pytest

from training.presets import PRESETS, preset_config


@pytest.mark.parametrize(
    ("name", "layers", "heads", "d_model"), [("nano", 3, 4, 32), ("small", 6, 6, 384), ("base", 6, 8, 512)]
)
def test_presets_have_the_sizes_they_are_known_for(name: str, layers: int, heads: int, d_model: int) -> None:
    config = preset_config(name, vocab_size=1000)
    assert (config.encoder_layers, config.decoder_layers) == (layers, layers)
    assert (config.num_heads, config.d_model, config.vocab_size) == (heads, d_model, 1000)


def test_the_shipped_preset_is_deep_where_it_is_read_and_shallow_where_it_is_written() -> None:
    config = preset_config("default", vocab_size=1000, dropout=0.2)
    assert config.encoder_layers > config.decoder_layers
    assert config.dropout == 0.2


def test_an_unknown_preset_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=f"preset is 'huge', but must be one of {', '.join(PRESETS)}"):
        preset_config("huge", vocab_size=1000)


def test_layers_may_differ_from_the_preset_s() -> None:
    config = preset_config("default", vocab_size=1000, encoder_layers=6, decoder_layers=1)
    assert (config.encoder_layers, config.decoder_layers, config.d_model) == (6, 1, 256)
