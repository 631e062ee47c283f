"""Checks on places: invented, cut short, not to be found, or contradicted by the caller's."""

import pytest

from dispatch.domain import Context, Situation, default_doctrine, make_plans, run_checks
from dispatch.domain.findings import Candidate, Check


def found(report: str, place: str, text: str = "", context: str = "", **facts: bool) -> dict[str, Check]:
    situation = Situation(location=place, hazards=("flood",), facts=facts)
    known = Context(context)
    plans = make_plans([situation], known)
    instruction = text or f"派2辆抢险救援车至{place}"
    candidate = Candidate(report, known, (situation,), plans, instruction, False)
    return {check.code: check for check in run_checks(candidate, default_doctrine())}


@pytest.mark.parametrize(
    ("place", "report"),
    [("张庄", "蒙阴县大张庄村进水"), ("石桥村", "在小石桥村"), ("十里铺", "三十里铺积雪"), ("蒙阴", "蒙阴县进水")],
)
def test_a_place_cut_out_of_a_longer_name_is_a_warning(place: str, report: str) -> None:
    assert found(report, place)["UNGROUNDED_PLACE"].severity == "warning"


@pytest.mark.parametrize(
    ("place", "report"),
    [
        ("大张庄村", "蒙阴县大张庄村进水"),
        ("石桥村", "我们在石桥村村口"),
        ("张庄", "大张庄村旁边的张庄"),
        ("石桥村", "乡镇石桥村"),
    ],
)
def test_a_whole_name_is_none(place: str, report: str) -> None:
    assert "UNGROUNDED_PLACE" not in found(report, place)


def test_a_place_in_a_task_must_be_known_too() -> None:
    text = "派2辆抢险救援车至张庄村,疏散李家村群众"
    check = found("张庄村进水", "张庄村", text)["UNGROUNDED_PLACE"]
    assert check.severity == "error"
    assert text[check.start : check.end].endswith("李家村")
    assert "UNGROUNDED_PLACE" not in found("张庄村和李家村进水", "张庄村", text)


@pytest.mark.parametrize("place", ["G109国道", "京藏高速", "S303", "X379县道", "石桥村", "阳光花园"])
def test_a_name_that_nobody_can_drive_to_is_told_with_its_span(place: str) -> None:
    report = f"出事了,在{place},快来"
    check = found(report, place)["AMBIGUOUS_PLACE"]
    assert (check.severity, check.target, report[check.start : check.end]) == ("info", "report", place)


@pytest.mark.parametrize(
    "place",
    [
        "G109国道K35+200",
        "京藏高速五道梁段",
        "S303石桥隧道",
        "蒙阴县石桥村",
        "石桥镇阳光花园",
        "光阳路5号",
        "云溪水库",
        "",
    ],
)
def test_a_place_that_can_be_driven_to_is_not(place: str) -> None:
    assert "AMBIGUOUS_PLACE" not in found(f"在{place}", place)


def test_a_district_said_elsewhere_makes_a_village_clear() -> None:
    assert "AMBIGUOUS_PLACE" not in found("我是蒙阴县的,在石桥村", "石桥村")
    assert "AMBIGUOUS_PLACE" not in found("在石桥村", "石桥村", context="蒙阴县石桥村")
    assert "AMBIGUOUS_PLACE" in found("小区停电了,在石桥村", "石桥村")


def test_the_callers_place_is_marked_where_it_contradicts_or_the_caller_is_elsewhere() -> None:
    check = found("石桥村进水", "石桥村", context="蒙阴县城")["LOCATION_CONFLICT"]
    assert (check.target, check.start, check.end) == ("context", 0, 4)
    assert "LOCATION_CONFLICT" in found("我妈家进水了", "蒙阴县城", context="蒙阴县城", caller_elsewhere=True)
    assert "LOCATION_CONFLICT" not in found("家里进水了", "蒙阴县城", context="蒙阴县城")


def test_a_vague_place_is_marked_in_the_report() -> None:
    check = found("我们在村口", "村口")["MISSING_LOCATION"]
    assert (check.start, check.end) == (3, 5)
