"""The independent extractor of numbers."""

import pytest

from dispatch.domain.extraction import Number, find_counts, find_numbers, read_numeral


@pytest.mark.parametrize(
    ("text", "value"),
    [("十", 10), ("十六", 16), ("五十", 50), ("一百零三", 103), ("两千", 2000), ("三万五千", 35000), ("两", 2)],
)
def test_numerals(text: str, value: int) -> None:
    assert read_numeral(text) == value


def test_digits_and_numerals_before_a_measure_word() -> None:
    found = find_numbers("三岔路口积雪1.5米,十六个人,50人,一起走")
    assert [(n.value, n.start, n.end) for n in found] == [(1.5, 6, 9), (16, 11, 13), (50, 16, 18)]


def test_full_width_digits_are_left_to_normalisation() -> None:
    assert find_numbers("Ｓ３０３公路,５人,2人") == [Number(2, 10, 11)]


@pytest.mark.parametrize("text", ["万", "百", "千五百", "三百五", "一万二", "两千三"])
def test_a_numeral_without_its_digit_or_its_last_unit_has_no_value(text: str) -> None:
    assert read_numeral(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("电话13812345678", "K120+300", "8:30", "8点出发", "3月5日", "剩12%的电", "零下20度", "第3组", "50号楼"),
        *("打了110", "119快来", "拨120,没人接", "122吗"),
        *("十几人", "几十人", "好几十个人", "二十几户", "80岁老人", "八十多岁", "20来岁"),
    ],
)
def test_codes_times_ages_and_vague_numbers_are_no_counts(text: str) -> None:
    assert find_counts(text) == []
    assert find_numbers(text)


@pytest.mark.parametrize("text", ["上万人", "几百人", "上百户", "三百五个"])
def test_a_numeral_without_a_value_is_no_number(text: str) -> None:
    assert find_numbers(text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [("50号人", 50), ("50多号人", 50), ("120人被困", 120), ("110户", 110), ("路上十六个人", 16), ("20多人", 20)],
)
def test_what_counts_people(text: str, value: int) -> None:
    assert [number.value for number in find_counts(text)] == [value]


def test_a_numeral_of_absurd_length_is_no_number() -> None:
    assert find_numbers("一" + "万" * 80 + "人") == []
