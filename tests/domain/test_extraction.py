"""The independent extractor of numbers."""

import pytest

from dispatch.domain.extraction import Number, find_numbers, find_phones, read_numeral


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


@pytest.mark.parametrize("text", ["万", "百", "千五百", "三百五", "一万二", "两千三", "三四十", "七八百", "十五六"])
def test_a_numeral_without_its_digit_or_its_last_unit_has_no_value(text: str) -> None:
    assert read_numeral(text) is None


@pytest.mark.parametrize("text", ["上万人", "几百人", "上百户", "三百五个"])
def test_a_numeral_without_a_value_is_no_number(text: str) -> None:
    assert find_numbers(text) == []


def test_a_numeral_of_absurd_length_is_no_number() -> None:
    assert find_numbers("一" + "万" * 80 + "人") == []


@pytest.mark.parametrize("phone", ["13812345678", "138 1234 5678", "138-1234-5678", "0371-66778899", "02066778899"])
def test_telephone_numbers_are_found_however_they_are_grouped(phone: str) -> None:
    text = f"电话{phone}转"
    ((start, end),) = find_phones(text)
    assert text[start:end] == phone


@pytest.mark.parametrize("text", ["138123456789", "50人", "K1234+567", "110", "2023-08-1312"])
def test_other_runs_of_digits_are_no_telephone_numbers(text: str) -> None:
    assert find_phones(text) == []
