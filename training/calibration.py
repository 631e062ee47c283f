"""Calibration: from what is known of an answer to how likely it is right, and when that is too little.

The probability is a logistic regression: Platt (1999, "Probabilistic Outputs for Support Vector Machines") fits one
score so; here a few features of the answer are taken together. Features are standardised while fitting, and the weights
that are kept are those of the features as they come.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from dispatch.model import KIND_THRESHOLD, WARN_BELOW, Calibration
from training.bootstrap import Floats

PENALTY = 1.0
"""Half the weight of the squared weights beside the log-likelihood: what one answer says, no more."""
FOLDS = 5
MISSED_REQUEST_COST = 50
"""Needless callbacks that are as bad as one request for help that nobody answers."""
NEEDLESS_CALLBACKS = 0.01
"""Of the reports that are rightly read as no request, the part that may be called back all the same."""
NEEDLESS_ERRORS = 0.005
"""Of right answers, the part that may be called an error for the model's doubt alone."""
SILENT_ERRORS = 0.01
"""Of all answers, the part that may be wrong in a critical slot without a warning."""
_ENOUGH_TO_WARN = 2 / SILENT_ERRORS  # answers: of fewer hardly one may be wrong and silent
_STEPS = 50
_CLOSE = 1e-9


def fit_calibration(
    features: Sequence[Mapping[str, float]],
    right: Sequence[bool],
    kind_threshold: float = KIND_THRESHOLD,
    warn_below: float = WARN_BELOW,
    error_below: float = 0.0,
) -> Calibration:
    """Fits on answers (N of them, F features of each) and whether they were right; always the same on the same.

    Raises ValueError without answers.
    """
    if not features:
        raise ValueError("there is no answer to calibrate on")
    names = tuple(features[0])
    features_NF = np.array([[row[name] for name in names] for row in features])
    mean_F, spread_F = features_NF.mean(axis=0), features_NF.std(axis=0)
    varies_F = spread_F > _CLOSE  # what is always the same says nothing
    scale_F = np.where(varies_F, spread_F, 1.0)
    ones_N1 = np.ones((len(features), 1))
    inputs_NC = np.concatenate([ones_N1, (features_NF - mean_F) / scale_F * varies_F], axis=1)
    intercept, *standard = _fit(inputs_NC, _targets(right))
    weights_F = np.array(standard) / scale_F * varies_F
    return Calibration(
        float(intercept - weights_F @ mean_F),
        {name: float(weight) for name, weight in zip(names, weights_F, strict=True)},
        kind_threshold,
        warn_below,
        error_below,
    )


def fit_kind_threshold(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """How sure the network must be that a report is no request, from some that it read so and whether they were none.

    The threshold that costs least of those from which on NEEDLESS_CALLBACKS of those that were none are called back:
    reports of other kinds will be read wrong where these are not. Never below KIND_THRESHOLD: held pairs are easier
    than what people write, and must not make it easier to send nobody.
    """
    none = sorted(confidence for confidence, verdict in zip(confidences, right, strict=True) if verdict)
    missed = [confidence for confidence, verdict in zip(confidences, right, strict=True) if not verdict]
    if not none:
        return KIND_THRESHOLD
    least = max(KIND_THRESHOLD, none[int(NEEDLESS_CALLBACKS * len(none))])

    def cost(threshold: float) -> int:
        return sum(each < threshold for each in none) + MISSED_REQUEST_COST * sum(each >= threshold for each in missed)

    above = [math.nextafter(each, 1.0) for each in missed if each >= least]
    return min([least, *above], key=cost)


def fit_warning(confidences: Sequence[float], silent: Sequence[bool], ends: Sequence[int] = ()) -> float:
    """The confidence below which answers must ask to look twice; ``silent``: whether nothing else does, and it should.

    Of answers like these no more than SILENT_ERRORS are then expected to be wrong and silent: conformal risk control
    (Angelopoulos et al. 2022), which counts one error more than there were. So it is of each group by itself, too, that
    is large enough to tell, where ``ends`` says behind which answer each group ends: what is easy must not pay for what
    is not. Never below WARN_BELOW.
    """
    groups = [slice(start, end) for start, end in pairwise((0, *ends)) if end - start >= _ENOUGH_TO_WARN]
    return max(_warning(confidences[part], silent[part]) for part in (slice(None), *groups))


def _warning(confidences: Sequence[float], silent: Sequence[bool]) -> float:
    allowed = math.floor(SILENT_ERRORS * (len(confidences) + 1)) - 1
    worst_first = sorted((each for each, is_silent in zip(confidences, silent, strict=True) if is_silent), reverse=True)
    if allowed < 0:
        return 1.0
    if len(worst_first) <= allowed:
        return WARN_BELOW
    return max(WARN_BELOW, math.nextafter(worst_first[allowed], 1.0))


def fit_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """The confidence below which an answer is called an error: right ones hardly ever are.

    The highest that NEEDLESS_ERRORS of the right answers are below, and at most one half. 0 where none was right.
    """
    found = sorted(each for each, verdict in zip(confidences, right, strict=True) if verdict)
    return min(0.5, found[int(NEEDLESS_ERRORS * len(found))]) if found else 0.0


def cross_fitted(features: Sequence[Mapping[str, float]], right: Sequence[bool]) -> list[float]:
    """The confidence of each answer by a calibration that has not seen it (FOLDS folds, every FOLDSth answer one).

    What the figures of a calibration must be taken from: on the answers that it was fitted on it looks better.
    Raises ValueError for fewer answers than folds.
    """
    if len(features) < FOLDS:
        raise ValueError(f"{len(features)} answers are too few to calibrate on: {FOLDS} at least, thousands to be sure")
    rows = range(len(features))
    calibrations = [
        fit_calibration([features[row] for row in rows if row % FOLDS != fold], _others(right, fold))
        for fold in range(FOLDS)
    ]
    return [calibrations[row % FOLDS].probability(features[row]) for row in rows]


def _others(right: Sequence[bool], fold: int) -> list[bool]:
    return [verdict for row, verdict in enumerate(right) if row % FOLDS != fold]


def _targets(right: Sequence[bool]) -> Floats:
    """Platt's: a little inside 0 and 1, so that answers that are all right make nobody certain."""
    right_N = np.array(right, dtype=np.float64)
    good = right_N.sum()
    targets_N: Floats = np.where(right_N > 0, (good + 1) / (good + 2), 1 / (len(right_N) - good + 2))
    return targets_N


def _fit(inputs_NC: Floats, targets_N: Floats) -> Floats:
    """Newton's method on the penalised log-likelihood; the first column is the intercept and goes unpenalised."""
    penalty_C = np.full(inputs_NC.shape[1], PENALTY)
    penalty_C[0] = _CLOSE
    weights_C = np.zeros(inputs_NC.shape[1])
    loss = _loss(inputs_NC, targets_N, weights_C, penalty_C)
    for _ in range(_STEPS):
        chances_N = 1 / (1 + np.exp(-inputs_NC @ weights_C))
        slope_C = inputs_NC.T @ (chances_N - targets_N) + penalty_C * weights_C
        curve_CC = (inputs_NC.T * (chances_N * (1 - chances_N))) @ inputs_NC + np.diag(penalty_C)
        step_C = np.linalg.solve(curve_CC, slope_C)
        scale = 1.0
        while (after := _loss(inputs_NC, targets_N, weights_C - scale * step_C, penalty_C)) > loss and scale > _CLOSE:
            scale /= 2
        weights_C = weights_C - scale * step_C
        if loss - after < _CLOSE:
            break
        loss = after
    return weights_C


def _loss(inputs_NC: Floats, targets_N: Floats, weights_C: Floats, penalty_C: Floats) -> float:
    logits_N = inputs_NC @ weights_C
    return float((np.logaddexp(0, logits_N) - targets_N * logits_N).sum() + (penalty_C * weights_C**2).sum() / 2)
