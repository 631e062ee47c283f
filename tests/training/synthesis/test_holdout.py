"""The hold-out: each name, number, combination and entry is on one side, and a draw keeps to its own."""

import random
from collections import Counter
from collections.abc import Callable
from typing import get_args

import pytest

from training.synthesis.hazards import TABLES
from training.synthesis.holdout import (
    VAGUE_BOUNDS,
    Draw,
    Side,
    Sides,
    side_of_combination,
    side_of_entry,
    side_of_name,
    side_of_number,
)
from training.synthesis.items import ITEMS


@pytest.mark.parametrize(
    "side_of",
    [
        lambda n: side_of_name(f"青石{n}村"),
        lambda n: side_of_number("trapped", 10_000 + n),
        lambda n: side_of_entry(f"水涨了{n}"),
    ],
)
def test_about_one_in_ten_is_held_out_and_a_third_of_that_for_validation(side_of: Callable[[int], Side]) -> None:
    shares = Counter(map(side_of, range(5000)))
    assert 0.08 < 1 - shares["known"] / 5000 < 0.12
    assert 0.25 < shares["validation"] / (shares["validation"] + shares["test"]) < 0.42


@pytest.mark.parametrize("numbers", get_args(Side))
def test_drawn_numbers_keep_to_their_side(numbers: Side) -> None:
    draw = Draw(random.Random(1), Sides(numbers=numbers))
    for _ in range(500):
        number = draw.number("trapped", 10, 300)
        assert side_of_number("trapped", number) == numbers
        assert draw.number("trapped", 10, 12) >= 10  # none may be left there: then the next one above
        assert 1 <= draw.number("trapped", 1, 9) <= 9
    assert draw.used == (set() if numbers == "known" else {"numbers"})


def test_small_numbers_and_the_bounds_of_vague_counts_are_in_every_split() -> None:
    assert {side_of_number("trapped", value) for value in (*range(10), *VAGUE_BOUNDS)} == {"known"}


@pytest.mark.parametrize("names", get_args(Side))
def test_names_keep_to_their_side_and_the_seed_road_is_on_none(names: Side) -> None:
    draw = Draw(random.Random(1), Sides(names=names))
    made = [f"柳河{n}村" for n in range(300)]
    assert [name for name in made if draw.admits_name(name)] == [n for n in made if side_of_name(n) == names]
    assert not draw.admits_name("A7公路")


def test_some_combinations_of_most_hazards_are_held_out_but_none_of_the_seed_pair() -> None:
    drawn = {hazard: {*table.needs, *(ITEMS[word].need for word in table.items)} for hazard, table in TABLES.items()}
    every = [(hazard, need) for hazard, needs in drawn.items() for need in needs]
    held = [pair for pair in every if side_of_combination(*pair) != "known"]
    assert 0.05 < len(held) / len(every) < 0.15
    assert len({hazard for hazard, _ in held}) >= 8
    assert {side_of_combination("snow_road", need) for need in ("generator", "medical")} == {"known"}


@pytest.mark.parametrize("side", ["validation", "test"])
def test_a_held_out_combination_is_admitted_by_its_own_side_alone(side: Side) -> None:
    every = ((hazard, need) for hazard, table in TABLES.items() for need in table.needs)
    hazard, need = next(pair for pair in every if side_of_combination(*pair) == side)
    admitting = [
        s for s in get_args(Side) if Draw(random.Random(1), Sides(combinations=s)).admits_need((hazard,), need)
    ]
    assert admitting == [side]
    assert not Draw(random.Random(1)).admits_need(("snow_road", hazard), need)


def test_a_held_out_combination_that_was_drawn_is_noted() -> None:
    every = ((hazard, need) for hazard, table in TABLES.items() for need in table.needs)
    hazard, need = next(pair for pair in every if side_of_combination(*pair) == "test")
    draw = Draw(random.Random(1), Sides(combinations="test"))
    draw.note_needs((hazard,), ("rescue",))
    assert draw.used == set()
    draw.note_needs((hazard,), (need,))
    assert draw.used == {"combinations"}
