"""The torch engine writes no place that the source does not say, however it is asked and whatever it would write."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dispatch.decoding import DecodingConfig, Hypothesis
from dispatch.domain import Context
from dispatch.domain.linear import INSTRUCTION, LOCATION, REPORT, SITUATION, SYMBOLS, Symbol
from dispatch.engine import Candidate, GenerationRequest, TorchEngine, generate_all
from dispatch.engine.bundle_engine import BundleEngine
from dispatch.engine.torch_engine import TorchSearch
from dispatch.model import (
    Bundle,
    BundleConfig,
    BundleIdentity,
    DecoderCache,
    TokenizerConfig,
    Transformer,
    TransformerConfig,
    train_tokenizer,
)

KIND, OTHER = Symbol("<kind:request>"), Symbol("<kind:other>")
REPORTS = ("壶镇镇和砟子镇积雪3米,50人被困", "😀𠮷村 3号着火", "雪大" * 40)
TOKENIZER = train_tokenizer(["壶镇镇子积雪3米,50人被困着火大派台除车至甲村", *REPORTS[2:]], TokenizerConfig(), SYMBOLS)
MAX_LENGTH = 64


class Led(Transformer):
    """An untrained network that is led from symbol to symbol by the token before: places are what it pleases."""

    def __init__(self, leads: dict[int, dict[int, float]]) -> None:
        torch.manual_seed(3)
        size = TOKENIZER.vocab_size
        super().__init__(
            TransformerConfig(
                vocab_size=size,
                d_model=32,
                num_heads=4,
                encoder_layers=1,
                decoder_layers=1,
                d_feedforward=64,
                dropout=0.0,
                max_length=MAX_LENGTH,
            )
        )
        self.leads_VV = torch.zeros(size, size)
        for before, following in leads.items():
            for token, lead in following.items():
                self.leads_VV[before, token] = lead

    def step(self, tokens_RT: Tensor, cache: DecoderCache) -> Tensor:
        return super().step(tokens_RT, cache) + self.leads_VV[tokens_RT]


def lead_through(kind: Symbol, closing: float) -> dict[int, dict[int, float]]:
    """Situation, kind, place; then texts, each token of which may be followed by the instruction, or by the end."""
    ids = {symbol: TOKENIZER.symbol_id(symbol) for symbol in (SITUATION, kind, LOCATION, INSTRUCTION)}
    text = [token for token in range(TOKENIZER.vocab_size) if TOKENIZER.decode([token])]
    to_text = dict.fromkeys(text, 30.0)
    return {
        TOKENIZER.bos_id: {ids[SITUATION]: 60.0},
        ids[SITUATION]: {ids[kind]: 60.0},
        ids[kind]: {ids[LOCATION]: 60.0},
        ids[LOCATION]: to_text,
        ids[INSTRUCTION]: {TOKENIZER.eos_id: 60.0},
        **{token: {**to_text, ids[INSTRUCTION]: closing} for token in text},
    }


def bundle_of(model: Led) -> Bundle:
    config = BundleConfig("led", model.config, True, "test")
    return Bundle(Path("led"), config, model.eval(), TOKENIZER, BundleIdentity("led", "0" * 64))


def engine(closing: float = 29.0, *, guard_places: bool = True) -> TorchEngine:
    return TorchEngine(bundle_of(Led(lead_through(KIND, closing))), guard_places=guard_places)


DECODINGS = [
    DecodingConfig(max_tokens=40),
    DecodingConfig("beam", beam_size=3, num_candidates=3, max_tokens=40),
    DecodingConfig("sample", num_candidates=8, temperature=3.0, max_tokens=40),
]
CONTEXT = Context("甲村 大院", ("派3台除雪车至人大",))


def places(candidates: Iterable[Candidate]) -> list[str]:
    return [situation.location for candidate in candidates for situation in candidate.situations]


@pytest.mark.parametrize("typed", ["", "派3台"])
@pytest.mark.parametrize("decoding", DECODINGS, ids=lambda decoding: decoding.strategy)
def test_every_place_is_in_the_report_or_the_context(decoding: DecodingConfig, typed: str) -> None:
    requests = [GenerationRequest(report, CONTEXT, decoding, typed) for report in REPORTS]
    requests.append(GenerationRequest(REPORTS[0], decoding=decoding))  # in one batch with and without a typed beginning
    guarded = generate_all(engine(), requests)
    for request, generation in zip(requests, guarded, strict=True):
        found = places(generation.candidates)
        assert found
        assert all(place in request.report or place in request.context.location for place in found)
        assert all(candidate.text.startswith(request.prefix) for candidate in generation.candidates)


def test_unguarded_the_network_writes_what_it_pleases() -> None:
    requests = [GenerationRequest(report, CONTEXT, DECODINGS[2]) for report in REPORTS[:2]]
    free = places(c for generation in generate_all(engine(guard_places=False), requests) for c in generation.candidates)
    assert any(all(place not in text for text in (*REPORTS, CONTEXT.location)) for place in free)


@pytest.mark.parametrize("decoding", DECODINGS, ids=lambda decoding: decoding.strategy)
def test_a_place_stands_in_the_part_of_the_report_that_the_model_saw(decoding: DecodingConfig) -> None:
    seen = "雪大" * 40
    request = GenerationRequest(seen + "壶镇着火", decoding=decoding)
    (generation,) = generate_all(engine(closing=35.0), [request])
    assert generation.source_truncated
    assert places(generation.candidates)
    assert all(place in seen for place in places(generation.candidates))


def test_what_greedy_search_has_made_illegible_is_searched_again() -> None:
    need, kind = TOKENIZER.symbol_id(Symbol("<need:boat>")), TOKENIZER.symbol_id(KIND)
    leads = lead_through(KIND, 38.0)
    leads[kind] = {need: 61.0, TOKENIZER.symbol_id(LOCATION): 60.0}  # the first look is a need with text: no situation
    leads[need] = {TOKENIZER.encode("积")[-1]: 60.0}
    model = TorchEngine(bundle_of(Led(leads)))
    first, *others = generate_all(model, [GenerationRequest(REPORTS[0])])[0].candidates
    assert first.fault
    assert first.situations == ()
    assert [candidate for candidate in others if not candidate.fault and places([candidate])[0] in REPORTS[0]]
    as_asked = DecodingConfig("beam", beam_size=1)
    (alone,) = generate_all(model, [GenerationRequest(REPORTS[0], decoding=as_asked)])[0].candidates
    assert alone.fault


@pytest.mark.parametrize(("report", "looks"), [("甲村发生雪崩", 2), ("甲村有人受困", 1)])
def test_where_greedy_search_has_left_out_a_hazard_that_is_named_a_beam_looks_again(report: str, looks: int) -> None:
    searched: list[str] = []

    class Watched(TorchSearch):
        def __call__(
            self, sources: Any, prefixes: Any, decoding: DecodingConfig, stop_id: int, should_stop: Any
        ) -> list[list[Hypothesis]]:
            searched.append(decoding.strategy)
            return super().__call__(sources, prefixes, decoding, stop_id, should_stop)

    bundle = bundle_of(Led(lead_through(KIND, 60.0)))
    watched = BundleEngine(bundle, Watched(bundle, torch.device("cpu"), guard_places=True))
    (generation,) = generate_all(watched, [GenerationRequest(report, decoding=DecodingConfig(max_tokens=40))])
    assert searched == ["greedy", "beam"][:looks]
    assert (len(generation.candidates) > 1) == (looks > 1)


def test_a_place_that_is_decoded_can_be_cancelled() -> None:
    looks = iter([False] * 5)  # the fifth step is within the place
    assert engine().generate([GenerationRequest(REPORTS[0], prefix="派")], lambda _: next(looks, True)) == [None]


@pytest.mark.parametrize("kind", [KIND, OTHER])
@pytest.mark.parametrize("typed", ["", "派3台"])
def test_the_confidence_of_the_kind_is_the_networks_own(kind: Symbol, typed: str) -> None:
    leads = lead_through(kind, 31.0)
    leads[TOKENIZER.symbol_id(SITUATION)] = {TOKENIZER.symbol_id(kind): 12.0, TOKENIZER.symbol_id(KIND): 11.0}
    model = Led(leads)
    (generation,) = generate_all(TorchEngine(bundle_of(model)), [GenerationRequest(REPORTS[0], prefix=typed)])
    with torch.inference_mode():
        cache = model.start(model.encode(torch.tensor([TOKENIZER.encode_pieces([REPORT, REPORTS[0]])])))
        logits_V = model.step(torch.tensor([[TOKENIZER.bos_id, TOKENIZER.symbol_id(SITUATION)]]), cache)[0, -1]
    (candidate,) = generation.candidates
    written = Symbol(f"<kind:{candidate.situations[0].kind}>")
    expected = float(logits_V.softmax(-1)[TOKENIZER.symbol_id(written)])
    assert 0 < expected < 1
    assert candidate.kind_confidence == pytest.approx(expected, rel=1e-4)


def test_without_a_kind_there_is_nothing_to_doubt() -> None:
    (generation,) = generate_all(engine(), [GenerationRequest(REPORTS[0], decoding=DecodingConfig(max_tokens=1))])
    assert generation.candidates[0].kind_confidence == 1.0


def test_a_situation_that_was_cut_is_flagged_and_loses_the_field_that_it_was_cut_in() -> None:
    decoding = DecodingConfig(max_tokens=4)  # ends within the place
    (generation,) = generate_all(engine(closing=0.0), [GenerationRequest(REPORTS[1], decoding=decoding, prefix="派")])
    (candidate,) = generation.candidates
    assert [situation.location for situation in candidate.situations] == [""]
    assert "situation cut at the length limit" in candidate.fault


def test_a_runaway_is_a_fault_of_its_own() -> None:
    text = next(token for token in range(TOKENIZER.vocab_size) if TOKENIZER.decode([token]) == "雪")
    leads = {TOKENIZER.bos_id: {TOKENIZER.symbol_id(INSTRUCTION): 90.0}, TOKENIZER.symbol_id(INSTRUCTION): {text: 90.0}}
    bundle = bundle_of(Led({**leads, text: {text: 90.0}}))
    (generation,) = generate_all(TorchEngine(bundle), [GenerationRequest(REPORTS[0])])
    assert generation.candidates[0].fault == "ended because it only repeated itself"
    assert generation.candidates[0].text == "雪" * 16
