import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.model import KIND_THRESHOLD, WARN_BELOW
from training.bootstrap import estimate
from training.calibration import (
    FOLDS,
    NEEDLESS_ERRORS,
    SILENT_ERRORS,
    cross_fitted,
    fit_calibration,
    fit_error,
    fit_kind_threshold,
    fit_warning,
)
from training.reliability import calibration_error


def sample(n: int) -> tuple[list[dict[str, float]], list[bool]]:
    """Answers whose chance to be right is known: logistic in `sure`, whatever `noise` is."""
    rng = np.random.default_rng(3)
    rows = [{"sure": float(rng.normal()), "noise": float(rng.normal()), "always": 7.0} for _ in range(n)]
    return rows, [bool(rng.random() < 1 / (1 + np.exp(-(1 + 2 * row["sure"])))) for row in rows]


def test_known_weights_are_found_again() -> None:
    fitted = fit_calibration(*sample(20_000), kind_threshold=0.8, warn_below=0.7, error_below=0.1)
    assert fitted.intercept == pytest.approx(1, abs=0.1)
    assert fitted.weights["sure"] == pytest.approx(2, abs=0.1)
    assert fitted.weights["noise"] == pytest.approx(0, abs=0.1)
    assert fitted.weights["always"] == 0
    assert (fitted.kind_threshold, fitted.warn_below, fitted.error_below) == (0.8, 0.7, 0.1)


def test_cross_fitted_confidences_are_calibrated() -> None:
    rows, right = sample(5000)
    error = estimate({"it": calibration_error(cross_fitted(rows, right), right)})["it"].value
    assert error is not None
    assert error < 0.03


def test_a_confidence_comes_from_other_answers() -> None:
    rows: list[dict[str, float]] = [{"row": float(row == 0)} for row in range(50)]
    right = [row != 0 for row in range(50)]
    assert cross_fitted(rows, right)[0] > 0.9  # a fit that had seen it would know better


@pytest.mark.parametrize("verdict", [True, False])
def test_answers_that_are_all_alike_make_nobody_certain(verdict: bool) -> None:
    chance = fit_calibration([{"a": 1.0}] * 8, [verdict] * 8).probability({"a": 1.0})
    assert chance == pytest.approx(0.9 if verdict else 0.1, abs=1e-3)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 5), st.booleans()), min_size=1, max_size=20))
def test_whatever_the_answers_it_fits(answers: list[tuple[float, float, bool]]) -> None:
    rows = [{"a": first, "b": second} for first, second, _ in answers]
    fitted = fit_calibration(rows, [verdict for *_, verdict in answers])
    assert all(0 < fitted.probability(row) < 1 for row in rows)


def test_too_few_answers_are_said_to_be() -> None:
    with pytest.raises(ValueError, match="too few"):
        cross_fitted([{"a": 1.0}] * (FOLDS - 1), [True] * (FOLDS - 1))
    with pytest.raises(ValueError, match="no answer"):
        fit_calibration([], [])


def test_a_missed_request_raises_the_threshold_and_needless_callbacks_hold_it_down() -> None:
    sure = [KIND_THRESHOLD + row / 2000 for row in range(100)]
    assert fit_kind_threshold(sure, [True] * 100) == sure[1]  # one in a hundred is called back
    assert sure[30] < fit_kind_threshold(sure, [row != 30 for row in range(100)]) <= sure[31]
    assert fit_kind_threshold(sure, [row != 60 for row in range(100)]) == sure[0]  # sixty callbacks are worse


def test_held_pairs_never_make_it_easier_to_send_nobody() -> None:
    assert fit_kind_threshold([0.6, 0.7, 0.8], [True] * 3) == KIND_THRESHOLD


def test_what_is_called_back_all_the_same_does_not_hold_the_threshold_down() -> None:
    sure = [0.8] * 60 + [0.97] * 100
    assert 0.95 < fit_kind_threshold([*sure, 0.95], [True] * 160 + [False]) < 0.97


def test_without_a_dismissal_to_learn_from_the_threshold_is_the_models() -> None:
    assert fit_kind_threshold([], []) == fit_kind_threshold([0.3], [False]) == KIND_THRESHOLD


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=400))
def test_no_more_silent_errors_are_left_above_the_warning_than_may_be(answers: list[tuple[float, bool]]) -> None:
    limit = fit_warning([sure for sure, _ in answers], [silent for _, silent in answers])
    left = sum(silent and sure >= limit for sure, silent in answers)
    assert WARN_BELOW <= limit <= 1
    assert limit == 1 or left + 1 <= SILENT_ERRORS * (len(answers) + 1)


def test_nobody_is_warned_of_answers_that_are_right_without_need() -> None:
    assert fit_warning([0.9] * 200, [False] * 200) == WARN_BELOW
    limit = fit_warning([0.6] * 100 + [0.9] * 900, [True] * 100 + [False] * 900)
    assert 0.6 < limit < 0.9


def test_no_group_has_more_silent_errors_than_may_be_though_all_together_have_not() -> None:
    confidences = [row / 1000 for row in range(1000)] * 2
    silent = [row >= 970 for row in range(1000)] + [False] * 1000
    together, each = fit_warning(confidences, silent), fit_warning(confidences, silent, [1000, 2000])
    assert sum(is_silent and sure >= each for sure, is_silent in zip(confidences, silent, strict=True)) == 9
    assert each > together
    assert fit_warning(confidences, silent, [100]) == together  # a hundred are too few to tell


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=400))
def test_hardly_a_right_answer_is_called_an_error(answers: list[tuple[float, bool]]) -> None:
    limit = fit_error([sure for sure, _ in answers], [right for _, right in answers])
    needless = sum(right and sure < limit for sure, right in answers)
    assert 0 <= limit <= 0.5
    assert needless <= NEEDLESS_ERRORS * sum(right for _, right in answers)


def test_what_is_surely_wrong_is_called_an_error() -> None:
    sure = [row / 1000 for row in range(1000)]
    assert fit_error(sure, [row >= 200 for row in range(1000)]) == pytest.approx(0.204)
    assert fit_error(sure, [row >= 700 for row in range(1000)]) == 0.5
