"""Situations: closed sets of labels, JSON round trip, and the planning number of a count."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import Context, Count, Situation


@given(st.from_type(Situation))
def test_a_situation_survives_json(situation: Situation) -> None:
    assert Situation.from_dict(json.loads(json.dumps(situation.to_dict()))) == situation


@given(st.from_type(Count))
def test_a_count_survives_its_text(count: Count) -> None:
    assert Count.from_text(count.to_text()) == count


@pytest.mark.parametrize(
    ("text", "planned"),
    [("50", 50), ("30-50", 50), ("30-90", 60), ("20+", 40), ("0-1", 1), ("~50", 50)],
)
def test_plans_are_made_for_the_upper_bound_but_at_most_twice_the_lower(text: str, planned: int) -> None:
    assert Count.from_text(text).planning_number() == planned


@pytest.mark.parametrize("text", ["", "五十", "50人", "-5", "50-", "1.5", "5-3"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="count"):
        Count.from_text(text)


def test_labels_take_canonical_order_and_stand_once() -> None:
    situation = Situation(needs=("search", "rescue", "search"), hazards=("flood", "snow_road"))
    assert situation.needs == ("rescue", "search")
    assert situation.hazards == ("snow_road", "flood")


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"kind": "plea"}, "kind"),
        ({"hazards": ["tornado"]}, "hazards"),
        ({"people": {"dead": {"min": 1, "max": 1}}}, "people"),
        ({"people": {"trapped": {"min": 5, "max": 1}}}, "5-1"),
        ({"people": {"trapped": {"max": 1}}}, "min"),
        ({"measures": {"depth": 1}}, "measures"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_named(data: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Situation.from_dict(data)


@pytest.mark.parametrize("data", [{"location": 5}, {"issued": "派2台"}, {"issued": [5]}, {"issued": 5}, {"place": "x"}])
def test_a_wrong_context_is_named(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"context\."):
        Context.from_dict(data)


def test_a_context_survives_its_dict() -> None:
    context = Context("A镇", ("派2台除雪车至A镇",))
    assert Context.from_dict(context.to_dict()) == context
    assert Context().to_dict() == {}
