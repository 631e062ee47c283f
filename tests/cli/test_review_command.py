"""`dispatch review`: the same at the store itself and at a server."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from dispatch.domain import Check, default_doctrine
from dispatch.server.review_service import ReviewService
from dispatch.store import Instruction, Reviews, Store
from dispatch.v1.review_service_pb2_grpc import add_ReviewServiceServicer_to_server
from dispatch.workflow import ReviewDesk

URL = "sqlite:///dispatch.db"
DRAFT = "派3艘冲锋舟至歙县"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store(_own_folder: None) -> Iterator[Store]:
    with closing(Store.open(URL)) as store:
        yield store


@pytest.fixture
def save(store: Store) -> Callable[..., str]:
    """Stores a draft, with the fields given replaced, and gives its name."""

    def run(**changes: Any) -> str:
        fields: dict[str, Any] = {
            "report": "歙县内涝,3人被困,电话13812345678",
            "context": {"location": "歙县", "issued": ["派1辆消防车至歙县"]},
            "decoding": {},
            "instruction": DRAFT,
            "candidates": [{"text": text, "score": -0.5, "token_scores": []} for text in (DRAFT, "派2艘冲锋舟至歙县")],
            "situations": [{"kind": "request", "location": "歙县", "hazards": ["flood"]}],
            "plan": [{"agency": "消防", "action": "派", "item": "冲锋舟", "count": 3, "unit": "艘", "place": "歙县"}],
            "checks": [],
            "confidence": 0.9,
            "model": {"name": "default", "digest": "ab12"},
            "doctrine": "cd34",
            "timings": {},
            "priority": "紧急",
            **changes,
        }
        return store.save(Instruction(**fields)).name

    return run


@pytest.fixture
def address(store: Store) -> Iterator[str]:
    """Of a server that asks nobody who they are, in a thread of its own."""
    ready, stop, found = threading.Event(), asyncio.Event(), []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server, service = grpc.aio.server(), ReviewService(ReviewDesk(store, default_doctrine()), poll_s=0.02)
        add_ReviewServiceServicer_to_server(service, server)
        found.append(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        ready.set()
        await stop.wait()
        service.admission.stop()
        await server.stop(1)
        await service.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(60)
    yield f"127.0.0.1:{found[0]}"
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.fixture(params=["store", "server"])
def review(request: pytest.FixtureRequest, dispatch: Any) -> Callable[..., Any]:
    """Runs `dispatch review …` at either."""
    where = ["--database-url", URL, "--by", "li"]
    if request.param == "server":
        where = ["--server", request.getfixturevalue("address")]

    def run(*arguments: str, typed: str = "") -> Any:
        return dispatch("review", *arguments, *where, typed=typed)

    return run


def test_the_queue_is_listed_masked(review: Any, save: Any) -> None:
    name, urgent = save(), save(priority="特急", report="[bold]歙县\x1b[2J")
    result = review("list")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.index(urgent) < result.stdout.index(name)
    assert "138****5678" in result.stdout
    assert "[bold]歙县\\x1b[2J" in result.stdout
    listed = json.loads(review("list", "--priority", "紧急", "--hazard", "flood", "--json").stdout)
    assert [(item["name"], item["review_state"], item["etag"]) for item in listed] == [(name, "pending", "1")]
    assert json.loads(review("list", "--state", "claimed", "--json").stdout) == []


def test_a_long_queue_is_listed_in_pages(review: Any, save: Any) -> None:
    names = [save() for _ in range(3)]
    first = review("list", "--limit", "2", "--json")
    token = first.stderr.partition("--page-token ")[2].strip()
    rest = review("list", "--limit", "2", "--page-token", token, "--json")
    assert [item["name"] for page in (first, rest) for item in json.loads(page.stdout)] == names
    assert "--page-token" not in rest.stderr


def test_what_is_shown_is_all_that_a_decision_needs(review: Any, save: Any) -> None:
    name = save(checks=[Check("UNREAD_NUMBER", "warning", "3 is not read", "report", 5, 6).to_dict()])
    lines = review("show", name).stdout.splitlines()
    assert lines == [
        f"{name}  紧急  pending  confidence 0.90  etag 1",
        "report    歙县内涝,3人被困,电话13812345678",
        "location  歙县",
        "issued    派1辆消防车至歙县",
        f"draft     {DRAFT}",
        "other     派2艘冲锋舟至歙县  (-0.500)",
        "plan      消防 派 3艘冲锋舟 歙县",
        "warning   UNREAD_NUMBER: 3 is not read [report 5-6]",
    ]
    shown = json.loads(review("show", name, "--json").stdout)
    assert (shown["report"], shown["situations"][0]["hazards"]) == ("歙县内涝,3人被困,电话13812345678", ["flood"])


def test_a_draft_is_claimed_and_approved(review: Any, save: Any, store: Store) -> None:
    name = save()
    assert review("approve", name).exit_code == 1  # nobody holds it
    assert " claimed" in review("claim", name).stdout
    assert json.loads(review("claim", name, "--json").stdout)["review_state"] == "claimed"
    assert review("approve", name, "--etag", "1").exit_code == 1
    result = review("approve", name)
    assert (result.exit_code, result.stdout.strip()) == (0, DRAFT)
    assert Reviews(store.database).history(name)[0].action == "approved"


def test_a_claim_is_given_back(review: Any, save: Any) -> None:
    name = save()
    review("claim", name)
    assert f"{name} is pending" in review("release", name).stderr


def test_over_an_error_a_reason_is_needed(review: Any, save: Any) -> None:
    name = save(checks=[Check("UNGROUNDED_PLACE", "error", "nowhere", "instruction").to_dict()])
    review("claim", name)
    result = review("approve", name)
    assert result.exit_code == 1
    assert "must say why it is approved over UNGROUNDED_PLACE" in result.stderr
    assert review("approve", name, "--reason", "已回拨").exit_code == 0


def test_a_text_is_checked_and_released(review: Any, save: Any, store: Store) -> None:
    name, text = save(), "派3艘冲锋舟至歙县,到场后回报水位"
    review("claim", name)
    assert "warning   UNREAD_ORDER: 到场后回报水位" in review("revise", name, "--check", "--text", text).stdout
    result = review("revise", name, "--text", "-", typed=f"{text}\n")
    assert (result.exit_code, result.stdout.strip()) == (0, text)
    assert "warning: UNREAD_ORDER" in result.stderr
    assert Reviews(store.database).history(name)[0].text == text


def test_a_text_is_typed_in_the_editor(review: Any, save: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import sys,pathlib;p=pathlib.Path(sys.argv[1]);p.write_text(p.read_text('utf-8').replace('3','4'),'utf-8')"
    )
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f'{sys.executable} -c "{program}"')
    name = save()
    review("claim", name)
    result = review("revise", name, "--reason", "老人多")
    assert (result.exit_code, result.stdout.strip()) == (0, "派4艘冲锋舟至歙县")


def test_an_editor_that_fails_releases_nothing(review: Any, save: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "false")
    name = save()
    review("claim", name)
    result = review("revise", name)
    assert (result.exit_code, "nothing is released" in result.stderr) == (1, True)


def test_what_was_decided_is_undone_and_told(review: Any, save: Any) -> None:
    name, new = save(), save()
    review("claim", name)
    review("approve", name)
    assert review("return", name, "--reason", "再看").exit_code == 0
    assert "is superseded" in review("recall", name, "--reason", "合并", "--superseded-by", new).stderr
    review("claim", new)
    assert "is rejected" in review("reject", new, "--reason", "重复").stderr
    actions = [json.loads(line)["action"] for line in review("watch", "--limit", "4", "--json").stdout.splitlines()]
    assert actions == ["approved", "returned", "superseded", "rejected"]
    told = review("watch", "--after", "2", "--limit", "1").stdout
    assert told.startswith("3 ")
    assert told.strip().endswith(f"superseded {name} {new} (合并)")
    assert [line.split()[3] for line in review("history", name).stdout.splitlines()] == actions[:3]
    events = [json.loads(line)["action"] for line in review("history", name, "--events", "--json").stdout.splitlines()]
    assert events[:3] == ["instruction.stored", "instruction.claimed", "instruction.approved"]


def test_what_was_released_is_recalled(review: Any, save: Any) -> None:
    name = save()
    review("claim", name)
    review("approve", name)
    assert "is recalled" in review("recall", name, "--reason", "误报").stderr
    (decision,) = [json.loads(review("watch", "--agency", "消防", "--limit", "1", "--json").stdout)]
    assert {item["state"] for item in decision["orders"]} == {"recalled"}


def test_what_is_not_there_is_said_in_one_line(review: Any, save: Any) -> None:
    result = review("show", "instructions/0")
    assert result.exit_code == 1
    assert "instructions/0 is not in the store" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("show", "x"), ("show", "x", "--by", " "), ("list", "--server", "127.0.0.1:1", "--by", "li"), ("reject", "x")],
)
def test_wrong_usage_is_told_as_such(dispatch: Any, arguments: tuple[str, ...]) -> None:
    assert dispatch("review", *arguments).exit_code == 2


def test_two_people_never_hold_one_draft(dispatch: Any, save: Any) -> None:
    name = save()
    assert dispatch("review", "claim", name, "--by", "li").exit_code == 0
    result = dispatch("review", "claim", name, "--by", "wang")
    assert (result.exit_code, f"{name} is claimed by li" in result.stderr) == (1, True)


def test_a_reviewer_at_a_server_waits_for_neither_torch_nor_the_store() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from dispatch.cli import app;"
        "answer = CliRunner().invoke(app, ['review', 'list', '--server', '127.0.0.1:1']);"
        "print(answer.exit_code, sorted({'torch', 'sqlalchemy', 'dispatch.workflow'} & set(sys.modules)))"
    )
    environment = {**os.environ, "DISPATCH_TIMEOUT_S": "1"}
    said = subprocess.check_output([sys.executable, "-c", program], text=True, env=environment)
    assert said == "1 []\n"
