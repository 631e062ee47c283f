"""What a pair of a file may hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import MAX_SITUATIONS, Situation
from training.corpus import FIELDS, Pair


def record(situations: int) -> dict[str, object]:
    fields = [Situation(location=f"{number}村").to_dict() for number in range(situations)]
    return {"report": "各村都淹了", "instruction": "派冲锋舟至各村", "situations": fields}


def test_a_pair_holds_as_many_situations_as_an_instruction_can_number() -> None:
    assert len(Pair.from_dict(record(MAX_SITUATIONS)).situations) == MAX_SITUATIONS
    with pytest.raises(ValueError, match="field 'situations' holds 11, an instruction at most 10"):
        Pair.from_dict(record(MAX_SITUATIONS + 1))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"situaton": {}}, "unknown field 'situaton', known are report, instruction, context, situation, situations"),
        ({"\udcff" * 99: 1}, "unknown field"),
        ({"gold": {}}, "field 'gold': a labelled report in a file of pairs"),
        ({"context": "x"}, "field 'context' must be an object"),
        ({"context": []}, "field 'context' must be an object"),
        ({"context": ""}, "field 'context' must be an object"),
        ({"situation": "x"}, "field 'situation': a situation must be an object"),
        ({"situation": []}, "field 'situation': a situation must be an object"),
        ({"situations": [{}, ["x"]]}, "field 'situations': a situation must be an object"),
        ({"situations": {}}, "field 'situations' must be a list of situations"),
    ],
)
def test_what_is_no_pair_is_refused_with_the_field(more: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}") as refused:
        Pair.from_dict({"report": "a", "instruction": "b", **more})
    assert len(str(refused.value).encode()) < 150


@pytest.mark.parametrize("field", ["report", "instruction"])
@pytest.mark.parametrize("empty", ["", " \n\u3000", "\u200b", "\ufeff \u2060", "\x00"])
def test_a_text_in_which_nothing_can_be_read_is_empty(field: str, empty: str) -> None:
    with pytest.raises(ValueError, match=f"field '{field}' is empty"):
        Pair.from_dict({"report": "a", "instruction": "b", field: empty})


def test_empty_fields_may_be_null() -> None:
    columns = dict.fromkeys(FIELDS) | {"report": "a", "instruction": "b"}
    assert Pair.from_dict(columns) == Pair("a", "b")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner),
    max_leaves=8,
)


@given(st.fixed_dictionaries(dict.fromkeys(FIELDS[:2], st.text()), optional=dict.fromkeys(FIELDS[2:], JSON)))
def test_whatever_an_object_holds_it_is_a_pair_or_refused(record: dict[str, object]) -> None:
    try:
        pair = Pair.from_dict(record)
    except ValueError:
        return
    assert Pair.from_dict(pair.to_dict()) == pair
