"""Phrases and least lengths hold in the decoded text, whatever a network prefers and however it spells it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dispatch.decoding import (
    Alphabet,
    DecodingConfig,
    Hypothesis,
    InstructionConstraint,
    Phrases,
    SpanConstraint,
    complete,
    search,
)
from dispatch.domain import Context
from dispatch.domain.linear import INSTRUCTION, LOCATION, SITUATION, Symbol, source_pieces
from dispatch.model import normalize
from tests.decoding.networks import ModelType, RandomStep, spelling

# As it is normalised or not, in the vocabulary or spelled by bytes: Ａ is written A, e and its accent are one letter.
CHARACTERS = "派3台,A7 砟😀eé\u0301Ａ镇"
MODEL_TYPES: list[ModelType] = ["char", "bpe", "unigram"]


@cache
def alphabet(model_type: ModelType) -> Alphabet:
    return Alphabet(spelling(model_type))


class Fond(RandomStep):
    """Random, and fond of the tokens that spell the characters above, byte by byte too; now and then it would end."""

    def __init__(self, seeds: Sequence[int], model_type: ModelType) -> None:
        spelled = spelling(model_type)
        super().__init__(seeds, spelled.tokenizer.vocab_size)
        known = {byte for char in CHARACTERS for byte in char.encode()}
        self.fond = [
            token for token in range(self.vocab_size) if (text := spelled.write([token])) and set(text) <= known
        ]
        self.end = spelled.tokenizer.eos_id

    def lift(self, scores_V: Tensor, history: tuple[int, ...]) -> Tensor:
        scores_V[self.fond] += 9.0
        scores_V[self.end] += 8.0
        return scores_V


def decode(
    step: RandomStep, config: DecodingConfig, model_type: ModelType = "char", typed: str = "", rows: int = 1
) -> list[list[Hypothesis]]:
    """Instructions alone, behind what is typed."""
    spelled = alphabet(model_type)
    prefix = [spelled.tokenizer.bos_id, *spelled.tokenizer.encode_pieces([INSTRUCTION, typed])]
    constraint = InstructionConstraint(Phrases(config, spelled), config.min_tokens, spelled)
    return search(step, [prefix] * rows, config, spelled.end, constraints=[constraint] * rows)


def text_of(hypothesis: Hypothesis, model_type: ModelType = "char") -> str:
    tokens = hypothesis.tokens[:-1] if hypothesis.finished else hypothesis.tokens
    return alphabet(model_type).tokenizer.decode(tokens)


phrases = st.text(CHARACTERS, min_size=1, max_size=4).filter(lambda text: bool(normalize(text).text.strip()))
requests = st.builds(
    lambda config, required, banned, least: replace(
        config, required_phrases=tuple(required), banned_phrases=tuple(banned), min_tokens=least
    ),
    st.sampled_from(
        [
            DecodingConfig(max_tokens=90),
            DecodingConfig("beam", beam_size=3, num_candidates=3, max_tokens=90),
            DecodingConfig("sample", num_candidates=3, top_p=0.95, seed=4, max_tokens=90),
        ]
    ),
    st.lists(phrases, max_size=3),
    st.lists(phrases, max_size=5),
    st.sampled_from([0, 0, 12]),
).filter(lambda config: not config.violations())


@given(requests, st.sampled_from(MODEL_TYPES), st.integers(0, 2**31), st.sampled_from(["", "镇派", "e"]))
@settings(max_examples=100)
def test_no_banned_phrase_is_ever_completed_and_no_required_one_is_missing_at_the_end(
    config: DecodingConfig, model_type: ModelType, seed: int, typed: str
) -> None:
    banned_is_typed = any(phrase in typed for phrase in config.banned_texts)
    [found] = decode(Fond([seed], model_type), config, model_type, "" if banned_is_typed else typed)
    assert found
    for hypothesis in found:
        text = text_of(hypothesis, model_type)
        assert not any(phrase in text for phrase in config.banned_texts)
        if hypothesis.ending != "repetition":
            assert all(phrase in text for phrase in config.required_texts)
        if hypothesis.finished:
            assert len(hypothesis.tokens) - 2 >= config.min_tokens  # <instruction> and the end are none of its own


@given(requests, st.integers(0, 2**31))
@settings(max_examples=25)
def test_a_row_under_phrases_does_not_depend_on_the_others(config: DecodingConfig, seed: int) -> None:
    together = decode(Fond([seed, seed + 1], "char"), config, rows=2)
    assert together == [*decode(Fond([seed], "char"), config), *decode(Fond([seed + 1], "char"), config)]


class Sure(RandomStep):
    """Nearly sure of a text, then of the end."""

    def __init__(self, *texts: str) -> None:
        spelled = spelling("char")
        super().__init__(range(len(texts)), spelled.tokenizer.vocab_size, scale=0.01)
        self.scripts = [[*spelled.tokenizer.encode(text), spelled.tokenizer.eos_id] for text in texts]

    def scores(self, seed: int, history: tuple[int, ...]) -> Tensor:
        scores_V = super().scores(seed, history)
        script = self.scripts[seed]
        scores_V[script[min(len(history) - 2, len(script) - 1)]] += 20.0
        return scores_V


WRITTEN = "派3台除雪车至A7公路"


@pytest.mark.parametrize(
    ("required", "banned", "expected"),
    [
        (("医疗队",), (), f"{WRITTEN},医疗队"),
        (("3台", "A7"), (), WRITTEN),  # there already
        (("医疗队", "Ａ组", "公路,医"), (), f"{WRITTEN},医疗队,A组"),  # one may bring the next; as the model writes it
        (("医疗队",), (",",), f"{WRITTEN};医疗队"),
        (("医疗队",), (",医", ";", "、医"), f"{WRITTEN} 医疗队"),
        (("医疗队",), (*",;、一丁", "路 "), f"{WRITTEN}丂医疗队"),  # nothing else is left
        (("\u0301",), (), f"{WRITTEN},\u0301"),
    ],
)
def test_what_is_missing_at_the_end_is_added(required: tuple[str, ...], banned: tuple[str, ...], expected: str) -> None:
    config = DecodingConfig(required_phrases=required, banned_phrases=banned)
    [[found]] = decode(Sure(WRITTEN), config)
    assert text_of(found) == expected == complete(WRITTEN, config)
    assert found.finished


def test_any_text_can_be_completed() -> None:
    assert complete("派Ａ", DecodingConfig(required_phrases=("甲",))) == "派Ａ,甲"


def test_the_hypotheses_of_a_beam_differ_though_one_writes_what_another_is_made_to_write() -> None:
    config = DecodingConfig("beam", beam_size=4, num_candidates=4, required_phrases=("3台",), max_tokens=60)
    for seed in range(5):
        [found] = decode(Fond([seed], "char"), config)
        assert len({hypothesis.tokens for hypothesis in found}) == len(found)


def test_the_first_text_of_an_instruction_needs_no_comma() -> None:
    config = DecodingConfig(required_phrases=("医疗队",))
    [[found]] = decode(Sure(""), config)
    assert text_of(found) == "医疗队"


def test_no_second_comma_is_written() -> None:
    [[found]] = decode(Sure("派3台,"), DecodingConfig(required_phrases=("医疗队",)))
    assert text_of(found) == "派3台,医疗队"


@pytest.mark.parametrize("strategy", ["greedy", "beam"])
def test_an_added_phrase_costs_what_the_end_would_have(strategy: str) -> None:
    free = DecodingConfig(strategy)  # type: ignore[arg-type]
    asked = replace(free, required_phrases=("医疗队随行",))
    [[plain]], [[longer]] = decode(Sure(WRITTEN), free), decode(Sure(WRITTEN), asked)
    assert text_of(longer) == f"{WRITTEN},医疗队随行"
    assert longer.score == pytest.approx(plain.score)
    assert min(longer.token_scores) < -10  # the network's own opinion of it


def test_there_is_always_room_for_what_is_required() -> None:
    config = DecodingConfig(required_phrases=("医疗队随行",), max_tokens=30)
    [[found]] = decode(Sure("派" * 3 + "3台除雪车至A7公路" * 3), config)
    assert text_of(found).endswith(",医疗队随行")
    assert len(found.tokens) <= 1 + 30
    assert found.finished


def test_a_required_phrase_may_repeat_itself() -> None:
    [[found]] = decode(Sure(WRITTEN), DecodingConfig(required_phrases=("镇" * 60,)))
    assert text_of(found) == f"{WRITTEN},{'镇' * 60}"
    assert found.finished


@pytest.mark.parametrize(
    ("typed", "banned", "written"),
    [
        ("", "3台", "3台"),
        ("", "砟", "砟"),  # spelled by bytes
        ("派", "派3", "3台"),  # across from what was typed
    ],
)
def test_a_banned_phrase_is_not_written_by_a_network_that_is_sure_of_it(typed: str, banned: str, written: str) -> None:
    [[free]] = decode(Sure(typed + written), DecodingConfig(), typed=typed)
    [[bound]] = decode(Sure(typed + written), DecodingConfig(banned_phrases=(banned,), max_tokens=30), typed=typed)
    assert banned in text_of(free)
    assert banned not in text_of(bound)


def test_a_character_that_normalising_would_change_is_not_written() -> None:
    spelled = alphabet("char")
    for text, mark in (("e", "\u0301"), ("派", "Ａ"), ("派", "\u200b"), ("派", "\u0085"), ("ᄀ", "ᅡ"), ("か", "\u3099")):
        constraint = InstructionConstraint(Phrases(DecodingConfig(min_tokens=1), spelled), 1, spelled)
        tokens = spelled.tokenizer.encode_pieces([INSTRUCTION, text])
        for byte in mark.encode():
            allowed = constraint.allowed(tokens)
            if spelled.bytes[byte] not in allowed:
                break
            tokens.append(spelled.bytes[byte])
        else:
            pytest.fail(f"{text!r} and {mark!r} were written")


def test_the_least_length_keeps_the_end_away() -> None:
    short, long = Sure("派"), Sure("派3台")
    [[found]] = decode(short, DecodingConfig(min_tokens=5))
    assert len(found.tokens) >= 1 + 5 + 1
    [[same]] = decode(long, DecodingConfig(min_tokens=3))
    assert text_of(same) == "派3台"


class Reporting(RandomStep):
    """Nearly sure of a situation whose place is banned in the instruction, and of an instruction there."""

    def __init__(self) -> None:
        spelled = spelling("char")
        super().__init__([0], spelled.tokenizer.vocab_size, scale=0.01)
        kind = Symbol("<kind:request>")
        self.script = spelled.tokenizer.encode_pieces([SITUATION, kind, LOCATION, "壶镇", INSTRUCTION, "派3台至壶镇"])
        self.end = spelled.tokenizer.eos_id

    def lift(self, scores_V: Tensor, history: tuple[int, ...]) -> Tensor:
        at = len(history) - 1
        scores_V[self.script[at] if at < len(self.script) else self.end] += 20.0
        return scores_V


@pytest.mark.parametrize("report", ["壶镇积雪", "大街内涝"])
def test_the_situation_is_left_alone_and_its_places_stay_guarded(report: str) -> None:
    spelled = alphabet("char")
    config = DecodingConfig(banned_phrases=("壶镇",), required_phrases=("A7",), max_tokens=60)
    source = spelled.tokenizer.encode_pieces(source_pieces(report, Context()))
    guard = SpanConstraint(source, spelled.spelling)
    constraint = InstructionConstraint(Phrases(config, spelled), 0, spelled, guard)
    [[found]] = search(Reporting(), [[spelled.tokenizer.bos_id]], config, spelled.end, constraints=[constraint])
    pieces = spelled.tokenizer.decode_pieces(found.tokens)
    at = pieces.index(INSTRUCTION)
    assert ("壶镇" in pieces[:at]) == (report == "壶镇积雪")
    instruction = "".join(pieces[at + 1 :])
    assert "壶镇" not in instruction
    assert "A7" in instruction


def test_a_sequence_cannot_end_before_its_instruction() -> None:
    spelled = alphabet("char")
    config = DecodingConfig(banned_phrases=("甲",))
    constraint = InstructionConstraint(Phrases(config, spelled), 0, spelled)
    assert not spelled.end & set(constraint.allowed([]))
    assert constraint.completion([]) == ()


def test_impossible_scores_do_not_break_a_ban() -> None:
    class Only(RandomStep):
        def lift(self, scores_V: Tensor, history: tuple[int, ...]) -> Tensor:
            only_V = torch.full_like(scores_V, -math.inf)
            only_V[spelling("char").tokenizer.encode("派")] = 0.0
            return only_V

    step = Only([0], spelling("char").tokenizer.vocab_size)
    [[found]] = decode(step, DecodingConfig(banned_phrases=("派",), max_tokens=4))
    assert "派" not in text_of(found)
