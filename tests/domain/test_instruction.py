"""The grammar of instructions: several incidents, and texts read back into orders."""

import pytest

from dispatch.domain import (
    MAX_SITUATIONS,
    Context,
    Count,
    Order,
    Situation,
    make_plans,
    parse_orders,
    render_instruction,
)
from dispatch.domain.instruction import parse_orders_by_incident


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
        ("派2台水罐车赴甲村", "甲村"),
        ("派2台水罐车前往甲村", "甲村"),
        ("派2台水罐车到甲村", "甲村"),
    ],
)
def test_the_place_is_what_follows_the_first_verb(text: str, place: str) -> None:
    assert {order.place for order in parse_orders(text)} == {place}


def test_a_number_of_more_than_nine_digits_is_no_count() -> None:
    for text in ("派1234567890台除雪车至甲村", "调运沙袋1234567890条至甲村"):
        (order,) = parse_orders(text)
        assert (order.count, order.place) == (None, "甲村")


@pytest.mark.parametrize(
    ("clause", "order"),
    [
        ("警戒半径500米", Order("公安交警", "任务", "警戒半径", 500, "米")),
        ("申请直升机", Order("应急", "申请", "直升机")),
        ("申请2架直升机", Order("应急", "申请", "直升机", 2, "架")),
        ("通知120派3辆救护车", Order("医疗120", "通知", "救护车", 3, "辆")),
        ("通知生态环境部门", Order("应急", "通知", "生态环境部门")),
        ("通知矿山救护队", Order("应急", "通知", "矿山救护队")),
        ("通知交警来车方向预警", Order("公安交警", "通知", "交警来车方向预警")),
        ("1名向导、医疗队随行", Order("应急", "随行", "向导", 1, "名")),
        ("协调电力公司断电排险", Order("电力", "协调", "电力公司断电排险")),
        ("确认安全后恢复供电", Order("电力", "任务", "确认安全后恢复供电")),
        ("关气断电", Order("消防", "任务", "关气断电")),
        ("注意严禁明火", Order("消防", "注意", "严禁明火")),
        ("联系发布人核实位置", Order("应急", "联系", "发布人核实位置")),
        ("水深待核实", Order("应急", "核实", "水深")),
        ("转值班指挥长", Order("应急", "任务", "转值班指挥长")),
    ],
)
def test_each_kind_of_clause_reads_back_with_its_agency(clause: str, order: Order) -> None:
    assert parse_orders(clause)[0] == order


def test_the_orders_of_each_incident_are_read_apart() -> None:
    text = "一、派2台挖掘机至甲村,关气断电;二、调运沙袋至乙镇;三、原地待命"
    parts = parse_orders_by_incident(text)
    assert [[order.item for order in part] for part in parts] == [["挖掘机", "关气断电"], ["沙袋"], ["原地待命"]]
    assert [order for part in parts for order in part] == parse_orders(text)
    assert [len(part) for part in parse_orders_by_incident("关气断电,派2台挖掘机至甲村")] == [2]
    assert [len(part) for part in parse_orders_by_incident("关气断电;二、注意严禁明火")] == [1, 1]
    assert parse_orders_by_incident("") == [[]]


def test_as_many_incidents_as_there_are_numerals_can_be_numbered() -> None:
    plans = make_plans([Situation(location="甲村")] * MAX_SITUATIONS, Context())
    text = render_instruction(plans)
    assert ";十、派" in text
    assert len(parse_orders_by_incident(text)) == MAX_SITUATIONS
    with pytest.raises(AssertionError, match="at most 10 can be numbered"):
        render_instruction((*plans, plans[0]))


def test_a_clause_outside_the_grammar_becomes_a_task() -> None:
    (order,) = parse_orders("原地待命")
    assert (order.action, order.item, order.count) == ("任务", "原地待命", None)
    assert parse_orders("") == []


@pytest.mark.parametrize(
    "text", ["派3台除雪车至A7公路。", "派3台除雪车至A7公路; 医疗队随行!", " 派3台除雪车至A7公路。医疗队随行 "]
)
def test_the_marks_and_spaces_that_people_write_are_no_part_of_an_order(text: str) -> None:
    orders = parse_orders(text)
    assert orders[0] == Order("交通", "派", "除雪车", 3, "台", "A7公路")
    assert orders[1:] in ([], [Order("医疗120", "随行", "医疗队", place="A7公路")])


def test_each_order_is_for_the_place_that_was_named_last() -> None:
    text = "携带防滑链,派2台除雪车至A7公路,医疗队随行,派1辆救护车到达B村,注意保暖"
    assert [order.place for order in parse_orders(text)] == ["A7公路", "A7公路", "A7公路", "B村", "B村"]


def test_on_the_scene_is_no_place() -> None:
    (ploughs, ambulance) = parse_orders("派2台除雪车至A7公路,派1辆救护车到场待命")
    assert (ploughs.place, ambulance.action, ambulance.place) == ("A7公路", "任务", "A7公路")


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
    assert text == "携带救生衣19件,调运饮用水12升至甲村"
    assert {order.place for order in parse_orders(text)} == {"甲村"}
