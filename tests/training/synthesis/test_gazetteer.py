"""Places: specific ones name something, generic ones nothing, and names keep to their side of the hold-out."""

import random
from functools import cache

import pytest

from dispatch.domain.labels import HAZARDS
from dispatch.domain.places import is_vague_place
from training.synthesis.gazetteer import Gazetteer
from training.synthesis.holdout import Draw, Sides
from training.synthesis.lexicon import Lexicon


@cache
def gazetteer() -> Gazetteer:
    return Gazetteer(Lexicon.load())


@pytest.mark.parametrize("names", [False, True])
def test_specific_places_are_many_and_none_is_vague_or_the_seed_road(names: bool) -> None:
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
