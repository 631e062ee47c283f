"""The grammar of instructions: several incidents, and texts read back into orders."""

import pytest

from dispatch.domain import Context, Count, Situation, make_plans, parse_orders, render_instruction


def test_several_incidents_are_numbered_and_read_back() -> None:
    situations = [
        Situation(location="甲村", hazards=("landslide",), people={"buried": Count(3, 3)}),
        Situation(location="乙镇", hazards=("flood",), needs=("sandbag",)),
    ]
    plans = make_plans(situations, Context())
    text = render_instruction(plans)
    assert text.startswith("一、派2台挖掘机")
    assert ";二、调运沙袋至乙镇" in text
    assert parse_orders(text) == [order for plan in plans for order in plan.spoken()]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("派2台除雪车至K120至K130段", "K120至K130段"),
        ("调派2台除雪车至甲村", "甲村"),
        ("增派1台除雪车、2辆清障车至甲村,医疗队随行", "甲村"),
        ("调运沙袋2000条至甲村", "甲村"),
    ],
)
def test_the_place_is_what_follows_the_first_verb(text: str, place: str) -> None:
    assert {order.place for order in parse_orders(text)} == {place}


def test_a_number_of_more_than_seven_digits_is_no_count() -> None:
    for text in ("派12345678台除雪车至甲村", "调运沙袋12345678条至甲村"):
        (order,) = parse_orders(text)
        assert (order.count, order.place) == (None, "甲村")


def test_a_clause_outside_the_grammar_becomes_a_task() -> None:
    (order,) = parse_orders("原地待命")
    assert (order.action, order.item, order.count) == ("任务", "原地待命", None)
    assert parse_orders("") == []


def test_the_first_clause_that_brings_something_names_the_place() -> None:
    flooded = Situation(
        location="甲村",
        hazards=("flood",),
        people={"trapped": Count(4, 4)},
        needs=("water",),
        measures={"water_depth_m": 1},
    )
    plans = make_plans([flooded], Context(issued=("派2艘冲锋舟至甲村",)))
    text = render_instruction(plans)
    assert text == "携带救生衣,调运饮用水12升至甲村"
    assert {order.place for order in parse_orders(text)} == {"甲村"}
