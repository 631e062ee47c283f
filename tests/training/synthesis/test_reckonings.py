"""Reckonings: the counts follow from the numbers that are said, and every number keeps to its side of the hold-out."""

import random
import re
from collections.abc import Iterator
from typing import get_args

import pytest

from dispatch.domain.extraction import read_numeral
from training.synthesis.hazards import TABLES
from training.synthesis.holdout import VAGUE_BOUNDS, Draw, Side, Sides, side_of_number
from training.synthesis.lexicon import Entries, Lexicon, Template
from training.synthesis.reckonings import Reckoned, Reckoning, Reckonings

COLLOQUIAL = {"俩": 2, "仨": 3}


def entries(*texts: str) -> Entries:
    return Entries([Template(text) for text in texts], ())


def reckoned(sides: Sides, size: int = 60) -> Iterator[Reckoned]:
    """Reckonings of every hazard, category and register, in digits and in numerals."""
    draw, section = Draw(random.Random(1), sides), Lexicon.load().people["reckoned"]
    for register in ("formal", "spoken"):
        reckonings = Reckonings(section, register)
        for hazard, table in TABLES.items():
            for category in table.people:
                found = (reckonings.pick(category, hazard, set(), draw, 0.3) for _ in range(size))
                yield from (each for each in found if each)


def read(text: str) -> int:
    """The number of a slot, with or without its measure word."""
    if text in COLLOQUIAL:
        return COLLOQUIAL[text]
    said = re.match(r"\d+|[零一二两三四五六七八九十百千]+", text)
    assert said, text
    number = int(said[0]) if said[0].isdecimal() else read_numeral(said[0])
    assert number is not None
    return number


def test_a_key_states_counts_by_slots_labels_and_hazards() -> None:
    reckoning = Reckoning.from_key("missing = lost, trapped = all - lost, elderly, floor (flood)")
    assert reckoning.people == {"missing": ((1, "lost"),), "trapped": ((1, "all"), (-1, "lost"))}
    assert (reckoning.slots, reckoning.vulnerable) == (("lost", "all", "floor"), ("elderly",))
    assert (reckoning.facts, reckoning.measures) == ((), ("floor",))
    assert [hazard for hazard in TABLES if reckoning.fits(hazard)] == ["flood"]


@pytest.mark.parametrize("key", ["", "floor", "trapped", "elderly", "old = n", "trapped = n, 人", "trapped = n (sea)"])
def test_a_key_that_counts_nobody_or_is_malformed_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"reckoned|key"):
        Reckoning.from_key(key)


def test_what_is_said_gives_the_counts_and_the_facts() -> None:
    keys = set()
    for each in reckoned(Sides()):
        reckoning = Reckoning.from_key(each.key)
        values = {name: read(text) for name, text in each.slots.items() if name != "count"}
        for label, count in each.people.items():
            if reckoning.people[label] != ((1, "count"),):
                assert (count.min, count.max) == (reckoning.count(label, values),) * 2, each
                assert count.min >= 1
        for name, value in {**each.facts, **each.measures}.items():
            assert value is True or value == values[name], each
        keys.add(each.key)
    assert len(keys) > 40


def test_a_part_is_less_than_the_whole_and_the_badly_hurt_are_some_of_the_injured() -> None:
    for each in reckoned(Sides()):
        values = {name: read(text) for name, text in each.slots.items() if name != "count"}
        whole = [values[name] for name in ("all", "n") if name in values]
        for name in ("part", "lost", "out"):
            assert not whole or name not in values or values[name] < whole[0], each
        for name in ("severe", "moderate", "light"):
            assert name not in each.facts or each.facts[name] <= each.people["injured"].min, each


@pytest.mark.parametrize("side", get_args(Side))
def test_counts_and_facts_keep_to_their_side_of_the_hold_out(side: Side) -> None:
    for each in reckoned(Sides(numbers=side), 15):
        counts = {(label, bound) for label, count in each.people.items() for bound in (count.min, count.max or 0)}
        numbers = {(name, int(value)) for name, value in {**each.facts, **each.measures}.items() if value is not True}
        for slot, number in counts | numbers:
            if number >= 10 and number not in VAGUE_BOUNDS:
                assert side_of_number(slot, number) == side, each


def test_nothing_is_stated_twice() -> None:
    section = {"trapped = count, floor": {"spoken": entries("{count}困在{floor}楼")}}
    reckonings, draw = Reckonings(section, "spoken"), Draw(random.Random(1))
    assert reckonings.pick("trapped", "flood", {"injured"}, draw, 0.0)
    assert reckonings.pick("trapped", "flood", {"floor"}, draw, 0.0) is None
    assert reckonings.pick("trapped", "flood", {"trapped"}, draw, 0.0) is None
    assert reckonings.pick("trapped", "snow_road", set(), draw, 0.0) is None  # nobody says a floor there


def test_who_says_that_the_others_are_well_counts_first() -> None:
    section = {"all, trapped = part": {"spoken": entries("一共{all},{part}困着,别的都安全")}}
    reckonings, draw = Reckonings(section, "spoken"), Draw(random.Random(1))
    assert reckonings.closing == {"all, trapped = part"}
    assert reckonings.pick("trapped", "flood", {"missing"}, draw, 0.0) is None
    assert reckonings.pick("trapped", "flood", {"floor"}, draw, 0.0)
