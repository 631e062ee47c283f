"""How many people words tell of, and what stated counts come to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain.amounts import find_amounts
from dispatch.domain.persons import MOST_TOLD, most_told, sums_of


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("我和我奶奶困在里面", 2),
        ("我爷爷奶奶没出来", 2),
        ("一男一女困在那头", 2),
        ("司机和副驾都卡着", 2),
        ("我妹带着两个娃困在里头", 3),
        ("我領著倆娃困在裡頭", 3),
        ("司机及三名乘客被撞伤", 4),
        ("我一个大人帶仨囡囡困在這", 4),
        ("两对小两口都伤着了", 4),
        ("我爸我妈、我哥我嫂子和我困在里头", 5),
    ],
)
def test_people_who_are_named_are_counted(text: str, told: int) -> None:
    assert most_told(text) >= told
    assert most_told(f"水漫到二楼了,{text},快来") >= told


@pytest.mark.parametrize(
    "text", ["", "道路结冰,断电", "调台大机器来,水深2米", "我们村的路断了", "五十人被困", "16名困在里头"]
)
def test_where_nobody_is_named_there_is_nobody(text: str) -> None:
    assert most_told(text) == 0


def test_who_is_named_far_apart_is_not_added_up() -> None:
    assert most_told("我爸困在里头。水很大。电也没了。路断了。我妈在外地") == 1


@given(st.text("我爸妈和两个娃三名一十,。困9", max_size=60))
def test_no_text_names_more_than_can_be_named(text: str) -> None:
    assert 0 <= most_told(text) <= MOST_TOLD


def test_counts_of_people_come_to_their_sums_and_rests() -> None:
    sums = set(sums_of(find_amounts("里面原有15人,出来4人,还有2名工人受伤,水深3米")))
    assert {11.0, 19.0, 17.0, 6.0, 21.0, 9.0} <= sums
    assert 18.0 not in sums  # 15 people and 3 metres
