"""Numbers as people say them agree with the counts that stand in the situation."""

import random
import re
from typing import get_args

import pytest

from dispatch.domain.extraction import read_numeral
from training.synthesis.holdout import VAGUE_BOUNDS, Draw, Side, Sides, side_of_number
from training.synthesis.numbers import draw_conflict, draw_count, to_chinese


@pytest.mark.parametrize(
    ("number", "text"),
    [(2, "两"), (10, "十"), (16, "十六"), (22, "二十二"), (101, "一百零一"), (110, "一百一十"), (2003, "两千零三")],
)
def test_chinese_numerals(number: int, text: str) -> None:
    assert to_chinese(number) == text


def test_every_numeral_reads_back() -> None:
    assert [read_numeral(to_chinese(number)) for number in range(1, 3000)] == list(range(1, 3000))


def test_exact_counts_say_their_number() -> None:
    draw = Draw(random.Random(2))
    said = 0
    for _ in range(500):
        phrase = draw_count("trapped", draw, 0.05, 200)
        if not phrase.count.uncertain and phrase.before.isdigit():
            assert (int(phrase.before), phrase.after) == (phrase.count.min, "")
            said += 1
    assert said > 100


# What is said -> the bounds that the labelling rules give it (None: open above).
STATED = {
    "几十": (20, 99),
    "数十": (20, 99),
    "十几": (11, 19),
    "10余": (10, 19),
    "几百": (200, 999),
    "数百": (200, 999),
    "上百": (100, None),
    "几千": (2000, 9999),
    "上千": (1000, None),
    "好几": (2, 9),
    "几": (2, 9),
    "1000+": (1000, None),
    "300多": (300, 399),
    "50多": (50, 59),
    "近百": (100, 100),
}


def test_vague_and_open_counts_have_the_bounds_of_the_labelling_rules() -> None:
    draw = Draw(random.Random(3))
    counts = {phrase.before: phrase.count for phrase in (draw_count("trapped", draw, 0.3, 5000) for _ in range(30_000))}
    assert {said: (counts[said].min, counts[said].max) for said in STATED} == STATED


def test_numerals_are_as_often_as_they_are_asked_for() -> None:
    draw = Draw(random.Random(8))
    for in_words in (0.0, 1.0):
        phrases = [draw_count("trapped", draw, in_words, 60) for _ in range(300)]
        exact = [phrase for phrase in phrases if not phrase.count.uncertain]
        assert len(exact) > 100
        assert all(phrase.before.isdecimal() != bool(in_words) for phrase in exact)
        _, first, second = draw_conflict("trapped", draw, in_words, 60)
        assert first.isdecimal() == second.isdecimal() != bool(in_words)


def test_ranges_say_both_of_their_bounds() -> None:
    draw = Draw(random.Random(4))
    phrases = [draw_count("trapped", draw, 0.05, 200) for _ in range(3000)]
    ranges = [phrase for phrase in phrases if re.fullmatch(r"\d+[到至~—-]\d+", phrase.before)]
    assert len(ranges) > 50
    for phrase in ranges:
        low, high = map(int, re.findall(r"\d+", phrase.before))
        assert (low, high) == (phrase.count.min, phrase.count.max)
        assert low < high


@pytest.mark.parametrize("side", get_args(Side))
def test_every_bound_keeps_to_its_side_of_the_hold_out(side: Side) -> None:
    draw = Draw(random.Random(5), Sides(numbers=side))
    for _ in range(3000):
        count = draw_count("trapped", draw, 0.3, 3000).count
        stated = [bound for bound in (count.min, count.max) if bound and bound >= 10 and bound not in VAGUE_BOUNDS]
        assert all(side_of_number("trapped", bound) == side for bound in stated)


def test_contradicting_counts_differ_and_bound_each_other() -> None:
    draw = Draw(random.Random(6))
    for _ in range(200):
        count, first, second = draw_conflict("trapped", draw, 0.05, 100)
        assert count.conflicting
        assert count.max is not None
        assert count.min < count.max
        if first.isdigit() and second.isdigit():
            assert sorted((int(first), int(second))) == [count.min, count.max]
