"""Comparison: paired, slice by slice, and fair to rows that are older than what reviews have taught."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from dispatch.domain import Context, Convention, Count, Situation, default_doctrine, make_plans, render_instruction
from dispatch.domain.conventions import with_endings
from dispatch.engine import Candidate, Generation
from training.comparison import LEAST_ROWS, Contender, Difference, compare
from training.corpus import Pair
from training.evaluate import EvaluationFile, evaluate
from training.judging import Answer, Example

CLAUSE = "到场后回报水位"
TAUGHT = (Convention(CLAUSE, ("flood",)),)


def pair(hazard: str, number: int, *clauses: str) -> Pair:
    situation = Situation(location="杜鹃街道", hazards=(hazard,), people={"trapped": Count(number, number)})
    plans = with_endings(make_plans([situation], Context()), [clauses], default_doctrine())
    return Pair(f"杜鹃街道{number}人被困{hazard}", render_instruction(plans), situations=(situation,))


OLD = [pair("flood", number) for number in range(1, LEAST_ROWS + 1)]
NEW = [pair("flood", number, CLAUSE) for number in range(1, LEAST_ROWS + 1)]
SNOW = [pair("snow_road", number) for number in range(1, LEAST_ROWS + 1)]


def contender(text_of: Callable[[Pair], str], *taught: Convention) -> Contender:
    def respond(examples: Sequence[Example]) -> list[Generation]:
        pairs = [example for example in examples if isinstance(example, Pair)]
        return [Generation((Candidate(text_of(one), -0.1, (), one.situations, 0.9),)) for one in pairs]

    return Contender(respond, lambda example, made: Answer(made.candidates[0]), taught)


def file_of(name: str, *pairs: Pair) -> EvaluationFile:
    return EvaluationFile(name, False, pairs, ())


def instruction(differences: Sequence[Difference], name: str) -> Difference:
    (found,) = [each for each in differences if (each.slice, each.measure) == (name, "instruction")]
    return found


DOCTRINES = contender(lambda one: one.instruction.removesuffix(f",{CLAUSE}"))


def ended(one: Pair) -> str:
    text = one.instruction.removesuffix(f",{CLAUSE}")
    return f"{text},{CLAUSE}" if one.situations[0].hazards == ("flood",) else text


def test_what_was_taught_counts_where_it_is_expected_and_not_against_older_rows() -> None:
    files = [file_of("old", *OLD), file_of("new", *NEW)]
    differences = compare(DOCTRINES, contender(ended, *TAUGHT), files)
    old, new = instruction(differences, "split:old"), instruction(differences, "split:new")
    assert (old.before.value, old.after.value, old.falls) == (1, 1, False)
    assert (new.before.value, new.after.value, new.falls) == (0, 1, False)
    assert (new.gain.value, new.gain.low, new.gain.high) == (1, 1, 1)


def test_an_evaluation_counts_what_was_taught_as_right_in_older_rows() -> None:
    taught = contender(ended, *TAUGHT)

    def respond(examples: Sequence[Example]) -> list[Generation]:
        return [replace(made, conventions=TAUGHT) for made in taught.respond(examples)]

    for pairs in (OLD, NEW):
        (report,) = evaluate(respond, lambda one, made: {"first": taught.choose(one, made)}, file_of("floods", *pairs))
        assert report.measures["instruction"].value == 1


def test_a_model_that_forgets_what_was_taught_falls() -> None:
    differences = compare(contender(ended, *TAUGHT), DOCTRINES, [file_of("new", *NEW)])
    assert instruction(differences, "split:new").falls
    assert instruction(differences, "hazard:flood").falls


def test_a_clause_that_leaks_into_other_situations_falls() -> None:
    everywhere = contender(lambda one: f"{one.instruction},{CLAUSE}", *TAUGHT)
    differences = compare(DOCTRINES, everywhere, [file_of("snow", *SNOW)])
    assert instruction(differences, "hazard:snow_road").falls


@pytest.mark.parametrize(("wrong", "rows", "falls"), [(1, LEAST_ROWS, False), (2, LEAST_ROWS, True), (9, 100, False)])
def test_a_guarded_slice_may_lose_half_a_point_and_a_small_one_guards_nothing(
    wrong: int, rows: int, falls: bool
) -> None:
    worse = contender(lambda one: "派" if one in SNOW[:wrong] else one.instruction)
    differences = compare(DOCTRINES, worse, [file_of("snow", *SNOW[:rows])])
    assert instruction(differences, "split:snow").falls is falls


def test_both_answer_the_same_rows_and_progress_is_told() -> None:
    told: list[int] = []
    differences = compare(DOCTRINES, DOCTRINES, [file_of("old", *OLD), file_of("snow", *SNOW)], told.append)
    assert told[-1] == 4 * LEAST_ROWS
    assert told == sorted(told)
    assert {each.slice for each in differences} == {"split:old", "split:snow", "hazard:flood", "hazard:snow_road"}
    assert all(each.gain.value == 0 and not each.falls for each in differences)
