import os
import pickle
from pathlib import Path

import pytest
import torch

from training.checkpoint import load_checkpoint, save_checkpoint


class Unsaveable:
    """Fails in the middle of writing."""

    def __reduce__(self) -> str:
        raise OSError("no space left on device")


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"weights": torch.arange(3), "progress": {"step": 7, "best_loss": float("inf")}})
    state = load_checkpoint(path)
    assert state["weights"].tolist() == [0, 1, 2]
    assert state["progress"] == {"step": 7, "best_loss": float("inf")}
    assert os.listdir(tmp_path) == ["last.pt"]


def test_a_failing_write_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"step": 1})
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(path, {"weights": torch.zeros(1000), "step": Unsaveable()})
    assert load_checkpoint(path) == {"step": 1}
    assert os.listdir(tmp_path) == ["last.pt"]


def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"weights": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"last\.pt is not a readable checkpoint"):
        load_checkpoint(path)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "touched",)

    path = tmp_path / "last.pt"
    torch.save({"state": Malicious()}, path, pickle_module=pickle)
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        load_checkpoint(path)
    assert not (tmp_path / "touched").exists()
