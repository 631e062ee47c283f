"""The torch engine: answers do not depend on the batch, prefixes are kept, and unreadable output is said to be so."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dispatch.decoding import DecodingConfig
from dispatch.domain import Context
from dispatch.domain.linear import SYMBOLS
from dispatch.engine import GenerationRequest, TorchEngine, UnusableRequest, generate_all
from dispatch.model import (
    BundleConfig,
    NgramCounter,
    TokenizerConfig,
    Transformer,
    TransformerConfig,
    load_bundle,
    save_bundle,
    train_tokenizer,
)

REPORTS = ("山区公路积雪3米,断电,50人被困", "发大水了", "楼里着火了,八楼还有人,快来救人!")

DECODINGS = [
    DecodingConfig(max_tokens=20),
    DecodingConfig("beam", beam_size=3, num_candidates=3, max_tokens=20),
    DecodingConfig("sample", num_candidates=2, seed=5, max_tokens=20),
]


@pytest.fixture(scope="module", params=[True, False], ids=["situations", "instruction alone"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TorchEngine:
    """An untrained network: what it writes is nonsense, which every rule here must survive."""
    torch.manual_seed(3)
    tokenizer = train_tokenizer(REPORTS, TokenizerConfig(character_coverage=1.0), SYMBOLS)
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size,
        d_model=32,
        num_heads=4,
        encoder_layers=1,
        decoder_layers=1,
        d_feedforward=64,
        max_length=64,
    )
    path: Path = tmp_path_factory.mktemp("bundle") / "tiny"
    save_bundle(path, BundleConfig("tiny", config, request.param, "test"), Transformer(config), tokenizer, {}, "card")
    return TorchEngine(load_bundle(path))


@pytest.mark.parametrize("decoding", DECODINGS, ids=lambda decoding: decoding.strategy)
def test_an_answer_does_not_depend_on_the_batch(engine: TorchEngine, decoding: DecodingConfig) -> None:
    requests = [GenerationRequest(report, Context(), decoding) for report in REPORTS]
    requests.insert(1, GenerationRequest(REPORTS[0], Context("甲村"), DecodingConfig(max_tokens=3)))
    together = generate_all(engine, requests)
    for request, generation in zip(requests, together, strict=True):
        (alone,) = generate_all(engine, [request])
        assert [c.text for c in generation.candidates] == [c.text for c in alone.candidates]
        assert len(alone.candidates) >= request.decoding.num_candidates  # more where it was illegible
        assert alone.candidates[0].score == pytest.approx(generation.candidates[0].score, abs=1e-4)


def test_a_typed_beginning_is_kept(engine: TorchEngine) -> None:
    request = GenerationRequest(REPORTS[0], Context(), DecodingConfig(max_tokens=10), prefix="派3台除雪车")
    (generation,) = generate_all(engine, [request])
    assert generation.candidates[0].text.startswith("派3台除雪车")
    assert len(generation.candidates[0].token_scores) >= len("派3台除雪车")


def test_unreadable_output_is_a_fault(engine: TorchEngine) -> None:
    (generation,) = generate_all(engine, [GenerationRequest(REPORTS[1], decoding=DecodingConfig(max_tokens=4))])
    assert generation.candidates[0].fault


def test_a_report_longer_than_the_model_reads_is_flagged(engine: TorchEngine) -> None:
    short, long = generate_all(
        engine, [GenerationRequest(text, decoding=DecodingConfig(max_tokens=2)) for text in ("雪大", "雪大" * 50)]
    )
    assert (short.source_truncated, long.source_truncated) == (False, True)


def test_many_issued_instructions_do_not_push_the_report_out(engine: TorchEngine) -> None:
    decoding = DecodingConfig(max_tokens=5)
    issued = tuple(f"派{number}台除雪车至甲村" for number in range(1, 10))
    crowded, last_only = generate_all(
        engine, [GenerationRequest(REPORTS[0], Context(issued=issued[start:]), decoding) for start in (0, 6)]
    )
    assert not crowded.source_truncated
    assert not last_only.source_truncated


@pytest.mark.parametrize("decoding", DECODINGS, ids=lambda decoding: decoding.strategy)
@pytest.mark.parametrize("prefix", ["", "派"], ids=["free", "typed"])
def test_a_request_that_is_stopped_has_no_answer_and_the_others_do_not_notice(
    engine: TorchEngine, decoding: DecodingConfig, prefix: str
) -> None:
    requests = [GenerationRequest(report, decoding=decoding, prefix=prefix) for report in REPORTS]
    looks = [0] * len(requests)

    def should_stop(index: int) -> bool:
        looks[index] += 1
        return index == 2 or (index == 0 and looks[0] > 3)

    stopped, kept, never_begun = engine.generate(requests, should_stop)
    assert stopped is None
    assert never_begun is None
    assert kept is not None
    assert [c.text for c in kept.candidates] == [c.text for c in generate_all(engine, requests)[1].candidates]
    assert looks[0] == 4
    assert looks[2] == 1


@pytest.mark.parametrize("decoding", DECODINGS, ids=lambda decoding: decoding.strategy)
@pytest.mark.parametrize("prefix", ["", "派3台"], ids=["free", "typed"])
def test_phrases_bind_the_instruction_whatever_was_typed(
    engine: TorchEngine, decoding: DecodingConfig, prefix: str
) -> None:
    bound = replace(decoding, banned_phrases=("雪", "5", "被困"), required_phrases=("快来",), max_tokens=40)
    for generation in generate_all(engine, [GenerationRequest(r, decoding=bound, prefix=prefix) for r in REPORTS]):
        for candidate in generation.candidates:
            if not candidate.fault:
                assert bound.keeps_phrases(candidate.text)
                assert candidate.text.startswith(prefix)


def test_a_typed_beginning_that_holds_a_banned_phrase_is_refused(engine: TorchEngine) -> None:
    decoding = DecodingConfig(banned_phrases=("Ａ7",))
    with pytest.raises(UnusableRequest, match="prefix: holds a banned phrase"):
        engine.generate([GenerationRequest(REPORTS[0], decoding=decoding, prefix="派3台至A7公路")])


def test_the_tokens_of_a_request_are_those_that_the_network_reads(engine: TorchEngine) -> None:
    assert engine.token_count(GenerationRequest("雪大")) == 3  # and the symbol of the report
    assert engine.token_count(GenerationRequest("雪大" * 50)) == 64
    assert engine.token_count(GenerationRequest("雪大", Context("大"))) == 5


def test_an_answer_tells_how_much_of_the_report_training_has_not_shown(
    engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [GenerationRequest("青石镇内涝"), GenerationRequest("柳河村塌方")]
    shares = [answer.unseen_share for answer in engine.generate(requests) if answer]
    assert shares == [0.0, 0.0]  # its bundle does not tell
    counter = NgramCounter()
    for _ in range(2):
        counter.add("青石镇内涝")
    monkeypatch.setattr(engine, "bundle", replace(engine.bundle, seen_ngrams=counter.seen()))
    assert [answer.unseen_share for answer in engine.generate(requests) if answer] == [0.0, 1.0]


def test_no_requests_no_answers(engine: TorchEngine) -> None:
    assert engine.generate([]) == []
