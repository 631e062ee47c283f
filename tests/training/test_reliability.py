import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.bootstrap import estimate
from training.reliability import Bin, calibration_error, reliability

CONFIDENCES = [0.95, 0.91, 0.42, 0.48, 1.0, 0.0]
RIGHT = [True, False, True, False, True, False]


def error_of(confidences: list[float], right: list[bool]) -> float:
    value = estimate({"it": calibration_error(confidences, right)})["it"].value
    assert value is not None
    return value


def test_answers_are_sorted_into_bins_by_their_confidence() -> None:
    bins = reliability(CONFIDENCES, RIGHT)
    assert [entry.n for entry in bins] == [1, 0, 0, 0, 2, 0, 0, 0, 0, 3]
    assert bins[1] == Bin(0.1, 0.2, 0, None, None)
    assert bins[4].to_dict() == {"low": 0.4, "high": 0.5, "n": 2, "confidence": pytest.approx(0.45), "accuracy": 0.5}
    assert bins[9].confidence == pytest.approx((0.95 + 0.91 + 1) / 3)
    assert bins[9].accuracy == pytest.approx(2 / 3)


def test_the_error_is_the_mean_gap_between_confidence_and_accuracy() -> None:
    gap_low, gap_middle, gap_high = 0.0, abs(0.45 - 0.5), abs(2.86 / 3 - 2 / 3)
    assert error_of(CONFIDENCES, RIGHT) == pytest.approx((1 * gap_low + 2 * gap_middle + 3 * gap_high) / 6)


def test_confidence_in_right_answers_alone_is_no_error() -> None:
    assert error_of([1.0, 1.0, 0.0], [True, True, False]) == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
def test_the_table_and_the_error_agree(answers: list[tuple[float, bool]]) -> None:
    confidences, right = [confidence for confidence, _ in answers], [verdict for _, verdict in answers]
    bins = reliability(confidences, right)
    assert sum(entry.n for entry in bins) == len(answers)
    gaps = [
        entry.n * abs(entry.confidence - entry.accuracy)
        for entry in bins
        if entry.confidence is not None and entry.accuracy is not None
    ]
    assert error_of(confidences, right) == pytest.approx(sum(gaps) / len(answers), abs=1e-9)
