"""A `dispatch serve` of its own process, on processors of its own, and what the system says of it."""

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

_READY_S = 180.0
_STOP_S = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")
_ESTABLISHED = "01"


@dataclass(frozen=True)
class ServerOptions:
    """How the server is started. ``database_url`` is a new SQLite file where it is empty."""

    bundle: Path
    cores: Set[int]
    engine: str = "auto"
    compute_type: str = "int8"
    database_url: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings, as the environment names them."""


@dataclass(frozen=True)
class Sample:
    """What the process holds at a moment."""

    at_s: float
    """Since the first sample of a run, or of nothing in particular."""
    memory_mb: float
    threads: int
    files: int
    connections: int
    """That clients hold to its port."""
    tasks: int
    """Of its event loop."""
    calls: int
    """Being handled."""


class ServerProcess:
    """A running server; one calls `running` to get it."""

    def __init__(self, process: "subprocess.Popen[bytes]", address: str, metrics: str) -> None:
        self.process = process
        self.address = address
        self._metrics = metrics

    def cpu_s(self) -> float:
        """Seconds of processor time since it was started."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_mb(self) -> float:
        """Resident memory."""
        return int(self._status()["VmRSS"].split()[0]) / 1024

    def sample(self, began: float = 0.0) -> Sample:
        """Asks the system and the server's own metrics, for which it takes some tens of milliseconds."""
        metrics = self.metrics()
        calls = sum(value for name, value in metrics.items() if name.startswith("dispatch_calls_in_progress"))
        return Sample(
            time.monotonic() - began,
            self.memory_mb(),
            int(self._status()["Threads"]),
            len(list(Path(f"/proc/{self.process.pid}/fd").iterdir())),
            self._connections(),
            int(metrics.get("dispatch_tasks", 0)),
            int(calls),
        )

    def metrics(self) -> dict[str, float]:
        """What Prometheus would read; labels stand behind the name, as `name{code=OK}`."""
        return {
            sample.name + _labels(sample.labels): sample.value
            for family in text_string_to_metric_families(self.metrics_text())
            for sample in family.samples
        }

    def metrics_text(self) -> str:
        """As Prometheus gets it."""
        with urllib.request.urlopen(f"http://{self._metrics}/metrics", timeout=30) as reply:
            return str(reply.read().decode())

    def _status(self) -> dict[str, str]:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return {name: value for name, _, value in (line.partition(":") for line in lines)}

    def _connections(self) -> int:
        """Counted at the server's end."""
        port = f"{int(self.address.rpartition(':')[2]):04X}"
        rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        return sum(row[1].endswith(f":{port}") and row[3] == _ESTABLISHED for row in rows)


@contextmanager
def running(options: ServerOptions) -> Iterator[ServerProcess]:
    """The server while it runs; it is stopped by SIGTERM. RuntimeError with its log where it does not start or stop."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        database = options.database_url or f"sqlite:///{folder}/served.db"
        command = [sys.executable, "-m", "dispatch", "serve", "--listen", "127.0.0.1:0"]
        command += ["--bundle", str(options.bundle), "--database-url", database]
        settings = {
            "DISPATCH_ENGINE": options.engine,
            "DISPATCH_COMPUTE_TYPE": options.compute_type,
            "DISPATCH_METRICS_LISTEN": "127.0.0.1:0",
            # What one client may ask for is not what is measured here.
            "DISPATCH_RATE_PER_S": "0",
            "DISPATCH_MAX_OPEN_CALLS": "1000000",
            **options.settings,
        }
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=os.environ | settings, stderr=output)
        os.sched_setaffinity(process.pid, options.cores)  # before it has made a thread: they inherit it
        try:
            address = _said(process, log, r"^listening on (\S+:\d+)$")
            yield ServerProcess(process, address, _said(process, log, r"metrics at http://([^/]+)/metrics"))
            process.terminate()
            if process.wait(_STOP_S):
                raise RuntimeError(f"the server ended with {process.returncode}: {_tail(log)}")
        finally:
            process.kill()
            process.wait()


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{name}={value}" for name, value in sorted(labels.items())) + "}" if labels else ""


def _said(process: "subprocess.Popen[bytes]", log: Path, pattern: str) -> str:
    end = time.monotonic() + _READY_S
    while (said := re.search(pattern, log.read_text(encoding="utf-8"), re.M)) is None:
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the server does not start: {_tail(log)}")
        time.sleep(0.05)
    return said[1]


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
