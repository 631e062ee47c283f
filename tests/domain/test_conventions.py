"""Conventions: clauses that reviews teach beside doctrine, found in texts and put behind plans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import (
    Context,
    Convention,
    Count,
    Situation,
    default_doctrine,
    make_plans,
    parse_orders,
    render_instruction,
)
from dispatch.domain.conventions import (
    additions,
    can_be_taught,
    due_endings,
    endings,
    with_endings,
    without_endings,
)

DOCTRINE = default_doctrine()
CLAUSE = "到场后回报水位"
FLOOD = Situation(location="杜鹃街道", hazards=("flood",), people={"trapped": Count(16, 16)})
SNOW = Situation(location="B9公路", hazards=("snow_road",), people={"trapped": Count(50, 50)})
TAUGHT = (Convention(CLAUSE, ("flood",)),)


def text_of(*situations: Situation, ends: tuple[tuple[str, ...], ...] = ()) -> str:
    plans = make_plans(situations, Context())
    return render_instruction(with_endings(plans, ends or ((),) * len(plans), DOCTRINE))


@pytest.mark.parametrize("clause", [CLAUSE, "注意水流", "到场后先拍照", "每小时报告一次"])
def test_a_task_or_warning_that_doctrine_leaves_open_can_be_taught(clause: str) -> None:
    assert can_be_taught(clause, DOCTRINE)


@pytest.mark.parametrize(
    "clause",
    [
        *(
            "派2艘冲锋舟",
            "增派救援力量",
            "通知120",
            "协调电力公司断电",
            "申请支援",
            "暂不派警",
            "回拨核实",
            "水位待核实",
            "其他人员撤离",
            "到场后通知家属",
        ),
        *("全员原地待命", "不必进村", "搜救中止", "到场五人即可", "各组两艘备用"),
        *("到场后3分钟回报", "疏散张庄村", "把冲锋舟停好", "先" * 31, ""),
    ],
)
def test_what_sends_calls_off_counts_or_names_a_place_cannot_be_taught(clause: str) -> None:
    assert not can_be_taught(clause, DOCTRINE)


def test_a_clause_is_added_once_at_the_end_as_an_order_for_the_same_place() -> None:
    (plan,) = with_endings(make_plans([FLOOD], Context()), [(CLAUSE,)], DOCTRINE)
    assert render_instruction([plan]) == f"{text_of(FLOOD)},{CLAUSE}"
    assert plan.spoken()[-1].to_dict() == parse_orders(CLAUSE)[0].at("杜鹃街道").to_dict()
    assert with_endings([plan], [(CLAUSE,)], DOCTRINE) == (plan,)


def test_additions_are_told_part_by_part_and_only_where_the_rest_is_doctrines() -> None:
    both = text_of(FLOOD, SNOW, ends=((CLAUSE,), ()))
    plans = make_plans([FLOOD, SNOW], Context())
    assert additions(both, plans) == ((CLAUSE,), ())
    assert additions(text_of(FLOOD, SNOW), plans) == ((), ())
    assert additions(text_of(FLOOD), plans) is None
    assert additions(both.replace("2艘", "3艘"), plans) is None
    assert additions(text_of(FLOOD) + "及其他", plans[:1]) is None


def test_endings_count_only_where_they_were_taught() -> None:
    both = text_of(FLOOD, SNOW, ends=((CLAUSE,), (CLAUSE,)))
    assert endings(both, [FLOOD, SNOW], TAUGHT) == ((CLAUSE,), ())
    assert without_endings(both, [FLOOD, SNOW], TAUGHT) == text_of(FLOOD, SNOW, ends=((), (CLAUSE,)))
    assert endings(both, [FLOOD], TAUGHT) == ((),)
    assert endings(f"{CLAUSE},{text_of(FLOOD)}", [FLOOD], TAUGHT) == ((),)


@given(st.lists(st.sampled_from([CLAUSE, "注意水流"]), unique=True), st.booleans(), st.booleans())
def test_what_is_put_behind_a_text_is_found_and_taken_away_again(ends: list[str], first: bool, two: bool) -> None:
    situations = [FLOOD, SNOW][: 1 + two]
    taught = [Convention(clause) for clause in ends]
    given = tuple(tuple(ends) if row == (0 if first or not two else 1) else () for row in range(len(situations)))
    text = text_of(*situations, ends=given)
    assert endings(text, situations, taught) == given
    assert without_endings(text, situations, taught) == text_of(*situations)


def test_a_convention_survives_json() -> None:
    for convention in (TAUGHT[0], Convention(CLAUSE, always=True)):
        assert Convention.from_dict(convention.to_dict()) == convention
    assert Convention.from_dict({"clause": CLAUSE, "hazards": ["flood"]}) == TAUGHT[0]
    with pytest.raises(ValueError, match="hazards"):
        Convention.from_dict({"clause": CLAUSE, "hazards": ["meteor"]})
    with pytest.raises(ValueError, match="always"):
        Convention.from_dict({"clause": CLAUSE, "hazards": [], "always": "yes"})


def test_what_holds_always_is_due_behind_what_is_said() -> None:
    always = (*TAUGHT, Convention("注意水流", ("flood",), always=True))
    said = text_of(FLOOD, SNOW, ends=((CLAUSE,), ()))
    assert due_endings(said, [FLOOD, SNOW], always) == ((CLAUSE, "注意水流"), ())
    assert due_endings(text_of(FLOOD), [FLOOD], TAUGHT) == ((),)
