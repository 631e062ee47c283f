"""`dispatch evaluate`: files of pairs and of labelled reports, answered by a model or by the baselines."""

import json
import os
import re
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from dispatch.cli.evaluate import NetworkAndService
from dispatch.domain import Context, Count, Situation, make_plans, render_instruction
from dispatch.engine import Candidate, Engine, Generation, GenerationRequest
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


def figures(dispatch: Any, tmp_path: Path, *arguments: str, status: int = 0) -> list[dict[str, Any]]:
    out = tmp_path / "figures.json"
    result = dispatch("evaluate", *arguments, "--out", str(out))
    assert result.exit_code == status, result.stderr
    files: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))["files"]
    return files


def unwrapped(message: str) -> str:
    """A message of wrong usage without the box around it."""
    return " ".join(re.sub("[│╭╮╰╯─]", "", message).split())


def test_a_model_is_measured_on_both_kinds_of_file(
    dispatch: Any, tiny_bundle: Path, pairs: Path, reports: Path, tmp_path: Path
) -> None:
    files = figures(dispatch, tmp_path, str(tiny_bundle), str(pairs), str(reports), status=1)
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
    for file in figures(dispatch, tmp_path, str(pairs), str(reports), "--answers", "gold", status=1):
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
    assert result.exit_code == 1, result.stderr
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
        (["FILE", "FILE", "--answers", "gold"], "named twice"),
        (["FILE", "--answers", "gold", "--out", "FILE"], "would be written over"),
        (["FILE", "--answers", "gold", "--html", "FILE"], "would be written over"),
        (["FILE", "--answers", "gold", "--html", "new", "--out", "./new"], "would be written over"),
        (["FILE", "--answers", "gold", "--out", "FOLDER"], "is a folder"),
        (["FILE", "--answers", "gold", "--html", ""], "is a folder"),
        (["FILE", "--answers", "gold", "--html", "missing/page.html"], "there is no folder"),
        (["FOLDER", "FILE", "--answers", "gold", "--out", "FOLDER/config.json"], "inside the bundle"),
        (["FILE", "--answers", "luck"], "luck"),
    ],
)
def test_wrong_usage_is_status_2_before_anything_is_answered(
    dispatch: Any, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("training.evaluate.evaluate", None)
    before = pairs.read_bytes()
    named = [argument.replace("FILE", str(pairs)).replace("FOLDER", str(tmp_path)) for argument in arguments]
    result = dispatch("evaluate", *named)
    assert result.exit_code == 2
    assert said in unwrapped(result.stderr)
    assert list(tmp_path.iterdir()) == [pairs]
    assert pairs.read_bytes() == before


def test_a_bundle_whose_metrics_could_not_be_written_fails_first(
    dispatch: Any, tiny_bundle: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    monkeypatch.setattr("training.evaluate.evaluate", None)
    monkeypatch.setattr("os.access", lambda path, _mode: Path(path) != tmp_path)
    result = dispatch("evaluate", str(bundle), str(pairs), "--write-metrics")
    assert result.exit_code == 2
    assert "cannot be written to" in unwrapped(result.stderr)
    (bundle / "metrics.json").write_text("{}", encoding="utf-8")
    result = dispatch("evaluate", str(bundle), str(pairs), "--write-metrics")
    assert result.exit_code == 1
    assert "metrics.json: differs" in result.stderr


def test_the_first_bad_lines_are_told_and_make_the_status_1(dispatch: Any, pairs: Path) -> None:
    with pairs.open("a", encoding="utf-8") as stream:
        stream.write("[1]\n" * 7)
    result = dispatch("evaluate", str(pairs), "--answers", "gold")
    assert result.exit_code == 1
    told = [line for line in result.stderr.splitlines() if "bad line" in line or "expected" in line]
    assert [line.split(": ")[0] for line in told] == [f"pairs.jsonl:{line}" for line in range(4, 9)] + ["pairs.jsonl"]
    assert told[-1] == "pairs.jsonl: 2 more bad lines"
    assert "pairs.jsonl: 3 pairs" in result.stdout


def test_without_a_terminal_a_line_says_that_a_file_is_done(
    dispatch: Any, pairs: Path, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    result = dispatch("evaluate", str(pairs), str(reports), "--answers", "gold")
    done = [line for line in result.stderr.splitlines() if " rows in " in line]
    assert [re.sub(r"\d+\.\d s", "0.0 s", line) for line in done] == [
        "pairs.jsonl, gold: 3 rows in 0.0 s",
        "pairs.jsonl, service: 3 rows in 0.0 s",
        "reports.jsonl, gold: 1 rows in 0.0 s",
        "reports.jsonl, service: 1 rows in 0.0 s",
    ]
    assert "%" not in result.stderr


def test_names_of_files_are_shown_as_they_are_and_command_nobody(
    dispatch: Any, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # with bars, whose descriptions could be markup
    folders = [tmp_path / "a[", tmp_path / "b["]
    for folder in folders:
        (folder / "z]").mkdir(parents=True)
        shutil.copy(pairs, folder / "z]" / os.fsdecode(b"u\xff\x1b[31m.jsonl"))
    named = [str(path) for folder in folders for path in folder.rglob("*.jsonl")]
    files = figures(dispatch, tmp_path, *named, "--answers", "gold")
    assert files[0]["file"] == f"{tmp_path}/a[/z]/u\\xff\\x1b[31m.jsonl"
    page = tmp_path / "page.html"
    result = dispatch("evaluate", named[0], "--answers", "gold", "--html", str(page))
    assert result.exit_code == 0, result.stderr
    assert r"u\xff\x1b[31m.jsonl: 3 pairs" in re.sub("\x1b\\[[0-9;]*m", "", result.stdout)
    assert r"u\xff\x1b[31m.jsonl" in page.read_text(encoding="utf-8")


def test_figures_may_go_into_a_pipe(dispatch: Any, pairs: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "figures"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_text, encoding="utf-8")
        assert dispatch("evaluate", str(pairs), "--answers", "gold", "--out", str(pipe)).exit_code == 0
        assert json.loads(read.result(60))["files"]
    assert pipe.is_fifo()


def test_figures_are_written_even_if_nobody_reads_the_tables(
    dispatch: Any, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_reads(_table: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("dispatch.cli.evaluate.print_table", nobody_reads)
    monkeypatch.setattr("dispatch.cli.output._discard_output", lambda: None)
    out = tmp_path / "figures.json"
    assert dispatch("evaluate", str(pairs), "--answers", "gold", "--out", str(out)).exit_code == 1
    assert json.loads(out.read_text(encoding="utf-8"))["files"]


def test_tables_are_printed_even_if_a_file_cannot_be_written_and_it_keeps_what_it_held(
    dispatch: Any, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "figures.json"
    out.write_text("before", encoding="utf-8")

    def no_space(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", no_space)
    result = dispatch("evaluate", str(pairs), "--answers", "gold", "--out", str(out))
    assert result.exit_code == 1
    assert "No space left" in result.stderr
    assert "pairs.jsonl: 3 pairs" in result.stdout
    assert out.read_text(encoding="utf-8") == "before"
    assert sorted(tmp_path.iterdir()) == sorted([out, pairs])


def test_a_bundle_keeps_the_main_figures_and_its_card_shows_them(
    dispatch: Any, tiny_bundle: Path, pairs: Path, reports: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    for _ in range(2):  # the second time replaces what the first has written
        result = dispatch("evaluate", str(bundle), str(pairs), str(reports), "--write-metrics")
        assert result.exit_code == 1, result.stderr  # a line was bad
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
    assert card.count("## Results") == card.count("<!-- results -->") == 1
    assert "| pairs.jsonl | service | 3 |" in card
    assert "| reports.jsonl | network | 1 |" in card
    assert card.startswith("# tiny")


@pytest.mark.parametrize(
    ("places", "fault", "cut", "is_asked"),
    [
        (("柳树湾",), "", False, False),
        (("柳树湾", "甲村"), "", False, False),
        (("",), "", False, False),
        (("柳树弯",), "", False, True),
        (("柳树湾", "乙村"), "", False, True),
        (("柳树湾",), "situation cut", False, True),
        (("柳树湾",), "", True, True),
    ],
)
def test_the_guarded_search_is_left_out_where_the_network_says_only_what_was_said(
    places: tuple[str, ...], fault: str, cut: bool, is_asked: bool
) -> None:
    situations = tuple(Situation(location=place) for place in places)
    alone, guarded = (
        Generation((Candidate(name, 0.0, (), situations, 0.9, fault=fault),), cut) for name in ("alone", "guarded")
    )
    both = NetworkAndService(cast(Engine, _Fixed(alone)), cast(Engine, _Fixed(guarded)))
    example = Pair("柳树湾进水", "", Context("甲村"), ())
    assert list(both.network([example])) == [alone]
    assert list(both.service([example])) == [guarded if is_asked else alone]


class _Fixed:
    """An engine that gives everybody one answer."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        return [self.generation] * len(requests)
