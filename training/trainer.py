"""The training loop: updates, validation, checkpoints, and exact resumption of a run that was stopped."""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch
from torch import nn

from dispatch.model import label_smoothed_cross_entropy
from training.batching import Batch, Rows, TokenBatches
from training.checkpoint import load_checkpoint, random_state, restore_random_state, save_checkpoint
from training.log import TrainingLog, duration
from training.optimization import MovingAverage, OptimizerName, Precision, autocast_dtype, build_optimizers
from training.schedule import Schedule

LAST = "last.pt"
BEST = "best.pt"

BatchLoss = Callable[[torch.Tensor, Batch], torch.Tensor]
"""The mean loss of a batch's predicted tokens, from logits_BTV."""

StopReason = Literal["max_steps", "max_minutes", "patience"]


@dataclass(frozen=True)
class TrainConfig:
    """How to train. A run may be resumed with other values of RESUMABLE_FIELDS only."""

    preset: str = "default"
    encoder_layers: int | None = None  # instead of the preset's
    decoder_layers: int | None = None
    batch_tokens: int = 8192  # source and target, padding included
    accumulate: int = 1  # batches per update
    max_steps: int | None = None  # updates
    max_minutes: float | None = None  # with validation, all sittings together
    optimizer: OptimizerName = "muon"
    peak_lr: float = 1e-3
    warmup_steps: int = 400
    cooldown_steps: int = 0  # at the end of max_steps; 0 for none
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    label_smoothing: float = 0.1
    dropout: float = 0.1
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    precision: Precision = "auto"
    validate_every: int = 500  # updates
    save_every: int = 500  # updates
    log_every: int = 20  # updates
    patience: int = 0  # validations without improvement before stopping; 0 never stops
    seed: int = 1
    threads: int = 0  # of the processor; 0 leaves torch's choice

    def __post_init__(self) -> None:
        at_least_one = ("batch_tokens", "accumulate", "validate_every", "save_every", "log_every")
        at_least_zero = ("warmup_steps", "cooldown_steps", "weight_decay", "patience", "threads", "seed")
        for names, least in ((at_least_one, 1), (at_least_zero, 0)):
            for name in names:
                if getattr(self, name) < least:
                    raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {least}")
        for name in ("label_smoothing", "dropout", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 0 and less than 1")
        for name in ("encoder_layers", "decoder_layers", "peak_lr", "clip_norm", "max_steps", "max_minutes"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be more than 0")
        if self.max_steps is None and self.max_minutes is None and self.patience == 0:
            raise ValueError("nothing would end the training; set max_steps, max_minutes or patience")
        if self.cooldown_steps > 0 and (self.max_steps is None or self.cooldown_steps > self.max_steps):
            raise ValueError(f"cooldown_steps is {self.cooldown_steps}, but must lie within max_steps")

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.peak_lr, self.warmup_steps, self.cooldown_steps, self.max_steps)


RESUMABLE_FIELDS = frozenset({"max_steps", "cooldown_steps", "max_minutes", "patience", "save_every", "log_every"})


class TrainingInterrupted(Exception):
    """A signal stopped the run after a whole update; its state is saved and the text says how to go on."""


class TrainingDiverged(RuntimeError):
    """The loss is no longer a number."""


@dataclass
class Progress:
    """Where a run stands. Everything that, beside tensors, decides how it goes on."""

    step: int = 0
    epoch: int = 0
    position: int = 0  # batches of the epoch already used
    tokens: int = 0  # source and target, not counting padding
    seconds: float = 0.0  # with validation, all sittings together
    best_loss: float = float("inf")  # and accuracy of the most accurate weights
    best_accuracy: float = -1.0
    best_step: int = 0
    validated_step: int = 0
    stale_validations: int = 0


@dataclass
class _Window:
    """Sums since the last line of the log; the loss stays on the device until then."""

    loss: torch.Tensor
    started: float = field(default_factory=time.perf_counter)
    updates: int = 0
    tokens: int = 0


class Trainer:
    """Trains one model on batches of token ids; out holds its checkpoints."""

    def __init__(
        self,
        model: nn.Module,
        config: TrainConfig,
        batches: TokenBatches,
        valid_batches: TokenBatches,
        out: Path,
        log: TrainingLog,
        loss: BatchLoss | None = None,
    ) -> None:
        """model(source_BS, decoder_input_BT) must return logits_BTV, and be on the device to train on.

        Without a loss it is the label-smoothed cross-entropy.
        """
        self.model = model
        self.config = config
        self.batches = batches
        self.valid_batches = valid_batches
        self.out = out
        self.log = log
        self.progress = Progress()
        self.device = next(model.parameters()).device
        self.average = MovingAverage(model, config.ema_decay)
        self.optimizers = build_optimizers(model, config.optimizer, config.peak_lr, config.betas, config.weight_decay)
        self._batch_loss = loss or self._cross_entropy
        self._parameters = list(model.parameters())
        self._dtype = autocast_dtype(config.precision, self.device)
        self._stop_signal: str | None = None

    def fit(self, facts: Mapping[str, object]) -> StopReason:
        """Trains until a limit of the config is reached; out/best.pt then holds the best averaged weights.

        facts (plain values) are stored in the checkpoint beside the state, for checked_resume.

        Raises:
            TrainingInterrupted: after SIGINT or SIGTERM, with everything saved.
            TrainingDiverged: if the loss is no longer a number.
        """
        self._started = time.perf_counter() - self.progress.seconds
        self._window = _Window(torch.zeros((), device=self.device))
        stream = self._batch_stream()
        with self._stop_on_signals():
            while (reason := self._stop_reason()) is None:
                self._update([next(stream) for _ in range(self.config.accumulate)])
                self._after_update(facts)
        if self.progress.validated_step < self.progress.step:
            self.validate()
        self.save(facts)
        return reason

    @property
    def precision(self) -> str:
        return "bf16" if self._dtype is not None else "fp32"

    def _batch_stream(self) -> Iterator[tuple[Rows, int, int]]:
        """Batches from where the run stands, each with the epoch and position reached by using it."""
        epoch, position = self.progress.epoch, self.progress.position
        while True:
            rows_of_batches = self.batches.epoch(epoch)
            for index in range(position, len(rows_of_batches)):
                yield rows_of_batches[index], epoch, index + 1
            epoch, position = epoch + 1, 0

    def _update(self, group: list[tuple[Rows, int, int]]) -> None:
        self.model.train()
        progress, window = self.progress, self._window
        batches = [self.batches.collate(rows) for rows, _, _ in group]
        target_tokens = sum(batch.target_tokens for batch in batches)
        for batch in batches:
            loss = self._loss(batch.to(self.device)) * (batch.target_tokens / target_tokens)
            torch.autograd.backward(loss)
            window.loss += loss.detach()
            window.tokens += batch.source_tokens + batch.target_tokens
        nn.utils.clip_grad_norm_(self._parameters, self.config.clip_norm)
        progress.step += 1
        for optimizer in self.optimizers:
            for parameters in optimizer.param_groups:
                parameters["lr"] = self.config.schedule.at(progress.step)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.average.update(progress.step)
        _, progress.epoch, progress.position = group[-1]
        progress.tokens += sum(batch.source_tokens for batch in batches) + target_tokens
        progress.seconds = time.perf_counter() - self._started
        window.updates += 1

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.device.type, dtype=self._dtype, enabled=self._dtype is not None)

    def _loss(self, batch: Batch) -> torch.Tensor:
        with self._autocast():
            logits_BTV = self.model(batch.source_BS, batch.decoder_input_BT)
        return self._batch_loss(logits_BTV, batch)

    def _cross_entropy(self, logits_BTV: torch.Tensor, batch: Batch) -> torch.Tensor:
        return label_smoothed_cross_entropy(
            logits_BTV, batch.decoder_output_BT, self.config.label_smoothing, self.batches.pad_id
        )

    def _after_update(self, facts: Mapping[str, object]) -> None:
        step, config = self.progress.step, self.config
        self.log.advance(step)
        if step % config.log_every == 0:
            self._report()
        if step % config.validate_every == 0:
            self.validate()
        if self._stop_signal is not None or step % config.save_every == 0:
            self.save(facts)
        if self._stop_signal is not None:
            raise TrainingInterrupted(
                f"{self._stop_signal} after step {step}: saved in {self.out}. Run the same command again to go on."
            )

    def _stop_reason(self) -> StopReason | None:
        progress, config = self.progress, self.config
        if config.max_steps is not None and progress.step >= config.max_steps:
            return "max_steps"
        if config.max_minutes is not None and progress.seconds >= 60 * config.max_minutes:
            return "max_minutes"
        if config.patience > 0 and progress.stale_validations >= config.patience:
            return "patience"
        return None

    def _report(self) -> None:
        window, progress = self._window, self.progress
        loss = window.loss.item() / window.updates
        self._require_number(loss)
        now = time.perf_counter()
        rate = window.tokens / (now - window.started)
        lr = self.config.schedule.at(progress.step)
        self.log.write("training", progress.step, {"loss": loss, "lr": lr, "tokens_per_second": rate})
        self.log.say(
            f"step {progress.step}{self._limit()}  epoch {progress.epoch + 1}  loss {loss:.4f}  lr {lr:.2e}  "
            f"{rate:,.0f} tokens/s  {duration(progress.seconds)}{self._remaining()}"
        )
        self._window = _Window(torch.zeros((), device=self.device), started=now)

    def _require_number(self, loss: float) -> None:
        if not math.isfinite(loss):
            step = self.progress.step
            raise TrainingDiverged(f"the loss is not a number at step {step}; lower peak_lr, or raise warmup_steps")

    def _limit(self) -> str:
        return f"/{self.config.max_steps}" if self.config.max_steps is not None else ""

    def _remaining(self) -> str:
        """The time left until the nearest limit of steps or minutes."""
        progress, config = self.progress, self.config
        left = []
        if config.max_steps is not None:
            left.append((config.max_steps - progress.step) * progress.seconds / progress.step)
        if config.max_minutes is not None:
            left.append(60 * config.max_minutes - progress.seconds)
        return f", {duration(max(0.0, min(left)))} left" if left else ""

    @torch.inference_mode()
    def validate(self) -> None:
        """Measures the averaged weights on the validation pairs and keeps them in best.pt if they are the best yet.

        Loss is the plain cross-entropy (no smoothing) in nats per token; accuracy is of single tokens under
        teacher forcing.
        """
        started = time.perf_counter()
        progress = self.progress
        loss = torch.zeros((), dtype=torch.float64, device=self.device)
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        target_tokens = 0
        for rows in self.valid_batches.in_order():
            batch = self.valid_batches.collate(rows).to(self.device)
            with self._autocast():
                logits_BTV = self.average.model(batch.source_BS, batch.decoder_input_BT)
            output_BT = batch.decoder_output_BT
            pad_id = self.valid_batches.pad_id
            loss += label_smoothed_cross_entropy(logits_BTV, output_BT, 0.0, pad_id) * batch.target_tokens
            correct += ((logits_BTV.argmax(-1) == output_BT) & (output_BT != pad_id)).sum()
            target_tokens += batch.target_tokens
        mean_loss, accuracy = loss.item() / target_tokens, correct.item() / target_tokens
        self._require_number(mean_loss)
        progress.validated_step = progress.step
        # By accuracy: under label smoothing the plain loss rises again while the answers still get better.
        better = (accuracy, -mean_loss) > (progress.best_accuracy, -progress.best_loss)
        if better:
            progress.best_loss, progress.best_accuracy, progress.best_step = mean_loss, accuracy, progress.step
            save_checkpoint(self.out / BEST, {"model": self.average.model.state_dict(), "step": progress.step})
        progress.stale_validations = 0 if better else progress.stale_validations + 1
        self.log.write("validation", progress.step, {"loss": mean_loss, "token_accuracy": accuracy})
        self.log.say(
            f"step {progress.step}  validation loss {mean_loss:.4f}  token accuracy {accuracy:.2%}"
            f"{'  best yet' if better else ''}"
        )
        self._window.started += time.perf_counter() - started  # tokens/s are those of training alone

    def save(self, facts: Mapping[str, object]) -> None:
        """Writes out/last.pt, from which restore goes on."""
        state = {
            "facts": dict(facts),
            "progress": dict(vars(self.progress)),
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "random": random_state(),
        }
        save_checkpoint(self.out / LAST, state)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up the state of a checkpoint."""
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        for optimizer, optimizer_state in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(optimizer_state)
        self.progress = Progress(**state["progress"])
        restore_random_state(state["random"])

    @contextlib.contextmanager
    def _stop_on_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM are noted, and obeyed after the update in hand."""

        def note(number: int, frame: FrameType | None) -> None:
            self._stop_signal = signal.Signals(number).name

        previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def checked_resume(path: Path, facts: Mapping[str, object]) -> dict[str, Any]:
    """Loads a checkpoint whose facts (config, tokenizer, data) agree with those of this run.

    Raises:
        ValueError: naming the first fact that differs.
    """
    state = load_checkpoint(path)
    for name, value in facts.items():
        stored = state["facts"].get(name)
        if stored != value:
            raise ValueError(f"{path} was trained with {name} = {stored}, not {value}; use the same, or another folder")
    return state


def resume_facts(config: TrainConfig) -> dict[str, object]:
    """The values of a config that a resumed run must share."""
    return {f.name: getattr(config, f.name) for f in fields(config) if f.name not in RESUMABLE_FIELDS}
