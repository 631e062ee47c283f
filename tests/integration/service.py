"""A real `dispatch serve`, in a process of its own that tests may kill, starve and cut off from its disk."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import dispatch

PATIENCE_S = 120.0
"""Nothing that is waited for takes so long on the slowest machine."""
STORE = "dispatch.store"
_LISTENING = re.compile(r"^listening on (\S+)$", re.M)


@dataclass(frozen=True)
class ServiceConfig:
    """What is served, and how the process is begun."""

    bundle: Path
    database_url: str
    folder: Path
    """Takes the log."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Environment variables."""
    wrapper: Sequence[str] = ()
    """A command that runs the server's, as `strace` does."""


class Service:
    """The running process, which answers at ``address``."""

    def __init__(self, config: ServiceConfig) -> None:
        """Returns when calls are answered. AssertionError, with its log, where it ends instead."""
        self.log = config.folder / "log"
        options = ["--listen", "127.0.0.1:0", "--bundle", str(config.bundle), "--database-url", config.database_url]
        # Other tests' coverage has no business in a process that is killed.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COV_CORE")}
        environment = {
            **kept,
            "PYTHONPATH": str(Path(dispatch.__file__).parents[1]),
            "OMP_NUM_THREADS": "1",
            "DISPATCH_THREADS": "1",
            "DISPATCH_LOG_LEVEL": "warning",
            **config.settings,
        }
        command = [*config.wrapper, sys.executable, "-m", "dispatch", "serve", *options]
        with self.log.open("w") as output:
            self.process = subprocess.Popen(command, env=environment, cwd=config.folder, stdout=output, stderr=output)
        try:
            self.address = self._wait_for_address()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """As a machine that loses power would: nothing of the process is asked."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """Have it stop in order; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def is_serving(self, part: str = STORE) -> bool:
        """What the health service says of a part."""
        with grpc.insecure_channel(self.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            reply = health.Check(health_pb2.HealthCheckRequest(service=part), timeout=PATIENCE_S)
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)

    def wait_for_health(self, serving: bool, part: str = STORE) -> None:
        """Returns when health says so. AssertionError where it does not come to that."""
        wait_until(lambda: self.is_serving(part) == serving, f"{part} is {'' if serving else 'not '}serving")

    def _wait_for_address(self) -> str:
        end = time.monotonic() + PATIENCE_S
        while True:
            text = self.log.read_text(encoding="utf-8")
            if said := _LISTENING.search(text):
                return said[1]
            assert self.process.poll() is None, text
            assert time.monotonic() < end, text
            time.sleep(0.02)


def wait_until(condition: Any, what: str) -> None:
    """Returns when the condition holds. AssertionError where it does not come to that."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


@contextmanager
def serving(config: ServiceConfig) -> Iterator[Service]:
    """A service for as long as one needs it; killed at the end if it still runs."""
    service = Service(config)
    try:
        yield service
    finally:
        service.kill()
