"""Encryption, tokens and waiting: what stands between a client and its server."""

import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from dispatch.client import AsyncClient, Client, DispatchError, TlsFiles
from dispatch.client.connection import is_local
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionResponse

TOKEN = "dsp_secret"


@pytest.mark.parametrize(
    "target",
    [
        *("127.0.0.1:50051", "127.8.0.1:1", "localhost:50051", "localhost", "[::1]:50051", "::1"),
        *("dns:///localhost:1", "dns:127.0.0.1:1", "ipv4:127.0.0.1:1", "ipv6:[::1]:1", "unix:/run/d.sock"),
    ],
)
def test_a_token_may_stay_on_this_machine_in_the_clear(target: str) -> None:
    assert is_local(target)
    Client(target, token=TOKEN).close()


@pytest.mark.parametrize(
    "target",
    [
        *("10.0.0.1:50051", "dispatch.example:50051", "[2001:db8::1]:50051", "0.0.0.0:1", "dns:///dispatch.example"),
        *("localhost.example:1", "dns://192.0.2.1/localhost:1", "ipv4:127.0.0.1:1,192.0.2.1:1", "xds:///localhost"),
    ],
)
async def test_a_token_never_travels_in_the_clear(target: str) -> None:
    assert not is_local(target)
    for make in (Client, AsyncClient):
        with pytest.raises(ValueError, match="in the clear") as caught:
            make(target, token=TOKEN)
        assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("token", ["two words", "line\n", "令牌"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match="token: must be") as caught:
        Client("127.0.0.1:1", token=token)
    assert token not in str(caught.value)


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(ValueError, match="together"):
        TlsFiles(certificate=Path("client.pem"))


async def test_the_token_goes_with_every_call(server: Any, reply: GenerateInstructionResponse) -> None:
    server.lines = [reply]
    with Client(server.address, token=TOKEN) as client:
        client.generate("3人被困")
    async with AsyncClient(server.address, token=TOKEN) as client:
        await client.generate("3人被困")
    async with AsyncClient(server.address) as client:
        await client.generate("3人被困")
    sent = [metadata.get("authorization") for metadata in server.metadata]
    assert sent == [f"Bearer {TOKEN}", f"Bearer {TOKEN}", None]


Serve = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> TlsFiles:
    """Of a client that the authority vouches for."""
    root, certificate, key = (tmp_path / name for name in ("root.pem", "client.pem", "client.key"))
    issued = authority.issue_cert("dispatcher@example.org")
    authority.cert_pem.write_to_path(root)
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(certificate)
    return TlsFiles(root, certificate, key)


@pytest.fixture
def mutual(authority: trustme.CA) -> grpc.ServerCredentials:
    """Of a server that asks its clients for a certificate."""
    issued = authority.issue_cert("localhost", "dispatch.example")
    pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())
    return grpc.ssl_server_credentials([pair], authority.cert_pem.bytes(), require_client_auth=True)


def test_files_that_cannot_be_used_are_named(files: TlsFiles, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    with pytest.raises(FileNotFoundError):
        Client("127.0.0.1:1", tls=TlsFiles(root=empty))
    empty.touch()
    foreign = tmp_path / "foreign.key"
    trustme.CA().private_key_pem.write_to_path(foreign)
    for tls, named in (
        (TlsFiles(root=empty), "empty"),
        (replace(files, key=empty), "empty"),
        (replace(files, certificate=empty), "empty"),
        (replace(files, key=foreign), "foreign"),
    ):
        with pytest.raises(ValueError, match=named):
            Client("127.0.0.1:1", tls=tls)


async def test_both_clients_speak_mutual_tls_and_send_the_token(
    serve: Serve, mutual: grpc.ServerCredentials, files: TlsFiles, reply: GenerateInstructionResponse
) -> None:
    with serve(mutual) as server:
        server.lines = [reply]
        with Client(server.address, tls=files, token=TOKEN) as client:
            assert client.generate("3人被困").name == "instructions/1"
        async with AsyncClient(server.address, tls=files, token=TOKEN) as client:
            assert (await client.generate("3人被困")).name == "instructions/1"
        assert [metadata["authorization"] for metadata in server.metadata] == [f"Bearer {TOKEN}"] * 2


def test_a_server_by_another_name_is_believed_when_the_name_is_given(
    serve: Serve, mutual: grpc.ServerCredentials, files: TlsFiles, reply: GenerateInstructionResponse
) -> None:
    with serve(mutual) as server:
        server.lines = [reply]
        address = server.address.replace("localhost", "127.0.0.1")
        with Client(address, tls=replace(files, server_name="dispatch.example")) as client:
            assert client.generate("3人被困").name == "instructions/1"
        with Client(address, tls=files) as client, pytest.raises(DispatchError) as caught:
            client.generate("3人被困")
        assert caught.value.code == "UNAVAILABLE"
        assert len(server.requests) == 1


def test_a_server_or_client_that_nobody_vouches_for_gets_no_report(
    serve: Serve, mutual: grpc.ServerCredentials, files: TlsFiles, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign.pem"
    trustme.CA().cert_pem.write_to_path(foreign)
    with serve(mutual) as server:
        for tls in (replace(files, root=foreign), TlsFiles(files.root), None):
            with Client(server.address, tls=tls) as client, pytest.raises(DispatchError) as caught:
                client.generate("3人被困")
            assert caught.value.code == "UNAVAILABLE"
        assert server.requests == []


def test_a_client_that_waits_finds_a_server_that_comes_later(serve: Serve, reply: GenerateInstructionResponse) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with Client(address, wait_for_ready=True, timeout_s=60) as client:
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(client.generate("3人被困")))
        asking.start()
        with serve(listen=address) as server:
            server.lines = [reply]
            asking.join()
    assert [answer.name for answer in answers] == ["instructions/1"]


def test_no_proxy_is_asked_for_a_server_on_this_machine(
    server: Any, reply: GenerateInstructionResponse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("grpc_proxy", "http://127.0.0.1:9")
    server.lines = [reply]
    with Client(server.address, token=TOKEN) as client:
        assert client.generate("3人被困").name == "instructions/1"
