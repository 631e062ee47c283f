"""The console's web server, beside the gRPC server in the same process."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import uvicorn

from dispatch.console.application import make_application
from dispatch.console.services import Services

_BACKLOG = 128
_MOST_CONNECTIONS = 500

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConsoleConfig:
    """Where the console is shown. Raises ValueError off loopback without TLS, unless insecure."""

    host: str
    port: int
    """0 takes a free one."""
    is_loopback: bool
    insecure: bool = False
    """Permits an address off loopback where tokens and reports travel in the clear."""
    certificate: Path | None = None
    """PEM file of the server's certificate and those above it."""
    key: Path | None = None
    client_ca: Path | None = None
    """PEM file of authorities one of which must have signed the browser's certificate."""

    def __post_init__(self) -> None:
        if self.certificate is None and not self.is_loopback and not self.insecure:
            raise ValueError(
                f"console: {self.host} can be reached from other machines, which needs TLS (tls_certificate, tls_key); "
                "set it, listen on 127.0.0.1, or permit it with --insecure"
            )


class _Server(uvicorn.Server):
    """Tells when it answers; signals are the gRPC server's to handle."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answers.set()


@contextmanager
def serve_console(config: ConsoleConfig, services: Services) -> Iterator[str]:
    """Shows the console as long as one needs it; gives its URL. It has a thread and an event loop of its own, so that
    building a page holds up no call.

    Raises OSError where the address cannot be had or a file of TLS cannot be read. A process may have one.
    """
    secure = config.certificate is not None
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.create_server((config.host, config.port), family=family, backlog=_BACKLOG)
    try:
        server = _Server(_uvicorn_config(config, services, secure))
    except BaseException:
        listener.close()
        raise
    failures: list[BaseException] = []
    thread = Thread(target=_run, args=(server, listener, failures), name="console", daemon=True)
    thread.start()
    while not server.answers.wait(0.05):
        if not thread.is_alive():
            listener.close()
            raise OSError("the console did not start") from (failures[0] if failures else None)
    host = f"[{config.host}]" if ":" in config.host else config.host
    try:
        yield f"{'https' if secure else 'http'}://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        services.explaining.shutdown(cancel_futures=True)
        listener.close()


def _uvicorn_config(config: ConsoleConfig, services: Services, secure: bool) -> uvicorn.Config:
    made = uvicorn.Config(
        make_application(services, secure),
        ws="websockets-sansio",
        ws_max_size=1 << 20,
        log_config=None,
        log_level="warning",  # its lines of less weight name pages
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=1,
        ssl_certfile=config.certificate,
        ssl_keyfile=config.key,
        ssl_ca_certs=None if config.client_ca is None else str(config.client_ca),
        ssl_cert_reqs=ssl.CERT_NONE if config.client_ca is None else ssl.CERT_REQUIRED,
    )
    made.load()
    if made.ssl is not None:
        made.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def _run(server: _Server, listener: socket.socket, failures: list[BaseException]) -> None:
    try:
        asyncio.run(server.serve([listener]))
    except BaseException as error:
        failures.append(error)
        logger.exception("the console has stopped")
