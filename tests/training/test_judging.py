from dataclasses import replace

import pytest

from dispatch.domain import Context, Count, Requested, Situation
from dispatch.domain.findings import Severity
from dispatch.engine import Candidate
from training.corpus import Pair
from training.judging import Answer, Fault, Judgement, judge, judge_labelled, judge_pair
from training.labelled import Expectation, LabelledReport
from training.metrics import MEASURES, Ratio

FLOOD = Situation(location="石桥镇", hazards=("flood",), people={"trapped": Count(16, 16)}, needs=("boat",))
PAIR = Pair("石桥镇被淹,16人等船", "派2艘冲锋舟至石桥镇,携带救生衣,水深待核实", situations=(FLOOD,))
REPORT = LabelledReport(
    id="own-1",
    report="石桥镇被淹,16人等船,沙袋不要了",
    context=Context(),
    situations=(replace(FLOOD, not_needed=("sandbag",)),),
    expect=Expectation(True, (("冲锋舟", "橡皮艇"), ("石桥",)), (("沙袋",),)),
)
BEST = {measure.name: measure.best for measure in MEASURES}


def answer(text: str, *situations: Situation, confidence: float = 0.9, worst: Severity | None = None) -> Answer:
    return Answer(Candidate(text, 0.0, situations=situations, confidence=confidence), worst)


def faulty(judgement: Judgement) -> set[str]:
    """The measures that are not at their best."""
    return {name for name, score in judgement.scores.items() if score.whole and score.part / score.whole != BEST[name]}


def test_the_expected_answer_is_perfect() -> None:
    judgement = judge(PAIR, answer(PAIR.instruction, FLOOD))
    assert faulty(judgement) == set()
    assert (judgement.right, judgement.faults) == (True, ())


def test_texts_are_compared_as_the_model_writes_them() -> None:
    pair = replace(
        PAIR,
        instruction=PAIR.instruction.replace(",", "，"),
        situations=(replace(FLOOD, location="石桥镇（东）", requested=(Requested("冲锋舟（大）", 2, "艘"),)),),
    )
    read = replace(FLOOD, location="石桥镇(东)", requested=(Requested("冲锋舟(大)", 2, "艘"),))
    judgement = judge_pair(pair, answer(PAIR.instruction, read))
    assert judgement.scores["instruction"] == judgement.scores["situation"] == Ratio(1, 1)


def test_a_pair_without_situations_is_judged_by_its_text_and_grounding() -> None:
    judgement = judge_pair(Pair("two dogs 2", "zwei Hunde 2"), answer("zwei Hunde 7"))
    unread = {"ungrounded", "ungrounded_numbers", "silent_ungrounded"}
    assert faulty(judgement) == {"instruction", "numbers", "missed_alarms", *unread}
    assert "situation" not in judgement.scores
    assert judgement.faults[0] == Fault("ungrounded number", "7")


def test_a_dismissed_request_is_the_worst_fault() -> None:
    judgement = judge_pair(PAIR, answer("暂不派警,回拨核实后登记", Situation(kind="resolved")))
    assert judgement.faults[0] == Fault("dismissed request")
    assert Fault("nobody sent") in judgement.faults
    assert judgement.scores["requests"] == judgement.scores["dispatch"] == Ratio(0, 1)


def test_what_is_wrong_is_told_once_and_with_what_it_is_about() -> None:
    read = replace(FLOOD, location="石桥", people={"trapped": Count(6, 6)})
    faults = judge_pair(PAIR, answer("派1艘冲锋舟至石桥,携带救生衣,水深待核实", read)).faults
    assert Fault("wrong number", "people:trapped 6") in faults
    assert Fault("wrong place", "石桥") in faults
    assert not {Fault("wrong number"), Fault("wrong place")} & set(faults)
    alone = judge_pair(PAIR, answer("派1艘冲锋舟至柳树湾,携带救生衣,水深待核实", FLOOD)).faults
    assert {Fault("wrong number"), Fault("wrong place")} <= set(alone)


def test_a_wrong_place_of_the_first_situation_is_a_wrong_place() -> None:
    judgement = judge_pair(PAIR, answer(PAIR.instruction, replace(FLOOD, location="石桥")))
    assert judgement.scores["place"] == Ratio(0, 1)
    assert judgement.faults[0] == Fault("wrong place", "石桥")
    assert str(judgement.faults[0]) == "wrong place: 石桥"


@pytest.mark.parametrize(
    ("text", "worst", "false_alarms", "false_warnings", "missed_alarms", "silent_errors"),
    [
        (PAIR.instruction, None, Ratio(0, 1), Ratio(0, 1), Ratio(0, 0), 0),
        (PAIR.instruction, "info", Ratio(0, 1), Ratio(0, 1), Ratio(0, 0), 0),
        (PAIR.instruction, "warning", Ratio(0, 1), Ratio(1, 1), Ratio(0, 0), 0),
        (PAIR.instruction, "error", Ratio(1, 1), Ratio(1, 1), Ratio(0, 0), 0),
        ("派3艘冲锋舟至石桥镇", "error", Ratio(0, 0), Ratio(0, 0), Ratio(0, 1), 0),
        ("派3艘冲锋舟至石桥镇", "warning", Ratio(0, 0), Ratio(0, 0), Ratio(1, 1), 0),
        ("派3艘冲锋舟至石桥镇", "info", Ratio(0, 0), Ratio(0, 0), Ratio(1, 1), 1),
    ],
)
def test_alarms_are_false_on_right_answers_and_missed_on_wrong_ones(
    text: str,
    worst: Severity | None,
    false_alarms: Ratio,
    false_warnings: Ratio,
    missed_alarms: Ratio,
    silent_errors: float,
) -> None:
    scores = judge_pair(PAIR, answer(text, FLOOD, worst=worst)).scores
    assert (scores["false_alarms"], scores["missed_alarms"]) == (false_alarms, missed_alarms)
    assert (scores["false_warnings"], scores["silent_errors"]) == (false_warnings, Ratio(silent_errors, 1))


@pytest.mark.parametrize(
    ("read", "silent"),
    [
        (FLOOD, 0),
        (replace(FLOOD, location="石桥"), 1),
        (replace(FLOOD, people={}), 1),
        (replace(FLOOD, outages=("power",)), 0),  # more than was said: no place, count or outage is missing
        (replace(FLOOD, vulnerable=("elderly",)), 0),
        (replace(FLOOD, kind="offer"), 1),
    ],
)
def test_what_is_critical_is_place_count_outage_and_whether_anybody_asks(read: Situation, silent: int) -> None:
    assert judge_pair(PAIR, answer(PAIR.instruction, read)).scores["silent_errors"] == Ratio(silent, 1)


@pytest.mark.parametrize(("worst", "silent"), [(None, 1), ("warning", 1), ("error", 0)])
def test_what_comes_from_nowhere_is_silent_without_an_error(worst: Severity | None, silent: int) -> None:
    scores = judge_pair(PAIR, answer("派9艘冲锋舟至石桥镇", FLOOD, worst=worst)).scores
    assert scores["silent_ungrounded"] == Ratio(silent, 1)


def test_a_labelled_report_is_right_where_the_labels_say_so_whatever_else_was_read() -> None:
    read = replace(
        REPORT.situations[0],
        people={"trapped": Count(16, 16, approx=True)},
        requested=(Requested("冲锋舟", 2, "艘"),),
        measures={"water_depth_m": 1.3},
        facts={"current": True},
    )
    judgement = judge(REPORT, answer("派2艘冲锋舟至石桥镇,携带救生衣16件", read))
    assert (judgement.right, judgement.scores["situation"]) == (True, Ratio(1, 1))
    assert judgement.scores["must_contain"] == Ratio(2, 2)
    assert judgement.scores["must_not_contain"] == judgement.scores["dispatch"] == Ratio(1, 1)
    assert "instruction" not in judgement.scores


def test_what_a_labelled_report_must_and_must_not_be_answered_with() -> None:
    judgement = judge_labelled(REPORT, answer("调运沙袋16条至石桥镇", *REPORT.situations))
    assert judgement.scores["must_contain"] == Ratio(1, 2)
    assert judgement.scores["must_not_contain"] == Ratio(0, 1)
    assert judgement.faults == (Fault("says", "沙袋"), Fault("does not say", "冲锋舟|橡皮艇"))


def test_measures_and_faults_of_a_labelled_report_read_the_same_text() -> None:
    judgement = judge_labelled(REPORT, answer("派３艘冲锋舟至石桥镇,沙袋①条", *REPORT.situations))
    assert judgement.scores["must_contain"] == Ratio(2, 2)
    expect = Expectation.from_dict({"must_contain": ["派３艘"], "must_not_contain": ["沙袋１条"]})
    judgement = judge_labelled(replace(REPORT, expect=expect), answer("派３艘冲锋舟,沙袋①条", *REPORT.situations))
    assert judgement.scores["must_contain"] == Ratio(1, 1)
    assert judgement.scores["must_not_contain"] == Ratio(0, 1)
    said = [fault for fault in judgement.faults if "say" in fault.name]
    assert said == [Fault("says", "沙袋1条")]


@pytest.mark.parametrize(
    ("gold", "read", "right"),
    [
        ("", "", True),
        ("", "村口", True),
        ("村口", "", True),
        ("村口", "村口", True),
        ("", "石桥镇", False),
        ("石桥镇", "", False),
        ("石桥镇", "村口", False),
    ],
)
def test_of_a_generic_place_none_and_itself_are_right(gold: str, read: str, right: bool) -> None:
    report = replace(REPORT, situations=(Situation(location=gold),))
    judgement = judge_labelled(report, answer("", Situation(location=read)))
    assert judgement.scores["location"] == Ratio(float(right), 1)


def test_of_what_is_no_request_only_kind_and_dispatch_are_judged() -> None:
    report = replace(
        REPORT, situations=(Situation(kind="other", hazards=("flood",)),), expect=Expectation(dispatch=False)
    )
    read = Situation(kind="other", location="石桥镇", hazards=("landslide",))
    judgement = judge_labelled(report, answer("暂不派警,回拨核实后登记", read))
    assert faulty(judgement) == set()
    assert judgement.scores["slot_errors"] == Ratio(0, 1)
    needless = judge_labelled(report, answer("派2艘冲锋舟至石桥镇", FLOOD))
    assert needless.scores["false_requests"] == Ratio(1, 1)
    assert needless.scores["slot_errors"] == Ratio(1, 1)  # the kind
    assert Fault("needless dispatch") in needless.faults


def test_a_needless_dispatch_beside_the_right_reading_is_not_the_right_kind() -> None:
    other = Situation(kind="other")
    labelled = replace(REPORT, situations=(other,), expect=Expectation(dispatch=False))
    pair = Pair(REPORT.report, "暂不派警,回拨核实后登记", situations=(other,))
    for example in (labelled, pair):
        judgement = judge(example, answer("派2艘冲锋舟至石桥镇", FLOOD, other))
        assert judgement.scores["kind"] == Ratio(0, 1)
        assert judgement.scores["false_requests"] == judgement.scores["invented_incidents"] == Ratio(1, 1)
        assert not judgement.right


def test_where_nothing_is_said_about_dispatch_it_is_not_judged() -> None:
    judgement = judge_labelled(replace(REPORT, expect=Expectation()), answer("", *REPORT.situations))
    assert "dispatch" not in judgement.scores
    assert judgement.faults == ()


def test_a_wrong_count_is_a_wrong_number() -> None:
    read = replace(REPORT.situations[0], people={"trapped": Count(60, 60)})
    faults = judge_labelled(REPORT, answer("派2艘冲锋舟至石桥镇", read)).faults
    assert Fault("wrong number", "people:trapped 60") in faults
    assert faults[0] == Fault("ungrounded number", "2")
