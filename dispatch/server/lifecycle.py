"""Start, serve, stop: nothing that was accepted is lost when the server goes."""

import asyncio
import ipaddress
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dispatch.server.authentication import Authentication, AuthenticationConfig
from dispatch.server.dispatch_service import DispatchService
from dispatch.server.known_tokens import FindToken
from dispatch.server.limits import Limits, LimitsConfig
from dispatch.server.messages import MessageGuard
from dispatch.server.report_log import ReportLog
from dispatch.server.tls import TlsConfig, server_credentials
from dispatch.settings import split_address
from dispatch.store import Store
from dispatch.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc
from dispatch.workflow import Intake

SERVICE = dispatch_service_pb2.DESCRIPTOR.services_by_name["DispatchService"].full_name

_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second server on the port must fail, not take half of the calls
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # clients may ping to find out that we are gone
    ("grpc.keepalive_permit_without_calls", 1),
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerConfig:
    """Where to listen, whom to let in, and how long to wait for work in flight.

    Raises ValueError off loopback without TLS and tokens, unless insecure.
    """

    listen: str = "127.0.0.1:50051"
    """HOST:PORT; port 0 takes a free one."""
    insecure: bool = False
    """Permits an address off loopback where calls travel in the clear, or nobody is asked who they are."""
    grace_s: float = 10.0
    tls: TlsConfig | None = None
    authentication: AuthenticationConfig = field(default_factory=AuthenticationConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    log_reports: bool = False

    def __post_init__(self) -> None:
        host, _ = split_address(self.listen)
        missing = [
            *(["TLS (tls_certificate, tls_key)"] if self.tls is None else []),
            *(["tokens (require_tokens)"] if not self.authentication.required else []),
        ]
        if missing and not self.insecure and not _is_loopback(host):
            raise ValueError(
                f"listen: {self.listen} can be reached from other machines, which needs {' and '.join(missing)}; set "
                "them, listen on 127.0.0.1, or permit it with --insecure"
            )


class DispatchServer:
    """A grpc.aio server with DispatchService, health and reflection. Made and used inside a running event loop.

    Raises ValueError where callers must show tokens and `find_token` is missing.
    """

    def __init__(self, config: ServerConfig, intake: Intake, find_token: FindToken | None = None) -> None:
        self._config = config
        self._service = DispatchService(intake)
        self._health = health.aio.HealthServicer()
        self._authentication = _authentication(config.authentication, find_token)
        interceptors: list[grpc.aio.ServerInterceptor] = [Limits(config.limits), MessageGuard()]
        if self._authentication is not None:
            interceptors.insert(0, self._authentication)
        if config.log_reports:
            interceptors.append(ReportLog())
        options = (*_OPTIONS, ("grpc.max_receive_message_length", config.limits.max_message_bytes))
        self._server = grpc.aio.server(interceptors=interceptors, options=options)
        dispatch_service_pb2_grpc.add_DispatchServiceServicer_to_server(self._service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self) -> str:
        """Returns the address HOST:PORT that answers now. Raises OSError where it cannot be had, and ValueError or
        OSError where the files of TLS cannot be used."""
        credentials = server_credentials(self._config.tls) if self._config.tls else None
        try:
            if credentials is None:
                port = self._server.add_insecure_port(self._config.listen)
            else:
                port = self._server.add_secure_port(self._config.listen, credentials)
        except RuntimeError as error:
            message = f"cannot listen on {self._config.listen}: in use already, or no address of this machine"
            raise OSError(message) from error
        await self._server.start()
        await self._health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        host = self._config.listen.rpartition(":")[0]
        return f"{host}:{port}"

    async def stop(self) -> None:
        """Says NOT_SERVING, accepts nothing more, and returns when work in flight is done or grace is over."""
        await self._health.enter_graceful_shutdown()
        stopping = asyncio.create_task(self._server.stop(self._config.grace_s))
        await self._service.drained(self._config.grace_s)
        await self._server.stop(None)  # ends those who watch health: they would hold the server all of the grace
        await stopping
        if self._authentication is not None:
            self._authentication.close()
        await self._service.close()


def serve(
    config: ServerConfig,
    intake: Intake,
    store: Store,
    announce: Callable[[str], None],
    find_token: FindToken | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then stops in order and closes the store that `intake` writes to.

    `announce` gets the address when calls are answered. Raises what `DispatchServer` and its `start` do.
    """
    try:
        asyncio.run(_serve(config, intake, announce, find_token))
    finally:
        store.close()


async def _serve(
    config: ServerConfig, intake: Intake, announce: Callable[[str], None], find_token: FindToken | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = DispatchServer(config, intake, find_token)
    address = await server.start()
    logger.info("listening on %s", address)
    announce(address)
    await stop.wait()
    logger.info("stopping: work in flight has %g s", config.grace_s)
    await server.stop()
    logger.info("stopped")


def _authentication(config: AuthenticationConfig, find_token: FindToken | None) -> Authentication | None:
    if not config.required:
        return None
    if find_token is None:
        raise ValueError("callers must show tokens, and nothing says which are valid")
    return Authentication(find_token, config)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
