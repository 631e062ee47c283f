"""Numbers as people say them agree with the counts that stand in the situation."""

import random

import pytest

from dispatch.domain.extraction import read_numeral
from training.synthesis.holdout import Draw, is_held_out_number
from training.synthesis.numbers import draw_count, to_chinese


@pytest.mark.parametrize(
    ("number", "text"),
    [(2, "两"), (10, "十"), (16, "十六"), (22, "二十二"), (101, "一百零一"), (110, "一百一十"), (2003, "两千零三")],
)
def test_chinese_numerals(number: int, text: str) -> None:
    assert to_chinese(number) == text


def test_every_numeral_reads_back() -> None:
    assert [read_numeral(to_chinese(number)) for number in range(1, 3000)] == list(range(1, 3000))


@pytest.mark.parametrize("unseen", [False, True])
def test_drawn_numbers_keep_to_their_side_of_the_hold_out(unseen: bool) -> None:
    draw = Draw(random.Random(1), unseen)
    for _ in range(500):
        number = draw.number("trapped", 10, 300)
        assert is_held_out_number("trapped", number) == unseen
        assert draw.number("trapped", 10, 12) >= 10  # none may be left there: then the next one above
        assert 1 <= draw.number("trapped", 1, 9) <= 9


def test_exact_counts_say_their_number() -> None:
    draw = Draw(random.Random(2), unseen=False)
    for _ in range(500):
        count, before, after = draw_count("trapped", draw, False, 200)
        digits = "".join(char for char in before if char.isdigit())
        if not count.uncertain and digits:
            assert (int(digits), after) == (count.min, "")
