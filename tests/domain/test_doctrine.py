"""Doctrine: what holds whatever the hazard, and the first four hazards. The seed pair is the fixed point."""

import pytest

from dispatch.domain import (
    Context,
    Count,
    Requested,
    Situation,
    default_doctrine,
    make_plans,
    parse_orders,
    render_instruction,
)

SEED = Situation(
    location="A7公路",
    hazards=("snow_road",),
    people={"trapped": Count(50, 50)},
    outages=("power",),
    needs=("generator", "medical"),
    measures={"snow_depth_m": 3.0},
)


def answer(situation: Situation, *issued: str) -> str:
    return render_instruction(make_plans([situation], Context(issued=issued)))


def snow(**fields: object) -> str:
    return answer(Situation(location="甲村", hazards=("snow_road",), **fields))  # type: ignore[arg-type]


def flood(**fields: object) -> str:
    return answer(Situation(location="甲村", hazards=("flood",), **fields))  # type: ignore[arg-type]


def landslide(**fields: object) -> str:
    return answer(Situation(location="甲村", hazards=("landslide",), **fields))  # type: ignore[arg-type]


def fire(**fields: object) -> str:
    return answer(Situation(location="甲村", hazards=("building_fire",), **fields))  # type: ignore[arg-type]


def people(**counts: str) -> dict[str, Count]:
    return {category: Count.from_text(text) for category, text in counts.items()}


def test_the_seed_pair() -> None:
    assert answer(SEED) == "派3台除雪车至A7公路,医疗队随行,协调电力公司恢复供电"


def test_a_generic_place_is_kept_and_asked_about() -> None:
    vague = Situation(**{**vars(SEED), "location": "山区公路"})
    assert answer(vague) == "派3台除雪车至山区公路,医疗队随行,协调电力公司恢复供电,回拨核实位置"


def test_an_informal_caller_gets_the_same_kind_of_response() -> None:
    caller = Situation(
        location="路上",
        hazards=("snow_road",),
        people=people(trapped="50", buried="1+"),
        needs=("rescue",),
        measures={"snow_depth_m": 1.5},
        facts={"cold": True},
    )
    text = answer(caller)
    assert text.startswith("派2台除雪车、2只搜救犬至路上,医疗队随行,携带雪崩探杆、生命探测仪,调运棉衣50件")
    assert text.endswith("人数待核实,回拨核实位置")


def test_an_unknown_place_is_never_invented() -> None:
    nowhere = Situation(**{**vars(SEED), "location": ""})
    assert answer(nowhere) == "派3台除雪车至待核实地点,医疗队随行,协调电力公司恢复供电,回拨核实位置"


def test_what_was_issued_is_subtracted() -> None:
    assert answer(SEED, "派2台除雪车至A7公路") == "派1台除雪车至A7公路,医疗队随行,协调电力公司恢复供电"
    assert answer(SEED, "派3台除雪车至A7公路") == "派医疗队至A7公路,协调电力公司恢复供电"
    assert answer(SEED, answer(SEED)) == "已派力量继续处置"
    assert answer(SEED, "派2台除雪车至乙村") == answer(SEED)


def test_what_was_issued_under_another_name_is_subtracted() -> None:
    stranded = Situation(location="甲村", hazards=("flood",), people=people(trapped="90"), needs=("boat",))
    assert answer(stranded).startswith("派5艘冲锋舟")
    assert answer(stranded, "派2艘橡皮艇、1艘快艇至甲村").startswith("派2艘冲锋舟")


def test_another_name_has_the_agency_and_the_need_of_its_resource() -> None:
    doctrine = default_doctrine()
    assert (doctrine.agency("橡皮艇"), doctrine.need_of("橡皮艇")) == ("消防", "boat")
    assert (doctrine.agency("热气球"), doctrine.need_of("热气球")) == ("应急", "")


def test_what_was_issued_and_is_not_enough_is_reinforced() -> None:
    short = Situation(**{**vars(SEED), "facts": {"reinforce": True}})
    assert answer(short, "派3台除雪车至A7公路").startswith("增派1台除雪车至A7公路")


def test_what_was_issued_without_a_number_is_reinforced_by_one() -> None:
    short = Situation(**{**vars(SEED), "facts": {"reinforce": True}})
    issued = parse_orders("派除雪车至A7公路")
    assert answer(short, "派除雪车至A7公路").startswith("增派1台除雪车至A7公路")
    assert default_doctrine().working(short, issued) == "人50,除雪车3-0=1"
    assert "除雪车" not in answer(SEED, "派除雪车至A7公路")


def test_what_was_issued_in_another_unit_is_another_thing() -> None:
    thirsty = Situation(location="甲村", hazards=("flood",), people=people(trapped="30"), needs=("water",))
    assert "饮用水90升" in answer(thirsty, "调运饮用水50箱至甲村")
    assert "饮用水40升" in answer(thirsty, "调运饮用水50升至甲村")


def test_a_cordon_that_is_wide_enough_stays_and_one_too_narrow_is_drawn_anew() -> None:
    leak = Situation(location="甲厂", hazards=("hazmat",), facts={"toxic": True})
    assert "警戒半径500米" in answer(leak, "派2辆抢险救援车至甲厂,警戒半径150米")
    assert "警戒半径" not in answer(leak, "派2辆抢险救援车至甲厂,警戒半径800米")


def test_goods_that_were_issued_in_full_are_not_reinforced() -> None:
    short = {"people": people(trapped="30"), "needs": ("water",), "facts": {"reinforce": True}}
    assert "饮用水" not in answer(
        Situation(location="甲村", hazards=("flood",), **short),  # type: ignore[arg-type]
        "调运饮用水90升至甲村",
    )


def test_what_was_issued_for_an_unknown_place_is_subtracted() -> None:
    nowhere = Situation(**{**vars(SEED), "location": ""})
    assert answer(nowhere, answer(nowhere)) == "已派力量继续处置,回拨核实位置"


@pytest.mark.parametrize(
    ("issued", "machines"),
    [("S6", 3), ("S651", 3), ("甲镇S65", 1), ("S65垭口", 1), ("S65K12", 3), ("S651与S65交叉口", 1)],
)
def test_another_road_number_is_another_place(issued: str, machines: int) -> None:
    road = Situation(**{**vars(SEED), "location": "S65"})
    assert answer(road, f"派2台除雪车至{issued}").startswith(f"派{machines}台除雪车至S65")


def test_the_working_tells_what_is_counted_with_and_what_is_left() -> None:
    doctrine, vulnerable = default_doctrine(), ("elderly",)
    many = Situation(location="甲村", hazards=("flood",), people=people(trapped="200-390"), vulnerable=vulnerable)
    issued = parse_orders("派13艘橡皮艇至甲村,携带救生衣")
    assert doctrine.working(many) == "人390,员60,冲锋舟49"
    assert doctrine.working(many, issued) == "人390,员60,冲锋舟49-13=36,救生衣-"
    hurt = Situation(hazards=("landslide",), people=people(buried="7+", missing="3", injured="9"), facts={"severe": 2})
    assert doctrine.working(hurt) == "寻17,埋14,伤7"
    assert doctrine.working(Situation(kind="offer")) == ""


@pytest.mark.parametrize(
    ("depth", "km", "machines"),
    [
        (0.5, 0, "1台轻型除雪车"),
        (1.0, 0, "1台轻型除雪车"),
        (1.1, 0, "2台除雪车"),
        (3.0, 0, "3台除雪车"),
        (9.0, 0, "6台除雪车、1台抛雪机"),
        (0.5, 31, "4台轻型除雪车"),
    ],
)
def test_ploughs_by_depth_and_length(depth: float, km: float, machines: str) -> None:
    assert snow(measures={"snow_depth_m": depth}, facts={"km": km} if km else {}) == f"派{machines}至甲村"


def test_snow_of_unknown_depth_gets_two_ploughs_and_a_question() -> None:
    assert snow() == "派2台除雪车至甲村,积雪深度待核实"


def test_people_buried_in_snow_are_searched_for() -> None:
    text = snow(people=people(buried="7"), measures={"snow_depth_m": 2.0})
    assert text == (
        "派2台除雪车、4只搜救犬至甲村,医疗队随行,携带雪崩探杆、生命探测仪,同伴立即就地搜寻,探明前机械不进入堆积区,设雪崩观察哨"
    )


def test_stuck_cars_and_cold() -> None:
    text = snow(people=people(trapped="9"), measures={"snow_depth_m": 2.0}, facts={"cars": 11, "cold": True})
    assert text == "派2台除雪车、2辆清障车至甲村,医疗队随行,调运棉衣9件"


@pytest.mark.parametrize(
    ("trapped", "facts", "vulnerable", "boats"),
    [("3", {}, (), 2), ("41", {}, (), 3), ("41", {"current": True}, (), 6), ("41", {}, ("elderly",), 6)],
)
def test_boats_by_people(trapped: str, facts: dict[str, bool], vulnerable: tuple[str, ...], boats: int) -> None:
    text = flood(people=people(trapped=trapped), facts=facts, vulnerable=vulnerable, measures={"water_depth_m": 1.0})
    assert text.startswith(f"派{boats}艘冲锋舟至甲村")
    assert f"携带救生衣{int(trapped) + {'3': 15, '41': 25}[trapped]}件" in text  # and one for each of the crew


def test_shallow_still_water_is_driven_through() -> None:
    assert flood(people=people(trapped="9"), measures={"water_depth_m": 0.3}) == "派3辆高底盘车至甲村"
    fast = flood(people=people(trapped="9"), measures={"water_depth_m": 0.3}, facts={"current": True})
    assert fast.startswith("派2艘冲锋舟")


def test_the_first_wave_is_twenty_and_the_rest_stand_by() -> None:
    text = flood(people=people(trapped="500"), measures={"water_depth_m": 2.0})
    assert text.startswith("派20艘冲锋舟至甲村,另5艘冲锋舟备勤,医疗队随行")


def test_what_others_are_asked_to_send_has_no_first_wave() -> None:
    crash = Situation(location="甲村", hazards=("flood",), people=people(injured="90"))
    assert "通知120派45辆救护车" in answer(crash)
    assert default_doctrine().working(crash) == "伤90"


def test_power_is_not_restored_in_water_before_it_is_safe() -> None:
    assert flood(outages=("power",)).endswith("协调电力公司断电排险,确认安全后恢复供电")


def test_shelter_in_a_flood_is_indoors() -> None:
    assert "学校" in flood(needs=("shelter",))
    assert "帐篷3顶" in landslide(needs=("shelter",), people=people(trapped="9"))
    assert "帐篷" in landslide(needs=("shelter",))


def test_supplies_by_head() -> None:
    text = flood(people=people(trapped="7"), needs=("food", "water"), measures={"water_depth_m": 1.0})
    assert "调运食品21份、饮用水21升" in text


def test_landslide_digs_after_detection() -> None:
    text = landslide(people=people(buried="7"), outages=("road",))
    assert text == (
        "派3台挖掘机、4只搜救犬、1台装载机至甲村,医疗队随行,携带生命探测雷达、边坡雷达,先探测和人工挖掘再上挖掘机,"
        "疏散沟道下游群众至两侧高处,先抢通道路再进车队,注意边坡监测"
    )


@pytest.mark.parametrize(("trapped", "engines"), [("1", 3), ("10", 3), ("11", 5), ("50", 5), ("51", 6), ("101", 7)])
def test_engines_by_people(trapped: str, engines: int) -> None:
    assert fire(people=people(trapped=trapped)).startswith(f"派{engines}辆水罐车至甲村")


def test_fire_on_high_floors_with_smoke_and_oil() -> None:
    text = fire(measures={"floor": 4.0}, facts={"smoke": True, "burning": True})
    assert text.startswith("派3辆水罐车、1辆泡沫车、1辆举高车、1辆排烟车至甲村,医疗队随行")
    assert text.endswith("关气断电")
    assert "举高车" not in fire(measures={"floor": 3.0})


@pytest.mark.parametrize(
    ("injured", "facts", "ambulances"),
    [("5", {}, 3), ("5", {"severe": 2}, 4), ("6", {"light": 6}, 1), ("5", {"severe": 1, "light": 1}, 4), ("1+", {}, 1)],
)
def test_ambulances_by_severity(injured: str, facts: dict[str, float], ambulances: int) -> None:
    assert f"通知120派{ambulances}辆救护车" in fire(people=people(injured=injured), facts=facts)


def test_a_medical_team_comes_for_twenty_people() -> None:
    assert "医疗队随行" in snow(people=people(trapped="20"))
    assert "医疗队" not in snow(people=people(trapped="19"))


def test_uncertain_counts_are_verified() -> None:
    assert snow(people=people(trapped="10-19")).endswith("人数待核实")


def test_a_declined_item_is_not_sent() -> None:
    assert "冲锋舟" not in flood(people=people(trapped="30"), not_needed=("boat",))
    homeless = landslide(not_needed=("shelter",), facts={"displaced": 9})
    assert not any(word in homeless for word in ("帐篷", "床", "被褥"))


def test_what_is_declined_names_no_machine_that_is_asked_for() -> None:
    asked = Situation(
        location="甲村",
        hazards=("flood",),
        needs=("heavy_equipment",),
        not_needed=("boat",),
        requested=(Requested("橡皮艇", 3, "艘"),),
    )
    assert "1台装载机" in answer(asked)


def test_a_quantity_asked_for_is_the_order_and_doctrine_is_the_floor() -> None:
    more = flood(people=people(trapped="30"), needs=("boat",), requested=(Requested("橡皮艇", 5, "艘"),))
    fewer = flood(people=people(trapped="100"), needs=("boat",), requested=(Requested("橡皮艇", 1, "艘"),))
    assert more.startswith("派5艘冲锋舟")
    assert fewer.startswith("派5艘冲锋舟")
    assert flood(needs=("sandbag",), requested=(Requested("沙袋", 2000, "条"),)) == "调运沙袋2000条至甲村"


def test_a_quantity_asked_for_in_another_unit_is_ordered_in_that_unit() -> None:
    assert "饮用水100箱" in flood(
        people=people(trapped="30"), needs=("water",), requested=(Requested("饮用水", 100, "箱"),)
    )
    assert "棉衣棉被100套" in snow(
        people=people(trapped="30"), needs=("warmth",), requested=(Requested("棉被", 100, "床"),)
    )


def test_a_part_of_a_quantity_is_rounded_up() -> None:
    assert "油料1吨" in snow(needs=("fuel",), requested=(Requested("油料", 0.5, "吨"),))


@pytest.mark.parametrize(
    ("item", "unit", "clause"),
    [
        ("直升机", "架", "申请2架直升机"),
        ("救护车", "辆", "通知120派2辆救护车"),
        ("交警", "名", "通知2名交警"),
        ("热气球", "个", "调运热气球2个"),
        ("矿泉水", "箱", "调运饮用水2箱"),
        ("皮划艇", "条", "、2艘冲锋舟至甲村"),
        ("医生", "名", "2名医生随行"),
        ("潜水员", "名", "、2名潜水员至甲村"),
        ("水、面包", "份", "调运水面包2份"),
    ],
)
def test_what_is_asked_for_is_ordered_in_the_way_of_its_kind(item: str, unit: str, clause: str) -> None:
    asked = Situation(
        location="甲村",
        hazards=("traffic_accident",),
        requested=(Requested(item, 2, unit),),
        people=people(trapped="1"),
    )
    assert clause in answer(asked)


@pytest.mark.parametrize(
    "requested", [Requested("热气球", 0, "个"), Requested("、", 2, "个"), Requested("热气球", 2, "")]
)
def test_what_cannot_be_said_is_not_ordered(requested: Requested) -> None:
    assert snow(requested=(requested,)) == snow()


def test_what_must_not_be_used_is_not_sent_even_if_it_is_asked_for() -> None:
    asked = (Requested("吊车", 2, "辆"),)
    assert "2辆吊车" in landslide(requested=asked, measures={"wind_level": 5})
    assert "吊车" not in landslide(requested=asked, measures={"wind_level": 6})


def test_medical_teams_that_are_asked_for_keep_their_number() -> None:
    text = snow(needs=("medical",), requested=(Requested("医疗队", 2, "支"),))
    assert "2支医疗队随行" in text
    assert ("随行", "医疗队", 2) in {(order.action, order.item, order.count) for order in parse_orders(text)}


def test_a_critical_site_gets_a_generator() -> None:
    assert "1辆应急发电车" in snow(outages=("power",), facts={"critical_site": True})
    assert "应急发电车" not in answer(SEED)


@pytest.mark.parametrize("kind", ["offer", "resolved", "other"])
def test_nobody_is_sent_without_a_request(kind: str) -> None:
    assert answer(Situation(kind=kind, hazards=("flood",))) == "暂不派警,回拨核实后登记"


@pytest.mark.parametrize("kind", ["offer", "resolved", "other"])
def test_units_on_the_way_go_on_until_somebody_has_confirmed(kind: str) -> None:
    assert answer(Situation(kind=kind), answer(SEED)) == "已派力量继续处置,暂不派警,回拨核实后登记"


def test_an_incident_of_no_known_hazard_gets_rescue_vehicles_and_the_duty_commander() -> None:
    text = answer(Situation(location="甲村", people=people(trapped="11")))
    assert text == "派5辆抢险救援车至甲村,转值班指挥长"
    assert answer(Situation(location="甲村")) == "派2辆抢险救援车至甲村,转值班指挥长"  # no answer but a clear place


@pytest.mark.parametrize(("item", "unit", "other"), [("搜救队员", "人", "名"), ("潜水员", "名", "人")])
def test_people_count_alike_in_either_of_their_measure_words(item: str, unit: str, other: str) -> None:
    asked = Situation(location="甲村", hazards=("flood",), requested=(Requested(item, 10, unit),))
    assert f"{item}" not in answer(asked, f"派10{other}{item}至甲村")
    assert f"派4{unit}{item}至甲村" in answer(asked, f"派6{other}{item}至甲村")


def test_rescue_vehicles_that_were_issued_are_not_issued_again() -> None:
    nothing_known = Situation(location="甲村", hazards=("flood",))
    assert answer(nothing_known, answer(nothing_known)) == "已派力量继续处置"
    assert answer(nothing_known, "派1辆抢险救援车至甲村") == "派1辆抢险救援车至甲村"


def test_where_rescue_itself_is_declined_nobody_is_sent() -> None:
    assert answer(Situation(location="甲村", not_needed=("rescue",))) == "转值班指挥长"


def test_crew_and_vehicles_are_data_not_text() -> None:
    (plan,) = make_plans([SEED], Context())
    totals = {order.item: order.count for order in plan.orders if order.action == "出动"}
    assert totals == {"救援车辆": 5, "救援人员": 25}


def test_totals_are_no_less_than_the_rescue_vehicles_of_the_text() -> None:
    (plan,) = make_plans([Situation(hazards=("collapse",), people=people(buried="10"))], Context())
    totals = {order.item: order.count for order in plan.orders if order.action == "出动"}
    assert totals == {"救援车辆": 50, "救援人员": 250}
