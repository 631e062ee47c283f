"""The CTranslate2 engine answers as the torch engine does: token for token, and with the same scores."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.decoding import DecodingConfig, Hypothesis
from dispatch.domain import Context
from dispatch.engine import CTranslate2Engine, Generation, GenerationRequest, TorchEngine, generate_all
from dispatch.engine.torch_engine import TorchSearch
from dispatch.model import Bundle

REPORTS = (
    "山区公路积雪3米,断电,50人被困",
    "发大水了",
    "楼里着火了,八楼还有人,快来救人!",
    "大" * 80,
    "😀𠮷村 3号着火",
)
CONTEXT = Context("甲村 大院", ("派3台除雪车至人大",))
GREEDY = DecodingConfig(max_tokens=30)
BEAM = DecodingConfig("beam", beam_size=3, num_candidates=2, max_tokens=30)
DECODINGS = [
    GREEDY,
    DecodingConfig(length_penalty=0.0, max_tokens=40),
    BEAM,
    DecodingConfig("beam", beam_size=5, length_penalty=0.0, max_tokens=12),
    DecodingConfig("beam", beam_size=4, num_candidates=4, length_penalty=0.6, max_tokens=25),
    DecodingConfig("sample", num_candidates=2, seed=5, temperature=0.7, top_k=9, top_p=0.9, max_tokens=20),
]
SHAPES = [
    {},
    {"norm": "post"},
    {"positions": "learned"},
    {"norm": "post", "positions": "learned", "num_heads": 2, "encoder_layers": 2, "decoder_layers": 3},
    {"num_heads": 1, "d_model": 16, "d_feedforward": 24},
    {"situations": False},
]


@pytest.fixture(scope="module")
def bundle(make_bundle: Callable[..., Bundle]) -> Bundle:
    return make_bundle()


@pytest.fixture(scope="module")
def engine(bundle: Bundle) -> CTranslate2Engine:
    return CTranslate2Engine(bundle, "int8", 1)


def requests(decoding: DecodingConfig, prefix: str = "") -> list[GenerationRequest]:
    return [
        GenerationRequest(report, context, decoding, prefix) for report in REPORTS for context in (Context(), CONTEXT)
    ]


def assert_same(found: Sequence[Generation], expected: Sequence[Generation]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.source_truncated == other.source_truncated
        assert len(one.candidates) == len(other.candidates)
        for mine, theirs in zip(one.candidates, other.candidates, strict=True):
            assert (mine.text, mine.situations, mine.fault) == (theirs.text, theirs.situations, theirs.fault)
            assert mine.score == pytest.approx(theirs.score, abs=1e-4)
            assert mine.token_scores == pytest.approx(theirs.token_scores, abs=1e-3)
            assert mine.situation_scores == pytest.approx(theirs.situation_scores, abs=1e-3)
            assert mine.confidence == pytest.approx(theirs.confidence, abs=1e-4)
            assert mine.kind_confidence == pytest.approx(theirs.kind_confidence, abs=1e-4)


@pytest.mark.parametrize("prefix", ["", "派3台除雪车"], ids=["free", "typed"])
@pytest.mark.parametrize("decoding", DECODINGS, ids=lambda decoding: f"{decoding.strategy} {decoding.length_penalty}")
def test_it_answers_as_torch_does(bundle: Bundle, decoding: DecodingConfig, prefix: str) -> None:
    asked = requests(decoding, prefix)
    assert_same(generate_all(CTranslate2Engine(bundle, "float32", 1), asked), generate_all(TorchEngine(bundle), asked))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("decoding", [GREEDY, BEAM], ids=lambda decoding: decoding.strategy)
def test_networks_of_every_shape_are_carried_exactly(
    make_bundle: Callable[..., Bundle], decoding: DecodingConfig, shape: dict[str, object]
) -> None:
    bundle = make_bundle(**shape)
    asked = [*requests(decoding), *requests(decoding, "派3台")]
    assert_same(generate_all(CTranslate2Engine(bundle, "float32", 1), asked), generate_all(TorchEngine(bundle), asked))


def test_what_int8_is_not_sure_of_is_verified(bundle: Bundle) -> None:
    asked = requests(GREEDY)
    of_nothing = CTranslate2Engine(bundle, "int8", 1, sure=math.inf)
    assert_same(generate_all(of_nothing, asked), generate_all(TorchEngine(bundle), asked))


def test_what_is_verified_is_torchs_whoever_drafts(
    bundle: Bundle, make_bundle: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_bundle(seed=4)
    decoding = DecodingConfig(max_tokens=10)  # each round adds a token: all are done in fewer than a row may take
    asked = requests(decoding)
    expected = TorchEngine(bundle).decode(asked, decoding)
    drafts = CTranslate2Engine(other, "int8", 1, sure=0.0).decode(asked, decoding)
    assert [best.tokens for best, *_ in drafts] != [best.tokens for best, *_ in expected]
    monkeypatch.setattr(TorchSearch, "__call__", None)
    found = CTranslate2Engine(replace(bundle, path=other.path), "int8", 1, sure=math.inf).decode(asked, decoding)
    for (mine, *_), (theirs, *_) in zip(found, expected, strict=True):
        assert (mine.tokens, mine.ending) == (theirs.tokens, theirs.ending)
        assert mine.token_scores == pytest.approx(theirs.token_scores, abs=1e-4)


def test_a_row_that_is_taken_up_too_often_is_left_to_torch(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.engine.ctranslate2_engine._ROUNDS", 1)
    asked = requests(GREEDY)
    hasty = CTranslate2Engine(bundle, "int8", 1, sure=math.inf)
    assert_same(generate_all(hasty, asked), generate_all(TorchEngine(bundle), asked))


def test_no_place_comes_from_nowhere(bundle: Bundle, engine: CTranslate2Engine) -> None:
    asked = [*requests(GREEDY), *requests(BEAM), *requests(GREEDY, "派")]

    def from_nowhere(generations: Sequence[Generation]) -> int:
        return sum(
            situation.location not in request.report and situation.location not in request.context.location
            for request, generation in zip(asked, generations, strict=True)
            for candidate in generation.candidates
            for situation in candidate.situations
        )

    places = [
        situation.location
        for generation in generate_all(engine, asked)
        for candidate in generation.candidates
        for situation in candidate.situations
    ]
    free = CTranslate2Engine(bundle, "float32", 1, guard_places=False)
    written = [best.tokens for best, *_ in free.decode(asked, GREEDY)]
    kept = [best.tokens for best, *_ in engine.decode(asked, GREEDY)]
    assert written != kept, "the network writes no place from nowhere: nothing is tested here"
    assert from_nowhere(generate_all(engine, asked)) == 0, places


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_an_answer_does_not_depend_on_the_batch(engine: CTranslate2Engine, data: st.DataObject) -> None:
    pool = [*requests(GREEDY), *requests(BEAM), *requests(GREEDY, "派3台")]
    batch = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=20))
    together = generate_all(engine, batch)
    one = data.draw(st.integers(0, len(batch) - 1))
    assert_same(generate_all(engine, [batch[one]]), [together[one]])


@pytest.mark.parametrize("decoding", DECODINGS, ids=lambda decoding: f"{decoding.strategy} {decoding.length_penalty}")
def test_decoding_stops_when_it_is_told_to(engine: CTranslate2Engine, decoding: DecodingConfig) -> None:
    assert engine.generate([GenerationRequest(REPORTS[0], decoding=decoding)], should_stop=lambda _: True) == [None]


def test_greedy_search_stops_at_the_next_step(engine: CTranslate2Engine) -> None:
    asked = [GenerationRequest(report, decoding=GREEDY) for report in REPORTS]
    looks = [0] * len(asked)

    def after_five(index: int) -> bool:
        looks[index] += 1
        return index % 2 == 0 and looks[index] > 5

    found = engine.generate(asked, after_five)
    assert found[::2] == [None] * 3
    assert max(looks[::2]) == 6
    kept = [generation for generation in found if generation is not None]
    assert_same(kept, generate_all(engine, asked[1::2]))


def test_a_beam_runs_out_and_what_was_stopped_is_dropped(engine: CTranslate2Engine) -> None:
    asked = [GenerationRequest(report, decoding=BEAM) for report in REPORTS]
    begun: set[int] = set()

    def at_the_second_look(index: int) -> bool:
        again = index in begun
        begun.add(index)
        return again and index == 1

    found = engine.generate(asked, at_the_second_look)
    assert found[1] is None
    kept = [generation for generation in found if generation is not None]
    assert_same(kept, generate_all(engine, [asked[0], *asked[2:]]))


@pytest.mark.parametrize("decoding", [GREEDY, BEAM], ids=lambda decoding: decoding.strategy)
def test_phrases_are_kept_as_torch_keeps_them(
    bundle: Bundle, engine: CTranslate2Engine, decoding: DecodingConfig
) -> None:
    asked = requests(replace(decoding, banned_phrases=("大", "人"), required_phrases=("快来",), min_tokens=3), "派")
    assert_same(generate_all(engine, asked), generate_all(TorchEngine(bundle), asked))


def test_no_requests_no_answers(engine: CTranslate2Engine) -> None:
    assert engine.generate([]) == []


def test_a_bundle_without_an_export_is_refused_with_the_remedy(
    bundle: Bundle, make_bundle: Callable[..., Bundle]
) -> None:
    other = make_bundle()
    folder = other.ctranslate2
    assert folder is not None
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    with pytest.raises(ValueError, match="dispatch export"):
        CTranslate2Engine(other)


def test_a_sequence_of_the_greatest_length_has_all_its_scores(make_bundle: Callable[..., Bundle]) -> None:
    bundle = make_bundle(situations=False, max_length=24)
    asked = [GenerationRequest(report, prefix="派3台") for report in REPORTS]
    assert_same(generate_all(CTranslate2Engine(bundle, "float32", 1), asked), generate_all(TorchEngine(bundle), asked))
    longest: list[Hypothesis] = [
        best for best, *_ in CTranslate2Engine(bundle, "float32", 1).decode(asked, DecodingConfig())
    ]
    assert max(len(best.tokens) for best in longest) == 24
    assert all(len(best.tokens) == len(best.token_scores) for best in longest)


def test_an_engine_can_be_dropped_right_after_it_has_answered(bundle: Bundle) -> None:
    # Its threads end with it; none of them may be the one that lets go of it last.
    for _ in range(20):
        dropped = CTranslate2Engine(bundle, "float32", 1)
        dropped.generate([GenerationRequest("雪大", decoding=DecodingConfig(max_tokens=2))])
        del dropped
