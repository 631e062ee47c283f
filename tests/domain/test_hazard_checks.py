"""A hazard that the report names and no situation has is told, and nothing else is."""

import pytest

from dispatch.domain import Context, Situation, default_doctrine, make_plans, render_instruction, run_checks
from dispatch.domain.checks import Candidate
from dispatch.domain.hazard_checks import misplaced_hazards, unread_hazards


def unread(report: str, *situations: Situation) -> list[str]:
    """The words of the report that are told as unread hazards."""
    plans = make_plans(situations, Context())
    candidate = Candidate(report, Context(), situations, plans, render_instruction(plans), truncated=False)
    checks = [check for check in run_checks(candidate, default_doctrine()) if check.code == "UNREAD_HAZARD"]
    assert {check.severity for check in checks} <= {"warning"}
    return [report[check.start : check.end] for check in checks]


@pytest.mark.parametrize(
    ("report", "hazard", "word"),
    [
        ("A区雪崩", "avalanche", "雪崩"),
        ("B区塌方", "landslide", "塌方"),
        ("三河镇泥石流", "landslide", "泥石流"),
        ("甲村台风过境", "typhoon", "台风"),
        ("甲村山火", "wildfire", "山火"),
        ("国道追尾", "traffic_accident", "追尾"),
        ("甲村楼房垮塌", "collapse", "楼房垮塌"),
        ("甲厂氯气泄漏", "hazmat", "氯气泄漏"),
        ("甲楼起火", "building_fire", "起火"),
        ("甲村內涝", "flood", "內涝"),
        ("甲村地震", "earthquake", "地震"),
        ("甲路积雪", "snow_road", "积雪"),
    ],
)
def test_a_named_hazard_must_be_read(report: str, hazard: str, word: str) -> None:
    place = report[:2]
    assert unread(report, Situation(location=place)) == [word]
    assert unread(report, Situation(location=place, hazards=(hazard,))) == []


def test_one_of_two_hazards_that_was_left_out_is_told() -> None:
    report = "A区雪崩,B区塌方"
    avalanche = Situation(location="A区", hazards=("avalanche",))
    assert unread(report, avalanche) == ["塌方"]
    assert unread(report, avalanche, Situation(location="B区", hazards=("avalanche",))) == ["塌方"]
    assert unread(report, avalanche, Situation(location="B区", hazards=("landslide",))) == []


AVALANCHE_IN_B = Situation(location="B区", hazards=("avalanche",))
AVALANCHE_IN_A = Situation(location="A区", hazards=("avalanche",))
LANDSLIDE_IN_A = Situation(location="A区", hazards=("landslide",))


@pytest.mark.parametrize("read", [(AVALANCHE_IN_A, AVALANCHE_IN_B), (AVALANCHE_IN_B, LANDSLIDE_IN_A)])
def test_of_two_incidents_each_must_have_the_hazard_named_behind_its_place(read: tuple[Situation, ...]) -> None:
    assert "塌方" in unread("B区塌方,A区雪崩", *read)
    found = {read[one.situation].location: one.hazard for one in misplaced_hazards("B区塌方,A区雪崩", read)}
    assert found.items() <= {"B区": "landslide", "A区": "avalanche"}.items()
    assert found["B区"] == "landslide"


@pytest.mark.parametrize(
    ("report", "read"),
    [
        ("A区雪崩,B区塌方", (AVALANCHE_IN_A, Situation(location="B区", hazards=("landslide",)))),
        ("B区塌方", (AVALANCHE_IN_B,)),  # one incident: no other to have taken it from
        ("B区塌方又雪崩,A区雪崩", (AVALANCHE_IN_A, AVALANCHE_IN_B)),
        ("B区可能塌方,A区雪崩", (AVALANCHE_IN_A, AVALANCHE_IN_B)),
        ("B区塌方演练,A区雪崩", (AVALANCHE_IN_A, AVALANCHE_IN_B)),
        ("B区塌方,A区雪崩,B区断电", (AVALANCHE_IN_A, AVALANCHE_IN_B)),  # which B区 is meant?
        (
            "A区塌方,接着雪崩,B区雪崩",  # two things have happened in A区
            (AVALANCHE_IN_A, LANDSLIDE_IN_A, AVALANCHE_IN_B),
        ),
        (
            "A7公路积雪,两车撞了。B区塌方",
            (
                Situation(location="A7公路", hazards=("traffic_accident",)),
                Situation(location="B区", hazards=("landslide",)),
            ),
        ),
        ("A区雪崩,又有洪水冲下来", (AVALANCHE_IN_A, Situation(location="A区", hazards=("flood",)))),
        ("塌方,雪崩", (Situation(hazards=("avalanche",)), Situation(hazards=("flood",)))),
    ],
)
def test_what_may_be_read_otherwise_is_not_misplaced(report: str, read: tuple[Situation, ...]) -> None:
    assert misplaced_hazards(report, read) == []


def test_each_hazard_is_told_once() -> None:
    assert unread("甲村滑坡,乙村泥石流", Situation(location="甲村")) == ["滑坡"]


@pytest.mark.parametrize(
    "report",
    [
        "甲村进水,没有滑坡",
        "甲村进水,怕泥石流",
        "甲村进水,可能山洪",
        "甲村进水,预报有台风",
        "甲村进水,去年地震修的房",
        "甲村进水,车打不着火",
        "甲村进水,要九十五台风力灭火机",
        "梭山火车站进水",
    ],
)
def test_what_has_not_happened_here_is_no_hazard(report: str) -> None:
    place = report.split("进")[0]
    assert unread(report, Situation(location=place, hazards=("flood",))) == []


def test_what_asks_for_no_help_is_not_searched_for_hazards() -> None:
    assert unread("甲村滑坡已清完", Situation(kind="resolved")) == []


def test_spans_count_the_characters_of_the_report() -> None:
    assert unread_hazards("在甲村,雪崩了", [Situation(location="甲村")]) == [(4, 6, "avalanche")]
