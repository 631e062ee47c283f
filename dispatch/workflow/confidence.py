"""Confidence: how likely the instruction that is sent is right, by the calibration of the bundle that wrote it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from dispatch.domain import Check
from dispatch.domain.findings import Severity
from dispatch.engine import Candidate, Generation
from dispatch.model import WARN_BELOW, Calibration

FEATURES = (
    *("situation_least", "situation_mean", "instruction_least", "instruction_mean"),
    *("errors", "warnings", "infos", "agrees", "margin", "length", "incidents", "unseen_share"),
)
"""The features of an answer: what the network thought of its tokens, as logits (of the least probable one, and of the
geometric mean), findings by severity, whether the network wrote what doctrine says, by how much it preferred this to
its next candidate (0 where there is none), the logarithm of the report's length, how many incidents it read, and what
part of the report's runs of characters training has not shown it."""

_LEAST_PROBABILITY = 1e-4  # where logits end, at either side
_LARGEST_MARGIN = 2.0


def require_known(calibration: Calibration | None) -> None:
    """Raises ValueError for a calibration by features that this version does not compute."""
    if calibration is not None and (unknown := set(calibration.weights) - set(FEATURES)):
        raise ValueError(f"the bundle's calibration knows {min(unknown)!r}: fit it again by `dispatch calibrate`")


def features_of(
    report: str, source: Candidate, generation: Generation, checks: Sequence[Check], agrees: bool
) -> Mapping[str, float]:
    """The features of an answer to a report made of the network's candidate ``source``, by name."""
    severities = Counter(check.severity for check in checks)
    first, *others = generation.candidates
    values = (
        *_logits(source.situation_scores),
        *_logits(source.token_scores),
        *(float(severities[severity]) for severity in ("error", "warning", "info")),
        float(agrees),
        min(first.score - others[0].score, _LARGEST_MARGIN) if others else 0.0,
        math.log(1 + len(report)),
        float(len(source.situations)),
        generation.unseen_share,
    )
    return dict(zip(FEATURES, values, strict=True))


def confidence_of(source: Candidate, features: Mapping[str, float], calibration: Calibration | None) -> float:
    """The probability that the answer is right; without a calibration that of the network's least certain token."""
    return source.confidence if calibration is None else calibration.probability(features)


def low_confidence(confidence: float, calibration: Calibration | None) -> list[Check]:
    """The finding that a person should look twice, where there is reason to."""
    if confidence >= (calibration.warn_below if calibration else WARN_BELOW):
        return []
    if calibration is None:
        message = f"the model is unsure (its least certain token has probability {confidence:.2f})"
        return [Check("LOW_CONFIDENCE", "warning", message, "instruction")]
    message = f"the instruction is right with probability {confidence:.2f}"
    severity: Severity = "error" if confidence < calibration.error_below else "warning"
    return [Check("LOW_CONFIDENCE", severity, message, "instruction")]


def _logits(scores: Sequence[float]) -> tuple[float, float]:
    """Of the least probable token and of the geometric mean; 0 where there are no tokens."""
    if not scores:
        return 0.0, 0.0
    return _logit(math.exp(min(scores))), _logit(math.exp(sum(scores) / len(scores)))


def _logit(probability: float) -> float:
    bounded = min(max(probability, _LEAST_PROBABILITY), 1 - _LEAST_PROBABILITY)
    return math.log(bounded / (1 - bounded))
