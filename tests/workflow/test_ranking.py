"""Ranking: guard and checks choose, doctrine corrects arithmetic, and a typed beginning is kept."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.decoding import DecodingConfig
from dispatch.domain import (
    Context,
    Convention,
    Count,
    Situation,
    default_doctrine,
    make_plans,
    parse_orders,
    render_instruction,
)
from dispatch.domain.conventions import with_endings
from dispatch.domain.instruction import split_incidents
from dispatch.domain.places import stands_in
from dispatch.engine import CUT_SHORT, Candidate, Generation, GenerationRequest
from dispatch.model import Calibration
from dispatch.workflow import FEATURES, Ranked, rank

REPORT = "山区公路积雪3米,断电,50人被困"
SITUATION = Situation(
    location="A7公路",
    hazards=("snow_road",),
    people={"trapped": Count(50, 50)},
    outages=("power",),
    measures={"snow_depth_m": 3.0},
)
RIGHT = "派3台除雪车至A7公路,医疗队随行,协调电力公司恢复供电"


def ranked(*texts: str, prefix: str = "", situations: tuple[Situation, ...] = (SITUATION,)) -> list[Ranked]:
    candidates = tuple(Candidate(text, -float(index), (-0.1,), situations, 0.9) for index, text in enumerate(texts))
    request = GenerationRequest(REPORT, Context("A7公路"), prefix=prefix)
    return rank(request, Generation(candidates), default_doctrine())


def texts_of(entries: list[Ranked]) -> list[str]:
    return [entry.candidate.text for entry in entries]


def test_an_answer_that_follows_doctrine_stays_first_and_alone() -> None:
    assert texts_of(ranked(RIGHT)) == [RIGHT]


def test_wrong_arithmetic_gives_way_to_doctrine_and_stays_visible() -> None:
    wrong = RIGHT.replace("3台", "4台")
    entries = ranked(wrong)
    assert texts_of(entries) == [RIGHT, wrong]
    assert entries[0].candidate.token_scores == ()
    assert entries[0].errors == 0 < entries[1].errors


def test_a_later_candidate_that_follows_doctrine_is_moved_up() -> None:
    wrong = RIGHT.replace(",医疗队随行", "")
    assert texts_of(ranked(wrong, RIGHT)) == [RIGHT, wrong]


def test_an_invented_place_in_the_situation_never_wins_over_a_grounded_one() -> None:
    invented = Situation(**{**vars(SITUATION), "location": "A9公路"})
    candidates = (
        Candidate(RIGHT.replace("A7", "A9"), -0.1, (), (invented,), 0.9),
        Candidate(RIGHT, -0.2, (), (SITUATION,), 0.9),
    )
    entries = rank(GenerationRequest(REPORT, Context("A7公路")), Generation(candidates), default_doctrine())
    assert entries[0].candidate.text == RIGHT


def test_a_typed_beginning_is_kept_and_called_back_about_where_doctrine_knows_no_such_number() -> None:
    typed = RIGHT.replace("3台", "5台")
    assert texts_of(ranked(typed, prefix="派5台除雪车")) == [f"{typed},回拨核实", typed]


def test_without_situations_there_is_nothing_to_correct() -> None:
    assert texts_of(ranked("good evening", situations=())) == ["good evening"]


FLOOD = Situation(location="杜鹃街道", hazards=("flood",), people={"trapped": Count(16, 16)})
FLOOD_REPORT = "杜鹃街道进水,16人被困"


def text_for(*situations: Situation) -> str:
    return render_instruction(make_plans(situations, Context()))


def rank_read(
    report: str,
    *situations: Situation,
    prefix: str = "",
    scores: tuple[float, ...] = (-0.1, -0.2, -0.3),
    kind_confidence: float = 1.0,
) -> list[Ranked]:
    """Ranks one candidate for each situation, which says what doctrine does."""
    candidates = tuple(
        Candidate(text_for(read), score, (-0.1,), (read,), 0.9, kind_confidence=kind_confidence)
        for read, score in zip(situations, scores, strict=False)
    )
    return rank(GenerationRequest(report, prefix=prefix), Generation(candidates), default_doctrine())


def codes(entry: Ranked) -> set[tuple[str, str]]:
    return {(check.code, check.severity) for check in entry.checks}


def test_doctrine_answers_every_candidate_and_each_text_stands_once() -> None:
    other = replace(SITUATION, outages=())
    candidates = tuple(Candidate(f"派{n}台除雪车", -0.1, (), (read,), 0.9) for n, read in ((8, SITUATION), (9, other)))
    entries = rank(
        GenerationRequest(REPORT, Context("A7公路")),
        Generation((*candidates, candidates[0])),
        default_doctrine(),
    )
    assert texts_of(entries)[:2] == [RIGHT, "派3台除雪车至A7公路,医疗队随行"]
    assert sorted(texts_of(entries)[2:]) == ["派8台除雪车", "派8台除雪车", "派9台除雪车"]


def test_a_number_that_was_not_read_weighs_more_than_a_little_of_the_score() -> None:
    unread = replace(FLOOD, people={})
    assert rank_read(FLOOD_REPORT, unread, FLOOD, scores=(-0.1, -0.19))[0].candidate.situations == (FLOOD,)
    assert rank_read(FLOOD_REPORT, unread, FLOOD, scores=(-0.1, -1.1))[0].candidate.situations == (unread,)


def test_what_reads_every_hazard_that_is_named_goes_before_its_neighbour_that_does_not() -> None:
    report = "甲村山洪"
    flood, snow = Situation(location="甲村", hazards=("flood",)), Situation(location="甲村", hazards=("snow_road",))
    assert rank_read(report, snow, flood, scores=(-0.1, -0.19))[0].candidate.situations == (flood,)
    assert rank_read(report, snow, flood, scores=(-0.1, -1.1))[0].candidate.situations == (snow,)


def test_a_place_that_is_nearly_said_is_repaired_with_a_warning() -> None:
    best = rank_read(FLOOD_REPORT, replace(FLOOD, location="杜杜街道"))[0]
    assert best.candidate.text == text_for(FLOOD)
    assert best.candidate.situations == (FLOOD,)
    assert codes(best) == {("UNGROUNDED_PLACE", "warning")}
    (check,) = best.checks
    assert "杜杜街道" in check.message
    assert best.candidate.text[check.start : check.end] == "杜鹃街道"


def test_a_place_from_nowhere_becomes_unknown_with_an_error_that_tells_it() -> None:
    best, *others = rank_read(FLOOD_REPORT, replace(FLOOD, location="杨家坪"))
    assert best.candidate.text == text_for(replace(FLOOD, location=""))
    assert "待核实地点" in best.candidate.text
    assert best.candidate.text.endswith("回拨核实位置")
    assert ("UNGROUNDED_PLACE", "error") in codes(best)
    assert any("杨家坪" in check.message for check in best.checks)
    assert [entry.candidate.text for entry in others] == [text_for(replace(FLOOD, location="杨家坪"))]


@given(st.text("杜鹃街道村1A", min_size=1, max_size=6), st.sampled_from(["", "派", "派9艘冲锋舟至"]))
def test_no_place_that_nobody_said_or_typed_is_ever_sent(place: str, prefix: str) -> None:
    situation = replace(FLOOD, location=place)
    candidate = Candidate(f"{prefix}派2艘冲锋舟至{place}", -0.1, (-0.1,), (situation,), 0.9)
    request = GenerationRequest(FLOOD_REPORT, prefix=prefix)
    best = rank(request, Generation((candidate,)), default_doctrine())[0]
    assert best.candidate.text.startswith(prefix)
    for order in parse_orders(best.candidate.text):
        said = order.place in ("", "待核实地点") or stands_in(order.place, FLOOD_REPORT)
        assert said or any(check.severity == "error" for check in best.checks)


def test_without_a_candidate_that_is_free_of_errors_somebody_calls_back() -> None:
    generation = Generation((Candidate(text_for(FLOOD), -0.1, (-0.1,), (FLOOD,), 0.9),), source_truncated=True)
    best, own = rank(GenerationRequest(FLOOD_REPORT), generation, default_doctrine())
    assert best.candidate.text == f"{text_for(FLOOD)},回拨核实"
    assert best.plans[0].spoken()[-1].action == "回拨"
    assert codes(best) == {("TRUNCATED_INPUT", "error")}
    assert own.candidate is generation.candidates[0]


def test_what_could_not_be_read_at_all_is_a_request_to_call_back() -> None:
    generation = Generation((Candidate("<坏", -9.0, (), (), 0.1, fault="no <instruction>"),))
    best = rank(GenerationRequest(FLOOD_REPORT), generation, default_doctrine())[0]
    assert best.candidate.text == text_for(Situation())
    assert ("DOCTRINE_MISMATCH", "error") in codes(best)


DISMISSED = replace(FLOOD, kind="other")


@pytest.mark.parametrize("kind_confidence", [0.9, 1.0])
def test_a_sure_dismissal_is_sent_as_one(kind_confidence: float) -> None:
    best = rank_read("杜鹃街道的花开了", Situation("other"), kind_confidence=kind_confidence)[0]
    assert best.candidate.text == text_for(Situation("other"))
    assert codes(best) == {("NOT_A_REQUEST", "info")}


@pytest.mark.parametrize(
    ("report", "kind_confidence"), [("杜鹃街道进水,来了16人", 0.89), (FLOOD_REPORT, 1.0)], ids=["unsure", "a plea"]
)
def test_a_doubtful_dismissal_is_sent_as_a_request_with_a_callback(report: str, kind_confidence: float) -> None:
    best = rank_read(report, DISMISSED, kind_confidence=kind_confidence)[0]
    assert best.candidate.situations == (FLOOD,)
    assert best.candidate.text == f"{text_for(FLOOD)},回拨核实"
    assert codes(best) == {("NOT_A_REQUEST", "warning")}


def test_a_doubtful_dismissal_that_an_operator_began_stays_with_the_warning() -> None:
    best = rank_read(FLOOD_REPORT, DISMISSED, prefix="暂不")[0]
    assert best.candidate.text == text_for(DISMISSED)
    assert ("NOT_A_REQUEST", "warning") in codes(best)


def test_an_instruction_that_was_cut_after_its_last_word_is_no_error() -> None:
    cut = Candidate(text_for(FLOOD), -0.1, (-0.1,), (FLOOD,), 0.9, fault=CUT_SHORT["limit"])
    best, own = rank(GenerationRequest(FLOOD_REPORT), Generation((cut,)), default_doctrine())
    assert (best.candidate.text, best.errors) == (text_for(FLOOD), 0)
    assert own.errors == 1


def test_a_request_of_the_beam_is_better_than_one_that_is_assumed() -> None:
    read = replace(FLOOD, needs=("boat",))
    best = rank_read(FLOOD_REPORT, DISMISSED, read)[0]
    assert best.candidate.situations == (read,)
    assert best.candidate.text == f"{text_for(read)},回拨核实"
    assert ("NOT_A_REQUEST", "warning") in codes(best)


def test_a_dismissal_never_overtakes_a_request() -> None:
    flawed = replace(FLOOD, location="杨家坪")  # it carries an error, and the dismissal none
    assert rank_read("杜鹃街道的花开了", flawed, Situation("other"))[0].candidate.situations[0].kind == "request"


def test_the_threshold_of_the_calibration_counts() -> None:
    candidate = Candidate(text_for(Situation("other")), -0.1, (), (Situation("other"),), 0.9, kind_confidence=0.6)
    request, generation = GenerationRequest("花开了"), Generation((candidate,))
    kinds = [
        rank(request, generation, default_doctrine(), Calibration(0.0, {}, threshold))[0].candidate.situations[0].kind
        for threshold in (0.5, 0.7)
    ]
    assert kinds == ["other", "request"]


def test_confidence_is_the_calibrated_one_and_low_confidence_is_told_by_it() -> None:
    candidate = Candidate(RIGHT, -0.1, (-0.1,), (SITUATION,), 0.9, situation_scores=(-0.2,))
    request, generation = GenerationRequest(REPORT, Context("A7公路")), Generation((candidate,))
    plain, low, lowest, high = (
        rank(request, generation, default_doctrine(), calibration)[0]
        for calibration in (
            None,
            Calibration(-1.0, {"errors": -1.0}, error_below=0.2),
            Calibration(-1.0, {"errors": -1.0}, error_below=0.3),
            Calibration(-1.0, {"agrees": 3.0}),
        )
    )
    always = {("AMBIGUOUS_PLACE", "info")}  # a road without a post
    assert (plain.confidence, codes(plain)) == (0.9, always)
    assert low.confidence == pytest.approx(0.269, abs=1e-3)
    assert codes(low) == always | {("LOW_CONFIDENCE", "warning")}
    assert codes(lowest) == always | {("LOW_CONFIDENCE", "error")}
    assert high.confidence == pytest.approx(0.881, abs=1e-3)
    assert codes(high) == always
    assert set(plain.features) == set(FEATURES)


def test_a_report_in_words_that_training_has_not_shown_is_answered_with_less_confidence() -> None:
    candidate = Candidate(RIGHT, -0.1, (-0.1,), (SITUATION,), 0.9, situation_scores=(-0.2,))
    calibration = Calibration(2.0, {"unseen_share": -5.0})
    known, strange = (
        rank(
            GenerationRequest(REPORT, Context("A7公路")),
            Generation((candidate,), unseen_share=share),
            default_doctrine(),
            calibration,
        )[0].confidence
        for share in (0.1, 0.8)
    )
    assert known > 0.8 > 0.2 > strange


@pytest.mark.parametrize("hazards", [("avalanche", "avalanche"), ("avalanche", "landslide")])
def test_an_incident_gets_the_hazard_named_behind_its_place(hazards: tuple[str, str]) -> None:
    read = tuple(
        Situation(location=place, hazards=(hazard,)) for place, hazard in zip(("B区", "A区"), hazards, strict=True)
    )
    text = render_instruction(make_plans(read, Context()))
    generation = Generation((Candidate(text, -0.1, (-0.1,), read, 0.9),))
    best = rank(GenerationRequest("B区塌方,A区雪崩"), generation, default_doctrine())[0]
    assert [(one.location, one.hazards) for one in best.candidate.situations] == [
        ("A区", ("avalanche",)),
        ("B区", ("landslide",)),
    ]
    assert best.follows_doctrine
    assert "UNREAD_HAZARD" not in {check.code for check in best.checks}


def test_a_taught_clause_stays_with_its_incident_where_another_becomes_the_most_urgent() -> None:
    read = (Situation(location="B区", hazards=("avalanche",)), Situation(location="A区", hazards=("avalanche",)))
    plans = with_endings(make_plans(read, Context()), (("到场后回报水位",), ()), default_doctrine())
    conventions = (Convention("到场后回报水位", ("avalanche", "landslide")),)
    generation = Generation((Candidate(render_instruction(plans), -0.1, (-0.1,), read, 0.9),), conventions=conventions)
    text = rank(GenerationRequest("B区塌方,A区雪崩"), generation, default_doctrine())[0].candidate.text
    first, second = split_incidents(text)
    assert "A区" in first
    assert "到场后回报水位" not in first
    assert second.endswith("到场后回报水位")


def ranked_under(required: tuple[str, ...], banned: tuple[str, ...], *texts: str, report: str = REPORT) -> list[Ranked]:
    """Candidates of a request with phrases."""
    decoding = DecodingConfig(required_phrases=required, banned_phrases=banned)
    candidates = tuple(Candidate(text, -float(index), (-0.1,), (SITUATION,), 0.9) for index, text in enumerate(texts))
    return rank(GenerationRequest(report, Context("A7公路"), decoding), Generation(candidates), default_doctrine())


def test_doctrine_says_what_is_required_too() -> None:
    wrong = RIGHT.replace("3台", "4台") + ",请速报"
    entries = ranked_under(("请速报",), (), wrong)
    assert texts_of(entries) == [f"{RIGHT},请速报", wrong]
    assert entries[0].follows_doctrine
    assert "DOCTRINE_MISMATCH" not in {code for code, _ in codes(entries[0])}


def test_a_network_that_says_what_doctrine_and_the_request_do_stays_alone() -> None:
    assert texts_of(ranked_under(("请速报",), (), f"{RIGHT},请速报")) == [f"{RIGHT},请速报"]


def test_doctrines_text_is_no_candidate_where_it_holds_what_is_banned() -> None:
    kept = RIGHT.replace(",医疗队随行", "")
    assert texts_of(ranked_under((), ("医疗队",), kept)) == [kept]


def test_what_keeps_to_the_phrases_goes_before_what_does_not() -> None:
    kept = RIGHT.replace("3台", "4台").replace(",医疗队随行", "")
    entries = ranked_under((), ("医疗队",), RIGHT, kept)
    assert texts_of(entries)[-1] == RIGHT
    assert "医疗队" not in texts_of(entries)[0]
    assert ("DOCTRINE_MISMATCH", "error") in codes(entries[-1])


def test_an_error_says_so_where_nothing_keeps_to_the_phrases() -> None:
    (first, *_) = ranked_under((), ("除雪车",), RIGHT)
    assert "除雪车" in first.candidate.text
    assert any("banned_phrases[0]" in check.message and check.severity == "error" for check in first.checks)


def test_no_callback_is_added_where_it_is_banned() -> None:
    wrong = "派8台除雪车至A7公路"
    assert texts_of(ranked_under((), ("回拨", "医疗队"), wrong))[0] == wrong
    assert texts_of(ranked_under((), ("医疗队",), wrong))[0] == f"{wrong},回拨核实"


@given(
    st.lists(st.sampled_from(["请速报", "A7", "医疗队随行", "回拨"]), max_size=2),
    st.lists(st.sampled_from(["医疗队", "3台", "核实", ",", "除雪车"]), max_size=3),
    st.lists(
        st.sampled_from([RIGHT, f"{RIGHT},请速报", "派4台除雪车至A9公路", "协调电力公司恢复供电", ""]),
        min_size=1,
        max_size=3,
    ),
)
def test_nothing_that_breaks_the_phrases_is_first_while_another_keeps_them(
    required: list[str], banned: list[str], texts: list[str]
) -> None:
    decoding = DecodingConfig(required_phrases=tuple(required), banned_phrases=tuple(banned))
    if decoding.violations():
        return
    first, *others = texts_of(ranked_under(tuple(required), tuple(banned), *texts))
    assert decoding.keeps_phrases(first) or not any(map(decoding.keeps_phrases, others))
