"""Vague places, and the names under which doctrine states the formulas' numbers."""

import pytest

from dispatch.domain import default_doctrine
from dispatch.domain.formulas import is_vague_place
from dispatch.domain.reading import THRESHOLDS


@pytest.mark.parametrize("place", ["", "山区公路", "村口", "路边", "我们村里的小区", "路上" * 500])
def test_generic_words_alone_name_no_place(place: str) -> None:
    assert is_vague_place(place)


# A pattern that tried every split of the last one would never come back.
@pytest.mark.parametrize("place", ["A7公路", "甲村", "村口甲", "公", "路上" * 500 + "X"])
def test_anything_else_is_a_name(place: str) -> None:
    assert not is_vague_place(place)


def test_the_shipped_doctrine_states_the_thresholds_that_are_read_and_no_others() -> None:
    assert set(default_doctrine().thresholds) == THRESHOLDS
