import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dispatch.domain import Context, Count, Situation
from dispatch.model import TokenizerConfig
from training.corpus import Pair
from training.run import train
from training.trainer import TrainConfig

PLACES = ("青石镇", "柳河村", "北山口", "东桥头", "云岭乡")
TINY = TrainConfig(
    preset="nano",
    batch_tokens=300,
    max_steps=12,
    peak_lr=3e-3,
    warmup_steps=5,
    precision="fp32",
    validate_every=4,
    save_every=5,
    log_every=3,
    threads=1,
)


@pytest.fixture
def toy_pairs() -> list[Pair]:
    """Twenty different pairs: a place and a number to copy."""
    return [
        Pair(
            report=f"{place}内涝,{people}人被困",
            instruction=f"派{people % 3 + 1}艘冲锋舟至{place}",
            context=Context(place if people % 2 else ""),
            situations=(Situation(location=place, hazards=("flood",), people={"trapped": Count(people, people)}),),
        )
        for place in PLACES
        for people in (12, 27, 31, 46)
    ]


@pytest.fixture
def toy_file(tmp_path: Path, toy_pairs: list[Pair]) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(pair.to_dict()) + "\n" for pair in toy_pairs), encoding="utf-8")
    return path


TrainToy = Callable[..., str]


@pytest.fixture
def train_toy(toy_file: Path) -> TrainToy:
    """Trains into a folder with TINY, but for the given changes, and returns what the console has shown."""

    def run(out: Path, **changes: Any) -> str:
        console = Console(file=StringIO(), width=200)
        train([toy_file], None, out, replace(TINY, **changes), TokenizerConfig(), console=console)
        shown = console.file
        assert isinstance(shown, StringIO)
        return shown.getvalue()

    return run
