"""What reviews have taught is sent where it always holds or the model writes it, and never instead of doctrine."""

from dataclasses import replace

from dispatch.domain import Context, Convention, Count, Situation, default_doctrine, make_plans, render_instruction
from dispatch.engine import Candidate, Generation, GenerationRequest
from dispatch.workflow import Ranked, rank

CLAUSE = "到场后回报水位"
REPORT = "杜鹃街道进水,16人被困"
FLOOD = Situation(location="杜鹃街道", hazards=("flood",), people={"trapped": Count(16, 16)})
TEXT = render_instruction(make_plans([FLOOD], Context()))


def best_of(text: str, *taught: Convention, situation: Situation = FLOOD, report: str = REPORT) -> Ranked:
    candidate = Candidate(text, -0.1, (-0.1,), (situation,), 0.9)
    return rank(GenerationRequest(report), Generation((candidate,), conventions=taught), default_doctrine())[0]


def test_a_taught_clause_that_the_model_has_written_is_sent_and_told() -> None:
    best = best_of(f"{TEXT},{CLAUSE}", Convention(CLAUSE, ("flood",)))
    assert best.candidate.text == f"{TEXT},{CLAUSE}"
    assert best.candidate.token_scores == (-0.1,)
    assert best.plans[0].spoken()[-1].item == CLAUSE
    (told,) = best.checks
    assert (told.code, told.severity) == ("DOCTRINE_MISMATCH", "info")
    assert best.candidate.text[told.start : told.end] == CLAUSE


def test_doctrine_corrects_the_rest_of_a_text_and_keeps_the_taught_clause() -> None:
    wrong = TEXT.replace("2艘", "3艘")
    assert best_of(f"{wrong},{CLAUSE}", Convention(CLAUSE, ("flood",))).candidate.text == f"{TEXT},{CLAUSE}"
    place = replace(FLOOD, location="杜杜街道")
    misread = f"{TEXT.replace('杜鹃街道', '杜杜街道')},{CLAUSE}"
    assert best_of(misread, Convention(CLAUSE), situation=place).candidate.text == f"{TEXT},{CLAUSE}"


def test_a_clause_is_not_added_where_the_model_has_not_written_it() -> None:
    assert best_of(TEXT, Convention(CLAUSE, ("flood",))).candidate.text == TEXT


def test_a_clause_that_holds_always_is_sent_whether_or_not_the_model_has_written_it() -> None:
    always = Convention(CLAUSE, ("flood",), always=True)
    for text in (TEXT, f"{TEXT},{CLAUSE}", TEXT.replace("2艘", "3艘")):
        best = best_of(text, always)
        assert best.candidate.text == f"{TEXT},{CLAUSE}"
        assert best.follows_doctrine
        assert [check.severity for check in best.checks] == ["info"]


def test_what_nobody_has_taught_for_such_a_situation_is_not_sent() -> None:
    assert best_of(f"{TEXT},{CLAUSE}").candidate.text == TEXT
    assert best_of(f"{TEXT},{CLAUSE}", Convention(CLAUSE, ("typhoon",))).candidate.text == TEXT


def test_a_taught_clause_weighs_nothing_in_the_confidence() -> None:
    plain = best_of(TEXT)
    always = best_of(TEXT, Convention(CLAUSE, always=True))
    for taught in (best_of(f"{TEXT},{CLAUSE}", Convention(CLAUSE)), always):
        assert taught.features == plain.features
        assert taught.confidence == plain.confidence


def test_a_callback_for_an_error_stands_behind_the_taught_clause() -> None:
    candidate = Candidate(f"{TEXT},{CLAUSE}", -0.1, (-0.1,), (FLOOD,), 0.9)
    generation = Generation((candidate,), source_truncated=True, conventions=(Convention(CLAUSE),))
    best = rank(GenerationRequest(REPORT), generation, default_doctrine())[0]
    assert best.candidate.text == f"{TEXT},{CLAUSE},回拨核实"
