"""The linear form: what the decoder writes reads back as what was meant, or is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import Context, Situation, make_plans, render_instruction
from dispatch.domain.linear import (
    CONTEXT_ISSUED,
    CONTEXT_LOCATION,
    INSTRUCTION,
    LOCATION,
    REPORT,
    SITUATION,
    SYMBOLS,
    WORKING,
    Piece,
    Symbol,
    parse_target,
    situation_parts,
    source_pieces,
    target_pieces,
)


@given(st.lists(st.tuples(st.from_type(Situation), st.text(max_size=20)), max_size=3), st.text(max_size=30))
def test_situations_and_instruction_read_back_without_the_working(
    written: list[tuple[Situation, str]], instruction: str
) -> None:
    many, workings = [situation for situation, _ in written], [working for _, working in written]
    parsed = parse_target(target_pieces(many, workings, instruction))
    assert (list(parsed.situations), parsed.instruction) == (many, instruction)


@given(st.from_type(Situation))
def test_every_symbol_written_is_one_of_the_closed_list(situation: Situation) -> None:
    symbols = {piece for piece in target_pieces([situation], ["人5"], "") if isinstance(piece, Symbol)}
    assert symbols <= set(SYMBOLS)


@given(st.from_type(Situation))
def test_every_part_has_the_path_of_its_json(situation: Situation) -> None:
    paths = [path for path, _ in situation_parts(situation)]
    data = situation.to_dict()
    expected = {"", "kind", *(["location"] if situation.location else [])}
    for field, value in data.items():
        if isinstance(value, list):
            expected |= {f"{field}[{index}]" for index in range(len(value))}
        elif isinstance(value, dict):
            expected |= {f"{field}.{label}" for label in value}
    assert len(paths) == len(set(paths))
    assert set(paths) == expected


def test_the_context_stands_before_the_report() -> None:
    pieces = source_pieces("雪大", Context("A镇", ("派1台", "派2台")))
    assert pieces == [CONTEXT_LOCATION, "A镇", CONTEXT_ISSUED, "派1台", CONTEXT_ISSUED, "派2台", REPORT, "雪大"]


def test_more_situations_than_an_instruction_can_number_are_refused() -> None:
    parsed = parse_target(target_pieces([Situation(location="甲村")] * 10, [""] * 10, "派"))
    assert ";十、" in render_instruction(make_plans(parsed.situations, Context()))
    with pytest.raises(ValueError, match="11 times <situation>"):
        parse_target(target_pieces([Situation()] * 11, [""] * 11, "派"))


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [SITUATION, Symbol("<kind:request>")],  # no instruction
        ["派", INSTRUCTION, "派"],  # text before the first symbol
        [LOCATION, "A镇", INSTRUCTION, "派"],  # outside a situation
        [WORKING, "人5", INSTRUCTION, "派"],
        [SITUATION, REPORT, "x", INSTRUCTION, "派"],
        [SITUATION, Symbol("<people:trapped>"), "许多", INSTRUCTION, "派"],
        [SITUATION, Symbol("<hazard:flood>"), "水", INSTRUCTION, "派"],
        [SITUATION, Symbol("<measure:floor>"), "nan", INSTRUCTION, "派"],
        [SITUATION, Symbol("<requested>"), "12345678艘橡皮艇", INSTRUCTION, "派"],
        [INSTRUCTION, "派", SITUATION],
    ],
)
def test_a_malformed_sequence_is_refused(pieces: list[Piece]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_target(pieces)
