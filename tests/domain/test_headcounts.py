"""Headcounts: people named one by one, and what sums and differences of stated numbers give."""

import pytest

from dispatch.domain.amounts import find_amounts
from dispatch.domain.headcounts import find_headcounts


def headcounts(text: str) -> set[int]:
    return {headcount.value for headcount in find_headcounts(text, find_amounts(text))}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("我和我妈困着", 2), ("我爸我妈都困着", 2), ("两口子困着", 2), ("老两口没出来", 2), ("夫妻二人被困", 2)),
        *(
            ("我、我哥和我嫂子困着", 3),
            ("两口子带一个孩子困着", 3),
            ("司机和俩跟车的困着", 3),
            ("母亲携一名幼童被困", 2),
        ),
        *(
            ("四个乘客加一个司机都埋了", 5),
            ("带班人员及四名工人被困", 5),
            ("两对小两口都困着", 4),
            ("我和五个工友困着", 6),
        ),
        *(("老人3名,孩子2名困着", 5), ("男的伤了三个,女的伤了5个", 8), ("俩老人带仨娃困着", 5)),
        *(("我媽和我爺爺困著", 2), ("司機及押運員斷聯", 2)),
    ],
)
def test_people_are_added_up(text: str, number: int) -> None:
    assert number in headcounts(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("原有12个,出来5个", 7), ("一行8人,走散2人,其余被困", 6), ("9户,撤离3户,其余受困", 6), ("13人,仅一人未受伤", 12)],
)
def test_who_is_out_or_found_is_taken_off(text: str, number: int) -> None:
    assert number in headcounts(text)


@pytest.mark.parametrize("text", ["有人被困", "水深3米", "打了110", "16人被困", "5个人和3辆车"])
def test_where_nobody_is_added_or_taken_off_there_is_no_headcount(text: str) -> None:
    assert headcounts(text) == set()


def test_who_is_counted_is_not_named_besides() -> None:
    assert headcounts("三个工友被困") == set()
    assert headcounts("孩子9个被困") == set()


def test_a_headcount_spans_all_who_are_in_it() -> None:
    text = "甲村里面原有12个,出来5个"
    spans = {each.value: text[each.start : each.end] for each in find_headcounts(text, find_amounts(text))}
    assert spans[7].startswith("12个")
    assert spans[7].endswith("5")
