import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from training.checkpoint import load_checkpoint
from training.trainer import Trainer, TrainingInterrupted

TrainToy = Callable[..., str]


def differences(first: object, second: object, name: str = "") -> list[str]:
    """Names of the values in which two states differ; tensors must be equal bit for bit."""
    if isinstance(first, dict) and isinstance(second, dict):
        keys = [*first, *(key for key in second if key not in first)]
        return [d for key in keys for d in differences(first.get(key), second.get(key), f"{name}.{key}")]
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [d for i, (a, b) in enumerate(zip(first, second, strict=True)) for d in differences(a, b, f"{name}.{i}")]
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return [] if torch.equal(first, second) else [name]
    return [] if first == second else [name]


def assert_same_run(first: Path, second: Path) -> None:
    for name in ("last.pt", "best.pt"):
        one, other = load_checkpoint(first / name), load_checkpoint(second / name)
        for state in (one, other):
            state.get("progress", {}).pop("seconds", None)
        assert differences(one, other) == []


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Arranges that something happens once, in the middle of the update after the given number of steps."""

    def arrange(step: int, happening: Callable[[], None]) -> None:
        loss = Trainer._loss
        done: list[int] = []

        def loss_with_happening(self: Trainer, batch: Any) -> torch.Tensor:
            if self.progress.step == step and not done:
                done.append(step)
                happening()
            return loss(self, batch)

        monkeypatch.setattr(Trainer, "_loss", loss_with_happening)

    return arrange


def crash() -> None:
    raise RuntimeError("the power went out")


@pytest.mark.parametrize(
    "changes",
    [{}, {"accumulate": 2}, {"cooldown_steps": 4}, {"precision": "bf16"}],
    ids=["plain", "acc", "cool", "bf16"],
)
@pytest.mark.parametrize("step", [3, 7])
def test_a_run_that_crashed_goes_on_as_if_it_had_not(
    tmp_path: Path, train_toy: TrainToy, at_step: Any, changes: dict[str, object], step: int
) -> None:
    train_toy(tmp_path / "whole", **changes)
    at_step(step, crash)
    with pytest.raises(RuntimeError, match="the power went out"):
        train_toy(tmp_path / "crashed", **changes)
    train_toy(tmp_path / "crashed", **changes)
    assert_same_run(tmp_path / "whole", tmp_path / "crashed")


def test_a_run_that_was_killed_goes_on_as_if_it_had_not(tmp_path: Path, toy_file: Path, train_toy: TrainToy) -> None:
    program = f"""
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from dispatch.model import TokenizerConfig
from training.run import train
from training.trainer import TrainConfig, Trainer
save = Trainer.save
def save_and_die(self, facts):
    save(self, facts)
    os.kill(os.getpid(), signal.SIGKILL)
Trainer.save = save_and_die
config = TrainConfig(preset="nano", batch_tokens=300, max_steps=12, peak_lr=3e-3, warmup_steps=5, precision="fp32",
                     validate_every=4, save_every=5, log_every=3, threads=1)
train([Path({str(toy_file)!r})], None, Path({str(tmp_path / "killed")!r}), config, TokenizerConfig())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert "going on after step 5" in train_toy(tmp_path / "killed")
    train_toy(tmp_path / "whole")
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_update_in_hand(
    tmp_path: Path, train_toy: TrainToy, at_step: Any, number: signal.Signals
) -> None:
    at_step(6, lambda: os.kill(os.getpid(), number))
    handler = signal.getsignal(number)
    with pytest.raises(TrainingInterrupted, match=f"{number.name} after step 7: saved in .*same command again"):
        train_toy(tmp_path / "stopped")
    assert signal.getsignal(number) is handler
    assert load_checkpoint(tmp_path / "stopped/last.pt")["progress"]["step"] == 7
    assert not (tmp_path / "stopped/bundle").exists()
    train_toy(tmp_path / "stopped")
    train_toy(tmp_path / "whole")
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")


def test_the_limit_of_steps_may_grow(tmp_path: Path, train_toy: TrainToy) -> None:
    train_toy(tmp_path / "grown", max_steps=8)
    assert "going on after step 8" in train_toy(tmp_path / "grown", max_steps=12)
    train_toy(tmp_path / "whole", max_steps=12)
    assert_same_run(tmp_path / "whole", tmp_path / "grown")


def test_a_finished_run_is_not_trained_again(tmp_path: Path, train_toy: TrainToy) -> None:
    train_toy(tmp_path / "run")
    before = load_checkpoint(tmp_path / "run/last.pt")
    train_toy(tmp_path / "run")
    after = load_checkpoint(tmp_path / "run/last.pt")
    assert differences(before, after) == []


def test_another_config_is_refused_by_the_name_of_the_field(tmp_path: Path, train_toy: TrainToy) -> None:
    train_toy(tmp_path / "run", max_steps=2)
    with pytest.raises(ValueError, match=r"last\.pt was trained with peak_lr = 0\.003, not 0\.01"):
        train_toy(tmp_path / "run", max_steps=4, peak_lr=0.01)


def test_other_data_is_refused(tmp_path: Path, toy_file: Path, train_toy: TrainToy) -> None:
    train_toy(tmp_path / "run", max_steps=2)
    lines = toy_file.read_text(encoding="utf-8").splitlines(keepends=True)
    toy_file.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"was trained with training data = "):
        train_toy(tmp_path / "run", max_steps=4)


def test_the_log_has_every_step_once_after_a_crash(tmp_path: Path, train_toy: TrainToy, at_step: Any) -> None:
    at_step(10, crash)
    with pytest.raises(RuntimeError, match="the power went out"):
        train_toy(tmp_path / "run")
    train_toy(tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/training.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "training"] == [3, 6, 9, 12]
    assert [line["step"] for line in lines if line["kind"] == "validation"] == [4, 8, 12]
