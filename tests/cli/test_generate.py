"""`dispatch generate`: one report, or a stream of them."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dispatch.decoding import DecodingConfig
from dispatch.domain import Context

REPORT = "山区公路积雪3米,断电,50人被困"


def test_the_instruction_stands_alone_on_standard_output(dispatch: Any, engine: Any) -> None:
    result = dispatch("generate", REPORT)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{REPORT}\n", "")


def test_context_and_prefix_reach_the_engine(dispatch: Any, engine: Any) -> None:
    dispatch("generate", REPORT, "--location", "A7公路", "--issued", "一", "--issued", "二", "--prefix", "派3台")
    (request,) = engine.requests
    assert request.context == Context("A7公路", ("一", "二"))
    assert request.prefix == "派3台"


def test_decoding_options_reach_the_engine(dispatch: Any, engine: Any) -> None:
    options = "--strategy sample --num-candidates 3 --temperature 0.5 --top-k 7 --top-p 0.9 --seed 4 --max-tokens 9"
    options += " --min-tokens 2 --require 请速报 --require A7 --ban 直升机"
    assert dispatch("generate", REPORT, *options.split()).exit_code == 0
    assert engine.requests[0].decoding == DecodingConfig(
        strategy="sample",
        num_candidates=3,
        temperature=0.5,
        top_k=7,
        top_p=0.9,
        seed=4,
        max_tokens=9,
        min_tokens=2,
        required_phrases=("请速报", "A7"),
        banned_phrases=("直升机",),
    )


def test_without_options_the_search_is_the_default_one(dispatch: Any, engine: Any) -> None:
    dispatch("generate", REPORT)
    assert engine.requests[0].decoding == DecodingConfig()


def test_json_has_the_documented_fields(dispatch: Any, engine: Any) -> None:
    answer = dispatch.json("generate", "read", "--location", "A7公路", "--json")
    assert list(answer) == [
        "instruction",
        "candidates",
        "situation",
        "situations",
        "plan",
        "checks",
        "confidence",
        "model",
        "doctrine",
        "timings",
    ]
    assert answer["candidates"] == [
        {"text": answer["instruction"], "score": -0.5, "token_scores": []},
        {"text": "read", "score": -0.5, "token_scores": [-0.25, -0.25]},
    ]
    assert answer["situation"] == answer["situations"][0]
    assert answer["situation"]["people"] == {"trapped": {"min": 50, "max": 50}}
    assert answer["model"] == {"name": "echo", "digest": "0" * 64}


def test_nothing_is_stored_unless_a_database_is_given(
    dispatch: Any, engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISPATCH_DATABASE_URL", "sqlite:///from_environment.db")
    assert dispatch("generate", REPORT).exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_with_a_database_the_row_is_there(dispatch: Any, engine: Any, tmp_path: Path) -> None:
    answer = dispatch.json("generate", REPORT, "--json", "--database-url", f"sqlite:///{tmp_path}/d.db")
    with closing(sqlite3.connect(tmp_path / "d.db")) as connection:
        rows = connection.execute("SELECT 'instructions/' || id, instruction FROM instructions").fetchall()
    assert rows == [(answer["name"], REPORT)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--strategy", "guess"], "guess"),
        (["--strategy", "beam", "--beam-size", "99"], "beam_size"),
        (["--temperature", "0", "--strategy", "sample"], "temperature"),
        (["--require", "派直升机", "--ban", "直升机"], "required_phrases"),
        (["--num-candidates", "2"], "num_candidates"),
        (["--server", "nowhere"], "HOST:PORT"),
        (["--server", "127.0.0.1:1", "--database-url", "sqlite:///x.db"], "--server"),
        (["--nonsense"], "nonsense"),
    ],
)
def test_wrong_usage_is_status_2(dispatch: Any, engine: Any, arguments: list[str], said: str) -> None:
    result = dispatch("generate", REPORT, *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["  "], "error: report: is empty\n"),
        (["x" * 4001], "error: report: must have at most 4000 characters, not 4001\n"),
        (["a\ud800"], "error: report: not UTF-8 text: a lone surrogate at character 2\n"),
        (["x", "--location", "a\ud800"], "error: --location: not UTF-8 text: a lone surrogate at character 2\n"),
        (["refuse"], "error: report: not accepted\n"),
    ],
)
def test_a_report_that_cannot_be_used_is_one_line_and_status_1(
    dispatch: Any, engine: Any, arguments: list[str], said: str
) -> None:
    result = dispatch("generate", *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", said)


def test_every_line_of_input_gets_its_line_of_output(dispatch: Any, engine: Any) -> None:
    result = dispatch("generate", "-", typed='一\n\n{"report": "二", "context": {"location": "B"}}\n  \n三')
    assert (result.exit_code, result.stdout) == (0, "一\n\n二\n\n三\n")


def test_the_commands_context_holds_for_lines_without_their_own(dispatch: Any, engine: Any) -> None:
    lines = ['{"report": "a", "context": {"location": "own"}}', "b", '{"report": "c", "context": {"issued": ["own"]}}']
    dispatch("generate", "-", "--location", "L", "--issued", "I", typed="\n".join(lines))
    contexts = [request.context for request in engine.requests]
    assert contexts == [Context("own", ("I",)), Context("L", ("I",)), Context("L", ("own",))]


def test_a_bad_line_leaves_the_others_unharmed(dispatch: Any, engine: Any) -> None:
    typed = "一\n{broken\n".encode() + b"\xff\n" + "refuse\n二\n".encode()
    result = dispatch("generate", "-", "--json", typed=typed)
    assert result.exit_code == 1
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer.get("instruction") for answer in answers] == ["一", None, None, None, "二"]
    assert [answer["error"]["line"] for answer in answers if "error" in answer] == [2, 3, 4]
    assert "not valid JSON" in answers[1]["error"]["message"]
    assert answers[3]["error"]["message"] == "report: not accepted"


def test_without_json_a_bad_line_is_blank_and_named_on_standard_error(dispatch: Any, engine: Any) -> None:
    result = dispatch("generate", "-", typed="一\nrefuse\n")
    assert (result.exit_code, result.stdout) == (1, "一\n\n")
    assert result.stderr == "line 2: report: not accepted\n"


def test_many_lines_are_answered_in_batches(dispatch: Any, engine: Any) -> None:
    result = dispatch("generate", "-", typed="".join(f"r{number}\n" for number in range(70)))
    assert result.stdout == "".join(f"r{number}\n" for number in range(70))
    assert engine.batch_sizes == [32, 32, 6]


def test_no_input_is_no_output(dispatch: Any, engine: Any) -> None:
    result = dispatch("generate", "-", typed="")
    assert (result.exit_code, result.stdout) == (0, "")


def test_errors_among_the_checks_are_told_beside_the_plain_instruction(dispatch: Any, engine: Any) -> None:
    for result in (dispatch("generate", "read"), dispatch("generate", "-", typed="read\n")):
        assert result.exit_code == 0
        assert result.stderr.startswith("check: UNGROUNDED_PLACE: the model wrote A7公路, ")
        assert "check" not in result.stdout
    assert dispatch("generate", "read", "--location", "A7公路").stderr == ""
