"""How far confidences can be believed: those that answers claim against how often they are right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.bootstrap import Floats, Quantity

BINS = 10


@dataclass(frozen=True)
class Bin:
    """The answers whose confidence is from low to below high (the last one: to 1); the means are None where n is 0."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None

    def to_dict(self) -> dict[str, float | int | None]:
        return dict(vars(self))


def reliability(confidences: Sequence[float], right: Sequence[bool]) -> tuple[Bin, ...]:
    """The reliability table: BINS bins of equal width."""
    confidences_N, right_N, bins_N = np.array(confidences), np.array(right, dtype=np.float64), _bins(confidences)
    table = []
    for number in range(BINS):
        inside = bins_N == number
        n = int(inside.sum())
        means = (float(confidences_N[inside].mean()), float(right_N[inside].mean())) if n else (None, None)
        table.append(Bin(number / BINS, (number + 1) / BINS, n, *means))
    return tuple(table)


def calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> Quantity:
    """Expected calibration error (Guo et al. 2017, "On Calibration of Modern Neural Networks").

    The mean over answers of how far the confidence of their bin is from its accuracy.
    """
    number = len(confidences)
    rows_NC = np.zeros((number, BINS + 1))
    rows_NC[np.arange(number), _bins(confidences)] = np.array(confidences) - np.array(right, dtype=np.float64)
    rows_NC[:, BINS] = 1
    return Quantity(rows_NC, _mean_gap, number)


def _mean_gap(sums: Floats) -> Floats:
    gaps: Floats = np.abs(sums[..., :BINS]).sum(axis=-1) / sums[..., BINS]
    return gaps


def _bins(confidences: Sequence[float]) -> npt.NDArray[np.int64]:
    return np.minimum((np.array(confidences) * BINS).astype(np.int64), BINS - 1)
