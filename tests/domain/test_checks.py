"""Checks: each code by a candidate that deserves it, and none for the seed pair."""

import dataclasses
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch.domain import (
    Check,
    Context,
    Count,
    Requested,
    Situation,
    default_doctrine,
    make_plans,
    render_instruction,
    run_checks,
)
from dispatch.domain.checks import Candidate

REPORT = "山区公路积雪3米,断电,50人被困,急需发电机和医疗队"
SEED = Situation(
    location="A7公路",
    hazards=("snow_road",),
    people={"trapped": Count(50, 50)},
    outages=("power",),
    needs=("generator", "medical"),
    measures={"snow_depth_m": 3.0},
)
INSTRUCTION = "派3台除雪车至A7公路,医疗队随行,协调电力公司恢复供电"


def findings(
    situation: Situation = SEED,
    instruction: str = INSTRUCTION,
    report: str = REPORT,
    context: Context = Context("A7公路"),
    truncated: bool = False,
) -> dict[str, Check]:
    plans = make_plans([situation], context)
    candidate = Candidate(report, context, (situation,), plans, instruction, truncated)
    return {check.code: check for check in run_checks(candidate, default_doctrine())}


def findings_of_two(first: Situation, second: Situation, instruction: str = "") -> set[str]:
    """The messages about an instruction for two situations, doctrine's own unless another is given."""
    context = Context()
    plans = make_plans([first, second], context)
    text = instruction or render_instruction(plans)
    candidate = Candidate("甲乙镇甲村、乙村", context, (first, second), plans, text, False)
    return {f"{check.severity} {check.message}" for check in run_checks(candidate, default_doctrine())}


def test_the_seed_pair_has_only_notes_about_its_generator_and_its_long_road() -> None:
    assert {code: check.severity for code, check in findings().items()} == {
        "MISSING_NEED": "info",
        "AMBIGUOUS_PLACE": "info",
    }
    note = findings()["MISSING_NEED"]
    assert (note.target, REPORT[note.start : note.end]) == ("report", "发电机")


def test_an_invented_place_is_an_error_with_its_span() -> None:
    check = findings(instruction=INSTRUCTION.replace("A7", "A9"))["UNGROUNDED_PLACE"]
    assert check.severity == "error"
    assert INSTRUCTION.replace("A7", "A9")[check.start : check.end] == "A9公路"


def test_an_invented_location_in_the_situation_is_an_error_of_the_whole_instruction() -> None:
    check = findings(dataclasses.replace(SEED, location="B3公路"))["UNGROUNDED_PLACE"]
    assert (check.severity, check.start, check.end) == ("error", 0, 0)
    assert "B3公路" in check.message


def test_an_invented_number_is_an_error_with_its_span() -> None:
    text = INSTRUCTION.replace("3台", "8台")
    check = findings(instruction=text)["UNGROUNDED_NUMBER"]
    assert (check.severity, text[check.start : check.end]) == ("error", "8")
    assert "DOCTRINE_MISMATCH" in findings(instruction=text)


def test_numbers_without_a_situation_are_nobodys_invention() -> None:
    candidate = Candidate("three engines", Context(), (), (), "3辆水罐车", False)
    assert run_checks(candidate, default_doctrine()) == []


def test_an_unread_number_is_named_with_its_span() -> None:
    check = findings(report=REPORT + ",十六个人失踪")["UNREAD_NUMBER"]
    assert check.severity == "warning"
    assert (REPORT + ",十六个人失踪")[check.start : check.end] == "十六"
    assert "UNREAD_NUMBER" not in findings(report=REPORT + ",电话13812345678,8:30报")


def test_a_number_of_a_place_that_is_named_again_is_read_there_too() -> None:
    situation = dataclasses.replace(SEED, location="十二户村")
    report = "十二户村" + REPORT + ",快来十二户村"
    assert "UNREAD_NUMBER" not in findings(situation, report=report, context=Context())
    assert (
        findings(situation, report=report + ",十二户没水", context=Context())["UNREAD_NUMBER"].start == len(report) + 1
    )


def test_a_number_that_only_begins_as_the_places_does_is_not_the_places() -> None:
    situation = dataclasses.replace(SEED, location="甲村3")
    report = "甲村36人,甲村3" + REPORT
    assert "UNREAD_NUMBER" in findings(situation, report=report, context=Context())


def test_a_need_that_nothing_answers() -> None:
    asked = dataclasses.replace(SEED, needs=("medical",))
    assert findings(asked, "派3台除雪车至A7公路,协调电力公司恢复供电")["MISSING_NEED"].severity == "warning"


def test_a_declined_item() -> None:
    declined = dataclasses.replace(SEED, needs=(), not_needed=("medical",))
    assert findings(declined)["DECLINED_ITEM"].severity == "error"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.from_type(Situation))
def test_doctrines_own_text_holds_nothing_that_is_declined(situation: Situation) -> None:
    text = render_instruction(make_plans([situation], Context()))
    assert "DECLINED_ITEM" not in findings(situation, text, context=Context())


@pytest.mark.parametrize("needs", [(), ("boat",)])
def test_doctrine_does_not_order_what_is_asked_for_by_number_and_declined(needs: tuple[str, ...]) -> None:
    both = Situation(
        location="甲村",
        hazards=("flood",),
        needs=needs,
        not_needed=("boat",),
        requested=(Requested("橡皮艇", 3, "艘"),),
    )
    (plan,) = make_plans([both], Context())
    text = render_instruction([plan])
    assert text == "派2辆抢险救援车至甲村"
    assert findings(both, text, "甲乙镇甲村来3艘橡皮艇,不要船", Context()) == {}


def test_what_one_incident_declines_the_other_may_get() -> None:
    declining = Situation(location="甲村", hazards=("flood",), not_needed=("medical",))
    asking = Situation(location="乙村", hazards=("flood",), needs=("medical",))
    assert findings_of_two(declining, asking) == set()
    assert findings_of_two(asking, declining) == set()
    swapped = "一、派2辆抢险救援车至甲村,医疗队随行;二、派2辆抢险救援车至乙村"
    assert {"error 医疗队 was declined", "warning nothing answers the need for medical"} <= findings_of_two(
        declining, asking, swapped
    )


def test_what_one_incident_gets_does_not_answer_the_need_of_another() -> None:
    both = [Situation(location=place, hazards=("flood",), needs=("medical",)) for place in ("甲村", "乙村")]
    only_first = "一、派2辆抢险救援车至甲村,医疗队随行;二、派2辆抢险救援车至乙村"
    assert "warning nothing answers the need for medical" in findings_of_two(both[0], both[1], only_first)


def test_an_instruction_that_does_not_part_its_incidents_is_held_against_each_of_them_whole() -> None:
    declining = Situation(location="甲村", hazards=("flood",), not_needed=("medical",))
    asking = Situation(location="乙村", hazards=("flood",), needs=("medical",))
    found = findings_of_two(declining, asking, "派4辆抢险救援车至甲村,医疗队随行")
    assert "error 医疗队 was declined" in found
    assert "warning nothing answers the need for medical" not in found


def test_a_road_whose_number_the_report_only_begins_with_is_invented() -> None:
    road = Situation(location="S6", hazards=("snow_road",))
    text = "派2台除雪车至S6,积雪深度待核实"
    assert "UNGROUNDED_PLACE" in findings(road, text, "S65积雪", Context())
    assert "UNGROUNDED_PLACE" not in findings(road, text, "S65与S6交叉口积雪", Context())
    assert "LOCATION_CONFLICT" in findings(road, text, "S6积雪", Context("S65"))
    assert "LOCATION_CONFLICT" not in findings(road, text, "S6积雪", Context("S65与S6交叉口"))


def test_a_missing_or_generic_place_is_asked_about() -> None:
    for place in ("", "山区公路"):
        assert "MISSING_LOCATION" in findings(dataclasses.replace(SEED, location=place), context=Context())


def test_report_and_context_that_name_two_places() -> None:
    report = "B镇" + REPORT
    assert "LOCATION_CONFLICT" in findings(dataclasses.replace(SEED, location="B镇"), report=report)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"truncated": True}, "TRUNCATED_INPUT"),
        ({"situation": Situation(kind="offer"), "instruction": "暂不派警,回拨核实后登记"}, "NOT_A_REQUEST"),
        (
            {"situation": dataclasses.replace(SEED, people={"trapped": Count(30, 59, conflicting=True)})},
            "CONFLICTING_COUNTS",
        ),
    ],
)
def test_other_findings(fields: dict[str, object], code: str) -> None:
    assert code in findings(**fields)  # type: ignore[arg-type]


def test_the_most_severe_comes_first() -> None:
    severities = [check.severity for check in findings(instruction="派8台除雪车至B9公路").values()]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)


def test_a_check_survives_its_dict() -> None:
    check = Check("LOW_CONFIDENCE", "warning", "unsure", "instruction", 1, 2)
    assert Check.from_dict(check.to_dict()) == check


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"severity": "grave"}, "check.severity: must be one of info, warning, error, not 'grave'"),
        ({"start": "1"}, "check.start: must be a number, not '1'"),
        ({"code": None}, "check.code: must be text, not None"),
        ({"span": 1}, "check.span: unknown field, known are code"),
    ],
)
def test_the_message_about_a_check_names_its_field(fields: dict[str, object], message: str) -> None:
    check = Check("LOW_CONFIDENCE", "warning", "unsure", "instruction", 1, 2)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Check.from_dict(check.to_dict() | fields)


ANY_TEXT = st.text(max_size=80) | st.text(
    "一二十百千万几数多余来人名个户米级0123456789.,:-+年大小张庄村路雪水困伤埋", max_size=60
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.from_type(Situation), ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_no_text_makes_a_check_fail_and_every_span_lies_in_its_target(
    situation: Situation, report: str, instruction: str, location: str, issued: str
) -> None:
    context = Context(location, (issued,))
    plans = make_plans([situation], context)
    candidate = Candidate(report, context, (situation,), plans, instruction, True)
    lengths = {"report": len(report), "instruction": len(instruction), "context": len(location)}
    for check in run_checks(candidate, default_doctrine()):
        assert 0 <= check.start <= check.end <= lengths[check.target], check


def test_a_declined_item_is_marked_in_the_part_of_its_own_incident() -> None:
    asking = Situation(location="甲村", hazards=("flood",), needs=("medical",))
    declining = Situation(location="乙村", hazards=("flood",), not_needed=("medical",))
    context, text = Context(), "一、派2辆抢险救援车至甲村,医疗队随行;二、派2辆抢险救援车至乙村,医疗队随行"
    plans = make_plans([asking, declining], context)
    candidate = Candidate("甲村、乙村", context, (asking, declining), plans, text, False)
    (check,) = [check for check in run_checks(candidate, default_doctrine()) if check.code == "DECLINED_ITEM"]
    assert (check.start, text[check.start : check.end]) == (text.rindex("医疗队"), "医疗队")


def test_a_need_is_marked_where_the_report_asks_for_it() -> None:
    asked = dataclasses.replace(SEED, needs=("medical",))
    check = findings(asked, "派3台除雪车至A7公路,协调电力公司恢复供电")["MISSING_NEED"]
    assert REPORT[check.start : check.end] == "医疗队"
    check = findings(asked, "派3台除雪车至A7公路,协调电力公司恢复供电", REPORT.replace("医疗队", "大夫"))[
        "MISSING_NEED"
    ]
    assert (check.target, check.start, check.end) == ("instruction", 0, 0)


def test_the_cut_end_of_a_report_is_marked() -> None:
    check = findings(truncated=True)["TRUNCATED_INPUT"]
    assert REPORT[check.start : check.end] == "急需发电机和医疗队"


@pytest.mark.parametrize("lost", ["\ufffd", "\ue000", "\x00"])
def test_characters_that_were_lost_are_marked(lost: str) -> None:
    report = REPORT + lost * 2 + "快来"
    check = findings(report=report)["UNKNOWN_CHARACTERS"]
    assert (check.severity, report[check.start : check.end]) == ("warning", lost * 2)


def test_a_script_that_the_model_has_not_learned_is_marked() -> None:
    assert "UNKNOWN_CHARACTERS" in findings(report="Помогите, нас затопило")
    assert "UNKNOWN_CHARACTERS" not in findings(report="SOS help us 快来😊🙏,雪很大!ABC")


@pytest.mark.parametrize("issued", ["让老李带几个人过去看看", "已经通知了", ""])
def test_an_issued_text_that_is_no_order_is_told(issued: str) -> None:
    assert findings(context=Context("A7公路", (issued,)))["UNREAD_ISSUED"].severity == "warning"


@pytest.mark.parametrize("issued", [INSTRUCTION, "派2台除雪车至A7公路", "派2台热气球至A7公路,关气断电"])
def test_an_issued_order_is_read(issued: str) -> None:
    assert "UNREAD_ISSUED" not in findings(context=Context("A7公路", (issued,)))
