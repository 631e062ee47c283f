"""The commands of the loop: export, fine-tune, compare, promote, roll back; propose, sign and apply."""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.domain.doctrine import doctrine_file
from dispatch.engine import Generation, GenerationRequest
from dispatch.model import previous_of, update_document, verify_bundle
from dispatch.store import Audit, Decision, Reviews, Store, Tokens
from dispatch.workflow.doctrine_changes import Proposal
from tests.cli.conftest import EchoEngine
from tests.tiny_bundle import save_tiny_bundle
from training.comparison import LEAST_ROWS

REPORT = "甲村进水,16人被困"


@pytest.fixture
def database(tmp_path: Path, dispatch: Any, engine: EchoEngine) -> str:
    """A store with one released instruction."""
    url = f"sqlite:///{tmp_path / 'dispatch.db'}"
    assert dispatch("generate", REPORT, "--database-url", url).exit_code == 0
    with closing(Store.open(url)) as store:
        reviews = Reviews(store.database)
        (draft,) = reviews.queue(limit=1).instructions
        etag = reviews.claim(draft.name, "li", timedelta(minutes=1)).etag
        reviews.decide(Decision(name=draft.name, action="approved", reviewer="li", etag=etag))
    return url


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """Pairs enough to guard a promotion, which the echo answers rightly."""
    path = tmp_path / "held.jsonl"
    rows = [{"report": f"甲村{number}人", "instruction": f"甲村{number}人"} for number in range(LEAST_ROWS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def served(tmp_path: Path, tiny_bundle: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "current"))


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    save_tiny_bundle(tmp_path / "better", seed=1)
    return tmp_path / "better"


class SilentEngine(EchoEngine):
    """Answers the same to everything."""

    def _generation(self, request: GenerationRequest) -> Generation:
        return super()._generation(replace(request, report="?"))


Wrong = Callable[[str], None]


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> Wrong:
    """Makes the bundle of a name answer wrongly, and every other one rightly."""

    def make(name: str) -> None:
        engines = {True: SilentEngine(), False: EchoEngine()}
        monkeypatch.setattr("dispatch.cli.answering.open_engine", lambda path: engines[path.name == name])

    return make


def test_released_texts_are_exported_and_held_out_reports_are_not(dispatch: Any, database: str, tmp_path: Path) -> None:
    held, out = tmp_path / "held.jsonl", tmp_path / "pairs.jsonl"
    held.write_text('{"report": "乙村"}\n', encoding="utf-8")
    options = (
        "export",
        "pairs",
        str(out),
        "--evaluation",
        str(held),
        "--by",
        "li",
        "--database-url",
        database,
        "--json",
    )
    assert dispatch.json(*options) == {"path": str(out), "pairs": 1, "left_out": {}}
    (line,) = out.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["report"] == REPORT
    held.write_text(json.dumps({"report": REPORT}) + "\n", encoding="utf-8")
    assert dispatch.json(*options) == {"path": str(out), "pairs": 0, "left_out": {"in an evaluation set": 1}}
    assert out.read_text(encoding="utf-8") == ""
    with closing(Store.open(database)) as store:
        events = Audit(store.database).events(subject="pairs", limit=9)
    assert [(event.action, event.actor) for event in events] == [("pairs.exported", "li")] * 2


def test_evaluation_sets_that_are_named_stand_beside_those_of_the_setting(
    dispatch: Any, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/held.jsonl").write_text(json.dumps({"report": REPORT}) + "\n", encoding="utf-8")
    monkeypatch.setenv("DISPATCH_EVALUATION_SETS", str(tmp_path / "set"))
    other = tmp_path / "other.jsonl"
    other.write_text('{"report": "乙村"}\n', encoding="utf-8")
    options = ("--evaluation", str(other), "--database-url", database, "--json")
    assert dispatch.json("export", "pairs", str(tmp_path / "pairs.jsonl"), *options)["pairs"] == 0


def test_an_export_without_evaluation_sets_is_wrong_usage(dispatch: Any, tmp_path: Path) -> None:
    result = dispatch("export", "pairs", str(tmp_path / "pairs.jsonl"))
    assert result.exit_code == 2
    assert "evaluation_sets" in result.stderr


@pytest.mark.parametrize("words", [("export",), ("export", "ctranslate2")])
def test_a_bundle_is_exported_by_its_short_and_its_full_name(
    dispatch: Any, served: Path, words: tuple[str, ...]
) -> None:
    shown = dispatch.json(*words, str(served), "--json")
    assert shown == {"path": str(served), "digest": verify_bundle(served)}
    assert (served / "ctranslate2").is_dir()


def test_a_bundle_is_fine_tuned_under_its_own_name(dispatch: Any, tiny_bundle: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    situation = {"kind": "request", "location": "A8公路", "hazards": ["snow_road"]}
    rows = [
        {"report": f"A8公路积雪{depth}米", "instruction": f"派{depth}台", "situation": situation}
        for depth in range(1, 22)
    ]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    options = ("--max-steps", "2", "--threads", "1", "--mix", f"{pairs}:0.5", "--out", str(tmp_path / "run"))
    result = dispatch("train", "--from", str(tiny_bundle), "--pairs", str(pairs), *options)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{tmp_path / 'run/bundle'}\n"
    shown = dispatch.json("models", "show", str(tmp_path / "run/bundle"), "--json")
    assert shown["config"]["name"] == "tiny"
    trained = shown["metrics"]["training"]["config"]
    assert (trained["optimizer"], trained["peak_lr"], trained["max_steps"]) == ("adamw", 3e-4, 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--mix", "a.jsonl"], "--mix goes with --from"),
        (["--from", "b", "--preset", "nano"], "--preset makes a new network"),
        (["--init", "b", "--vocab-size", "9"], "--vocab-size makes a new network"),
        (["--init", "b", "--from", "b"], "name one of the two"),
        (["--init", "b", "--mix", "a.jsonl"], "--mix goes with --from"),
        (["--from", "b", "--mix", "a.jsonl:2"], "share must be at least"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    dispatch: Any, tmp_path: Path, options: list[str], said: str
) -> None:
    result = dispatch("train", "--pairs", "p.jsonl", "--out", str(tmp_path / "run"), "--max-steps", "1", *options)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_a_better_bundle_is_promoted_and_taken_back(
    dispatch: Any, wrong: Wrong, served: Path, candidate: Path, held: Path
) -> None:
    wrong("current")
    before, digest = verify_bundle(served), verify_bundle(candidate)
    promoted = dispatch.json("models", "promote", str(candidate), "--on", str(held), "--to", str(served), "--json")
    assert promoted == {"path": str(served), "digest": digest, "previous": str(previous_of(served))}
    assert dispatch.json("models", "rollback", "--to", str(served), "--json")["digest"] == before
    assert verify_bundle(served) == before


def test_a_bundle_that_changes_while_it_is_compared_is_not_promoted(
    dispatch: Any, monkeypatch: pytest.MonkeyPatch, served: Path, candidate: Path, held: Path
) -> None:
    def open_engine(path: Path) -> EchoEngine:
        if path == candidate:
            update_document(candidate, "MODEL_CARD.md", "changed")
            return EchoEngine()
        return SilentEngine()

    monkeypatch.setattr("dispatch.cli.answering.open_engine", open_engine)
    before = verify_bundle(served)
    refused = dispatch("models", "promote", str(candidate), "--on", str(held), "--to", str(served))
    assert (refused.exit_code, "compare them again" in refused.stderr) == (1, True)
    assert verify_bundle(served) == before


def test_a_worse_bundle_is_refused_by_name_of_the_slice(
    dispatch: Any, wrong: Wrong, served: Path, candidate: Path, held: Path
) -> None:
    wrong("better")
    before = verify_bundle(served)
    compared = dispatch("models", "compare", str(served), str(candidate), "--on", str(held), "--json")
    assert compared.exit_code == 1
    (fallen,) = [each for each in json.loads(compared.stdout) if each["falls"]]
    assert (fallen["slice"], fallen["measure"], fallen["gain"]["value"]) == ("split:held.jsonl", "instruction", -1)
    refused = dispatch("models", "promote", str(candidate), "--on", str(held), "--to", str(served))
    assert refused.exit_code == 1
    assert "falls: split:held.jsonl, instruction: 100.00 to 0.00 of 200 rows" in refused.stderr
    assert verify_bundle(served) == before
    assert not previous_of(served).exists()


def test_a_promotion_that_nothing_guards_and_one_of_the_shipped_bundle_are_refused(
    dispatch: Any, wrong: Wrong, served: Path, candidate: Path, held: Path
) -> None:
    wrong("current")
    held.write_text("".join(held.read_text(encoding="utf-8").splitlines(keepends=True)[:9]), encoding="utf-8")
    few = dispatch("models", "promote", str(candidate), "--on", str(held), "--to", str(served))
    assert (few.exit_code, "nothing would guard" in few.stderr) == (1, True)
    for command in (("promote", str(candidate), "--on", str(held)), ("rollback",)):
        shipped = dispatch("models", *command)
        assert (shipped.exit_code, "copy it" in shipped.stderr) == (1, True)


def test_a_table_shows_the_difference_of_every_slice(
    dispatch: Any, wrong: Wrong, served: Path, candidate: Path, held: Path
) -> None:
    wrong("current")
    shown = dispatch("models", "compare", str(served), str(candidate), "--on", str(held))
    assert shown.exit_code == 0
    (row,) = [line for line in shown.stdout.splitlines() if "instruction" in line]
    assert row.replace("│", " ").split()[:6] == ["split:held.jsonl", "instruction", "200", "0.00", "100.00", "+100.00"]
    assert "-0.00" not in shown.stdout


def test_a_proposal_is_applied_after_a_supervisor_has_signed_it(dispatch: Any, database: str, tmp_path: Path) -> None:
    text = doctrine_file().read_text(encoding="utf-8")
    file, target = tmp_path / "proposal.json", tmp_path / "doctrine.yaml"
    url = ("--database-url", database)
    nothing = dispatch("doctrine", "propose", str(file), *url)
    assert (nothing.exit_code, "reviews contradict no rule" in nothing.stderr) == (0, True)
    proposal = replace(Proposal.read(file, text), text=f"{text}# as agreed\n")
    file.write_text(json.dumps(proposal.to_dict(text)), encoding="utf-8")

    unsigned = dispatch("doctrine", "apply", str(file), "--to", str(target), *url)
    assert (unsigned.exit_code, target.exists()) == (1, False)
    with closing(Store.open(database)) as store:
        secret, _ = Tokens(store.database).create("zhou", {"supervise"})
    token = tmp_path / "token"
    token.write_text(secret + "\n")
    signed = dispatch("doctrine", "sign", str(file), "--token-file", str(token), *url)
    assert "+# as agreed" in signed.stdout
    assert "signed by zhou" in signed.stderr
    target.write_text(text, encoding="utf-8")
    target.chmod(0o640)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused = dispatch("doctrine", "apply", str(file), "--to", str(pipe), *url)
    assert (refused.exit_code, pipe.is_fifo()) == (2, True)
    applied = dispatch("doctrine", "apply", str(file), "--to", str(target), "--by", "wu", *url)
    assert applied.exit_code == 0, applied.stderr
    assert target.stat().st_mode & 0o777 == 0o640
    with closing(Store.open(database)) as store:
        (event,) = Audit(store.database).events(subject=f"doctrine/{proposal.digest}", limit=9)
    assert (event.action, event.actor) == ("doctrine.applied", "wu")
    assert target.read_text(encoding="utf-8") == f"{text}# as agreed\n"
    assert doctrine_file().read_text(encoding="utf-8") == text
