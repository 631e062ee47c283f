"""`train` and `evaluate`: thin over training, so only what they add is looked at."""

import json
from pathlib import Path
from typing import Any

import pytest

PAIRS = [
    {"report": f"{name}路积雪{depth}米", "instruction": f"派{depth}台至{name}路"}
    for name in "甲乙丙丁"
    for depth in (1, 2, 3)
]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in PAIRS))
    return path


def test_a_bundle_is_trained_and_evaluated(dispatch: Any, pairs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ("--preset", "nano", "--max-steps", "3", "--batch-tokens", "512", "--threads", "1", "--name", "mine")
    trained = dispatch("train", "--pairs", str(pairs), "--out", str(run), *options)
    assert trained.exit_code == 0, trained.stderr
    bundle = run / "bundle"
    assert trained.stdout == f"{bundle}\n"
    assert dispatch("models", "verify", str(bundle)).exit_code == 0

    figures = tmp_path / "figures.json"
    evaluated = dispatch("evaluate", str(bundle), str(pairs), "--out", str(figures), "--write-metrics")
    assert evaluated.exit_code == 0, evaluated.stderr
    assert "pairs.jsonl" in evaluated.stdout
    written = json.loads(figures.read_text())["files"]
    assert [(file["choice"], file["rows"]) for file in written] == [("network", len(PAIRS)), ("service", len(PAIRS))]
    assert {"instruction", "bleu", "chrf"} <= set(written[0]["metrics"])
    metrics = dispatch.json("models", "show", str(bundle), "--json")["metrics"]
    assert [set(file["metrics"]) for file in metrics["evaluation"]] == [
        {"instruction", "numbers", "bleu", "chrf", "ungrounded"}
    ] * 2
    assert "training" in metrics or "steps" in metrics  # what training wrote is still there


@pytest.mark.parametrize(
    ("options", "said"), [([], "nothing would end"), (["--max-steps", "5", "--dropout", "2"], "dropout")]
)
def test_wrong_options_are_status_2_and_leave_nothing(
    dispatch: Any, pairs: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    result = dispatch("train", "--pairs", str(pairs), "--out", str(tmp_path / "run"), *options)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert not (tmp_path / "run").exists()


def test_pairs_that_are_missing_are_one_line(dispatch: Any, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "run"), "--max-steps", "1")
    result = dispatch("train", "--pairs", str(tmp_path / "none.jsonl"), *out)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert "none.jsonl" in result.stderr
