import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dispatch.domain import Context, Count, Situation, make_plans, render_instruction
from training.corpus import Pair
from training.lint import KINDS, LintReport, bare_text, lint

FLOOD = Situation(location="柳树湾", hazards=("flood",), people={"trapped": Count(30, 30)})


def pair(report: str, instruction: str = "ok", **more: Any) -> dict[str, Any]:
    return {"report": report, "instruction": instruction, **more}


def by_doctrine(report: str, *situations: Situation, context: Context = Context()) -> dict[str, object]:
    return Pair(report, render_instruction(make_plans(situations, context)), context, situations).to_dict()


def write(path: Path, *records: object) -> Path:
    lines = (record if isinstance(record, str) else json.dumps(record, ensure_ascii=False) for record in records)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def found(report: LintReport) -> dict[str, list[tuple[str, int]]]:
    """The places of the examples of each kind of finding."""
    return {f.kind.code: [(Path(e.file).name, e.line) for e in f.examples] for f in report.findings}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pairs.jsonl"


def test_sound_pairs_have_no_findings(file: Path) -> None:
    report = lint([write(file, by_doctrine("柳树湾30人被水困住", FLOOD), pair("good night", "gute Nacht"))])
    assert report.findings == ()
    assert report.pairs == {str(file): 2}
    assert (report.count("error"), report.count("warning")) == (0, 0)


def test_lines_that_cannot_be_used_are_named_with_the_reason(file: Path) -> None:
    report = lint([write(file, "not json", pair("a", " "), {"report": "a"}, "[1]", pair("", "b"), pair("c", "d"))])
    assert found(report) == {"bad_line": [("pairs.jsonl", line) for line in (1, 2, 3, 4, 5)]}
    reasons = [example.message for example in report.findings[0].examples]
    assert reasons[1::3] == ["field 'instruction' is empty", "field 'report' is empty"]
    assert report.pairs == {str(file): 1}
    assert report.count("error") == 5


def test_doctrines_own_text_is_not_another_instruction_whatever_the_widths_of_characters(file: Path) -> None:
    road = Situation(location="Ｓ３０３公路", hazards=("flood",), needs=("rescue",))
    wide = by_doctrine("Ｓ３０３公路被淹,求救", road)
    issued = Context("", ("派1艘冲锋舟至Ｓ３０３公路",))
    answer = render_instruction(
        make_plans([replace(road, location="S303公路")], Context("", ("派1艘冲锋舟至S303公路",)))
    )
    mixed = Pair("S303公路被淹,求救", answer, issued, (replace(road, location="S303公路"),)).to_dict()
    assert lint([write(file, wide, mixed)]).findings == ()
    other = wide | {"instruction": "派9艘冲锋舟至Ｓ３０３公路"}
    assert "doctrine_differs" in found(lint([write(file, other)]))


def test_repeats_are_exact_or_near_and_name_the_first(file: Path) -> None:
    report = lint([write(file, pair("水来了,快跑"), pair("别的"), pair("水来了,快跑"), pair("水来了!快 跑。"))])
    assert found(report) == {"repeat": [("pairs.jsonl", 3)], "near_repeat": [("pairs.jsonl", 4)]}
    assert report.findings[0].examples[0].message == f"as at {file}:1"
    assert (report.count("error"), report.count("warning")) == (0, 2)


def test_one_report_with_several_instructions_is_a_conflict_not_a_repeat(file: Path) -> None:
    report = lint([write(file, pair("水来了", "a"), pair("水来了!", "b"), pair("水来了", "a"))])
    assert found(report) == {"conflict": [("pairs.jsonl", 2)]}
    assert report.count("error") == 1


def test_one_report_with_several_situations_is_a_conflict_too(file: Path) -> None:
    records = [pair("水来了", situation={"kind": kind}) for kind in ("request", "offer", "request")]
    report = lint([write(file, *records)])
    assert [place for code, place in found(report).items() if code == "conflict"] == [[("pairs.jsonl", 2)]]
    assert report.findings[0].examples[0].message == f"another instruction or situation than at {file}:1"
    records = [pair("水来了", situation={"location": place}) for place in ("Ｓ３路", "S3路")]
    codes = found(lint([write(file, *records)]))
    assert "repeat" in codes
    assert "conflict" not in codes


def test_another_context_makes_another_pair(file: Path) -> None:
    records = [pair("水来了", "a"), pair("水来了", "b", context={"location": "柳树湾"})]
    records.append(pair("水来了", "c", context={"issued": ["柳树湾"]}))
    assert lint([write(file, *records)]).findings == ()


def test_a_report_that_stands_in_two_files_is_a_leak_whatever_the_context(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", pair("甲甲"), pair("水来了,快跑"))
    test = write(tmp_path / "test.jsonl", pair("乙乙"), pair("水来了快跑", context={"location": "柳树湾"}))
    report = lint([train, test])
    assert found(report) == {"leak": [("test.jsonl", 2)]}
    assert report.findings[0].examples[0].message == f"as at {train}:2"


def test_targets_from_nowhere_are_errors_with_situations_and_a_warning_without(file: Path) -> None:
    record = by_doctrine("柳树湾30人被水困住", FLOOD) | {"instruction": "派9艘冲锋舟至杨树湾"}
    report = lint([write(file, record, pair("two dogs", "派9只狗,7只猫至别处"))])
    assert found(report) == {
        "ungrounded_place": [("pairs.jsonl", 1)],
        "ungrounded_number": [("pairs.jsonl", 1)],
        "unexplained_number": [("pairs.jsonl", 2)],
        "doctrine_differs": [("pairs.jsonl", 1)],
    }
    assert [finding.examples[0].message for finding in report.findings[:3]] == ["杨树湾", "9", "9, 7"]
    assert (report.count("error"), report.count("warning")) == (2, 2)


def test_a_pair_that_the_model_would_leave_out_is_named(file: Path) -> None:
    report = lint([write(file, pair("长" * 1023), pair("短" * 1024), pair("甲", "长" * 1100))])
    assert found(report) == {"too_long": [("pairs.jsonl", 2), ("pairs.jsonl", 3)]}


def test_lengths_far_from_those_of_most_are_outliers(file: Path) -> None:
    usual = [pair(f"报告{'水' * (number % 7)}{number:03}", "ok") for number in range(40)]
    report = lint([write(file, *usual, pair("这" * 300), pair("那里", "o" * 90))])
    assert found(report) == {"length_outlier": [("pairs.jsonl", 41), ("pairs.jsonl", 42)]}
    assert "report of 300 characters, where half of all have" in report.findings[0].examples[0].message


def test_few_pairs_have_no_outliers(file: Path) -> None:
    assert lint([write(file, pair("短"), pair("长" * 500))]).findings == ()


def test_only_the_first_places_are_kept_but_all_are_counted(file: Path) -> None:
    report = lint([write(file, *["not json"] * 30)])
    assert report.findings[0].count == 30
    assert [line for _, line in found(report)["bad_line"]] == [1, 2, 3, 4, 5]


def test_a_report_is_ready_for_json(file: Path) -> None:
    facts = json.loads(json.dumps(lint([write(file, "not json")]).to_dict()))
    assert (facts["files"], facts["errors"], facts["warnings"]) == ({str(file): 0}, 1, 0)
    (finding,) = facts["findings"]
    assert (finding["code"], finding["severity"], finding["count"]) == ("bad_line", "error", 1)
    assert finding["examples"][0]["line"] == 1


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_pairs_is_refused_before_any_is_read(file: Path, tmp_path: Path, content: str) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text(content, encoding="utf-8")
    said: list[object] = []
    with pytest.raises(ValueError, match=r"empty\.jsonl holds no pairs"):
        lint([write(file, *(pair(f"甲{number}") for number in range(1000))), empty], lambda *done: said.append(done))
    assert said == []


def test_a_file_that_is_given_twice_is_refused(file: Path, tmp_path: Path) -> None:
    write(file, pair("水来了"))
    link = tmp_path / "link.jsonl"
    link.symlink_to(file)
    for again in (file, file.parent / "." / ".." / file.parent.name / file.name, link):
        with pytest.raises(ValueError, match=r"jsonl: the same file is given twice"):
            lint([file, again])


def test_every_finding_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs/cli.md").read_text(encoding="utf-8")
    assert [kind.code for kind in KINDS if f"| {kind.code} | {kind.severity} | {kind.meaning} |" not in text] == []


def test_errors_stand_before_warnings() -> None:
    assert [kind.severity for kind in KINDS] == sorted(kind.severity for kind in KINDS)


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("水来了,快 跑!", "水来了快跑"),
        ("水深１.５米。", "水深1.5米"),
        ("3-5人、10:30", "3-5人10:30"),
        ("......", "......"),
        ("Straße (nord)", "Straßenord"),
    ],
)
def test_punctuation_and_spaces_do_not_tell_reports_apart_but_numbers_do(text: str, bare: str) -> None:
    assert bare_text(text) == bare


def test_what_is_kept_of_a_pair_does_not_grow_with_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    monkeypatch.setattr("training.lint._find_repeats", lambda _findings, table, _names: kept.append(table))
    lint([write(file, *(pair("很长的报告" * 100 + str(number)) for number in range(50)))])
    columns = vars(kept[0]).values()
    assert sum(column.itemsize * len(column) for column in columns) == 50 * 46


def test_progress_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.lint.PROGRESS_EVERY", 2)
    said: list[tuple[str, int]] = []
    lint([write(file, *(pair(f"甲{number}") for number in range(5)))], lambda *done: said.append(done))
    assert said == [(str(file), 2), (str(file), 4)]
