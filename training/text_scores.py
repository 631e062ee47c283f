"""BLEU (Papineni et al. 2002) and chrF (Popović 2015) by sacrebleu, for pairs that have nothing but texts."""

import importlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from training.bootstrap import Floats, Quantity

_CHINESE = re.compile("[\u3400-\u9fff]")


def text_scores(expected: Sequence[str], answered: Sequence[str]) -> dict[str, Quantity]:
    """BLEU and chrF, from 0 to 1. BLEU cuts Chinese into characters (sacrebleu's tokenizer zh, else 13a).

    Raises:
        ValueError: if sacrebleu is not installed.
    """
    try:
        sacrebleu = importlib.import_module("sacrebleu.metrics")
    except ImportError:
        raise ValueError(
            "pairs without situations are measured by BLEU and chrF, which needs sacrebleu: pip install sacrebleu"
        ) from None
    tokenizer = "zh" if any(map(_CHINESE.search, expected)) else "13a"
    metrics = {"bleu": sacrebleu.BLEU(tokenize=tokenizer), "chrf": sacrebleu.CHRF()}
    return {name: _quantity(metric, expected, answered) for name, metric in metrics.items()}


def _quantity(metric: Any, expected: Sequence[str], answered: Sequence[str]) -> Quantity:
    """The counts that each row adds: what sacrebleu's own tests of significance resample."""
    rows_NC = np.array(metric._extract_corpus_statistics(answered, [expected]), dtype=np.float64)
    return Quantity(rows_NC, _score_of(metric), len(rows_NC))


def _score_of(metric: Any) -> Callable[[Floats], Floats]:
    def score(sums: Floats) -> Floats:
        rows = sums.reshape(-1, sums.shape[-1]).tolist()
        scores = [metric._compute_score_from_stats(row).score / 100 for row in rows]
        return np.array(scores).reshape(sums.shape[:-1])

    return score
