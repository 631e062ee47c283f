from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import Count, Requested, Situation, labels
from training.slots import Match, kind_or_hazard, match_situations, overlap, slot_errors, slots

FLOOD = Situation(
    location="石桥镇",
    hazards=("flood",),
    people={"trapped": Count(20, 20)},
    needs=("boat",),
    requested=(Requested("冲锋舟", 3, "艘"),),
    measures={"water_depth_m": 1.5},
    facts={"current": True, "hours": 6},
)
FIRE = Situation(location="东门仓库", hazards=("building_fire",), needs=("firefighting",))

situations = st.builds(
    Situation,
    kind=st.sampled_from(labels.KINDS),
    location=st.sampled_from(["", "石桥镇", "东门仓库", "G7公路"]),
    hazards=st.lists(st.sampled_from(labels.HAZARDS), unique=True, max_size=2).map(tuple),
    people=st.dictionaries(st.sampled_from(labels.PEOPLE), st.integers(0, 99).map(lambda n: Count(n, n)), max_size=2),
    needs=st.lists(st.sampled_from(labels.NEEDS), unique=True, max_size=4).map(tuple),
)


def test_slots_are_what_a_situation_states() -> None:
    assert slots(FLOOD) == {
        "kind": "request",
        "location": "石桥镇",
        "hazards:flood": "yes",
        "needs:boat": "yes",
        "people:trapped": "20",
        "requested:冲锋舟": "3艘",
        "measures:water_depth_m": "1.5",
        "facts:current": "yes",
        "facts:hours": "6",
    }
    assert slots(Situation(kind="other")) == {"kind": "other"}


@pytest.mark.parametrize(
    ("situation", "key"),
    [
        (Situation(hazards=("flood", "landslide")), "flood"),
        (Situation(), "no hazard"),
        (Situation(kind="offer", hazards=("flood",)), "offer"),
    ],
)
def test_a_request_is_counted_under_its_first_hazard_the_rest_under_their_kind(situation: Situation, key: str) -> None:
    assert kind_or_hazard(situation) == key


def test_errors_are_missing_wrong_or_added() -> None:
    answer = replace(FLOOD, location="石桥", needs=("rescue",), measures={}, facts={"current": True, "hours": 7})
    errors = slot_errors(Match(FLOOD, answer))
    assert errors.missing == ("needs:boat", "measures:water_depth_m")
    assert errors.wrong == ("location", "facts:hours")
    assert errors.added == ("needs:rescue",)
    assert errors.gold == 9


def test_without_an_answer_all_is_missing_and_without_gold_all_is_added() -> None:
    assert slot_errors(Match(FIRE, None)).missing == tuple(slots(FIRE))
    assert slot_errors(Match(None, FIRE)).added == tuple(slots(FIRE))


def test_each_gold_situation_gets_the_answer_that_fits_it_best() -> None:
    read = replace(FLOOD, location="石桥镇东街")
    assert match_situations([FLOOD, FIRE], [FIRE, read]) == [Match(FLOOD, read), Match(FIRE, FIRE)]
    assert match_situations([FLOOD, FIRE], [FIRE]) == [Match(FLOOD, None), Match(FIRE, FIRE)]
    assert match_situations([FLOOD], [FIRE, FLOOD]) == [Match(FLOOD, FLOOD), Match(None, FIRE)]


def test_the_best_assignment_is_that_of_all_together() -> None:
    # Alone, the first gold fits the first answer best; but then the second would be left with nothing alike.
    first = Situation(location="甲", needs=("boat", "food", "water"))
    second = Situation(location="乙", needs=("boat",))
    tempting, plain = Situation(location="乙", needs=("boat", "food", "water")), Situation(location="甲")
    assert match_situations([first], [tempting, plain])[0] == Match(first, tempting)
    assert match_situations([first, second], [tempting, plain]) == [Match(first, plain), Match(second, tempting)]


def test_an_answer_with_nothing_in_common_is_still_compared() -> None:
    other = Situation(kind="offer")
    assert match_situations([FIRE], [other]) == [Match(FIRE, other)]


def test_where_nothing_tells_them_apart_the_first_gets_the_answer() -> None:
    other = Situation()
    assert match_situations([FLOOD, FIRE], [other]) == [Match(FLOOD, other), Match(FIRE, None)]


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("", "", 1),
        ("石桥镇", "", 0),
        ("", "石桥镇", 0),
        ("石桥镇", "石桥", 2 * 2 / 5),
        ("石桥镇", "东门仓库", 0),
        ("村村口", "村", 2 * 1 / 4),
    ],
)
def test_overlap_is_the_f1_of_the_shared_characters(gold: str, answer: str, expected: float) -> None:
    assert overlap(gold, answer) == pytest.approx(expected)


@given(st.lists(situations, min_size=1, max_size=4))
def test_gold_against_itself_has_no_errors(gold: list[Situation]) -> None:
    errors = [slot_errors(match) for match in match_situations(gold, gold)]
    assert [(error.missing, error.wrong, error.added) for error in errors] == [((), (), ())] * len(gold)


@given(st.lists(situations, min_size=1, max_size=3), st.lists(situations, max_size=3))
def test_every_situation_of_both_sides_is_matched_once(gold: list[Situation], answered: list[Situation]) -> None:
    matches = match_situations(gold, answered)
    assert [match.gold for match in matches][: len(gold)] == gold
    given_answers = [match.answer for match in matches if match.answer is not None]
    assert sorted(map(str, given_answers)) == sorted(map(str, answered))


@given(st.lists(st.sampled_from(labels.NEEDS), unique=True, max_size=6).flatmap(st.permutations))
def test_the_order_of_needs_changes_nothing(needs: list[str]) -> None:
    assert slots(Situation(needs=tuple(needs))) == slots(Situation(needs=tuple(sorted(needs))))
