"""Doctrine's YAML: it can be read and changed, a change shows, and what is wrong with it is named."""

import re
from importlib import resources
from pathlib import Path

import pytest

from dispatch.domain import (
    Context,
    Count,
    Doctrine,
    Situation,
    default_doctrine,
    labels,
    make_plans,
    render_instruction,
)
from dispatch.domain.plan import AGENCIES
from dispatch.domain.reading import THRESHOLDS, WHOLE_THRESHOLDS

TEXT = resources.files("dispatch.domain").joinpath("doctrine.yaml").read_text("utf-8")
SEED = Situation(
    location="A7公路",
    hazards=("snow_road",),
    people={"trapped": Count(50, 50)},
    outages=("power",),
    needs=("generator", "medical"),
    measures={"snow_depth_m": 3.0},
)
SEED_TEXT = "派3台除雪车至A7公路,医疗队随行,协调电力公司恢复供电"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ploughs_most: 6", "ploughs_most: 2"),
        ("light_plough_depth_m: 1.0", "light_plough_depth_m: 3.0"),
        ("blower_depth_m: 3.0", "blower_depth_m: 2.9"),
        ("first_wave: 20", "first_wave: 2"),
        ("generator_people: 500", "generator_people: 50"),
        ("{send: 除雪车, count: ploughs, unless: [shallow_snow]}", "{send: 装载机, count: ploughs}"),
        ("- escort: 医疗队\n", "- escort: 医疗队\n    unless: [many_people]\n"),
        ("{carry: 氧气瓶, when: [high_altitude]}", "{carry: 氧气瓶}"),
        ("unless: [safe_to_energise]}\n    - {send: 应急发电车, count: 1, when: [supply_is_vital]}", "}"),
    ],
)
def test_a_change_that_breaks_the_seed_pair_shows_in_its_text(before: str, after: str) -> None:
    assert render_instruction(make_plans([SEED], Context(), Doctrine(TEXT))) == SEED_TEXT
    assert before in TEXT
    assert render_instruction(make_plans([SEED], Context(), Doctrine(TEXT.replace(before, after)))) != SEED_TEXT


def test_a_threshold_can_be_changed_in_the_text_alone() -> None:
    flood = Situation(location="甲村", hazards=("flood",), people={"trapped": Count(100, 100)})
    changed = Doctrine(TEXT.replace("people_per_boat: 20", "people_per_boat: 10"))
    assert render_instruction(make_plans([flood], Context(), changed)).startswith("派10艘冲锋舟")
    assert changed.digest != default_doctrine().digest


def test_every_hazard_has_rules_and_every_rule_its_agency() -> None:
    doctrine = default_doctrine()
    assert set(doctrine.hazards) == set(labels.HAZARDS)
    for _, _, rule in doctrine.rules():
        assert rule.agency in AGENCIES
        assert doctrine.agency(rule.item) == rule.agency


def test_the_rank_names_every_hazard_once() -> None:
    assert sorted(default_doctrine().rank) == sorted(labels.HAZARDS)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("snow_road", "除雪车 装载机 抛雪机 清障车 防滑链 棉衣"),
        ("avalanche", "雪崩探杆 生命探测仪 搜救犬"),
        ("flood", "冲锋舟 橡皮艇 救生衣 排水车 沙袋"),
        ("earthquake", "重型救援队 搜救犬 生命探测仪 破拆 吊车 帐篷"),
        ("landslide", "生命探测雷达 搜救犬 挖掘机 边坡雷达 无人机"),
        ("typhoon", "链锯 橡皮艇 吊车"),
        ("building_fire", "水罐车 泡沫车 举高车 排烟车 空气呼吸器"),
        ("wildfire", "风力灭火机 水泵 直升机"),
        ("hazmat", "泡沫车 防化服 洗消车 输转罐车"),
        ("traffic_accident", "抢险救援车 液压剪 清障车 交警"),
        ("collapse", "搜救犬 生命探测仪 顶撑 吊车"),
        ("mountain_rescue", "山岳队 向导 热成像无人机 担架"),
        (
            "needs",
            "食品 饮用水 帐篷 棉衣棉被 冲锋舟 救生衣 沙袋 排水车 挖掘机 消防车 应急发电车 照明车 油料 通信保障车",
        ),
        ("needs", "转运客车 药品 搜救队 医疗队 救护车 矿山救护队 卫星电话"),
    ],
)
def test_the_resources_of_the_field_exist(label: str, words: str) -> None:
    doctrine = default_doctrine()
    assert {word for word in words.split() if doctrine.resource_name(word) not in doctrine.resources} == set()


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("count: ploughs,", "count: plows,", "plows"),
        ("[shallow_snow]}", "[deep]}", "deep"),
        ("agency: 交通, need: snow_clearing", "agency: 海军, need: snow_clearing", "海军"),
        ("need: snow_clearing", "need: ploughing", "ploughing"),
        ("unit: 台, agency", "unit: 打, agency", "unknown unit '打'"),
        ("帐篷: {unit: 顶, agency: 应急, need: shelter}", "帐篷: 顶", "resource 帐篷: must be names with values"),
        ("verb: escort", "verb: bring", "unknown verb 'bring'"),
        ("verb: escort", "verb: [escort]", "resource 向导: verb must be text"),
        ("need: boat", "need: [boat]", "resource 冲锋舟: need must be text"),
        ("aliases: [橡皮艇,", "1: 2, alias: [橡皮艇,", "resource 冲锋舟: unknown field '1'"),
        ("aliases: [橡皮艇,", "aliases: [吊车,", "resource 冲锋舟: its alias 吊车 stands for 吊车 already"),
        ("aliases: [橡皮艇,", "aliases: [拖车,", "resource 冲锋舟: its alias 拖车 stands for 清障车 already"),
        ("unless: [strong_wind]}", "unless: [breeze]}", "breeze"),
        ("aliases: [橡皮艇,", "alias: [橡皮艇,", "alias"),
        ("aliases: [破拆]", "aliases: 破拆", "aliases must be a list"),
        ("when: [shallow_snow]", "when: shallow_snow", "when must be a list"),
        ("{send: 照明车, count: 1}", "{send: 照明车, count: 0}", "count must be"),
        ("{send: 照明车, count: 1}", "{send: 照明车, count: 1.5}", "count must be"),
        ("{supply: 沙袋}", "{supply: 沙袋, agency: 电力}", "under resources"),
        ("task: 设余震观察哨", "task: '观察,余震'", "which part orders"),
        ("{task: 设余震观察哨}", "{task: 设余震观察哨, agency: 海军}", "海军"),
        ("{task: 关气断电}", "{task: [关气断电]}", "earthquake: task must be text"),
        ("{task: 关气断电}", "{task: 关气断电, 1: 2, wenn: 3}", "unknown field '1'"),
        ("{task: 关气断电}", "{task: 关气断电, agency: 电力}", "关气断电: has two agencies"),
        ("  drainage: [{send: 排水车, count: 1}]", "  drainage: 排水车", "drainage: must be a list of rules"),
        *(
            (f"\n  {name}: ", f"\n  {name}: 0.5 # ", f"{name}: must be a whole number above 0, not 0.5")
            for name in sorted(WHOLE_THRESHOLDS)
        ),
        ("  first_wave: 20", "  first_wave: true", "first_wave: must be a whole number above 0, not True"),
        *(
            ("\n  帐篷: {", f"\n  {name}: {{", f"name '.*{mark}.*' must not hold '{mark}'")
            for name, mark in (("送至车", "至"), ("甲、乙", "、"), ("2号车", "2"), ("前往车", "前往"), ("甲 乙", " "))
        ),
        ("\n  帐篷: {", '\n  "": {', "name '' must not be empty"),
        ("\n  帐篷: {", "\n  5: {", "resource 5: name must be text, not 5"),
        ("aliases: [橡皮艇,", "aliases: [赴水艇,", "resource 冲锋舟, aliases: name '赴水艇' must not hold '赴'"),
        ("{task: 关气断电}", '{task: ""}', "earthquake: task must name an order, not ''"),
        ("{task: 关气断电}", '{task: " "}', "earthquake: task must name an order, not ' '"),
        ("{task: 关气断电}", "{task: null}", "earthquake: task must be text, not None"),
        ("people_per_boat: 20", "people_per_boat: 0", "people_per_boat: must be a number above 0"),
        ("people_per_boat: 20", "people_per_boat: many", "people_per_boat"),
        ("people_per_boat: 20", "people_per_boat: [[1, 2]]", "people_per_boat: must be a number above 0"),
        ("people_per_boat: 20", "people_per_boat: []", "people_per_boat: must be a number above 0"),
        ("[[2, 2], [10, 3], [50, 5]]", "[[2, 2], [10]]", "vehicles_by_trapped: must be lines of two"),
        ("[[2, 2], [10, 3], [50, 5]]", "5", "vehicles_by_trapped: must be lines of two"),
        ("[[2, 2], [10, 3], [50, 5]]", "[]", "vehicles_by_trapped: must be lines of two"),
        ("[[2, 2], [10, 3], [50, 5]]", "[[10, 3], [2, 2], [50, 5]]", "vehicles_by_trapped: must be .* rising"),
        ("[[2, 2], [10, 3], [50, 5]]", "[[2, 2], [2, 3], [50, 5]]", "vehicles_by_trapped: must be .* rising"),
        ("[[2, 2], [10, 3], [50, 5]]", "[[2, 2], [10, 1], [50, 5]]", "vehicles_by_trapped: must be .* not falling"),
        ("[[1, 2], [2, 5], [9, 10]]", "[[1, 2], [2, 2.5], [9, 10]]", "collapse_vehicles: must be .* whole"),
        ("  first_wave: 20", "  first_wave: 20\n  frist_wave: 10", "thresholds: unknown name 'frist_wave'"),
        ("  first_wave: 20", "  first_wave: 20\n  20: 10", "thresholds: unknown name '20'"),
        ("  特急:\n", "  火急:\n", "priority: must state 特急 and 紧急"),
        ("  特急:\n", "  1:\n", "priority: must state 特急 and 紧急, not 1, 紧急"),
        ("lost_under_debris", "lost_at_sea", "lost_at_sea"),
        ("rank: [avalanche,", "rank: [mudslide,", "rank: unknown label 'mudslide'"),
        ("{verify: 水深,", "{verify: 水深, escort: 医疗队,", "exactly one"),
        ("{verify: 水深,", "{verify: 水深, wenn: [],", "wenn"),
        ("{send: 清障车,", "{send: 拖车,", "拖车"),
        ("{send: 清障车,", "{send: 快艇,", "快艇"),
        ("- escort: 医疗队\n", "- escort: 大夫\n", "大夫"),
        ("{carry: 雪崩探杆,", "{carry: 探杆,", "探杆"),
        ("{apply: 直升机,", "{apply: 飞机,", "飞机"),
        ("{supply: 药品}", "{supply: 药}", "'药'"),
        ("fallback: {send: 抢险救援车,", "fallback: {send: 救援车,", "救援车"),
        ("  landslide:\n", "  mudslide:\n", "hazards: unknown label 'mudslide'"),
        ("  drainage: [", "  pumping: [", "needs: unknown label 'pumping'"),
        ("{unit: 台, agency: 交通, need: snow_clearing}", "{agency: 交通}", "unit missing"),
        *(
            (f"\n{name}:", f"\n{name}_:", f"{name}' is missing")
            for name in ("thresholds", "resources", "hazards", "rank")
        ),
        *((f"\n{name}:", f"\n{name}_:", f"{name}' is missing") for name in ("needs", "all", "fallback", "priority")),
        *((f"\n  {name}:", f"\n  {name}_:", f"{name} missing") for name in sorted(THRESHOLDS)),
        ('"people:buried"', '"people:sunken"', "sunken"),
        ('"named:fuel"', '"named:petrol"', "named:petrol"),
    ],
)
def test_a_wrong_rule_is_named(before: str, after: str, named: str) -> None:
    assert before in TEXT
    with pytest.raises(ValueError, match=named):
        Doctrine(TEXT.replace(before, after, 1))


@pytest.mark.parametrize("text", ["", "[]", "snow"])
def test_a_text_without_sections_is_no_doctrine(text: str) -> None:
    with pytest.raises(ValueError, match="'thresholds' is missing"):
        Doctrine(text)


@pytest.mark.parametrize(
    ("before", "after", "line", "key"),
    [
        ("\nhazards:\n", "\nhazards:\n  flood: []\n", "  flood:\n", "flood"),
        ("\nrank:", "\nneeds: {}\nrank:", "needs: {}", "needs"),
        ("{task: 关气断电}", "{task: 关气断电, task: 设余震观察哨}", "{task: 关气断电, task", "task"),
    ],
)
def test_a_key_that_stands_twice_is_named_with_its_line(before: str, after: str, line: str, key: str) -> None:
    assert before in TEXT
    text = TEXT.replace(before, after, 1)
    number = text[: text.index(line)].count("\n") + 1
    with pytest.raises(ValueError, match=f"^doctrine, line {number}: {key} stands twice$"):
        Doctrine(text)


def test_blocks_that_are_merged_may_overlap() -> None:
    merged = TEXT.replace("\n  被褥: {", "\n  被褥: &quilt {").replace(
        "毛毯: {unit: 条, agency: 应急, need: warmth}", "毛毯: {<<: *quilt, unit: 条, aliases: []}"
    )
    assert Doctrine(merged).resources["毛毯"] == default_doctrine().resources["毛毯"]


@pytest.mark.parametrize(
    ("added", "reason"),
    [
        ("\tx: 1", "found character '\\t' that cannot start any token"),
        ("x: [1", "expected ',' or ']'"),
        ("x: \0", r"character '\x00' is not allowed"),
        ("? [x]\n: 1", "found unhashable key"),
        ("x: *unknown", "found undefined alias"),
    ],
)
def test_what_is_no_yaml_is_named_with_its_line(added: str, reason: str) -> None:
    with pytest.raises(ValueError, match=rf"^doctrine, line \d+: not YAML: .*{re.escape(reason)}"):
        Doctrine(TEXT + added + "\n")


def test_what_is_wrong_with_the_shipped_file_is_said_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "doctrine.yaml"
    changed.write_text("x: [", encoding="utf-8")
    monkeypatch.setattr("dispatch.domain.doctrine.doctrine_file", lambda: changed)
    with pytest.raises(ValueError, match=r"doctrine\.yaml: doctrine, line 1: not YAML"):
        default_doctrine.__wrapped__()
