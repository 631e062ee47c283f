"""BLEU (Papineni et al. 2002) and chrF (Popović 2015) by sacrebleu, for pairs that have nothing but texts."""

import importlib
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from training.bootstrap import Floats, Quantity

_CHINESE = re.compile("[\u3400-\u9fff]")
_EXPECTED_LENGTH = 1  # of the counts of either measure: how many tokens or characters the expected texts have


def text_scores(expected: Sequence[str], answered: Sequence[str]) -> dict[str, Quantity]:
    """BLEU and chrF, from 0 to 1. BLEU cuts Chinese into characters (sacrebleu's tokenizer zh, else 13a).

    Raises:
        ValueError: if sacrebleu is not installed.
    """
    sacrebleu = load_sacrebleu()
    tokenizer = "zh" if any(map(_CHINESE.search, expected)) else "13a"
    # The effective order makes a difference only where no answer has the four tokens that BLEU's last order counts.
    metrics = {"bleu": sacrebleu.BLEU(tokenize=tokenizer, effective_order=True), "chrf": sacrebleu.CHRF()}
    return {name: _quantity(metric, expected, answered) for name, metric in metrics.items()}


def load_sacrebleu() -> Any:
    """The module of sacrebleu's measures.

    Raises:
        ValueError: if sacrebleu is not installed.
    """
    try:
        return importlib.import_module("sacrebleu.metrics")
    except ImportError:
        raise ValueError(
            "pairs without situations are measured by BLEU and chrF, which needs sacrebleu: pip install sacrebleu"
        ) from None


def _quantity(metric: Any, expected: Sequence[str], answered: Sequence[str]) -> Quantity:
    """The counts that each row adds: what sacrebleu's own tests of significance resample."""
    rows_NC = np.array(metric._extract_corpus_statistics(answered, [expected]), dtype=np.float64)
    return Quantity(rows_NC, _score_of(metric), int(np.count_nonzero(rows_NC[:, _EXPECTED_LENGTH])))


def _score_of(metric: Any) -> Callable[[Floats], Floats]:
    def score(sums: Floats) -> Floats:
        scores = [score_of_counts(counts) for counts in sums.reshape(-1, sums.shape[-1]).tolist()]
        return np.array(scores).reshape(sums.shape[:-1])

    def score_of_counts(counts: list[float]) -> float:
        if not counts[_EXPECTED_LENGTH]:
            return math.nan  # a resample in which no text was drawn says nothing
        return min(float(metric._compute_score_from_stats(counts).score) / 100, 1.0)

    return score
