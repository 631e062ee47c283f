"""Every label has a Chinese name of its own."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import Count, Situation, label_names, labels
from dispatch.domain.label_names import name_facts, symbol_name
from dispatch.domain.linear import SYMBOLS, situation_parts


@pytest.mark.parametrize(
    ("names", "known"),
    [
        (label_names.KIND_NAMES, labels.KINDS),
        (label_names.HAZARD_NAMES, labels.HAZARDS),
        (label_names.PEOPLE_NAMES, labels.PEOPLE),
        (label_names.VULNERABLE_NAMES, labels.VULNERABLE),
        (label_names.OUTAGE_NAMES, labels.OUTAGES),
        (label_names.NEED_NAMES, labels.NEEDS),
        (label_names.MEASURE_NAMES, labels.MEASURES),
        (label_names.FACT_NAMES, labels.FACTS),
    ],
)
def test_the_names_are_those_of_the_labels(names: Mapping[str, str], known: Sequence[str]) -> None:
    assert tuple(names) == tuple(known)
    assert len(set(names.values())) == len(names)


def test_every_symbol_has_a_name_of_its_own() -> None:
    names = [symbol_name(symbol) for symbol in SYMBOLS]
    assert not [name for name in names if name.startswith("<")]
    assert len(set(names)) == len(SYMBOLS)
    assert symbol_name("山") == "山"


@given(st.from_type(Situation))
def test_every_fact_is_named(situation: Situation) -> None:
    named = name_facts(situation)
    assert set(named) == {path for path, _ in situation_parts(situation)} - {""}
    assert all(named.values())


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (Count(50, 50), "被困:50"),
        (Count(30, 40, approx=True), "被困:约30到40"),
        (Count(3, None), "被困:至少3"),
        (Count(3, 5, conflicting=True), "被困:3到5(说法不一)"),
    ],
)
def test_a_count_is_told_in_words(count: Count, words: str) -> None:
    assert name_facts(Situation(people={"trapped": count}))["people.trapped"] == words
