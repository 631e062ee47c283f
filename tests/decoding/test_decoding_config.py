"""Decoding options: sound ones pass, each bad one is named."""

from typing import Any

import pytest

from dispatch.decoding import DecodingConfig


@pytest.mark.parametrize(
    "config",
    [
        DecodingConfig(),
        DecodingConfig("beam", beam_size=16, num_candidates=16, length_penalty=0.0),
        DecodingConfig(required_phrases=("派" * 100,) * 8, banned_phrases=("甲",) * 32, min_tokens=640),
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
        ("min_tokens", {"min_tokens": -1}),
        ("min_tokens", {"min_tokens": 9, "max_tokens": 8}),
        ("required_phrases", {"required_phrases": ("医疗队",) * 9}),
        ("required_phrases", {"required_phrases": ("甲", "乙" * 101)}),
        ("required_phrases", {"required_phrases": ("",)}),
        ("required_phrases", {"required_phrases": ("\u200b",)}),
        ("banned_phrases", {"banned_phrases": ("甲",) * 33}),
        ("banned_phrases", {"banned_phrases": ("甲\0",)}),
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


def test_a_required_phrase_that_holds_a_banned_one_contradicts_however_it_is_written() -> None:
    config = DecodingConfig(required_phrases=("随行", "派Ａ组"), banned_phrases=("组员", "A"))
    assert config.violations() == {
        "required_phrases": "must not hold what is banned: required_phrases[1] holds banned_phrases[1]"
    }


def test_what_is_wrong_with_a_phrase_is_told_without_its_text() -> None:
    with pytest.raises(
        ValueError, match=r"required_phrases must be of 1 to 100 characters each, got 101 at \[0\]"
    ) as told:
        DecodingConfig(required_phrases=("秘" * 101,)).validate()
    assert "秘" not in str(told.value)


def test_phrases_are_looked_for_as_the_model_writes_them() -> None:
    config = DecodingConfig(required_phrases=("Ａ组,",), banned_phrases=("e\u0301",))
    assert config.keeps_phrases("派A组,随行")
    assert config.broken_phrases("派B组,\u00e9") == ["required_phrases[0]", "banned_phrases[0]"]


def test_json_names_what_is_asked_of_the_instruction_only_where_it_is() -> None:
    plain = DecodingConfig().to_dict()
    assert not {"required_phrases", "banned_phrases", "min_tokens"} & set(plain)
    asked = DecodingConfig(required_phrases=("甲",), banned_phrases=("乙",), min_tokens=3).to_dict()
    assert asked == plain | {"required_phrases": ["甲"], "banned_phrases": ["乙"], "min_tokens": 3}
