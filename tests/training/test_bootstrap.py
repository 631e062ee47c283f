import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.bootstrap import Quantity, estimate, ratio


def estimate_one(quantity: Quantity) -> tuple[float, float, float, int]:
    found = estimate({"it": quantity})["it"]
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    return found.value, found.low, found.high, found.n


def test_a_ratio_is_the_sum_of_parts_over_the_sum_of_wholes() -> None:
    value, _, _, n = estimate_one(ratio([1, 0, 3], [1, 0, 4]))
    assert (value, n) == (4 / 5, 2)  # the row whose whole is 0 has no say


def test_a_ratio_of_nothing_has_no_value() -> None:
    assert estimate({"it": ratio([0, 0], [0, 0])})["it"].to_dict() == {"value": None, "low": None, "high": None, "n": 0}


def test_rows_that_are_all_alike_have_an_interval_without_width() -> None:
    assert estimate_one(ratio([1] * 30, [3] * 30)) == (1 / 3, 1 / 3, 1 / 3, 30)


def test_the_interval_is_about_that_of_the_binomial() -> None:
    _, low, high, _ = estimate_one(ratio([1] * 200 + [0] * 200, [1] * 400))
    half_width = 1.96 * (0.25 / 400) ** 0.5
    assert low == pytest.approx(0.5 - half_width, abs=0.01)
    assert high == pytest.approx(0.5 + half_width, abs=0.01)


def test_the_same_rows_have_the_same_interval_and_quantities_do_not_change_each_other() -> None:
    quantity, other = ratio([1, 0, 0, 1, 1], [1] * 5), ratio([2, 2, 0, 0, 5], [3] * 5)
    assert estimate({"it": quantity})["it"] == estimate({"other": other, "it": quantity})["it"]


def test_there_is_nothing_to_estimate_without_quantities() -> None:
    assert estimate({}) == {}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=40))
def test_the_interval_contains_the_value(rows: list[tuple[int, int]]) -> None:
    value, low, high, n = estimate_one(ratio([part for part, _ in rows], [whole for _, whole in rows]))
    assert low <= value <= high
    assert value == pytest.approx(sum(part for part, _ in rows) / sum(whole for _, whole in rows))
    assert n == len(rows)


def test_more_rows_than_are_drawn_at_once_are_resampled_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.bootstrap._DRAWS_AT_ONCE", 7)
    seen: list[tuple[int, ...]] = []

    def count_shapes(sums: np.ndarray) -> np.ndarray:
        seen.append(sums.shape)
        return np.asarray(sums[..., 0])

    assert estimate_one(Quantity(np.ones((10, 1)), count_shapes, 10)) == (10, 10, 10, 10)
    assert seen == [(1,), (1000, 1)]
