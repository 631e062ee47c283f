"""The learning rate over the steps of a run."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, then the inverse square root of the step (Vaswani et al. 2017, section 5.3).

    The paper's factor d_model^-0.5 is replaced by an explicit peak. If max_steps is known, the last cooldown_steps
    go linearly towards zero from the rate that the inverse square root has reached.
    """

    peak_lr: float
    warmup_steps: int
    cooldown_steps: int = 0
    max_steps: int | None = None

    def at(self, step: int) -> float:
        """The rate of the given step, counted from 1."""
        if self.max_steps is not None and self.cooldown_steps > 0:
            cooldown_start = self.max_steps - self.cooldown_steps
            if step > cooldown_start:
                remaining = max(0, self.max_steps + 1 - step) / (self.cooldown_steps + 1)
                return self._warmed_up(max(1, cooldown_start)) * remaining
        return self._warmed_up(step)

    def _warmed_up(self, step: int) -> float:
        warmup = max(1, self.warmup_steps)
        return self.peak_lr * min(step / warmup, math.sqrt(warmup / step))
