"""The client of ReviewService: what it asks, and a watch that goes on where it was broken off."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from dispatch.client import DispatchError, ReviewClient
from dispatch.v1 import review_service_pb2 as messages
from dispatch.v1.review_service_pb2_grpc import ReviewServiceServicer, add_ReviewServiceServicer_to_server


def decision(cursor: int) -> messages.WatchInstructionsResponse:
    return messages.WatchInstructionsResponse(decision=messages.Decision(cursor=cursor, action="approved"))


class Scripted(ReviewServiceServicer):
    """Each watch is one of the scripts: decisions and, at its end, what it is ended with."""

    def __init__(self, scripts: list[list[Any]]) -> None:
        self.scripts = scripts
        self.asked: list[tuple[int, str]] = []

    def WatchInstructions(self, request: Any, context: Any) -> Iterator[Any]:
        self.asked.append((request.after, request.agency))
        for item in self.scripts[min(len(self.asked), len(self.scripts)) - 1]:
            if isinstance(item, grpc.StatusCode):
                context.abort_with_status(rpc_status.to_status(Status(code=item.value[0], message="over")))
            yield item

    def ClaimInstruction(self, request: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.UNAVAILABLE, "away")


@pytest.fixture
def serve() -> Iterator[Any]:
    """Starts a server of some scripts; gives the service and a client."""
    servers: list[Any] = []

    def run(*scripts: list[Any]) -> tuple[Scripted, ReviewClient]:
        service = Scripted(list(scripts))  # type: ignore[abstract] # what no test asks for
        server = grpc.server(ThreadPoolExecutor(4))
        add_ReviewServiceServicer_to_server(service, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        client = ReviewClient(f"127.0.0.1:{port}", timeout_s=20)
        servers.append((server, client))
        return service, client

    yield run
    for server, client in servers:
        client.close()
        server.stop(None).wait()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.client.reviewing.time.sleep", lambda seconds: None)


def test_a_watch_that_breaks_off_goes_on_behind_what_was_taken(serve: Any) -> None:
    away = grpc.StatusCode.UNAVAILABLE
    service, client = serve([decision(4), decision(5), away], [away], [decision(6), decision(7)])
    watching = client.watch(after=3, agency="消防")
    assert [item.cursor for item in islice(watching, 4)] == [4, 5, 6, 7]
    watching.close()
    assert service.asked == [(3, "消防"), (5, "消防"), (5, "消防")]


def test_a_watch_that_is_ended_without_an_error_goes_on_as_well(serve: Any) -> None:
    service, client = serve([decision(1)], [], [decision(2)])
    watching = client.watch()
    assert [item.cursor for item in islice(watching, 2)] == [1, 2]
    watching.close()
    assert service.asked == [(0, ""), (1, ""), (1, "")]


def test_what_was_not_taken_is_told_again(serve: Any) -> None:
    service, client = serve([decision(1), decision(2)])
    watching = client.watch()
    assert next(watching).cursor == 1
    watching.close()
    assert next(client.watch(after=0)).cursor == 1
    assert service.asked == [(0, ""), (0, "")]


@pytest.mark.parametrize("code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT])
def test_a_watch_that_is_refused_ends(serve: Any, code: grpc.StatusCode) -> None:
    _, client = serve([decision(1), code])
    watching = client.watch()
    next(watching)
    with pytest.raises(DispatchError) as caught:
        next(watching)
    assert caught.value.code == code.name


def test_a_server_that_was_never_there_is_told_at_once() -> None:
    with ReviewClient("127.0.0.1:1") as client, pytest.raises(DispatchError) as caught:
        next(client.watch())
    assert caught.value.code == "UNAVAILABLE"


def test_a_step_is_not_taken_twice(serve: Any) -> None:
    _, client = serve([])
    with pytest.raises(DispatchError) as caught:
        client.claim("instructions/0")
    assert caught.value.code == "UNAVAILABLE"
