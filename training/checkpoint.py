"""Checkpoints that survive a kill: written aside, flushed, then renamed into place."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def save_checkpoint(path: Path, state: Mapping[str, object]) -> None:
    """Replaces path by the new state; a failure at any moment leaves the old file whole."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as stream:
            torch.save(dict(state), stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads tensors and plain values only; code in the file is never run.

    Raises:
        ValueError: if the file is not a checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is not a readable checkpoint ({error}); remove it to train afresh") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path} is not a checkpoint; remove it to train afresh")
    return state


def random_state() -> dict[str, object]:
    """The state of every random generator that training draws from: torch's, of the processor and of all GPUs.

    Shuffling needs none: it is a function of seed and epoch (see TokenBatches).
    """
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}


def restore_random_state(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["cpu"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
