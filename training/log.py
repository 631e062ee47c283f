"""What a run reports while it trains: a bar and lines on stderr, training.jsonl and TensorBoard events."""

import json
import math
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from torch.utils.tensorboard import SummaryWriter


class TrainingLog:
    """Writes measurements of a run into its folder, and readable lines and, in a terminal, a bar to the console."""

    def __init__(self, out: Path, first_step: int, last_step: int | None, console: Console) -> None:
        """Forgets what an earlier, killed run has written about steps after first_step."""
        self.console = console
        self._path = out / "training.jsonl"
        _keep_lines_until(self._path, first_step)
        self._stream = self._path.open("a", encoding="utf-8")
        self._events = SummaryWriter(str(out / "tensorboard"), purge_step=first_step + 1)
        self._bar = Progress(console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task("training", total=last_step, completed=first_step)
        self._bar.start()

    def write(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """kind is "training" or "validation"."""
        line = {"kind": kind, "step": step, "time": round(time.time(), 3)} | dict(values)
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()
        for name, value in values.items():
            self._events.add_scalar(f"{kind}/{name}", value, step)

    def advance(self, step: int) -> None:
        """Moves the bar."""
        self._bar.update(self._task, completed=step)

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        self._bar.stop()
        self._stream.close()
        self._events.close()


def read_curves(out: Path, most: int = 200) -> dict[str, list[dict[str, float]]]:
    """What training.jsonl in a run's folder says, by kind; of long curves at most ``most`` points, evenly spread."""
    curves: dict[str, list[dict[str, float]]] = {}
    for line in (out / "training.jsonl").read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        kind = values.pop("kind")
        del values["time"]
        curves.setdefault(kind, []).append(values)
    return {kind: points[:: math.ceil(len(points) / most)] for kind, points in curves.items()}


def _keep_lines_until(path: Path, last_step: int) -> None:
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= last_step:
                kept.append(line + "\n")
        except ValueError:
            break  # the line that a kill cut short
    path.write_text("".join(kept), encoding="utf-8")


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: 1:02:03."""
    return str(timedelta(seconds=round(seconds)))
