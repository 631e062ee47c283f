"""Places: which names name none, and where one stands in a text."""

import pytest

from dispatch.domain.places import find_place, is_same_place, is_vague_place, stands_in


@pytest.mark.parametrize("place", ["", "山区公路", "村口", "路边", "我们村里的小区", "路上" * 500])
def test_generic_words_alone_name_no_place(place: str) -> None:
    assert is_vague_place(place)


# A pattern that tried every split of the last one would never come back.
@pytest.mark.parametrize("place", ["A7公路", "甲村", "村口甲", "公", "路上" * 500 + "X"])
def test_anything_else_is_a_name(place: str) -> None:
    assert not is_vague_place(place)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("S6", "S6"),
        ("S6", "在S6边上"),
        ("S6", "S65与S6交叉口"),
        ("S6", "S66,S6"),
        ("甲村", "16甲村4"),
        ("5号楼", "15号楼旁的5号楼"),
    ],
)
def test_a_place_stands_where_nothing_makes_it_a_longer_one(place: str, text: str) -> None:
    assert stands_in(place, text)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("S6", "S65"),
        ("S6", "XS6"),
        ("S6", "S65与S66交叉口"),
        ("5号楼", "15号楼"),
        ("甲村", "乙村"),
        ("甲村", ""),
        ("", "甲村"),
    ],
)
def test_a_place_does_not_stand_in_a_longer_number_or_word(place: str, text: str) -> None:
    assert not stands_in(place, text)


def test_the_longer_form_of_a_name_is_the_same_place_whichever_comes_first() -> None:
    assert is_same_place("甲镇S6", "S6")
    assert is_same_place("S6", "甲镇S6")
    assert not is_same_place("S6", "S65")
    assert not is_same_place("S65", "S6")
    assert not is_same_place("", "甲村")


def test_every_occurrence_of_a_place_is_found_but_none_in_a_longer_number() -> None:
    assert list(find_place("3号楼", "3号楼,13号楼,3号楼")) == [0, 9]
    assert list(find_place("", "甲村")) == []
