"""Places: specific ones name something, generic ones nothing, and names keep to their side of the hold-out."""

import random
from functools import cache
from typing import get_args

import pytest

from dispatch.domain.labels import HAZARDS
from dispatch.domain.places import is_vague_place
from training.synthesis.gazetteer import Gazetteer
from training.synthesis.holdout import Draw, Side, Sides
from training.synthesis.lexicon import Lexicon


@cache
def gazetteer() -> Gazetteer:
    return Gazetteer(Lexicon.load())


@pytest.mark.parametrize("names", get_args(Side))
def test_specific_places_are_many_and_none_is_vague_or_the_seed_road(names: Side) -> None:
    draw = Draw(random.Random(1), Sides(names=names))
    places = [gazetteer().place(draw) for _ in range(2000)]
    assert len(set(places)) > 1700
    assert not [place for place in places if is_vague_place(place) or "A7" in place]
    assert not [place for place in places if any(mark in place for mark in ",。;、 \n")]


def test_places_have_every_form() -> None:
    draw = Draw(random.Random(2))
    places = [gazetteer().place(draw) for _ in range(3000)]
    for form in ("村", "镇", "高速", "K", "小区", "号楼", "隧道", "大桥", "小学", "旁边", "方向"):
        assert any(form in place for place in places), form


@pytest.mark.parametrize("hazard", HAZARDS)
def test_generic_places_name_nothing(hazard: str) -> None:
    draw = Draw(random.Random(3))
    generic = {gazetteer().generic(hazard, draw) for _ in range(300)}
    assert len(generic) >= 5
    assert [place for place in generic if not is_vague_place(place)] == []


def test_foreign_and_rare_names_stand_in_every_form() -> None:
    draw = Draw(random.Random(4))
    places = [gazetteer().place(draw) for _ in range(6000)]
    common = {
        bytes((row, cell)).decode("gb2312", errors="ignore") for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF)
    }
    for form in ("镇", "村", "高速", "小区", "号楼", "隧道", "大桥", "小学", "水库", "林场", "往"):
        rare = [
            place for place in places if form in place and any("一" <= c <= "龥" and c not in common for c in place)
        ]
        assert len(rare) >= 5, form


def test_places_have_long_tails() -> None:
    draw = Draw(random.Random(5))
    lengths = sorted(len(gazetteer().place(draw)) for _ in range(3000))
    assert lengths[len(lengths) // 2] >= 9
    assert lengths[len(lengths) * 9 // 10] >= 18
    assert lengths[-1] <= 40


def test_a_place_spoken_of_in_passing_names_something() -> None:
    draw = Draw(random.Random(6))
    assert all(gazetteer().elsewhere(draw) for _ in range(2000))
