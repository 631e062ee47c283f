"""Checks on numbers: what was not read or invented is found, and numbers that count nobody are left alone."""

import pytest

from dispatch.domain import (
    Check,
    Context,
    Count,
    Requested,
    Situation,
    default_doctrine,
    make_plans,
    render_instruction,
)
from dispatch.domain.findings import Candidate
from dispatch.domain.number_checks import check_numbers


def found(report: str, *situations: Situation, context: Context = Context()) -> list[tuple[str, str]]:
    """The codes with the characters that they point at."""
    plans = make_plans(situations, context)
    candidate = Candidate(report, context, situations, plans, render_instruction(plans), False)
    checks: list[Check] = list(check_numbers(candidate, default_doctrine()))
    return [(check.code, report[check.start : check.end]) for check in checks]


def counting(**people: Count) -> Situation:
    return Situation(location="甲村", hazards=("flood",), people=people)


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("16人", Count(16, 16)),
        ("十六个人", Count(16, 16)),
        ("五十来号人", Count(50, 50, approx=True)),
        ("3万人", Count(30000, 30000)),
        ("三百五十个老乡", Count(350, 350)),
        ("四五个人", Count(4, 5)),
        ("三四十号人", Count(30, 40)),
        ("七八百人", Count(700, 800)),
        ("二十几个人", Count(21, 29)),
        ("30几个人", Count(31, 39)),
        ("四十好几个人", Count(41, 49)),
        ("30到40人", Count(30, 40)),
        ("7~8名群众", Count(7, 8)),
        ("十几口人", Count(11, 19)),
        ("五十多人", Count(50, 59)),
        ("几十名村民", Count(20, 99)),
        ("上百人", Count(100, None)),
        ("1000+人", Count(1000, None)),
        ("数百個鄉親", Count(200, 999)),
        ("1,200人", Count(1200, 1200)),
    ],
)
def test_a_count_that_was_read_is_silent_and_one_that_was_dropped_or_changed_is_not(said: str, count: Count) -> None:
    report = f"甲村{said}被困"
    assert found(report, counting(trapped=count)) == []
    assert {code for code, _ in found(report, counting())} == {"UNREAD_NUMBER"}
    other = Count(count.min + 7, count.max and count.max + 7)
    assert {code for code, _ in found(report, counting(trapped=other))} == {"UNREAD_NUMBER", "UNGROUNDED_NUMBER"}


@pytest.mark.parametrize(
    "aside",
    [
        *("电话138 1234 5678", "联系139-1234-5678", "我家房号1-1001", "坐611路公交来的", "车牌闽S·24796"),
        *("8:30报", "3月5日", "剩12%的电", "零下20度", "50号楼", "路桩K1214+150", "打了110", "多一个人看见都好"),
        *("不知道伤了几个人", "80岁老人", "已转移300人", "来了20名消防员", "24小时开机", "走了8级台阶"),
        *("另有8名群众无恙", "先下来的4个没事", "干部6名在场指挥", "一个都没伤着"),
        *("发了7条消息", "500米外有条河", "说了5遍", "数人的时候"),
    ],
)
def test_numbers_that_count_nobody_in_need_are_left_alone(aside: str) -> None:
    assert found(f"甲村16人被困,{aside}", counting(trapped=Count(16, 16))) == []


@pytest.mark.parametrize(
    ("report", "people"),
    [
        ("里面原有12个,出来了5个,剩下的还困着", {"trapped": 7}),
        ("埋了9个,挖出来俩,别的还埋着", {"buried": 7}),
        ("男的3人,女的4人,都困着", {"trapped": 7}),
        ("操作手六名、监理8名被埋", {"buried": 14}),
        ("重伤2人,轻伤3人", {"injured": 5}),
        ("司机及三名乘客被困", {"trapped": 4}),
        ("我和我妈困在里头", {"trapped": 2}),
        ("我、我哥和我嫂子困在上面", {"trapped": 3}),
        ("三对夫妻都困着", {"trapped": 6}),
        ("伤俩,一个断了腿,一个磕破头", {"injured": 2}),
        ("8人困着,除了一个没事,别的都受了伤", {"trapped": 8, "injured": 7}),
        ("车上12人,3人受伤,其余没事", {"injured": 3}),
        ("好多人困着", {}),
    ],
)
def test_counts_that_are_told_or_reckoned_are_read(report: str, people: dict[str, int]) -> None:
    counts = {name: Count(number, number) for name, number in people.items()} or {"trapped": Count(2, None)}
    assert found(f"甲村{report}", counting(**counts)) == []


def test_a_count_that_follows_from_no_number_is_invented() -> None:
    report = "甲村里面原有12个,出来了5个,剩下的还困着"
    assert [code for code, _ in found(report, counting(trapped=Count(9, 9)))] == ["UNGROUNDED_NUMBER"]


def test_an_unread_number_is_marked() -> None:
    assert found("甲村16人被困,三个人受伤", counting(trapped=Count(16, 16))) == [("UNREAD_NUMBER", "三")]


def test_counts_that_were_read_for_each_other_are_found() -> None:
    swapped = counting(trapped=Count(3, 3), injured=Count(16, 16))
    assert found("甲村16人被困,3人受伤", swapped) == [("UNREAD_NUMBER", "16"), ("UNREAD_NUMBER", "3")]


def test_a_dropped_count_is_found_though_another_is_as_high() -> None:
    assert found("甲村3人被困,3人受伤", counting(trapped=Count(3, 3))) == [("UNREAD_NUMBER", "3")]


def test_an_invented_count_points_at_the_words_for_its_people() -> None:
    assert found("甲村有人被困", counting(trapped=Count(60, 60))) == [("UNGROUNDED_NUMBER", "困")]
    assert found("甲村有人被困", counting(trapped=Count(1, None))) == []
    assert found("sixty people trapped", counting(trapped=Count(60, 60))) == []


def test_both_of_two_contradicting_counts_are_marked() -> None:
    both = counting(trapped=Count(30, 50, conflicting=True))
    report = "甲村有人说30人被困,也有人说50人"
    assert found(report, both) == [("CONFLICTING_COUNTS", "30"), ("CONFLICTING_COUNTS", "50")]


@pytest.mark.parametrize(
    ("said", "measures"),
    [
        ("积雪八十公分", {"snow_depth_m": 0.8}),
        ("水深一米二", {"water_depth_m": 1.2}),
        ("风力9级", {"wind_level": 9.0}),
        ("过火30亩", {"area_ha": 2.0}),
        ("泄漏3吨", {"leak_tonnes": 3.0}),
    ],
)
def test_a_measure_in_any_unit_is_read_or_told(said: str, measures: dict[str, float]) -> None:
    assert found(said, Situation(measures=measures)) == []
    assert [code for code, _ in found(said, Situation())] == ["UNREAD_NUMBER"]


def test_things_asked_for_by_number_are_read_or_told() -> None:
    asked = Situation(requested=(Requested("冲锋舟", 3, "艘"),))
    assert found("要3艘冲锋舟", asked) == []
    assert found("要3艘冲锋舟", Situation()) == [("UNREAD_NUMBER", "3")]


@pytest.mark.parametrize(
    ("said", "situation"),
    [
        ("积雪2.6米", Situation(measures={"snow_depth_m": 2.8})),
        ("积雪2.6米", Situation(measures={"snow_depth_m": 1.5})),
        ("风力9级", Situation(measures={"wind_level": 10.0})),
        ("要3艘冲锋舟", Situation(requested=(Requested("冲锋舟", 8, "艘"),))),
        ("12辆车堵着", Situation(facts={"cars": 21.0})),
        ("72辆车堵着,我和6个同事都在车上", Situation(facts={"vehicles": 7.0})),  # seven people
        ("我和6个同事要船", Situation(requested=(Requested("冲锋舟", 7, "艘"),))),
        ("堵了三公里", Situation(facts={"km": 5.0})),
        ("里头乱成一锅粥,楼里没电", Situation(measures={"water_depth_m": 3.0})),
    ],
)
def test_a_measure_or_a_number_of_things_that_nobody_has_stated_is_an_error(said: str, situation: Situation) -> None:
    plans = make_plans((situation,), Context())
    candidate = Candidate(said, Context(), (situation,), plans, render_instruction(plans), False)
    checks = [check for check in check_numbers(candidate, default_doctrine()) if check.code == "UNGROUNDED_NUMBER"]
    assert [check.severity for check in checks] == ["error"]


@pytest.mark.parametrize(
    ("said", "situation"),
    [
        ("水到膝盖", Situation(measures={"water_depth_m": 0.5})),
        ("雪齐腰深", Situation(measures={"snow_depth_m": 1.0})),
        ("雪到胸口", Situation(measures={"snow_depth_m": 1.3})),
        ("水淹过车顶", Situation(measures={"water_depth_m": 1.5})),
        ("水比人还高", Situation(measures={"water_depth_m": 1.7})),
        ("水淹到二楼", Situation(measures={"water_depth_m": 3.0})),
        ("堵了三公里", Situation(facts={"km": 3.0})),
        ("要四百三十九千瓦", Situation(facts={"kilowatts": 439.0})),
        ("司机和副驾都卡住了", Situation(facts={"pinned": 2.0})),
        ("我和6个同事都卡住了", Situation(facts={"pinned": 7.0})),
        ("一个人崴了脚", Situation(facts={"light": 1.0})),
        ("12345", Situation(facts={"cars": 12345.0})),
    ],
)
def test_what_is_stated_in_words_or_digits_is_no_error(said: str, situation: Situation) -> None:
    assert "UNGROUNDED_NUMBER" not in dict(found(said, situation))


def test_what_is_no_request_has_no_unread_numbers() -> None:
    assert found("我有3艘船,能坐20人", Situation(kind="offer")) == []


@pytest.mark.parametrize(
    ("count", "severity"), [(Count(60, 60), "error"), (Count(50, 60), "warning"), (Count(0, 60), "warning")]
)
def test_a_count_of_which_one_bound_is_stated_is_only_doubtful(count: Count, severity: str) -> None:
    situations = (counting(trapped=count),)
    plans = make_plans(situations, Context())
    candidate = Candidate("甲村50人被困", Context(), situations, plans, render_instruction(plans), False)
    checks = check_numbers(candidate, default_doctrine())
    assert [check.severity for check in checks if check.code == "UNGROUNDED_NUMBER"] == [severity]
