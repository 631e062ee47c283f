"""The hold-out: each name, number, combination and entry is on one side, and a draw keeps to its own."""

import random
from collections.abc import Callable

import pytest

from training.synthesis.hazards import TABLES
from training.synthesis.holdout import (
    VAGUE_BOUNDS,
    Draw,
    Sides,
    is_held_out_combination,
    is_held_out_entry,
    is_held_out_name,
    is_held_out_number,
)
from training.synthesis.items import ITEMS


@pytest.mark.parametrize(
    "is_held_out",
    [
        lambda n: is_held_out_name(f"青石{n}村"),
        lambda n: is_held_out_number("trapped", 10_000 + n),
        lambda n: is_held_out_entry(f"水涨了{n}"),
    ],
)
def test_about_one_in_ten_is_held_out(is_held_out: Callable[[int], bool]) -> None:
    assert 0.08 < sum(map(is_held_out, range(5000))) / 5000 < 0.12


@pytest.mark.parametrize("numbers", [False, True])
def test_drawn_numbers_keep_to_their_side(numbers: bool) -> None:
    draw = Draw(random.Random(1), Sides(numbers=numbers))
    for _ in range(500):
        number = draw.number("trapped", 10, 300)
        assert is_held_out_number("trapped", number) == numbers
        assert draw.number("trapped", 10, 12) >= 10  # none may be left there: then the next one above
        assert 1 <= draw.number("trapped", 1, 9) <= 9
    assert draw.used == ({"numbers"} if numbers else set())


def test_small_numbers_and_the_bounds_of_vague_counts_are_on_both_sides() -> None:
    assert not any(is_held_out_number("trapped", value) for value in (*range(10), *VAGUE_BOUNDS))


@pytest.mark.parametrize("names", [False, True])
def test_names_keep_to_their_side_and_the_seed_road_is_on_none(names: bool) -> None:
    draw = Draw(random.Random(1), Sides(names=names))
    made = [f"柳河{n}村" for n in range(300)]
    assert [name for name in made if draw.admits_name(name)] == [n for n in made if is_held_out_name(n) == names]
    assert not draw.admits_name("A7公路")


def test_some_combinations_of_most_hazards_are_held_out_but_none_of_the_seed_pair() -> None:
    drawn = {hazard: {*table.needs, *(ITEMS[word].need for word in table.items)} for hazard, table in TABLES.items()}
    every = [(hazard, need) for hazard, needs in drawn.items() for need in needs]
    held = [pair for pair in every if is_held_out_combination(*pair)]
    assert 0.05 < len(held) / len(every) < 0.15
    assert len({hazard for hazard, _ in held}) >= 8
    assert not any(is_held_out_combination("snow_road", need) for need in ("generator", "medical"))


def test_the_known_side_admits_no_held_out_combination_of_any_of_the_hazards() -> None:
    held = next((h, n) for h, table in TABLES.items() for n in table.needs if is_held_out_combination(h, n))
    known, turned = Draw(random.Random(1)), Draw(random.Random(1), Sides(combinations=True))
    assert not known.admits_need((held[0],), held[1])
    assert not known.admits_need(("snow_road", held[0]), held[1])
    assert turned.admits_need((held[0],), held[1])
    turned.note_needs((held[0],), ("rescue",))
    assert turned.used == set()
    turned.note_needs((held[0],), (held[1],))
    assert turned.used == {"combinations"}
