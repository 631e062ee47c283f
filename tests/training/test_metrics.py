from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import Count, Situation, labels
from training.metrics import (
    MEASURES,
    Ratio,
    numbers_of,
    score_kinds,
    score_orders,
    score_slots,
    score_texts,
    score_wording,
    sends,
)
from training.slots import match_situations

EXPECTED = "派3艘冲锋舟至青石镇,通知120派2辆救护车"
GOLD = Situation(
    location="青石镇",
    hazards=("flood",),
    people={"trapped": Count(31, 31), "injured": Count(2, 2)},
    needs=("boat", "medical", "food"),
)
SECOND = Situation(location="老磨坊", hazards=("building_fire",), needs=("firefighting",))


def slot_scores(gold: list[Situation], answered: list[Situation]) -> dict[str, Ratio]:
    return score_slots(match_situations(gold, answered))


@pytest.mark.parametrize(
    ("instruction", "wrong"),
    [
        (EXPECTED, set()),
        ("派4艘冲锋舟至青石镇,通知120派2辆救护车", {"instruction", "numbers", "counts"}),
        ("派2艘冲锋舟至青石镇,通知120派3辆救护车", {"instruction", "counts"}),
        ("派3艘冲锋舟至白石镇,通知120派2辆救护车", {"instruction", "place"}),
        ("派3艘橡皮艇至青石镇,通知120派2辆救护车", {"instruction", "resources", "counts"}),
        ("派3艘冲锋舟至青石镇", {"instruction", "numbers", "resources", "counts"}),
        ("", {"instruction", "numbers", "place", "resources", "counts", "dispatch"}),
    ],
)
def test_each_mistake_in_the_instruction_fails_its_own_measures(instruction: str, wrong: set[str]) -> None:
    scores = score_texts(EXPECTED, instruction) | score_orders(EXPECTED, instruction, same_location=True)
    assert {name for name, score in scores.items() if score == Ratio(0, 1)} == wrong
    assert {score for name, score in scores.items() if name not in wrong} <= {Ratio(1, 1)}


def test_the_right_places_in_the_orders_do_not_make_up_for_a_misread_location() -> None:
    scores = score_orders(EXPECTED, EXPECTED, same_location=False)
    assert {name for name, score in scores.items() if score == Ratio(0, 1)} == {"place"}


def test_numbers_count_by_value_and_frequency() -> None:
    assert numbers_of("派3台车,另3台备勤,深0.50米") == Counter({3.0: 2, 0.5: 1})
    assert numbers_of("水深3.0米") == numbers_of("水深3米")


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("派3艘冲锋舟至青石镇", True),
        ("派医疗队至待核实地点,回拨核实位置", True),
        ("调运棉衣20件至青石镇", True),
        ("已派力量继续处置", True),
        ("暂不派警,回拨核实后登记", False),
        ("青石镇被淹了快来人", False),
        ("", False),
    ],
)
def test_whether_somebody_is_sent_is_read_from_the_text(text: str, sent: bool) -> None:
    assert sends(text) is sent


def test_words_that_must_and_must_not_be_said_are_counted_by_entry() -> None:
    required, forbidden = [("冲锋舟", "橡皮艇"), ("青石",), ("帐篷",)], [("沙袋",), ("直升机", "飞机")]
    scores = score_wording("派3艘橡皮艇至青石镇,申请直升机", required, forbidden)
    assert scores == {"must_contain": Ratio(2, 3), "must_not_contain": Ratio(1, 2)}
    assert score_wording("", [], []) == {"must_contain": Ratio(0, 0), "must_not_contain": Ratio(0, 0)}


@pytest.mark.parametrize(
    ("gold", "answered", "expected"),
    [
        (["request"], ["request"], {"kind": 1, "requests": 1, "invented_incidents": 0}),
        (["request"], ["resolved"], {"kind": 0, "requests": 0, "invented_incidents": 0}),
        (["request"], [], {"kind": 0, "requests": 0, "invented_incidents": 0}),
        (["request"], ["request", "request"], {"kind": 1, "requests": 1, "invented_incidents": 1}),
        (["request", "request"], ["request", "request"], {"kind": 1, "requests": 1, "invented_incidents": 0}),
        (["request", "other"], ["other", "request"], {"kind": 0, "requests": 1, "invented_incidents": 0}),
        (["offer"], ["other"], {"kind": 0, "false_requests": 0, "invented_incidents": 0}),
        (["other"], ["request"], {"kind": 0, "false_requests": 1, "invented_incidents": 1}),
        (["other"], ["request", "other"], {"kind": 0, "false_requests": 1, "invented_incidents": 1}),
        (["other"], ["other", "request"], {"kind": 1, "false_requests": 1, "invented_incidents": 1}),
    ],
)
def test_a_request_is_dismissed_or_found_or_invented_and_another_report_is_no_request(
    gold: list[str], answered: list[str], expected: dict[str, int]
) -> None:
    scores = score_kinds([Situation(kind=kind) for kind in gold], [Situation(kind=kind) for kind in answered])
    assert scores == {name: Ratio(right, 1) for name, right in expected.items()}


def test_the_slot_error_rate_is_over_the_slots_of_gold() -> None:
    answer = replace(GOLD, location="青石", people={"trapped": Count(31, 31)}, needs=("boat", "medical", "water"))
    scores = slot_scores([GOLD], [answer])
    # gold: kind, location, a hazard, two counts, three needs; missing: injured, food; wrong: location; added: water
    assert scores["slots_missing"] == Ratio(2, 8)
    assert scores["slots_wrong"] == Ratio(1, 8)
    assert scores["slots_added"] == Ratio(1, 8)
    assert scores["slot_errors"] == Ratio(4, 8)
    assert scores["needs_f1"] == Ratio(2 * 2, 3 + 3)
    assert scores["hazards_f1"] == Ratio(2, 2)
    assert scores["outages_f1"] == Ratio(0, 0)
    assert scores["location"] == Ratio(0, 1)
    assert scores["location_overlap"] == Ratio(2 * 2 / 5, 1)
    assert scores["people"] == Ratio(0, 1)
    assert scores["people_trapped"] == Ratio(1, 1)
    assert scores["people_injured"] == Ratio(0, 1)
    assert scores["people_buried"] == Ratio(0, 0)


def test_a_count_that_gold_lacks_is_wrong_as_a_whole_but_not_by_category() -> None:
    scores = slot_scores([GOLD], [replace(GOLD, people={**GOLD.people, "missing": Count(1, 1)})])
    assert scores["people"] == Ratio(0, 1)
    assert scores["people_missing"] == Ratio(0, 0)


def test_what_was_not_answered_is_wrong() -> None:
    empty = Situation()
    scores = slot_scores([empty], [])
    assert scores["location"] == scores["people"] == scores["location_overlap"] == Ratio(0, 1)
    assert scores["slots_missing"] == Ratio(1, 1)


@pytest.mark.parametrize(
    ("answered", "found"),
    [
        ([GOLD, SECOND], 1),
        ([SECOND, GOLD], 1),
        ([GOLD, replace(SECOND, location="老磨坊旁边")], 1),
        ([GOLD, replace(SECOND, location="别处")], 0),
        ([GOLD, replace(SECOND, hazards=("flood",))], 0),
        ([GOLD, replace(SECOND, kind="offer")], 0),
        ([GOLD], 0),
    ],
)
def test_a_second_incident_is_found_by_kind_hazard_and_most_of_its_place(answered: list[Situation], found: int) -> None:
    assert slot_scores([GOLD, SECOND], answered)["second_incident"] == Ratio(found, 1)


def test_one_incident_has_no_second() -> None:
    assert slot_scores([GOLD], [GOLD, SECOND])["second_incident"] == Ratio(0, 0)


def test_every_score_is_a_documented_measure() -> None:
    names = [measure.name for measure in MEASURES]
    assert len(set(names)) == len(names)
    matches = match_situations([GOLD], [GOLD])
    scores = score_texts("", "") | score_orders("", "", same_location=True) | score_wording("", [], [])
    assert set(scores | score_kinds([GOLD], [GOLD]) | score_slots(matches)) <= set(names)


needs = st.lists(st.sampled_from(labels.NEEDS), unique=True, max_size=6)


@given(needs, needs)
def test_the_order_of_needs_changes_no_score(gold: list[str], answered: list[str]) -> None:
    def scores(wanted: list[str], given_needs: list[str]) -> dict[str, Ratio]:
        return slot_scores([Situation(needs=tuple(wanted))], [Situation(needs=tuple(given_needs))])

    assert scores(gold, answered) == scores(gold[::-1], answered[::-1])


@given(needs)
def test_gold_against_itself_is_perfect(gold: list[str]) -> None:
    scores = slot_scores([replace(GOLD, needs=tuple(gold)), SECOND], [replace(GOLD, needs=tuple(gold)), SECOND])
    best = {measure.name: measure.best for measure in MEASURES}
    assert {name for name, score in scores.items() if score.whole and score.part / score.whole != best[name]} == set()
