import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from dispatch.domain import Context, Situation, make_plans, render_instruction
from dispatch.engine import Candidate, Generation
from training.baselines import BASELINES
from training.corpus import Pair
from training.evaluate import Choose, FileReport, Respond, evaluate, names_of, read_files
from training.judging import Answer, Example
from training.metrics import MEASURES

MILL = Situation(location="老磨坊", hazards=("flood",), needs=("rescue",))
BEST = {measure.name: measure.best for measure in MEASURES}


def first(_example: Example, generation: Generation) -> Mapping[str, Answer]:
    return {"network": Answer(generation.candidates[0])}


def write(path: Path, pairs: Sequence[Pair], extra: str = "") -> Path:
    path.write_text("".join(json.dumps(pair.to_dict()) + "\n" for pair in pairs) + extra, encoding="utf-8")
    return path


def pair_of(situation: Situation, report: str = "老磨坊进水了", context: Context = Context()) -> Pair:
    return Pair(report, render_instruction(make_plans((situation,), context)), context, (situation,))


def misread_fires(examples: Sequence[Example]) -> list[Generation]:
    """Answers gold, but reads every fire as a flood, without much confidence."""
    made = []
    for example in examples:
        situations = example.situations
        if "building_fire" in situations[0].hazards:
            situations = (MILL,)
        text = render_instruction(make_plans(situations, example.context))
        made.append(Generation((Candidate(text, 0.0, situations=situations, confidence=0.25),)))
    return made


def gold(examples: Sequence[Example]) -> list[Generation]:
    return [BASELINES["gold"](example) for example in examples]


def evaluate_files(respond: Respond, choose: Choose, paths: Sequence[Path]) -> list[FileReport]:
    return [report for file in read_files(paths) for report in evaluate(respond, choose, file)]


def test_answers_meet_their_own_rows_whatever_the_order_of_decoding(tmp_path: Path) -> None:
    pairs = [pair_of(MILL, "进水" * (1 + index * 7 % 50), Context(f"第{index}号桥")) for index in range(100)]
    seen: list[int] = []

    def respond(examples: Sequence[Example]) -> list[Generation]:
        seen.append(len(examples))
        assert [len(e.report) for e in examples] == sorted(len(e.report) for e in examples)
        return [Generation((Candidate(e.context.location, 0.0),)) for e in examples]

    def choose(example: Example, generation: Generation) -> Mapping[str, Answer]:
        assert generation.candidates[0].text == example.context.location
        return first(example, generation)

    (file,) = read_files([write(tmp_path / "a.jsonl", pairs)])
    progress: list[int] = []
    (report,) = evaluate(respond, choose, file, progress.append)
    assert report.rows == 100
    assert seen == [32, 32, 32, 4]
    assert progress == [32, 64, 96, 100]


def test_a_report_per_file_measures_what_its_rows_allow(tmp_path: Path) -> None:
    pairs = [pair_of(MILL), pair_of(Situation(kind="other"), "老磨坊的展览真好看")]
    first_file = write(tmp_path / "a.jsonl", pairs, extra="not json\n")
    labelled = tmp_path / "b.jsonl"
    labelled.write_text(
        json.dumps({"report": "老磨坊进水了", "gold": MILL.to_dict(), "expect": {"dispatch": True}}), encoding="utf-8"
    )
    reports = evaluate_files(gold, first, [first_file, labelled])
    assert [(r.file, r.labelled, r.rows, len(r.bad_lines)) for r in reports] == [
        ("a.jsonl", False, 2, 1),
        ("b.jsonl", True, 1, 0),
    ]
    assert "a.jsonl:3: not JSON" in reports[0].bad_lines[0]
    assert "instruction" in reports[0].measures
    assert "instruction" not in reports[1].measures
    assert "must_contain" not in reports[1].measures  # nothing of it is expected
    for report in reports:
        assert {name for name, found in report.measures.items() if found.value != BEST[name]} == set()


def test_the_figures_are_those_derived_by_hand(tmp_path: Path) -> None:
    fire = Situation(location="老磨坊", hazards=("building_fire",))
    pairs = [pair_of(MILL), pair_of(fire), pair_of(MILL), pair_of(MILL)]
    (report,) = evaluate_files(misread_fires, first, [write(tmp_path / "a.jsonl", pairs)])
    value = {name: found.value for name, found in report.measures.items()}
    assert value["instruction"] == value["situation"] == 3 / 4
    assert value["kind"] == value["location"] == value["requests"] == 1
    assert value["hazards_f1"] == 2 * 3 / (4 + 4)
    assert value["needs_f1"] == 2 * 3 / (3 + 4)
    # gold has 4 slots in a flood (kind, location, hazard, need) and 3 in the fire, of which the hazard is missing
    assert value["slot_errors"] == (1 + 2) / (4 + 3 + 4 + 4)
    assert value["calibration_error"] == pytest.approx(3 / 4 - 0.25)
    assert (value["missed_alarms"], value["false_alarms"]) == (1, 0)
    assert report.measures["missed_alarms"].n == 1


def test_rows_are_sliced_by_hazard_of_requests_and_by_kind_of_the_rest(tmp_path: Path) -> None:
    fire, offer = Situation(location="老磨坊", hazards=("building_fire",)), Situation(kind="offer")
    pairs = [pair_of(MILL), pair_of(fire), pair_of(offer), pair_of(Situation(location="老磨坊")), pair_of(MILL)]
    (report,) = evaluate_files(misread_fires, first, [write(tmp_path / "a.jsonl", pairs)])
    assert report.slice_rows == {"building_fire": 1, "flood": 2, "no hazard": 1, "offer": 1}
    assert {key: values["situation"].value for key, values in report.slices.items()} == {
        "building_fire": 0,
        "flood": 1,
        "no hazard": 1,
        "offer": 1,
    }


def test_each_choice_among_the_candidates_has_its_report(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [pair_of(MILL)])
    wrong = Candidate("派9艘冲锋舟至老磨坊", 0.0, situations=(MILL,))

    def choose(example: Example, generation: Generation) -> Mapping[str, Answer]:
        return {"network": Answer(wrong), "service": Answer(generation.candidates[0])}

    network, service = evaluate_files(gold, choose, [path])
    assert (network.choice, network.measures["instruction"].value) == ("network", 0)
    assert (service.choice, service.measures["instruction"].value) == ("service", 1)


def test_the_worst_cases_are_those_that_nothing_warns_of(tmp_path: Path) -> None:
    reports = ["老磨坊进水了一", "老磨坊进水了二", "老磨坊进水了三", "老磨坊进水了四"]
    answers = {
        reports[0]: (Candidate("派2艘冲锋舟至新磨坊", 0.0, situations=(MILL,)), None),
        reports[1]: (Candidate("暂不派警", 0.0, situations=(Situation(kind="other"),)), "error"),
        reports[2]: (Candidate("暂不派警", 0.0, situations=(Situation(kind="other"),)), "warning"),
        reports[3]: (BASELINES["gold"](pair_of(MILL)).candidates[0], None),
    }

    def choose(example: Example, _generation: Generation) -> Mapping[str, Answer]:
        return {"network": Answer(*answers[example.report])}

    path = write(tmp_path / "a.jsonl", [pair_of(MILL, text) for text in reports])
    (report,) = evaluate_files(gold, choose, [path])
    assert [case.example.report for case in report.cases] == [reports[2], reports[0], reports[1]]
    facts = json.loads(json.dumps(report.to_dict()))
    assert facts["cases"][0]["faults"][0] == "dismissed request"
    assert facts["cases"][0]["expected"]["instruction"] == pair_of(MILL).instruction
    assert facts["cases"][0]["answered"] == {
        "instruction": "暂不派警",
        "situations": [{"kind": "other", "location": ""}],
    }


def test_only_the_worst_cases_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [Pair(f"甲{number}", "乙") for number in range(30)])
    (report,) = evaluate_files(lambda rows: [Generation((Candidate("丙", 0.0),)) for _ in rows], first, [path])
    assert len(report.cases) == 20


def test_pairs_of_texts_have_bleu_and_chrf_and_the_others_do_not(tmp_path: Path) -> None:
    texts, both = (
        [Pair("guten tag", "good day to you all")],
        [Pair("gute nacht", "good night to you all"), pair_of(MILL)],
    )
    paths = [
        write(tmp_path / "a.jsonl", texts),
        write(tmp_path / "b.jsonl", both),
        write(tmp_path / "c.jsonl", both[1:]),
    ]
    plain, mixed, situated = evaluate_files(gold, first, paths)
    assert plain.measures["bleu"].value == pytest.approx(1)
    assert "situation" not in plain.measures
    assert (mixed.measures["bleu"].n, mixed.measures["instruction"].n, mixed.measures["situation"].n) == (1, 2, 1)
    assert mixed.measures["chrf"].value == pytest.approx(1)
    assert "bleu" not in situated.measures


def test_a_file_without_a_usable_row_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.jsonl holds no usable pair; the first error is .*a\.jsonl:1"):
        evaluate_files(gold, first, [write(tmp_path / "a.jsonl", [], extra="{}\n")])
    with pytest.raises(ValueError, match=r"b\.jsonl holds no usable labelled report; the first error is .*b\.jsonl:1"):
        evaluate_files(gold, first, [write(tmp_path / "b.jsonl", [], extra='{"gold": {}}\n')])
    with pytest.raises(ValueError, match=r"c\.jsonl holds no usable pair$"):
        evaluate_files(gold, first, [write(tmp_path / "c.jsonl", [])])


def test_every_file_is_read_before_the_first_answer(tmp_path: Path) -> None:
    good, empty = write(tmp_path / "a.jsonl", [pair_of(MILL)]), write(tmp_path / "b.jsonl", [])
    with pytest.raises(ValueError, match=r"b\.jsonl holds no usable pair"):
        read_files([good, empty])
    with pytest.raises(ValueError, match=r"c\.txt"):
        read_files([good, write(tmp_path / "c.txt", [])])
    with pytest.raises(FileNotFoundError):
        read_files([good, tmp_path / "missing.jsonl"])


def test_that_sacrebleu_is_missing_shows_before_the_first_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    read_files([write(tmp_path / "a.jsonl", [pair_of(MILL)])])
    with pytest.raises(ValueError, match="pip install sacrebleu"):
        read_files([write(tmp_path / "a.jsonl", [Pair("guten tag", "good day")])])


def test_rows_with_situations_have_no_say_in_the_interval_of_bleu(tmp_path: Path) -> None:
    pairs = [Pair("guten tag", "good day to you all"), *[pair_of(MILL)] * 4]
    (report,) = evaluate_files(gold, first, [write(tmp_path / "a.jsonl", pairs)])
    for name in ("bleu", "chrf"):
        assert report.measures[name].to_dict() == {"value": 1, "low": 1, "high": 1, "n": 1}


def test_the_texts_of_bad_lines_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [pair_of(MILL)], extra='{"report": "\\ud800"}\n')
    (report,) = evaluate_files(gold, first, [path])
    facts = report.to_dict()
    assert facts["bad_lines"] == 1
    assert facts["bad_line_texts"] == ["a.jsonl:2: field 'report' is not valid UTF-8"]


def test_an_invented_request_shows_in_a_measure_of_its_own(tmp_path: Path) -> None:
    def invent(examples: Sequence[Example]) -> list[Generation]:
        more = tuple(Situation(location=f"东{number}街") for number in range(5))
        text = examples[0].instruction if isinstance(examples[0], Pair) else ""
        return [Generation((Candidate(text, 0.0, situations=(*row.situations, *more)),)) for row in examples]

    (report,) = evaluate_files(invent, first, [write(tmp_path / "a.jsonl", [pair_of(MILL)])])
    values = {name: found.value for name, found in report.measures.items()}
    assert values["requests"] == values["location"] == values["people"] == values["kind"] == 1
    assert values["invented_incidents"] == 1


def test_names_that_are_no_text_or_command_a_terminal_are_written_out() -> None:
    assert names_of([Path(os.fsdecode(b"a\xff.jsonl")), Path("b\x1b[31m\n.jsonl"), Path("报告[y].jsonl")]) == [
        r"a\xff.jsonl",
        r"b\x1b[31m\n.jsonl",
        "报告[y].jsonl",
    ]


def test_files_of_one_name_are_told_apart_by_their_folders() -> None:
    assert names_of([Path("a/x.jsonl"), Path("b/y.jsonl")]) == ["x.jsonl", "y.jsonl"]
    assert names_of([Path("a/x.jsonl"), Path("b/x.jsonl")]) == ["a/x.jsonl", "b/x.jsonl"]


@pytest.mark.parametrize("trick", ["request", "copy"])
def test_no_trick_is_good_at_everything(tmp_path: Path, trick: str) -> None:
    pairs = [pair_of(MILL), pair_of(Situation(kind="offer"), "我有一条船,要帮忙就说")]
    respond = BASELINES[trick]
    (report,) = evaluate_files(lambda rows: [respond(row) for row in rows], first, [write(tmp_path / "a.jsonl", pairs)])
    values = {name: found.value for name, found in report.measures.items()}
    assert values["requests"] == 1
    assert values["false_requests"] == 1
    assert values["situation"] == values["instruction"] == 0
