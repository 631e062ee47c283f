import json
from pathlib import Path
from typing import Any

import pytest

from dispatch.domain import Context, Count, Requested, Situation
from training.corpus import PairError
from training.labelled import (
    Expectation,
    LabelledReport,
    as_judged,
    as_labelled,
    holds_labelled_reports,
    read_labelled_reports,
)

RECORD: dict[str, Any] = {
    "id": "own-1",
    "report": "石桥镇进水了,二十个人等船;另外东门仓库在冒烟",
    "context": {"location": "石桥镇政府", "issued": ["派1艘冲锋舟至石桥镇"]},
    "gold": {"kind": "request", "location": "石桥镇", "people": {"trapped": {"min": 20, "max": None}}, "measures": {}},
    "gold2": {"kind": "request", "location": "东门仓库", "hazards": ["building_fire"]},
    "expect": {
        "dispatch": True,
        "must_contain": ["冲锋舟|橡皮艇", "石桥"],
        "must_not_contain": ["直升机"],
        "min_people_capacity": 20,
    },
}


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="surrogateescape")
    return path


def test_a_report_is_read_with_both_incidents_and_what_is_expected(tmp_path: Path) -> None:
    (report,) = read_labelled_reports(write(tmp_path / "a.jsonl", json.dumps(RECORD)))
    assert report == LabelledReport(
        id="own-1",
        report=RECORD["report"],
        context=Context("石桥镇政府", ("派1艘冲锋舟至石桥镇",)),
        situations=(
            Situation(location="石桥镇", people={"trapped": Count(20, None)}),
            Situation(location="东门仓库", hazards=("building_fire",)),
        ),
        expect=Expectation(True, (("冲锋舟", "橡皮艇"), ("石桥",)), (("直升机",),)),
    )
    assert report.expect.to_dict() == {
        "dispatch": True,
        "must_contain": ["冲锋舟|橡皮艇", "石桥"],
        "must_not_contain": ["直升机"],
    }


def test_what_is_optional_may_be_left_out(tmp_path: Path) -> None:
    line = json.dumps({"report": "喂", "gold": {"kind": "other"}})
    (report,) = read_labelled_reports(write(tmp_path / "a.jsonl", line))
    assert report == LabelledReport("", "喂", Context(), (Situation(kind="other"),))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"report": " "}, "field 'report' is missing, empty or not text"),
        ({"report": " \u200b\ufeff"}, "field 'report' is missing, empty or not text"),
        ({"gold": None}, "field 'gold' must be a situation"),
        ({"gold": {}}, "field 'gold' must state its kind"),
        ({"gold": {"kind": "request", "hazards": ["dragon"]}}, "unknown label 'dragon'"),
        ({"gold2": {"location": "石桥镇"}}, "field 'gold2' must state its kind"),
        ({"gold2": ["request"]}, "field 'gold2' must be a situation"),
        ({"gold2": {"kind": "request", "people": {"trapped": 3}}}, "situation"),
        ({"expect": "dispatch"}, "field 'expect' must be an object"),
        ({"id": 7}, "field 'id' must be text"),
        ({"expect": {"dispatch": "yes"}}, "expect.dispatch: must be true or false"),
        ({"expect": {"must_contain": "船"}}, "expect.must_contain: must be a list of texts"),
        ({"expect": {"must_contain": ["船", "|\u200b"]}}, "expect.must_contain: an entry is empty"),
        ({"expect": {"must_not_contains": ["船"]}}, "expect.must_not_contains: unknown field"),
        ({"gold": {"kind": "request", "need": ["boat"]}}, "situation.need: unknown field"),
        ({"expect": []}, ""),
        ({"context": 5}, "context: must be an object, not 5"),
        ({"context": {"place": "x"}}, "context.place: unknown field"),
        ({"report": "\ud800"}, "field 'report' is not valid UTF-8"),
    ],
)
def test_a_bad_line_is_named_and_skipped(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = write(tmp_path / "a.jsonl", json.dumps(RECORD), json.dumps(RECORD | change), "not json", "[1]")
    errors: list[PairError] = []
    reports = list(read_labelled_reports(path, on_error=errors.append))
    if said:
        assert len(reports) == 1
        assert [error.line for error in errors] == [2, 3, 4]
        assert said in str(errors[0])
    else:
        assert len(reports) == 2  # nothing is expected of the second


def test_what_must_be_said_is_compared_as_the_model_writes_it() -> None:
    expect = Expectation.from_dict({"must_contain": ["派２艘|Ｓ３０３"], "must_not_contain": ["１１０"]})
    assert (expect.must_contain, expect.must_not_contain) == ((("派2艘", "S303"),), (("110",),))


def test_files_are_told_apart_by_the_field_gold(tmp_path: Path) -> None:
    pair = json.dumps({"report": "a", "instruction": "b"})
    assert holds_labelled_reports(write(tmp_path / "a.jsonl", "", "not json", json.dumps(RECORD), pair))
    assert not holds_labelled_reports(write(tmp_path / "b.jsonl", pair, json.dumps(RECORD)))
    assert not holds_labelled_reports(write(tmp_path / "c.tsv", "gold\tgelb"))
    assert not holds_labelled_reports(write(tmp_path / "d.jsonl"))


def test_of_a_situation_only_what_labels_can_say_is_kept() -> None:
    situation = Situation(
        location="村口",
        people={"trapped": Count(5, 9, approx=True, conflicting=True)},
        needs=("food",),
        requested=(Requested("帐篷", 3, "顶"),),
        facts={"cold": True},
    )
    assert as_labelled(situation) == Situation(people={"trapped": Count(5, 9)}, needs=("food",))
    assert as_labelled(Situation(kind="offer", location="石桥镇", needs=("food",))) == Situation(kind="offer")


def test_measures_that_gold_leaves_out_are_not_judged() -> None:
    gold = Situation(measures={"floor": 3})
    answer = Situation(location="石桥镇", measures={"floor": 4, "water_depth_m": 1.3})
    assert as_judged([gold], gold, answer) == Situation(location="石桥镇", measures={"floor": 4})
    assert as_judged([gold], None, answer) == Situation(location="石桥镇")


def test_what_is_no_request_is_judged_by_its_kind() -> None:
    answer = Situation(location="石桥镇", needs=("food",))
    assert as_judged([Situation(kind="other")], Situation(kind="other"), answer) == Situation(kind="request")
