"""Clauses are put together so that places and numbers can still be told apart, and in any order."""

import random

import pytest

from training.synthesis.draft import WIDE_MARKS, Block, Draft, glue
from training.synthesis.holdout import Draw


def draft(*blocks: Block, joint: str = "") -> Draft:
    return Draft("报告:", blocks, joint, ("电话13800000000",), (",",), ("。",))


@pytest.mark.parametrize(
    ("left", "right", "joiner", "text"),
    [
        ("K12+300", "50人被困", "", "K12+300,50人被困"),
        ("三组", "五十人被困", "", "三组五十人被困"),
        ("路口", "积雪3米", "", "路口积雪3米"),
        ("断电", "断水", ",", "断电,断水"),
        ("断电。", "断水", ",", "断电。断水"),
        ("断电" + WIDE_MARKS[0], "断水", ",", "断电" + WIDE_MARKS[0] + "断水"),
        ("", "断水", ",", "断水"),
        ("断电", "", ",", "断电"),
    ],
)
def test_gluing(left: str, right: str, joiner: str, text: str) -> None:
    assert glue(left, right, joiner) == text


def test_a_report_is_its_opening_its_clauses_and_its_tail() -> None:
    block = Block("在石桥村", ("发大水了", "停电了"))
    assert draft(block).text(Draw(random.Random(1))) == "报告:在石桥村,发大水了,停电了,电话13800000000。"


@pytest.mark.parametrize(
    ("joint", "text"),
    [
        ("{first}{joiner}另外{second}的情况", "A区,雪崩,另外塌方,在B区的情况"),
        ("一、{first}。二、{second}", "一、A区,雪崩。二、塌方,在B区"),
        ("{first}还有{second}", "A区,雪崩还有塌方,在B区"),
        ("{first}{joiner}{second}{joiner}两处都停电", "A区,雪崩,塌方,在B区,两处都停电"),
    ],
)
def test_two_incidents_are_said_by_their_joint(joint: str, text: str) -> None:
    blocks = (Block("A区", ("雪崩",)), Block("", ("塌方",), place_last="在B区"))
    assert draft(*blocks, joint=joint).text(Draw(random.Random(1))) == f"报告:{text},电话13800000000。"


def test_two_incidents_are_told_by_turns() -> None:
    blocks = tuple(Block("", (unit,)) for unit in ("雪崩", "塌方", "3人被埋", "2人受伤"))
    joint = "前者{first}{joiner}后者{second}。前者{first_more}{joiner}后者{second_more}"
    text = draft(*blocks, joint=joint).text(Draw(random.Random(1)))
    assert text == "报告:前者雪崩,后者塌方。前者3人被埋,后者2人受伤,电话13800000000。"


def test_reordering_keeps_every_clause_with_its_place() -> None:
    blocks = (Block("A区", ("雪崩", "3人被埋", "断电")), Block("B区", ("塌方", "2人受伤")))
    draw = Draw(random.Random(1))
    for _ in range(20):
        other = draft(*blocks, joint="{first}{joiner}另{second}").reordered(draw)
        assert other is not None
        assert other.blocks != blocks
        assert [(b.place_first, sorted(b.units)) for b in other.blocks] == [
            (b.place_first, sorted(b.units)) for b in blocks
        ]


def test_one_clause_has_no_other_order() -> None:
    assert draft(Block("A区", ("雪崩",)), Block("B区", ("塌方",))).reordered(Draw(random.Random(1))) is None
