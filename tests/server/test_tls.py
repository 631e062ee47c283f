"""TLS: who is let on to the line, and certificates that are replaced while the server runs."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from dispatch.server import DispatchServer, ServerConfig, tls
from dispatch.server.authentication import AuthenticationConfig
from dispatch.server.tls import TlsConfig, server_credentials, tls_config, valid_until
from dispatch.workflow import LiveIntake
from tests.server.every_method import METHODS, EveryMethod, outcome, serving

GENERATE = "/dispatch.v1.DispatchService/GenerateInstruction"


class Files:
    """The PEM files of a server and the authorities that made them."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.client_ca, self.foreign_ca = trustme.CA(), trustme.CA(), trustme.CA()
        self.config = TlsConfig(folder / "server.pem", folder / "server.key", folder / "clients.pem")
        self.write(self.ca)
        self.client_ca.cert_pem.write_to_path(self.clients)

    @property
    def clients(self) -> Path:
        assert self.config.client_ca is not None
        return self.config.client_ca

    def write(self, ca: trustme.CA, **options: Any) -> None:
        issued = ca.issue_cert("localhost", **options)
        self.config.key.write_bytes(issued.private_key_pem.bytes())
        self.config.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    def channel(self, address: str, *, client: trustme.CA | None, server: trustme.CA | None = None) -> Any:
        """To a server of an authority, with a certificate of another one or none at all."""
        issued = client.issue_cert("client.example") if client else None
        credentials = grpc.ssl_channel_credentials(
            (server or self.ca).cert_pem.bytes(),
            issued.private_key_pem.bytes() if issued else None,
            issued.cert_chain_pems[0].bytes() if issued else None,
        )
        port = address.rpartition(":")[2]
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
        return grpc.aio.secure_channel(f"localhost:{port}", credentials, options)

    async def outcome(self, address: str, *, client: trustme.CA | None, server: trustme.CA | None = None) -> str:
        """Of one call over a connection of its own: OK or UNAVAILABLE."""
        async with self.channel(address, client=client, server=server) as channel:
            return (await outcome(channel, GENERATE)).split()[0]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def handler() -> EveryMethod:
    return EveryMethod()


@pytest.fixture
async def address(files: Files, handler: EveryMethod) -> AsyncIterator[str]:
    """Of a server that has every method and asks clients for a certificate."""
    async with serving(handler, credentials=server_credentials(files.config)) as address:
        yield address


async def test_a_client_of_the_authority_gets_through(files: Files, address: str) -> None:
    async with files.channel(address, client=files.client_ca) as channel:
        assert {await outcome(channel, method) for method in METHODS} == {"OK"}


@pytest.mark.parametrize("whose", ["none", "foreign", "servers"])
async def test_any_other_client_is_refused_on_every_method(
    files: Files, address: str, handler: EveryMethod, whose: str
) -> None:
    client = {"none": None, "foreign": files.foreign_ca, "servers": files.ca}[whose]
    async with files.channel(address, client=client) as channel:
        outcomes = {method: (await outcome(channel, method)).strip() for method in METHODS}
    assert outcomes == dict.fromkeys(METHODS, "UNAVAILABLE")
    assert handler.reached == []


async def test_a_client_that_does_not_encrypt_is_refused(address: str, handler: EveryMethod) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        assert (await outcome(channel, GENERATE)).strip() == "UNAVAILABLE"
    assert handler.reached == []


async def test_without_a_client_authority_no_client_needs_a_certificate(files: Files, handler: EveryMethod) -> None:
    credentials = server_credentials(replace(files.config, client_ca=None))
    async with serving(handler, credentials=credentials) as address:
        assert await files.outcome(address, client=None) == "OK"


async def test_replaced_files_are_used_by_new_connections_while_old_ones_go_on(
    files: Files, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    new = trustme.CA()
    async with files.channel(address, client=files.client_ca) as old:
        assert await outcome(old, GENERATE) == "OK"
        files.write(new)
        assert await files.outcome(address, client=files.client_ca, server=new) == "OK"
        assert await files.outcome(address, client=files.client_ca, server=files.ca) == "UNAVAILABLE"
        assert await outcome(old, GENERATE) == "OK"
    assert caplog.text.count("the TLS files were replaced; the certificate is valid until") == 1


async def test_another_client_authority_shuts_out_the_clients_of_the_old_one(files: Files, address: str) -> None:
    assert await files.outcome(address, client=files.client_ca) == "OK"
    files.foreign_ca.cert_pem.write_to_path(files.clients)
    assert await files.outcome(address, client=files.foreign_ca) == "OK"
    assert await files.outcome(address, client=files.client_ca) == "UNAVAILABLE"


def spoil(files: Files, how: str) -> None:
    match how:
        case "expired":
            files.write(files.ca, not_after=datetime.now(UTC) - timedelta(days=1))
        case "another key":
            files.config.key.write_bytes(files.ca.issue_cert("localhost").private_key_pem.bytes())
        case "cut short":
            files.config.certificate.write_bytes(files.config.certificate.read_bytes()[:200])
        case "no text":
            files.config.certificate.write_bytes(b"-----BEGIN CERTIFICATE-----\xff-----END CERTIFICATE-----")
        case "empty":
            files.config.certificate.write_bytes(b"")
        case "gone":
            files.config.key.unlink()
        case "no authorities":
            files.clients.write_bytes(b"nothing")


FAULTS = ["expired", "another key", "cut short", "no text", "empty", "gone", "no authorities"]


@pytest.mark.parametrize("how", FAULTS)
async def test_bad_files_leave_the_old_ones_in_force_are_logged_once_and_good_ones_end_that(
    files: Files, address: str, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    spoil(files, how)
    for _ in range(2):
        assert await files.outcome(address, client=files.client_ca) == "OK"
    assert caplog.text.count("the TLS files were replaced and cannot be used, so the old ones stay: ") == 1
    assert "PRIVATE KEY" not in caplog.text
    new = trustme.CA()
    files.write(new)
    files.client_ca.cert_pem.write_to_path(files.clients)
    assert await files.outcome(address, client=files.client_ca, server=new) == "OK"


async def test_files_that_could_not_be_used_are_tried_again_as_they_are(
    files: Files, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a certificate begins some minutes after it was put there."""
    prove, refusals = tls._prove, iter([ValueError("certificate is not yet valid")])

    def refuse_once(config: TlsConfig, certificate: bytes) -> datetime:
        for refusal in refusals:
            raise refusal
        return prove(config, certificate)

    monkeypatch.setattr(tls, "_prove", refuse_once)
    monkeypatch.setattr(tls, "TRY_AGAIN_S", 0.0)
    new = trustme.CA()
    files.write(new)
    assert await files.outcome(address, client=files.client_ca) == "OK"
    assert await files.outcome(address, client=files.client_ca, server=new) == "OK"


@pytest.mark.parametrize("how", FAULTS)
def test_a_server_does_not_start_with_bad_files(files: Files, how: str) -> None:
    spoil(files, how)
    with pytest.raises((ValueError, OSError), match=r"server\.pem|server\.key|clients\.pem"):
        server_credentials(files.config)


def test_a_key_with_a_passphrase_is_refused_and_not_asked_for(files: Files) -> None:
    from cryptography.hazmat.primitives import serialization

    key: Any = serialization.load_pem_private_key(files.config.key.read_bytes(), None)
    files.config.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(ValueError, match=r"server\.key"):
        server_credentials(files.config)


def test_the_end_of_a_certificate_is_known(files: Files) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    files.write(files.ca, not_after=end)
    assert valid_until(files.config) == end


def test_tls_needs_certificate_and_key() -> None:
    assert tls_config(None, None, None) is None
    for given in ((Path("a"), None, None), (None, Path("a"), None), (None, None, Path("a"))):
        with pytest.raises(ValueError, match="tls_certificate and tls_key"):
            tls_config(*given)


async def test_the_server_serves_tls_of_version_1_2_or_later(files: Files, intake: LiveIntake) -> None:
    server = DispatchServer(ServerConfig("127.0.0.1:0", grace_s=0.05, tls=files.config), intake)
    address = await server.start()
    async with files.channel(address, client=files.client_ca) as channel:
        assert await outcome(channel, GENERATE) == "INVALID_ARGUMENT INVALID_FIELDS"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]), ssl=old)
    await server.stop()


@pytest.mark.parametrize("missing", ["tls", "tokens", "both"])
def test_off_loopback_a_server_needs_tls_and_tokens(files: Files, missing: str) -> None:
    tls = None if missing in ("tls", "both") else files.config
    authentication = AuthenticationConfig(required=missing == "tls")
    with pytest.raises(ValueError, match=r"tls_certificate|require_tokens") as caught:
        ServerConfig("0.0.0.0:0", tls=tls, authentication=authentication)
    assert "--insecure" in str(caught.value)
    assert ServerConfig("0.0.0.0:0", insecure=True, tls=tls, authentication=authentication).insecure


def test_with_tls_and_tokens_a_server_may_listen_anywhere(files: Files) -> None:
    config = ServerConfig("0.0.0.0:0", tls=files.config, authentication=AuthenticationConfig(required=True))
    assert not config.insecure
