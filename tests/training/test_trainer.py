from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from dispatch.model import Transformer
from training.batching import TokenBatches
from training.corpus import TokenizedCorpus
from training.log import TrainingLog
from training.optimization import MovingAverage, OptimizerName, build_optimizers
from training.presets import preset_config
from training.trainer import TrainConfig, Trainer, TrainingDiverged

TrainToy = Callable[..., str]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"max_steps": None}, "max_steps, max_minutes or patience"),
        ({"max_steps": 0}, "max_steps is 0"),
        ({"batch_tokens": 0}, "batch_tokens is 0, but must be at least 1"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"peak_lr": float("nan")}, "peak_lr is nan"),
        ({"cooldown_steps": 11}, "cooldown_steps is 11"),
    ],
)
def test_a_config_that_cannot_work_is_refused_by_the_name_of_the_field(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        replace(TrainConfig(max_steps=10), **changes)


def test_a_loss_that_is_no_number_ends_the_run_with_advice(
    tmp_path: Path, train_toy: TrainToy, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = Trainer._loss
    monkeypatch.setattr(Trainer, "_loss", lambda self, batch: loss(self, batch) * float("nan"))
    with pytest.raises(TrainingDiverged, match="at step 3; lower peak_lr"):
        train_toy(tmp_path / "run")
    assert not (tmp_path / "run/last.pt").exists()


def test_the_moving_average_follows_its_formula() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = MovingAverage(model, decay=0.5)
    expected = model.weight.item()
    for step in range(1, 20):
        with torch.no_grad():
            model.weight.fill_(step)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert next(average.model.parameters()).item() == pytest.approx(expected)
    assert model.weight.item() == 19


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_every_weight_is_updated_once_and_only_matrices_of_linear_maps_decay(name: OptimizerName) -> None:
    model = nn.Sequential(nn.Embedding(3, 4), nn.Linear(4, 4), nn.LayerNorm(4))
    groups = [group for opt in build_optimizers(model, name, 0.1, (0.9, 0.98), 0.01) for group in opt.param_groups]
    decayed, kept = groups
    assert [p.shape for p in decayed["params"]] == [(4, 4)]
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.01, 0)
    assert {id(p) for p in (*decayed["params"], *kept["params"])} == {id(p) for p in model.parameters()}
    assert len(kept["params"]) == len(list(model.parameters())) - 1


def test_muon_moves_a_matrix_alike_in_every_direction_that_its_gradient_has() -> None:
    """A gradient with singular values 1 and 0.01 gives an update whose singular values are alike."""
    model = nn.Linear(2, 2, bias=False)
    (optimizer, _) = build_optimizers(nn.Sequential(model, nn.LayerNorm(2)), "muon", 0.1, (0.9, 0.98), 0.0)
    before = model.weight.detach().clone()
    model.weight.grad = torch.tensor([[1.0, 0.0], [0.0, 0.01]])
    optimizer.step()
    larger, smaller = torch.linalg.svdvals(before - model.weight.detach()).tolist()
    assert larger < 2 * smaller


def gradients_of_one_update(out: Path, groups: list[list[int]]) -> list[torch.Tensor]:
    """The gradient of a seeded model after an update with these batches of rows of a corpus of six unequal pairs."""
    lengths = np.array([3, 4, 5, 20, 22, 25])
    ids = np.random.default_rng(0).integers(4, 50, 2 * lengths.sum()).astype(np.uint16)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    corpus = TokenizedCorpus(ids, offsets, ids[::-1].copy(), offsets, too_long=0, has_situations=False)
    batches = TokenBatches(corpus, np.arange(6), 1000, seed=1, pad_id=0)
    config = TrainConfig(
        preset="nano", max_steps=1, accumulate=len(groups), dropout=0.0, clip_norm=1e9, precision="fp32", threads=1
    )
    torch.manual_seed(1)
    model = Transformer(preset_config("nano", 50, dropout=0.0))
    gradients: list[torch.Tensor] = []
    log = TrainingLog(out, 0, None, Console(file=StringIO()))
    trainer = Trainer(model, config, batches, batches, out, log)
    trainer.optimizers[0].register_step_pre_hook(
        lambda *_: gradients.extend(p.grad.clone() for p in model.parameters() if p.grad is not None)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "epoch", lambda number: [np.array(rows) for rows in groups])
        trainer.fit({})
    log.close()
    return gradients


def test_accumulated_batches_weigh_by_their_tokens(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    together = gradients_of_one_update(tmp_path / "a", [[0, 1, 2, 3, 4, 5]])
    divided = gradients_of_one_update(tmp_path / "b", [[0, 1, 2, 3], [4, 5]])
    assert len(together) > 50
    for one, other in zip(together, divided, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
