"""`dispatch evaluate`: files of pairs and of labelled reports, answered by a model or by the baselines."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dispatch.domain import Context, Count, Situation, make_plans, render_instruction
from training.corpus import Pair
from training.metrics import MEASURES

FLOOD = Situation(location="柳树湾", hazards=("flood",), people={"trapped": Count(30, 30)}, needs=("boat", "food"))
BEST = {measure.name: measure.best for measure in MEASURES}


def by_doctrine(report: str, *situations: Situation) -> dict[str, object]:
    return Pair(report, render_instruction(make_plans(situations, Context())), Context(), situations).to_dict()


PAIRS = [
    by_doctrine("柳树湾进水,30人被困,要船和吃的", FLOOD),
    by_doctrine("昨天的雪真好看", Situation(kind="other")),
    by_doctrine("柳树湾30人被水困住,要船和吃的", FLOOD),
]
LABELLED = {
    "id": "own-1",
    "report": "柳树湾进水,30人被困,要船和吃的,沙袋不要",
    "gold": FLOOD.to_dict() | {"not_needed": ["sandbag"]},
    "expect": {"dispatch": True, "must_contain": ["冲锋舟|船"], "must_not_contain": ["沙袋"]},
}


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in PAIRS), encoding="utf-8")
    return path


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    path = tmp_path / "reports.jsonl"
    path.write_text(json.dumps(LABELLED, ensure_ascii=False) + "\nnot json\n", encoding="utf-8")
    return path


def figures(dispatch: Any, tmp_path: Path, *arguments: str) -> list[dict[str, Any]]:
    out = tmp_path / "figures.json"
    result = dispatch("evaluate", *arguments, "--out", str(out))
    assert result.exit_code == 0, result.stderr
    files: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))["files"]
    return files


def test_a_model_is_measured_on_both_kinds_of_file(
    dispatch: Any, tiny_bundle: Path, pairs: Path, reports: Path, tmp_path: Path
) -> None:
    files = figures(dispatch, tmp_path, str(tiny_bundle), str(pairs), str(reports))
    assert [(file["file"], file["choice"], file["labelled"], file["rows"], file["bad_lines"]) for file in files] == [
        ("pairs.jsonl", "network", False, 3, 0),
        ("pairs.jsonl", "service", False, 3, 0),
        ("reports.jsonl", "network", True, 1, 1),
        ("reports.jsonl", "service", True, 1, 1),
    ]
    assert {"instruction", "ungrounded", "slot_errors", "calibration_error"} <= set(files[0]["metrics"])
    assert {"must_contain", "must_not_contain", "dispatch"} <= set(files[2]["metrics"])
    assert len(files[0]["reliability"]) == 10
    assert len(files[0]["cases"]) == 3  # it has learnt nothing


def test_gold_is_perfect(dispatch: Any, pairs: Path, reports: Path, tmp_path: Path) -> None:
    for file in figures(dispatch, tmp_path, str(pairs), str(reports), "--answers", "gold"):
        wrong = {name: found for name, found in file["metrics"].items() if found["value"] != BEST[name]}
        assert wrong == {}
        assert file["cases"] == []


@pytest.mark.parametrize("trick", ["request", "copy"])
def test_a_trick_finds_every_request_and_is_bad_at_the_rest(
    dispatch: Any, pairs: Path, tmp_path: Path, trick: str
) -> None:
    for file in figures(dispatch, tmp_path, str(pairs), "--answers", trick):
        values = {name: found["value"] for name, found in file["metrics"].items()}
        assert values["requests"] == values["false_requests"] == 1
        assert values["situation"] == values["instruction"] == 0
        assert values["slot_errors"] > 0.5


def test_a_bundle_that_nobody_needs_is_left_alone(dispatch: Any, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    files = figures(dispatch, tmp_path, str(tmp_path / "bundle"), str(pairs), "--answers", "gold")
    assert [(file["file"], file["choice"]) for file in files] == [("pairs.jsonl", "gold"), ("pairs.jsonl", "service")]


def test_the_table_has_both_choices_and_the_page_both_files(
    dispatch: Any, pairs: Path, reports: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    result = dispatch("evaluate", str(pairs), str(reports), "--answers", "copy", "--html", str(page))
    assert result.exit_code == 0, result.stderr
    assert "pairs.jsonl: 3 pairs (%)" in result.stdout
    assert "reports.jsonl: 1 labelled reports, 1 bad lines left out (%)" in result.stdout
    assert "copy" in result.stdout
    assert "service" in result.stdout
    assert "network" not in result.stdout
    text = page.read_text(encoding="utf-8")
    assert "Evaluation of answers: copy" in text
    assert "沙袋不要" in text
    assert "pairs.jsonl, chosen by copy" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["FILE"], "name a bundle"),
        (["FILE", "FILE"], "name a bundle"),
        (["FOLDER"], "name a bundle"),
        (["FOLDER", "--answers", "gold"], "name files"),
        (["FILE", "--answers", "gold", "--write-metrics"], "--write-metrics"),
        (["FILE", "--answers", "luck"], "luck"),
    ],
)
def test_wrong_usage_is_status_2(dispatch: Any, pairs: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    paths = {"FILE": str(pairs), "FOLDER": str(tmp_path)}
    result = dispatch("evaluate", *(paths.get(argument, argument) for argument in arguments))
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_a_bundle_keeps_the_main_figures_and_its_card_shows_them(
    dispatch: Any, tiny_bundle: Path, pairs: Path, reports: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    for _ in range(2):  # the second time replaces what the first has written
        result = dispatch("evaluate", str(bundle), str(pairs), str(reports), "--write-metrics")
        assert result.exit_code == 0, result.stderr
    assert dispatch("models", "verify", str(bundle)).exit_code == 0
    shown = dispatch.json("models", "show", str(bundle), "--json")
    assert shown["metrics"]["pairs"] == 0  # what stood there is kept
    kept = shown["metrics"]["evaluation"]
    assert [(file["file"], file["choice"]) for file in kept] == [
        ("pairs.jsonl", "network"),
        ("pairs.jsonl", "service"),
        ("reports.jsonl", "network"),
        ("reports.jsonl", "service"),
    ]
    assert set(kept[0]["metrics"]["needs_f1"]) == {"value", "low", "high", "n"}
    assert "cases" not in json.dumps(kept)
    card = shown["card"]
    assert card.count("## Results") == 1
    assert "| pairs.jsonl | service | 3 |" in card
    assert "| reports.jsonl | network | 1 |" in card
    assert card.startswith("# tiny")
