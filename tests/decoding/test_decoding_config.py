"""Decoding options: sound ones pass, each bad one is named."""

from typing import Any

import pytest

from dispatch.decoding import DecodingConfig


@pytest.mark.parametrize(
    "config",
    [
        DecodingConfig(),
        DecodingConfig("beam", beam_size=16, num_candidates=16, length_penalty=0.0),
        DecodingConfig("sample", beam_size=1, num_candidates=16, temperature=0.01, top_k=1, top_p=1e-6, seed=-1),
    ],
)
def test_sound_options_pass(config: DecodingConfig) -> None:
    config.validate()
    assert config.violations() == {}


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("strategy", {"strategy": "best"}),
        ("beam_size", {"strategy": "beam", "beam_size": 0}),
        ("beam_size", {"strategy": "beam", "beam_size": 17}),
        ("num_candidates", {"num_candidates": 0}),
        ("num_candidates", {"strategy": "greedy", "num_candidates": 2}),
        ("num_candidates", {"strategy": "beam", "beam_size": 3, "num_candidates": 4}),
        ("num_candidates", {"strategy": "sample", "num_candidates": 17}),
        ("length_penalty", {"length_penalty": -0.1}),
        ("length_penalty", {"length_penalty": float("nan")}),
        ("temperature", {"temperature": 0.0}),
        ("temperature", {"temperature": 1e-320}),
        ("temperature", {"temperature": float("inf")}),
        ("temperature", {"temperature": float("nan")}),
        ("top_k", {"top_k": -1}),
        ("top_p", {"top_p": 0.0}),
        ("top_p", {"top_p": 1.1}),
        ("max_tokens", {"max_tokens": 0}),
    ],
)
def test_a_bad_option_is_named_with_its_value(field: str, options: dict[str, Any]) -> None:
    config = DecodingConfig(**options)
    assert field in config.violations()
    with pytest.raises(ValueError, match=rf"\b{field} must be .*, got "):
        config.validate()


def test_every_bad_option_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"temperature .*; top_k .*; max_tokens "):
        DecodingConfig(temperature=-1, top_k=-1, max_tokens=0).validate()
