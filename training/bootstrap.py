"""Figures of a sample of rows, each with its 95% interval by the percentile bootstrap (Efron 1979).

Every figure here is a function of sums over the rows: right answers over all answers, matched labels over labels. To
resample is then to weight the rows with how often each was drawn, and all figures come out of one matrix product.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)
SEED = 1
_DRAWS_AT_ONCE = 1_000_000  # row numbers held in memory

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval and the number of rows that it was measured on.

    value, low and high are None where no row has a say. An interval without width says that the rows are all alike,
    not that the figure is certain: with n rows and no error the true rate may well be 3/n.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int

    def to_dict(self) -> dict[str, float | int | None]:
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


@dataclass(frozen=True)
class Quantity:
    """A figure as a function of sums over rows (N rows, C columns).

    rows_NC is what each row adds to the sums; of_sums maps sums of shape (…, C) to figures of shape (…), NaN where
    there is none; n is the number of rows that have a say.
    """

    rows_NC: Floats
    of_sums: Callable[[Floats], Floats]
    n: int


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> Quantity:
    """Sum of parts over sum of wholes; rows with a whole of 0 have no say."""
    rows_N2 = np.array([parts, wholes], dtype=np.float64).T
    return Quantity(rows_N2, _divide, int(np.count_nonzero(rows_N2[:, 1])))


def estimate(quantities: Mapping[str, Quantity]) -> dict[str, Estimate]:
    """Each quantity with its interval; all are taken over the same rows, in the same order, and resampled together."""
    if not quantities:
        return {}
    rows_NC = np.concatenate([quantity.rows_NC for quantity in quantities.values()], axis=1)
    resampled_RC = _resampled_sums(rows_NC)
    estimates, start = {}, 0
    for name, quantity in quantities.items():
        columns = slice(start, start + quantity.rows_NC.shape[1])
        value = float(quantity.of_sums(rows_NC[:, columns].sum(axis=0)))
        estimates[name] = _estimate(value, quantity.of_sums(resampled_RC[:, columns]), quantity.n)
        start = columns.stop
    return estimates


def _estimate(value: float, resampled_R: Floats, n: int) -> Estimate:
    if np.isnan(value):
        return Estimate(None, None, None, n)
    low, high = np.nanpercentile(resampled_R, PERCENTILES)
    # Rounding can put the ends of an interval without width on the wrong side of the value.
    return Estimate(value, min(float(low), value), max(float(high), value), n)


def _divide(sums: Floats) -> Floats:
    parts, wholes = sums[..., 0], sums[..., 1]
    return np.divide(parts, wholes, out=np.full_like(parts, np.nan), where=wholes != 0)


def _resampled_sums(rows_NC: Floats) -> Floats:
    """The sums over RESAMPLES samples of as many rows, drawn with replacement; always the same draws."""
    number = len(rows_NC)
    rng = np.random.default_rng(SEED)
    at_once = max(1, _DRAWS_AT_ONCE // number)
    sums = []
    for start in range(0, RESAMPLES, at_once):
        size = min(at_once, RESAMPLES - start)
        drawn = rng.integers(number, size=(size, number)) + number * np.arange(size)[:, None]
        times_drawn = np.bincount(drawn.ravel(), minlength=size * number).reshape(size, number)
        sums.append(times_drawn.astype(np.float64) @ rows_NC)
    return np.concatenate(sums)
