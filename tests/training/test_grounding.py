from dataclasses import replace

import pytest

from dispatch.domain import Context, Count, Requested, Situation, make_plans, render_instruction
from training.grounding import Grounding, ground

REPORT = "石桥镇被淹,水深1.5米,四十五人被困,请派6艘冲锋舟"
FLOOD = Situation(
    location="石桥镇",
    hazards=("flood",),
    people={"trapped": Count(45, 45)},
    needs=("water",),
    measures={"water_depth_m": 1.5},
)
NOWHERE = Context()


def ungrounded(instruction: str, *situations: Situation, report: str = REPORT, context: Context = NOWHERE) -> set[str]:
    found = ground(instruction, report, context, situations)
    return {*found.ungrounded_numbers, *found.ungrounded_places}


def test_numbers_and_places_of_the_report_are_grounded() -> None:
    found = ground("派6艘冲锋舟至石桥镇,转移45人", REPORT, NOWHERE, ())
    assert found == Grounding(numbers=2, places=1, ungrounded_numbers=(), ungrounded_places=())
    assert found.whole


def test_a_number_that_nobody_said_is_not() -> None:
    found = ground("派7艘冲锋舟至石桥镇", REPORT, NOWHERE, ())
    assert (found.numbers, found.ungrounded_numbers, found.whole) == (1, ("7",), False)


def test_a_number_that_doctrine_computes_from_a_stated_one_is_grounded() -> None:
    instruction = render_instruction(make_plans([FLOOD], NOWHERE))
    assert "135升" in instruction or "饮用水135" in instruction  # 3 litres for each of the 45
    assert ungrounded(instruction, FLOOD) == set()
    assert "135" in ungrounded(instruction)


@pytest.mark.parametrize(
    "misread",
    [
        replace(FLOOD, people={"trapped": Count(54, 54)}),
        replace(FLOOD, measures={"water_depth_m": 2.5}),
        replace(FLOOD, requested=(Requested("帐篷", 80, "顶"),)),
        replace(FLOOD, facts={"hours": 77}),
    ],
)
def test_what_doctrine_computes_from_a_number_that_nobody_said_is_not(misread: Situation) -> None:
    instruction = render_instruction(make_plans([misread], NOWHERE))
    assert ungrounded(instruction, misread) != set()


def test_a_sound_situation_does_not_vouch_for_another() -> None:
    misread = replace(FLOOD, location="石桥", people={"trapped": Count(91, 91)})
    instruction = render_instruction(make_plans([FLOOD, misread], NOWHERE))
    assert "135" not in ungrounded(instruction, FLOOD, misread)
    assert "273" in ungrounded(instruction, FLOOD, misread)


def test_the_context_counts_as_said() -> None:
    context = Context("老林场3队", ("派8艘冲锋舟至石桥镇",))
    assert ungrounded("派8艘冲锋舟至老林场3队", context=context) == set()


@pytest.mark.parametrize("place", ["石桥村", "石 桥镇"])
def test_a_place_that_is_no_span_is_not_grounded(place: str) -> None:
    assert ungrounded(f"派6艘冲锋舟至{place}") == {place}


def test_a_place_may_not_cut_a_road_code_or_number_in_two() -> None:
    report = "S654公路K12处,6人被困"
    assert ungrounded("派6艘冲锋舟至S65", report=report) == {"S65"}
    assert ungrounded("派6艘冲锋舟至4公路K12处", report=report) == {"4公路K12处"}
    assert ungrounded("派6艘冲锋舟至S654公路", report=report) == set()


def test_a_place_is_looked_for_at_every_place_of_a_long_report() -> None:
    assert ungrounded("派6艘冲锋舟至a", report="6" + "a" * 1_000_000) == {"a"}
    assert ungrounded("派6艘冲锋舟至a", report="6" + "a" * 1_000 + ",a") == set()


def test_widths_of_characters_do_not_matter() -> None:
    assert ungrounded("派6艘冲锋舟至S654公路", report="Ｓ６５４公路,6人被困") == set()


def test_an_unknown_place_is_grounded() -> None:
    assert ungrounded("派6艘冲锋舟至待核实地点,回拨核实位置") == set()


def test_the_telephone_number_of_a_service_is_no_number_but_so_many_people_are() -> None:
    assert ungrounded("通知120派6辆救护车") == set()
    assert ungrounded("转移120人") == {"120"}


def test_numbers_in_an_ungrounded_place_are_not_counted_again() -> None:
    found = ground("派6艘冲锋舟至S77公路", REPORT, NOWHERE, ())
    assert (found.numbers, found.ungrounded_numbers, found.ungrounded_places) == (1, (), ("S77公路",))


def test_a_report_that_is_copied_is_grounded() -> None:
    assert ungrounded(REPORT) == set()
