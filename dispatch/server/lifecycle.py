"""Start, serve, stop: nothing that was accepted is lost when the server goes."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dispatch.server.admin_service import AdminService
from dispatch.server.authentication import Authentication, AuthenticationConfig
from dispatch.server.dispatch_service import DispatchService
from dispatch.server.explaining import Explaining
from dispatch.server.health import NOTHING_TO_PROBE, SERVICE, HealthMonitor, Probes
from dispatch.server.known_tokens import FindToken
from dispatch.server.limits import Limits, LimitsConfig
from dispatch.server.messages import MessageGuard
from dispatch.server.metrics import StateSources
from dispatch.server.report_log import ReportLog
from dispatch.server.review_service import ReviewService
from dispatch.server.telemetry import Telemetry
from dispatch.server.tls import TlsConfig, server_credentials
from dispatch.settings import is_loopback, split_address
from dispatch.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    dispatch_service_pb2_grpc,
    review_service_pb2,
    review_service_pb2_grpc,
)
from dispatch.workflow import LiveIntake

ADMIN_SERVICE = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name
REVIEW_SERVICE = review_service_pb2.DESCRIPTOR.services_by_name["ReviewService"].full_name

_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second server on the port must fail, not take half of the calls
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # clients may ping to find out that we are gone
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)

_SWITCH_S = 0.0001
"""How long a thread that runs Python, such as one that checks an answer, goes on where the event loop waits for it."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConnectionConfig:
    """How long connections last."""

    keepalive_s: float = 60.0
    """A client that says nothing for so long is asked whether it is still there; 0 asks nobody."""
    keepalive_timeout_s: float = 20.0
    """How long it may take to answer before its calls are ended."""
    max_age_s: float = 0.0
    """Clients are asked to connect anew after this time, so that they spread over servers; calls that are open go on.
    0 is no limit."""
    handshake_s: float = 10.0
    """Who connects and says nothing is let go after this time: each connection is an open file."""
    max_idle_s: float = 900.0
    """So is who has made no call for this time; a client connects anew when it has one to make."""

    @property
    def options(self) -> list[tuple[str, int]]:
        """As gRPC names them."""
        named = {
            "grpc.keepalive_time_ms": self.keepalive_s,
            "grpc.keepalive_timeout_ms": self.keepalive_timeout_s,
            "grpc.max_connection_age_ms": self.max_age_s,
            "grpc.server_handshake_timeout_ms": self.handshake_s,
            "grpc.max_connection_idle_ms": self.max_idle_s,
        }
        return [(name, round(seconds * 1000)) for name, seconds in named.items() if seconds]


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
    reflection: bool = True
    """Whether callers may ask which services and messages there are."""
    connections: ConnectionConfig = field(default_factory=ConnectionConfig)

    def __post_init__(self) -> None:
        host, _ = split_address(self.listen)
        missing = [
            *(["TLS (tls_certificate, tls_key)"] if self.tls is None else []),
            *(["tokens (require_tokens)"] if not self.authentication.required else []),
        ]
        if missing and not self.insecure and not is_loopback(host):
            raise ValueError(
                f"listen: {self.listen} can be reached from other machines, which needs {' and '.join(missing)}; set "
                "them, listen on 127.0.0.1, or permit it with --insecure"
            )


class DispatchServer:
    """A grpc.aio server with DispatchService, health and reflection, and the other services where they are given.

    Made and used inside a running event loop.
    """

    def __init__(
        self,
        config: ServerConfig,
        intake: LiveIntake,
        *,
        admin: AdminService | None = None,
        review: ReviewService | None = None,
        explaining: Explaining | None = None,
        find_token: FindToken | None = None,
        telemetry: Telemetry | None = None,
        probes: Probes = NOTHING_TO_PROBE,
        state: StateSources | None = None,
    ) -> None:
        """``telemetry`` is told of every call, ``probes`` are what health asks, ``state`` what Prometheus reads.

        Raises ValueError where callers must show tokens and ``find_token`` is missing.
        """
        self._config = config
        self._service = DispatchService(intake, explaining=explaining)
        self._review = review
        self._admin = admin
        self._telemetry = telemetry or Telemetry()
        self._health = HealthMonitor(probes)
        self._state = replace(state or StateSources(), health=lambda: self._health.parts)
        self._authentication = _authentication(config.authentication, find_token)
        self._server = grpc.aio.server(
            interceptors=self._interceptors(),
            options=(
                *_OPTIONS,
                *config.connections.options,
                ("grpc.max_receive_message_length", config.limits.max_message_bytes),
            ),
        )
        dispatch_service_pb2_grpc.add_DispatchServiceServicer_to_server(self._service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, self._server)
        names = [SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME]
        if admin is not None:
            admin_service_pb2_grpc.add_AdminServiceServicer_to_server(admin, self._server)
            names.append(ADMIN_SERVICE)
        if review is not None:
            review_service_pb2_grpc.add_ReviewServiceServicer_to_server(review, self._server)
            names.append(REVIEW_SERVICE)
        if config.reflection:
            reflection.enable_server_reflection(names, self._server)

    def _interceptors(self) -> list[grpc.aio.ServerInterceptor]:
        authentication = [] if self._authentication is None else [self._authentication]
        log = [ReportLog()] if self._config.log_reports else []
        first, last = self._telemetry.first, self._telemetry.last
        return [first, *authentication, Limits(self._config.limits), MessageGuard(), *log, last]

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
        loop = asyncio.get_running_loop()
        state = replace(self._state, tasks=lambda: len(asyncio.all_tasks(loop)))
        if metrics := self._telemetry.start(state):
            logger.info("metrics at http://%s/metrics", metrics)
        await self._health.start()
        await self._server.start()
        host = self._config.listen.rpartition(":")[0]
        return f"{host}:{port}"

    async def stop(self) -> None:
        """Says NOT_SERVING, takes no more calls, and returns when those it took are answered or the grace is over; what
        an operator was changing is changed to its end.

        Until then it stays to refuse what comes, with a reason and a time to try again: gRPC itself, once told to stop,
        would end such a call with CANCELLED, which hardly any client repeats.
        """
        await self._health.shut_down()
        others = [service for service in (self._review, self._admin) if service is not None]
        admissions = [service.admission for service in (self._service, *others)]
        for admission in admissions:
            admission.stop()
        await asyncio.gather(*(admission.drained(self._config.grace_s) for admission in admissions))
        await self._server.stop(None)
        self._service.close()
        for service in others:
            await service.close()
        if self._authentication is not None:
            self._authentication.close()
        await self._telemetry.stop()


def serve(make_server: Callable[[], DispatchServer], announce: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT, then stops in order.

    ``make_server`` is called inside the event loop; ``announce`` gets the address when calls are answered. Raises what
    `DispatchServer` and its `start` do.
    """
    asyncio.run(_serve(make_server, announce))


async def _serve(make_server: Callable[[], DispatchServer], announce: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = make_server()
    address = await server.start()
    # What is there now stays: to look through all of it again and again for garbage takes a fifth of a call's time.
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(_SWITCH_S)
    logger.info("listening on %s", address)
    announce(address)
    await stop.wait()
    logger.info("stopping")
    await server.stop()
    logger.info("stopped")


def _authentication(config: AuthenticationConfig, find_token: FindToken | None) -> Authentication | None:
    if not config.required:
        return None
    if find_token is None:
        raise ValueError("callers must show tokens, and nothing says which are valid")
    return Authentication(find_token, config)
