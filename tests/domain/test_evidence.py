"""Evidence by rule: the characters of a report that state a fact."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import Count, Requested, Situation, default_doctrine
from dispatch.domain.evidence import find_evidence, join


def said(situation: Situation, report: str) -> dict[str, list[str]]:
    found = find_evidence(situation, report, default_doctrine())
    return {path: [report[start:end] for start, end in spans] for path, spans in found.items()}


@pytest.mark.parametrize(
    ("situation", "report", "path", "expected"),
    [
        (Situation(location="A7公路"), "A7公路积雪,在A7公路等", "location", ["A7公路", "A7公路"]),
        (Situation(location="G30"), "G30和G301都堵了", "location", ["G30"]),
        (Situation(people={"trapped": Count(50, 50)}), "50人被困", "people.trapped", ["50人"]),
        (Situation(people={"trapped": Count(50, 50)}), "五十个人被困", "people.trapped", ["五十个"]),
        (Situation(people={"injured": Count(3, 3)}), "3人受伤,3人被困", "people.injured", ["3人"]),
        (Situation(people={"trapped": Count(30, 40)}), "30到40人被困", "people.trapped", ["30到40人"]),
        (Situation(people={"households": Count(12, 12)}), "12户进水,12人伤", "people.households", ["12户"]),
        (Situation(people={"trapped": Count(2, 2)}), "夫妻出不来", "people.trapped", ["夫妻"]),
        (Situation(people={"buried": Count(1, None)}), "可能有人被埋了", "people.buried", ["埋"]),
        (Situation(measures={"snow_depth_m": 3.0}), "积雪3米", "measures.snow_depth_m", ["3米"]),
        (Situation(measures={"water_depth_m": 0.8}), "水深80厘米", "measures.water_depth_m", ["80厘米"]),
        (Situation(measures={"floor": 8.0}), "八楼着火,8人困", "measures.floor", ["八"]),
        (Situation(facts={"cars": 10.0}), "10辆车被困", "facts.cars", ["10辆"]),
        (Situation(facts={"km": 3.0}), "堵了3公里", "facts.km", ["3公里"]),
        (Situation(facts={"hours": 6.0}), "困了6小时", "facts.hours", ["6小时"]),
        (Situation(facts={"age": 9.0}), "9号楼有个9岁的孩子", "facts.age", ["9"]),
        (Situation(facts={"battery_percent": 5.0}), "5号楼,手机电量5%", "facts.battery_percent", ["5"]),
        (Situation(requested=(Requested("挖掘机", 3.0, "台"),)), "要3台挖掘机", "requested[0]", ["3台挖掘机"]),
        (Situation(requested=(Requested("挖掘机", 4.0, "台"),)), "要几台挖掘机", "requested[0]", ["挖掘机"]),
        (Situation(needs=("generator",)), "急需发电机", "needs[0]", ["发电机"]),
        (Situation(not_needed=("medical",)), "医疗队不用来", "not_needed[0]", ["医疗队"]),
    ],
)  # fmt: skip
def test_a_fact_is_found_where_it_is_stated(situation: Situation, report: str, path: str, expected: list[str]) -> None:
    assert said(situation, report)[path] == expected


@pytest.mark.parametrize(
    ("situation", "report"),
    [
        (Situation(location="A7公路"), "山区公路积雪"),
        (Situation(people={"trapped": Count(50, 50)}), "积雪50米"),
        (Situation(people={"buried": Count(1, 1)}), "1人受伤"),
        (Situation(measures={"snow_depth_m": 3.0}), "3人受困"),
        (Situation(people={"trapped": Count(7, 7)}, location="7号院"), "7号院进水"),
        (Situation(facts={"cold": True}), "太冷了"),
        (Situation(facts={"age": 9.0}), "9号楼有个孩子"),
        (Situation(facts={"battery_percent": 5.0}), "5号楼进水,快没电了"),
        (Situation(hazards=("flood",), outages=("power",)), "发大水,停电"),
    ],
)
def test_what_no_rule_finds_is_left_out(situation: Situation, report: str) -> None:
    assert set(said(situation, report)) <= {"location"}


@given(st.from_type(Situation), st.text(st.sampled_from("3五十人米台被困埋伤户发电机医疗队A7公路, "), max_size=40))
def test_spans_lie_in_the_report_and_do_not_touch(situation: Situation, report: str) -> None:
    for spans in find_evidence(situation, report, default_doctrine()).values():
        assert spans
        assert all(0 <= start < end <= len(report) for start, end in spans)
        assert all(before[1] < after[0] for before, after in pairwise(spans))


def test_spans_that_nearly_touch_are_one() -> None:
    assert join([(5, 7), (0, 2), (3, 4), (6, 9)]) == ((0, 9),)
    assert join([(4, 6), (0, 2)]) == ((0, 2), (4, 6))
    assert join([]) == ()
