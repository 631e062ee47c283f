"""Start, serve, stop: nothing that was accepted is lost when the server goes."""

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dispatch.server.dispatch_service import DispatchService
from dispatch.server.health import NOTHING_TO_PROBE, SERVICE, HealthMonitor, Probes
from dispatch.server.messages import MessageGuard
from dispatch.server.metrics import StateSources
from dispatch.server.telemetry import Telemetry
from dispatch.settings import is_loopback, split_address
from dispatch.store import Store
from dispatch.v1 import dispatch_service_pb2_grpc
from dispatch.workflow import Intake

_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second server on the port must fail, not take half of the calls
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # clients may ping to find out that we are gone
    ("grpc.keepalive_permit_without_calls", 1),
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerConfig:
    """Where to listen and how long to wait for work in flight. Raises ValueError off loopback unless insecure."""

    listen: str = "127.0.0.1:50051"
    """HOST:PORT; port 0 takes a free one."""
    insecure: bool = False
    """Permits an address off loopback, where calls travel in the clear and nobody is asked who they are."""
    grace_s: float = 10.0

    def __post_init__(self) -> None:
        host, _ = split_address(self.listen)
        if not self.insecure and not is_loopback(host):
            raise ValueError(
                f"listen: {self.listen} can be reached from other machines, and calls are neither encrypted nor "
                "authenticated; listen on 127.0.0.1, or permit it with --insecure"
            )


class DispatchServer:
    """A grpc.aio server with DispatchService, health and reflection. Made and used inside a running event loop."""

    def __init__(
        self,
        config: ServerConfig,
        intake: Intake,
        telemetry: Telemetry | None = None,
        probes: Probes = NOTHING_TO_PROBE,
        state: StateSources = StateSources(),
    ) -> None:
        self._config = config
        self._service = DispatchService(intake)
        self._telemetry = telemetry or Telemetry()
        self._health = HealthMonitor(probes)
        self._state = replace(state, health=lambda: self._health.parts)
        interceptors = (self._telemetry.first, MessageGuard(), self._telemetry.last)
        self._server = grpc.aio.server(interceptors=interceptors, options=_OPTIONS)
        dispatch_service_pb2_grpc.add_DispatchServiceServicer_to_server(self._service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, self._server)
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self) -> str:
        """Returns the address HOST:PORT that answers now. Raises OSError where it cannot be had."""
        try:
            port = self._server.add_insecure_port(self._config.listen)
        except RuntimeError as error:
            message = f"cannot listen on {self._config.listen}: in use already, or no address of this machine"
            raise OSError(message) from error
        if metrics := self._telemetry.start(self._state):
            logger.info("metrics at http://%s/metrics", metrics)
        await self._server.start()
        await self._health.start()
        host = self._config.listen.rpartition(":")[0]
        return f"{host}:{port}"

    async def stop(self) -> None:
        """Says NOT_SERVING, accepts nothing more, and returns when work in flight is done or grace is over."""
        await self._health.shut_down()
        stopping = asyncio.create_task(self._server.stop(self._config.grace_s))
        await self._service.drained(self._config.grace_s)
        await self._server.stop(None)  # ends those who watch health: they would hold the server all of the grace
        await stopping
        await self._service.close()
        await self._telemetry.stop()


def serve(config: ServerConfig, intake: Intake, store: Store, announce: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT, then stops in order and closes the store that `intake` writes to.

    `announce` gets the address when calls are answered. Raises OSError where the address cannot be had.
    """
    try:
        asyncio.run(_serve(config, intake, announce))
    finally:
        store.close()


async def _serve(config: ServerConfig, intake: Intake, announce: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = DispatchServer(config, intake)
    address = await server.start()
    logger.info("listening on %s", address)
    announce(address)
    await stop.wait()
    logger.info("stopping: work in flight has %g s", config.grace_s)
    await server.stop()
    logger.info("stopped")
