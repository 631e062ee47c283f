"""How a client reaches its server: address, encryption, token, keepalive, retries."""

import ipaddress
import json
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import grpc

TIMEOUT_S = 30.0
LOADING_S = 300.0  # a bundle is verified, opened and warmed up
MAX_ATTEMPTS = 5

# Each report has a request_id, so a repeat gets the stored answer and cannot issue a second instruction. Hedging, which
# asks twice at once, would cost the server a second decoding when it has the least time for it. What an operator
# changes (AdminService) is not repeated unasked. CANCELLED is here what gRPC itself says of a call that reaches a
# server in the moment in which it stops; a call that its own caller cancels has ended, and is not repeated.
_RETRIES = {
    "methodConfig": [
        {
            "name": [{"service": "dispatch.v1.DispatchService"}],
            "retryPolicy": {
                "maxAttempts": MAX_ATTEMPTS,
                "initialBackoff": "0.2s",
                "maxBackoff": "3s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ]
}
_KEEPALIVE_ANSWER_MS = 10_000
_SCHEME = re.compile(r"(dns:(///)?|ipv4:|ipv6:)")


@dataclass(frozen=True)
class TlsFiles:
    """PEM files for an encrypted connection. Raises ValueError for a certificate without its key, or the reverse."""

    root: Path | None = None
    """Certificates of the authorities that may vouch for the server; None takes those that gRPC brings."""
    certificate: Path | None = None
    """The client's own, for servers that ask for one, with those in between up to the authority."""
    key: Path | None = None
    server_name: str = ""
    """The name that the server's certificate must bear; empty takes the target's host."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("TlsFiles: certificate and key are given together or not at all")

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files. Raises OSError where one cannot be read, ValueError where it is not what it should be."""
        self._check()
        root, key, certificate = (
            path.read_bytes() if path else None for path in (self.root, self.key, self.certificate)
        )
        return grpc.ssl_channel_credentials(root, key, certificate)

    def _check(self) -> None:
        """gRPC would take any file, and then just never connect."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if self.root:
                context.load_verify_locations(self.root)
        except ssl.SSLError as error:
            raise ValueError(f"{self.root}: holds no certificate in PEM") from error
        try:
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key, password="")
        except ssl.SSLError as error:
            raise ValueError(f"{self.certificate} and {self.key}: no certificate in PEM with its key") from error


@dataclass(frozen=True)
class Connection:
    """Where the server is, and how to speak to it. Raises ValueError for a token that would travel readable."""

    target: str
    """HOST:PORT, or another name that gRPC knows, such as unix:/run/dispatch.sock."""
    tls: TlsFiles | None = None
    """None is plaintext."""
    token: str = field(default="", repr=False)
    keepalive_s: float = 30.0
    """How often the server is asked whether it is still there."""

    def __post_init__(self) -> None:
        if self.token and not re.fullmatch(r"[!-~]+", self.token):
            raise ValueError("token: must be printable ASCII without spaces")
        if self.token and self.tls is None and not is_local(self.target):
            raise ValueError(
                f"token: would travel to {self.target} in the clear; encrypt by TlsFiles (setting server_ca)"
            )
        if self.keepalive_s <= 0:
            raise ValueError(f"keepalive_s: must be above 0, not {self.keepalive_s:g}")

    def options(self) -> list[tuple[str, str | int]]:
        """Of the gRPC channel."""
        options: list[tuple[str, str | int]] = [
            ("grpc.service_config", json.dumps(_RETRIES)),
            # A server that vanished is noticed before the operating system gives up on it.
            ("grpc.keepalive_time_ms", round(self.keepalive_s * 1000)),
            ("grpc.keepalive_timeout_ms", _KEEPALIVE_ANSWER_MS),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
        ]
        if self.tls and self.tls.server_name:
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        if is_local(self.target):
            options.append(("grpc.enable_http_proxy", 0))  # a proxy would look for the server on its own machine
        return options

    def open_channel(self) -> grpc.Channel:
        """A blocking channel. Raises OSError or ValueError for a file of TLS that cannot be used."""
        if self.tls is None:
            return grpc.insecure_channel(self.target, self.options())
        return grpc.secure_channel(self.target, self.tls.credentials(), self.options())

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Sent with each call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


def is_local(target: str) -> bool:
    """Whether what is sent to a target stays on this machine, as its name says."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    address = _SCHEME.sub("", target, count=1) if _SCHEME.match(target) else target
    host = address if address.count(":") != 1 and "]:" not in address else address.rpartition(":")[0]
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
