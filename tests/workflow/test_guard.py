"""The guard: places are spans of what was said, or unknown; pleas are never dismissed on the network's word alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.domain import Context, Plan, Situation, default_doctrine, make_plans, render_instruction
from dispatch.domain.places import stands_in
from dispatch.workflow import guard


@pytest.mark.parametrize(
    ("written", "report", "said"),
    [
        ("杜杜街道", "我在杜鹃街道,水进屋了", "杜鹃街道"),  # changed
        ("杜街道", "我在杜鹃街道,水进屋了", "杜鹃街道"),  # lost
        ("杜鹃鹃街道", "我在杜鹃街道,水进屋了", "杜鹃街道"),  # doubled
        ("兰子镇", "砟子镇塌方", "砟子镇"),
        ("G66国道", "车翻在G65国道,两人受伤", "G65国道"),
        ("柳柳湾湾村", "柳树湾村进水", "柳树湾村"),
        ("河东村", "河西村和河南村都淹了", ""),  # which of the two?
        ("杨家坪", "柳树湾村进水", ""),
        ("镇", "砟子镇塌方", ""),
        ("S6", "S65线塌方", ""),  # a number is not cut in two
        ("A区雪崩了B", "A区雪崩,B区塌方", ""),  # no name reaches over a comma
        ("A区雪车B", "A区雪崩,B区塌方", ""),  # two changes, and another end
    ],
)
def test_a_place_is_taken_for_the_one_that_is_nearly_equal(written: str, report: str, said: str) -> None:
    assert guard.find_nearest(written, (report, "")) == said


def test_a_place_of_the_context_is_nearly_equal_as_well() -> None:
    assert guard.find_nearest("松花江北路", ("积雪2米", "松花江路")) == "松花江路"


@settings(deadline=None)
@given(st.text("东西村镇A1,", max_size=12), st.text("东西村镇A1,", max_size=30), st.text("东西村镇A1,", max_size=8))
def test_after_the_guard_every_place_is_said_or_unknown(place: str, report: str, known: str) -> None:
    context = Context(known)
    (situation,), corrections = guard.ground_situations((Situation(location=place),), report, context)
    assert not situation.location or any(stands_in(situation.location, text) for text in (report, known))
    assert bool(corrections) == (situation.location != place)


def test_of_many_spans_that_are_alike_the_one_of_the_same_length_is_taken() -> None:
    assert guard.find_nearest("镇" * 15 + "东" + "镇" * 14, ("镇" * 4000,)) == "镇" * 30


def test_a_text_that_stays_loses_what_nobody_said_and_asks_for_it() -> None:
    text, (correction,) = guard.ground_text("派1台除雪车至A9公路", "", "积雪两米", Context(), default_doctrine())
    assert text == "派1台除雪车至待核实地点,回拨核实位置"
    found = correction.check(text)
    assert (found.code, found.severity, text[found.start : found.end]) == ("UNGROUNDED_PLACE", "error", "待核实地点")
    assert "A9公路" in found.message


def test_what_an_operator_typed_is_left() -> None:
    typed = "派1台除雪车至A9公路"
    assert guard.ground_text(f"{typed},注意保暖", typed, "积雪两米", Context(), default_doctrine()) == (
        f"{typed},注意保暖",
        (),
    )


def test_a_text_that_stays_gets_the_place_that_is_nearly_equal() -> None:
    text, (correction,) = guard.ground_text("派1艘冲锋舟至杜杜街道", "", "杜鹃街道进水", Context(), default_doctrine())
    assert text == "派1艘冲锋舟至杜鹃街道"
    assert correction.check(text).severity == "warning"


@pytest.mark.parametrize(
    ("report", "pleading"),
    [
        ("救命啊,水进来了", True),
        ("还有三个人被困在楼上", True),
        ("至今没有获救,还被困着", True),  # not over
        ("被困的人都救出来了", False),
        ("演练:二楼三人被困", False),
        ("看到有人被困,我们愿意出船", False),
        ("雪真好看", False),
    ],
)
def test_pleas_are_told_from_what_is_over_or_not_meant(report: str, pleading: bool) -> None:
    assert guard.pleads(report) is pleading


def plans_of(*situations: Situation) -> tuple[Plan, ...]:
    return make_plans(situations, Context())


def test_a_plan_ends_in_one_callback_that_the_text_says() -> None:
    plans = plans_of(Situation(location="柳树湾", hazards=("flood",)))
    asking = guard.with_callback(plans)
    assert render_instruction(asking) == f"{render_instruction(plans)},回拨核实"
    assert [order.action for order in asking[0].orders].count("回拨") == 1
    assert guard.with_callback(asking) == asking


def test_a_plan_that_asks_already_is_left() -> None:
    for plans in (plans_of(Situation(kind="other")), plans_of(Situation(hazards=("flood",)))):
        assert guard.with_callback(plans) == plans


def test_among_hundreds_of_nearly_equal_places_there_is_no_telling_which() -> None:
    place = "甲" * 14 + "乙" + "甲" * 15
    others = "".join("甲" if at % 14 else chr(0x4E00 + at) for at in range(4000))
    assert guard.find_nearest(place, (place.replace("乙", "丙"), "")) == place.replace("乙", "丙")
    assert guard.find_nearest(place, (others, "")) == ""
