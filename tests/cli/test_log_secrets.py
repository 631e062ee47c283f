"""The whole log of a server that is called in every way, at its most talkative: no secret, and no word of a report."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import grpc

from dispatch.store import Store, Tokens
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest
from dispatch.v1.types_pb2 import Context, Decoding
from tests.server.every_method import METHODS

MARKED_REPORT = "Zq7reportq7Z 柳叶沟垭口三人被困"
MARKED_PLACE = "Zq7placeq7Z 柳叶沟"
MARKED_PREFIX = "Zq7prefixq7Z 柳叶"
_ANNOUNCED = re.compile(r"^listening on (\S+)$", re.M)  # beside it, the log says the same in JSON
MADE_UP_SECRET = "Zq7secretq7Z"
MARKS = ("q7Z", "柳叶", "\\u67f3", "\\xe6\\x9f\\xb3")
GENERATE = "/dispatch.v1.DispatchService/GenerateInstruction"


@contextmanager
def serving(log: Path, bundle: Path, **settings: str) -> Iterator[str]:
    """The address of `dispatch serve`, whose output of both kinds goes to a file."""
    variables = {f"DISPATCH_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "dispatch", "serve", "--listen", "127.0.0.1:0", "--bundle", str(bundle)]
    with (
        log.open("w") as output,
        subprocess.Popen(command, env=os.environ | variables, stdout=output, stderr=output) as process,
    ):
        try:
            while not (announced := _ANNOUNCED.search(log.read_text("utf-8"))):
                assert process.poll() is None, log.read_text("utf-8")
                time.sleep(0.1)
            yield announced[1]
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()


def request(**changes: Any) -> bytes:
    given: dict[str, Any] = {
        "report": MARKED_REPORT,
        "request_id": "r1",
        "context": Context(location=MARKED_PLACE),
    } | changes
    return GenerateInstructionRequest(**given).SerializeToString()


def call_in_every_way(channel: grpc.Channel, secrets: dict[str, str], database: Path) -> list[str]:
    """The statuses, of calls that are answered and of all that may go wrong."""

    def call(method: str, data: bytes, secret: str, scheme: str = "Bearer") -> str:
        requests, replies = METHODS[method]
        make: Any = getattr(channel, f"{'stream' if requests else 'unary'}_{'stream' if replies else 'unary'}")
        metadata = [("authorization", f"{scheme} {secret}")]
        try:
            reply = make(method)(iter([data]) if requests else data, metadata=metadata, timeout=30)
            list(reply) if replies else reply
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"

    decoding = Decoding(max_tokens=5)
    statuses = [
        call(GENERATE, request(decoding=decoding), secrets["cad"]),
        call(GENERATE, request(decoding=decoding, report=f"{MARKED_REPORT}!"), secrets["cad"]),
        call(GENERATE, request(decoding=Decoding(prefix=MARKED_PREFIX, max_tokens=5), request_id="r2"), secrets["cad"]),
        call(GENERATE, request(report=MARKED_REPORT * 200, priority=MARKED_REPORT), secrets["cad"]),
        call(GENERATE, request() + b"\x1a\x0eZq7reportq7Z\xff\xfe", secrets["cad"]),
        call(GENERATE, request(), secrets["auditor"]),
        call(GENERATE, request(), MADE_UP_SECRET),
        call(GENERATE, request(), secrets["cad"], scheme=MADE_UP_SECRET),
        *(call(method, request(), secrets["admin"]) for method in METHODS if "Health/Watch" not in method),
    ]
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
    statuses.append(call(GENERATE, request(request_id="r3"), secrets["cad"]))
    return statuses


def test_no_report_and_no_secret_is_logged(tiny_bundle: Path, tmp_path: Path) -> None:
    database = tmp_path / "dispatch.db"
    with closing(Store.open(f"sqlite:///{database}")) as store:
        tokens = Tokens(store.database)
        secrets = {
            name: tokens.create(name, scopes)[0]
            for name, scopes in [("cad", ["generate"]), ("auditor", ["read"]), ("admin", ["admin", "generate"])]
        }
    log_file = tmp_path / "log.txt"
    settings = {"database_url": f"sqlite:///{database}", "log_level": "debug", "require_tokens": "true"}
    with serving(log_file, tiny_bundle, **settings) as address, grpc.insecure_channel(address) as channel:
        statuses = call_in_every_way(channel, secrets, database)
    assert {"OK", "INVALID_ARGUMENT", "PERMISSION_DENIED", "UNAUTHENTICATED", "UNAVAILABLE"} <= set(statuses)
    log = log_file.read_text("utf-8")
    assert '"level": "debug"' in log
    assert "refused" in log
    for secret in (*secrets.values(), MADE_UP_SECRET):
        assert secret not in log
    assert [mark for mark in MARKS if mark in log] == []
