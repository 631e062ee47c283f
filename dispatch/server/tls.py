"""TLS from PEM files, which may be replaced while the server runs: every new connection looks at them.

A replacement that cannot be used is logged, and the files that were read before stay in force.
"""

import logging
import math
import re
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc

_FIRST_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.S)
_ROUNDS = 4  # of messages in a handshake, at most
TRY_AGAIN_S = 10.0
"""After so long, files that could not be used are tried again as they are: a certificate may begin a little later."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TlsConfig:
    """Where the PEM files are."""

    certificate: Path
    """The server's certificate, and behind it those that lead up to the authority's."""
    key: Path
    """Its private key, without a passphrase."""
    client_ca: Path | None = None
    """Certificates of the authorities whose clients may connect; without it no client needs a certificate."""

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.certificate, self.key, *([self.client_ca] if self.client_ca else []))


def tls_config(certificate: Path | None, key: Path | None, client_ca: Path | None) -> TlsConfig | None:
    """What the settings `tls_…` say; None where there is to be no TLS. Raises ValueError where a file is missing."""
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise ValueError("TLS needs both files, tls_certificate and tls_key")
    return TlsConfig(certificate, key, client_ca)


def valid_until(config: TlsConfig) -> datetime:
    """When the server's certificate ends. Raises ValueError or OSError where the files cannot be used now."""
    return _read(config).valid_until


def server_credentials(config: TlsConfig) -> grpc.ServerCredentials:
    """Credentials that follow the files. Raises ValueError or OSError where they cannot be used now."""
    files = _FollowedFiles(config)
    replacement: Any = files.replacement  # the stubs do not know that it may return None
    return grpc.dynamic_ssl_server_credentials(files.first, replacement, config.client_ca is not None)


@dataclass(frozen=True)
class _Loaded:
    configuration: grpc.ServerCertificateConfiguration
    valid_until: datetime


class _FollowedFiles:
    """The files as they were last read. gRPC asks from threads of its own."""

    def __init__(self, config: TlsConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._seen = _signature(config)
        self._try_again_at = math.inf
        self._complaint = ""
        self.first = _read(config).configuration

    def replacement(self) -> grpc.ServerCertificateConfiguration | None:
        """The files where they have changed since the last look and can be used; otherwise None: what is, stays."""
        with self._lock:
            try:
                signature = _signature(self._config)
                if signature == self._seen and time.monotonic() < self._try_again_at:
                    return None
                self._seen = signature
                loaded = _read(self._config)
            except Exception as error:  # one that left here would end the handshake
                self._try_again_at = time.monotonic() + TRY_AGAIN_S
                self._complain(str(error))
                return None
            self._try_again_at, self._complaint = math.inf, ""
            logger.info("the TLS files were replaced; the certificate is valid until %s", loaded.valid_until)
            return loaded.configuration

    def _complain(self, complaint: str) -> None:
        """Once for each fault, not once for each connection."""
        if complaint != self._complaint:
            logger.error("the TLS files were replaced and cannot be used, so the old ones stay: %s", complaint)
        self._complaint = complaint


def _signature(config: TlsConfig) -> tuple[tuple[int, int, int], ...]:
    """Changes when a file does."""
    states = [file.stat() for file in config.files]
    return tuple((state.st_ino, state.st_size, state.st_mtime_ns) for state in states)


def _read(config: TlsConfig) -> _Loaded:
    before = _signature(config)
    certificate, key = config.certificate.read_bytes(), config.key.read_bytes()
    client_ca = config.client_ca.read_bytes() if config.client_ca else None
    end = _prove(config, certificate)
    if client_ca is not None:
        _require_authorities(config, client_ca)
    if _signature(config) != before:
        raise ValueError(f"{config.certificate}: changed while it was read")
    return _Loaded(grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca), end)


def _prove(config: TlsConfig, certificate: bytes) -> datetime:
    """Makes a connection in memory with certificate and key: both are whole, belong together, and are valid now."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    first = _FIRST_CERTIFICATE.search(certificate)
    if first is None:
        raise ValueError(f"{config.certificate}: holds no certificate in PEM")
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the certificate itself is what the client trusts
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        server.load_cert_chain(config.certificate, config.key, password="")
        client.load_verify_locations(cadata=first.group().decode())
        ends = (client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True))
        for end in ends * _ROUNDS:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    except ssl.SSLCertVerificationError as error:
        raise ValueError(f"{config.certificate}: {error.verify_message}") from error
    except (ssl.SSLError, UnicodeDecodeError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise ValueError(f"{config.certificate} and {config.key} cannot be used together: {reason}") from error
    peer = ends[0].getpeercert()
    assert peer is not None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(peer["notAfter"])), UTC)


def _require_authorities(config: TlsConfig, client_ca: bytes) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=client_ca.decode())
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ValueError(f"{config.client_ca}: holds no certificates in PEM that can be used") from error
