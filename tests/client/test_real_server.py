"""Both clients, the command line and a client in another language against `dispatch serve` with TLS and tokens."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dispatch.cli import app
from dispatch.client import (
    Admitted,
    Answer,
    AsyncClient,
    Client,
    DispatchError,
    DraftOrder,
    Reading,
    Report,
    TlsFiles,
)
from dispatch.decoding import DecodingConfig
from tests.client.real_server import RealServer, real_server

EXAMPLE = Path(__file__).parents[2] / "examples" / "node"
REPORT = "山区公路积雪3米,断电,50人被困"
SHORT = DecodingConfig(max_tokens=5)


@pytest.fixture(scope="module")
def served(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tiny_bundle, tmp_path_factory.mktemp("served")) as server:
        yield server


def connect(served: RealServer, who: str) -> Client:
    token = served.tokens[who] if who else ""
    return Client(served.address, timeout_s=120, tls=TlsFiles(served.authority), token=token)


def test_one_report_is_answered_and_a_repeat_gets_the_stored_answer(served: RealServer) -> None:
    with connect(served, "dispatcher") as client:
        answer = client.generate(REPORT, location="A7公路", request_id="once", decoding=SHORT)
        assert client.generate(REPORT, location="A7公路", request_id="once", decoding=SHORT) == answer
        assert answer.name.startswith("instructions/")
        assert (answer.model.name, answer.review_state, answer.releasable) == ("tiny", "pending", False)
        with pytest.raises(DispatchError) as caught:
            client.generate("another", request_id="once")
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")


async def test_a_stream_tells_the_stages_of_the_stored_answer(served: RealServer) -> None:
    tls, token = TlsFiles(served.authority), served.tokens["dispatcher"]
    async with AsyncClient(served.address, timeout_s=120, tls=tls, token=token) as client:
        stages = [stage async for stage in client.stream(REPORT, request_id="told", decoding=SHORT)]
        stored = await client.generate(REPORT, request_id="told", decoding=SHORT)
    admitted, reading, *orders, answer = stages
    assert admitted == Admitted(0)
    assert isinstance(reading, Reading)
    assert isinstance(answer, Answer)
    assert answer == stored
    assert "".join(order.text for order in orders if isinstance(order, DraftOrder)) == answer.instruction


def test_reports_in_bulk_fail_alone(served: RealServer) -> None:
    good = [Report(f"第{number}份报告", request_id=f"bulk-{number}", decoding=SHORT) for number in range(30)]
    reports = [*good[:20], Report(""), Report("半\ud800"), *good[20:]]
    with connect(served, "dispatcher") as client:
        results = list(client.translate(reports))
        stored = client.generate(good[0].text, request_id="bulk-0", decoding=SHORT)
    assert [result.report for result in results] == reports
    failed = {number: result.error for number, result in enumerate(results) if result.error}
    assert {number: error.code for number, error in failed.items()} == {20: "INVALID_ARGUMENT", 21: "INVALID_ARGUMENT"}
    assert (failed[20].reason, failed[20].violations[0].field) == ("INVALID_FIELDS", "request.report")
    assert results[0].answer == stored
    assert len({result.answer.name for result in results if result.answer}) == 30


def test_an_operator_switches_the_model_off_and_on_and_loads_another(served: RealServer) -> None:
    with connect(served, "admin") as client:
        (model,) = client.list_models().models
        assert (model.identity.name, model.labels) == ("tiny", ("stable",))
        assert client.set_serving_mode("pass-through", "a test") == "pass-through"
        assert client.list_models().serving_mode == "pass-through"
        passed = client.generate(REPORT)
        assert client.set_serving_mode("assist", "a test") == "assist"
        with pytest.raises(DispatchError) as missing:
            client.load_model("nothing")
        with pytest.raises(DispatchError) as unknown:
            client.set_model_label("canary", "nobody", 0.5)
    assert passed.instruction == REPORT
    assert "NO_MODEL" in [check.code for check in passed.checks]
    assert missing.value.reason == "BAD_BUNDLE"
    assert unknown.value.reason == "UNKNOWN_MODEL"


@pytest.mark.parametrize(
    ("who", "code", "reason"),
    [("", "UNAUTHENTICATED", "UNAUTHENTICATED"), ("auditor", "PERMISSION_DENIED", "SCOPE_MISSING")],
)
def test_who_may_not_is_told_so(served: RealServer, who: str, code: str, reason: str) -> None:
    with connect(served, who) as client:
        calls: list[Callable[[], Any]] = [
            lambda: client.generate(REPORT),
            lambda: list(client.stream(REPORT)),
            lambda: list(client.translate([REPORT])),
            lambda: client.set_serving_mode("assist", "a test"),
            lambda: client.load_model("tiny"),
            lambda: client.set_model_label("stable", "tiny"),
        ]
        for call in calls:
            with pytest.raises(DispatchError) as caught:
                call()
            assert (caught.value.code, caught.value.reason) == (code, reason)
            assert set(caught.value.metadata) <= {"scope"}
        if who:
            assert caught.value.metadata == {"scope": "admin"}


async def test_why_reports_in_bulk_are_refused_is_told_however_many_there_are(served: RealServer) -> None:
    for _ in range(20):
        async with AsyncClient(served.address, tls=TlsFiles(served.authority), token="made-up") as client:
            with pytest.raises(DispatchError) as caught:
                assert [result async for result in client.translate([REPORT] * 20)]
            assert (caught.value.code, caught.value.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


def test_the_command_line_takes_authority_and_token_from_its_settings(
    served: RealServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(served.tokens["dispatcher"] + "\n", encoding="utf-8")
    monkeypatch.setenv("DISPATCH_SERVER_CA", str(served.authority))
    command = ["generate", REPORT, "--server", served.address, "--max-tokens", "5", "--json"]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: UNAUTHENTICATED: ")
    monkeypatch.setenv("DISPATCH_TOKEN_FILE", str(token_file))
    answered = CliRunner().invoke(app, command)
    assert answered.exit_code == 0, answered.stderr
    assert json.loads(answered.stdout)["model"]["name"] == "tiny"


@pytest.fixture(scope="module")
def node() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the example with the Node of this environment, and the packages that its lock file names."""
    tools = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    with (EXAMPLE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        installed = EXAMPLE / "node_modules" / ".package-lock.json"
        if not installed.exists() or _versions(installed) != _versions(EXAMPLE / "package-lock.json"):
            subprocess.run([tools / "npm", "ci"], cwd=EXAMPLE, env=environment, check=True, capture_output=True)

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        command = [str(tools / "node"), str(EXAMPLE / "dispatch.mjs"), *arguments]
        return subprocess.run(command, env=environment | settings, capture_output=True, encoding="utf-8", timeout=120)

    return run


def _versions(lock: Path) -> dict[str, str]:
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    return {name: package["version"] for name, package in packages.items() if name}


def test_the_example_in_node_is_answered(served: RealServer, node: Any) -> None:
    settings = {"DISPATCH_ROOT": str(served.authority), "DISPATCH_TOKEN": served.tokens["dispatcher"]}
    whole = node("generate", served.address, REPORT, "A7公路", **settings)
    assert (whole.returncode, whole.stderr) == (0, "")
    answer = json.loads(whole.stdout)
    assert (answer["model"]["name"], answer["review_state"]) == ("tiny", "pending")
    assert answer["instruction"] == answer["candidates"][0]["text"]
    staged = node("stream", served.address, REPORT, "A7公路", **settings)
    assert (staged.returncode, staged.stderr) == (0, "")
    stages = [json.loads(line) for line in staged.stdout.splitlines()]
    names = [name for stage in stages for name in stage]
    assert (names[:2], set(names[2:-1]), names[-1]) == (["admitted", "reading"], {"order"}, "instruction")
    text = "".join(stage["order"]["text"] for stage in stages[2:-1])
    assert text == stages[-1]["instruction"]["instruction"] == answer["instruction"]


def test_the_example_in_node_shows_why_a_call_failed(served: RealServer, node: Any) -> None:
    settings = {"DISPATCH_ROOT": str(served.authority), "DISPATCH_TOKEN": served.tokens["dispatcher"]}
    invalid = node("stream", served.address, " ", "长" * 201, **settings)
    assert (invalid.returncode, invalid.stdout) == (1, "")
    failure = json.loads(invalid.stderr)
    assert failure["code"] == "INVALID_ARGUMENT"
    info, bad_request = failure["details"]
    assert (info["type"], info["reason"], info["domain"]) == ("google.rpc.ErrorInfo", "INVALID_FIELDS", "dispatch")
    fields = [violation["field"] for violation in bad_request["field_violations"]]
    assert fields == ["request.report", "request.context.location"]
    unknown = node("generate", served.address, REPORT, DISPATCH_ROOT=str(served.authority), DISPATCH_TOKEN="guessed")
    assert json.loads(unknown.stderr)["code"] == "UNAUTHENTICATED"


def test_the_example_in_node_sends_no_token_in_the_clear(served: RealServer, node: Any) -> None:
    refused = node("generate", served.address, REPORT, DISPATCH_TOKEN=served.tokens["dispatcher"])
    assert refused.returncode == 1
    assert "in the clear" in refused.stderr
    assert served.tokens["dispatcher"] not in refused.stderr
