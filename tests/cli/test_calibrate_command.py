"""`dispatch calibrate`: a bundle whose confidence is fitted to held pairs."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dispatch.domain import Context, Convention, Count, Situation, make_plans, render_instruction
from dispatch.engine import Candidate, Generation, GenerationRequest
from dispatch.model import KIND_THRESHOLD, read_config
from dispatch.workflow import FEATURES
from tests.cli.conftest import EchoEngine
from training.corpus import Pair


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    situations = (Situation(kind="other"),)
    text = render_instruction(make_plans(situations, Context()))
    made = [Pair(f"花开了{number}", text, Context(), situations) for number in range(6)]
    path = tmp_path / "valid.jsonl"
    path.write_text("".join(json.dumps(pair.to_dict(), ensure_ascii=False) + "\n" for pair in made), encoding="utf-8")
    return path


def test_the_bundle_keeps_the_calibration_and_answers_by_it(dispatch: Any, bundle: Path, pairs: Path) -> None:
    result = dispatch("calibrate", str(bundle), str(pairs))
    assert result.exit_code == 0, result.stderr
    assert "6 answers, 0 of them right" in result.stdout
    assert "calibration error before: " in result.stdout
    assert "a warning below 1.0000: 6 answers" in result.stdout
    assert "an error below 0.0000: 0 answers" in result.stdout  # none was right
    assert "config.json written" in result.stderr
    assert dispatch("models", "verify", str(bundle)).exit_code == 0
    calibration = read_config(bundle).calibration
    assert calibration is not None
    assert calibration.kind_threshold == KIND_THRESHOLD  # nothing was read as no request
    assert calibration.warn_below == 1  # six answers promise nothing
    assert tuple(calibration.weights) == FEATURES
    answer = dispatch.json("generate", "花开了", "--bundle", str(bundle), "--max-tokens", "5", "--json")
    assert 0 < answer["confidence"] < 0.5
    assert "LOW_CONFIDENCE" in {check["code"] for check in answer["checks"]}


def test_a_second_calibration_replaces_the_first(dispatch: Any, bundle: Path, pairs: Path) -> None:
    shown = [dispatch.json("calibrate", str(bundle), str(pairs), "--json") for _ in range(2)]
    assert shown[0]["calibration"] == shown[1]["calibration"]
    assert shown[0]["calibration_error"]["after"] == shown[1]["calibration_error"]["after"]
    assert shown[1]["warned"] == 6
    assert sum(entry["n"] for entry in shown[1]["reliability"]) == shown[1]["answers"] == 6


class Taught(EchoEngine):
    """Reads the floods of `older` rightly, and ends its orders as reviews have taught it since."""

    def _generation(self, request: GenerationRequest) -> Generation:
        people = int(request.report.removeprefix("杜鹃街道进水,").removesuffix("人被困"))
        situation = flood(people)
        text = f"{render_instruction(make_plans([situation], Context()))},到场后回报水位"
        convention = Convention("到场后回报水位", ("flood",))
        return Generation((Candidate(text, -0.1, (-0.1,), (situation,), 0.9),), conventions=(convention,))


def flood(people: int) -> Situation:
    return Situation(location="杜鹃街道", hazards=("flood",), people={"trapped": Count(people, people)})


def test_what_reviews_have_taught_counts_as_right_in_older_pairs(
    dispatch: Any, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = tmp_path / "older.jsonl"
    made = [
        Pair(
            f"杜鹃街道进水,{people}人被困",
            render_instruction(make_plans([flood(people)], Context())),
            Context(),
            (flood(people),),
        )
        for people in range(11, 17)
    ]
    older.write_text("".join(json.dumps(pair.to_dict()) + "\n" for pair in made), encoding="utf-8")
    monkeypatch.setattr("dispatch.cli.answering.open_engine", lambda path: Taught())
    assert dispatch.json("calibrate", str(bundle), str(older), "--json")["right"] == 6


def test_several_files_are_taken_together(dispatch: Any, bundle: Path, pairs: Path) -> None:
    assert dispatch.json("calibrate", str(bundle), str(pairs), str(pairs), "--json")["answers"] == 12


def test_too_few_pairs_change_nothing(dispatch: Any, bundle: Path, pairs: Path) -> None:
    before = (bundle / "SHA256SUMS").read_bytes()
    pairs.write_text(pairs.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    result = dispatch("calibrate", str(bundle), str(pairs))
    assert result.exit_code == 1
    assert "too few" in result.stderr
    assert (bundle / "SHA256SUMS").read_bytes() == before
