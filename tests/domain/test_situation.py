"""Situations: closed sets of labels, JSON round trip, and the planning number of a count."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import Context, Count, Order, Requested, Situation, labels, make_plans


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


@pytest.mark.parametrize("text", ["", "五十", "50人", "-5", "50-", "1.5", "5-3", "12345678", "1-12345678"])
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
        ({"kind": 5}, "kind"),
        ({"kind": ["request"]}, "kind"),
        ({"location": None}, "location"),
        ({"location": 5}, "location"),
        ({"measures": {"floor": float("nan")}}, r"measures: floor"),
        ({"measures": {"floor": "high"}}, r"measures\.floor"),
        ({"facts": {"cars": float("inf")}}, "facts: cars"),
        ({"facts": {"displaced": 10**7}}, "facts: displaced"),
        ({"facts": {"displaced": -5}}, "facts: displaced"),
        ({"facts": {"cars": 10**400}}, r"facts\.cars"),
        ({"people": {"trapped": {"min": 10**7, "max": None}}}, "below"),
        ({"requested": [{"item": "沙袋", "count": float("nan"), "unit": "条"}]}, "requested: 沙袋"),
        ({"requested": [{"item": "沙袋", "count": 1e7, "unit": "条"}]}, "requested: 沙袋"),
    ],
)
def test_a_wrong_field_is_named(data: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Situation.from_dict(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        *(
            ({"facts": {"cold": flag}}, f"facts.cold: must be true or false, not {flag!r}")
            for flag in ("no", None, 0, 1)
        ),
        *(({"facts": {"cars": flag}}, f"facts.cars: must be a number, not {flag}") for flag in (True, False)),
        ({"measures": {"floor": True}}, "measures.floor: must be a number, not True"),
        ({"measures": {"floor": "4"}}, "measures.floor: must be a number, not '4'"),
        ({"people": {"trapped": {"min": True}}}, "people.trapped.min: must be a number, not True"),
        ({"people": {"trapped": {"min": 2.7}}}, "people.trapped.min: must be a whole number, not 2.7"),
        ({"people": {"trapped": {"min": "two"}}}, "people.trapped.min: must be a number, not 'two'"),
        (
            {"people": {"trapped": {"min": 1, "max": float("inf")}}},
            "people.trapped.max: must be a whole number, not inf",
        ),
        ({"people": {"trapped": {"min": 1, "approx": "no"}}}, "people.trapped.approx: must be true or false, not 'no'"),
        ({"people": {"trapped": {"min": 1, "most": 2}}}, "people.trapped.most: unknown field, known are min, max"),
        ({"people": {"trapped": {"max": 1}}}, "people.trapped.min: missing"),
        ({"people": {"trapped": {"min": 5, "max": 1}}}, "people.trapped: count 5-1: must be 0 <= min <= max"),
        ({"people": {"trapped": 5}}, "people.trapped: must be an object, not 5"),
        ({"people": []}, "people: must be an object, not []"),
        ({"measures": None}, "measures: must be an object, not None"),
        ({"needs": {"boat": 1}}, "needs: must be a list of texts, not {'boat': 1}"),
        ({"needs": "boat"}, "needs: must be a list of texts, not 'boat'"),
        ({"hazards": [["flood"]]}, "hazards: must be a list of texts, not [['flood']]"),
        ({"facts": {"colour": "red"}}, "facts: unknown label 'colour', known are cold"),
        ({"requested": {"item": "沙袋"}}, "requested: must be a list, not {'item': '沙袋'}"),
        ({"requested": [{"item": "沙袋", "count": 1}, 5]}, "requested[1]: must be an object, not 5"),
        ({"requested": [{"item": "沙袋"}]}, "requested[0].count: missing"),
        ({"requested": [{"item": 5, "count": 1}]}, "requested[0].item: must be text, not 5"),
        ({"requested": [{"item": "沙袋", "count": "many"}]}, "requested[0].count: must be a number, not 'many'"),
        ([], ": must be an object, not []"),
    ],
)
def test_what_is_of_the_wrong_type_is_no_other_fact_and_the_message_says_what_is_wanted(
    data: dict[str, object], message: str
) -> None:
    separator = "" if message.startswith(":") else "."
    with pytest.raises(ValueError, match=f"^situation{re.escape(separator + message)}"):
        Situation.from_dict(data)


def test_a_flag_that_is_false_is_left_out_and_one_that_is_true_is_kept() -> None:
    assert Situation.from_dict({"facts": {"cold": True, "night": False}}).facts == {"cold": True}


def test_a_count_may_be_written_with_a_decimal_point() -> None:
    assert Count.from_dict({"min": 5.0, "max": 6.0}) == Count(5, 6)


@pytest.mark.parametrize(
    "fields",
    [{"kind": 5}, {"location": None}, {"measures": {"floor": float("inf")}}, {"facts": {"cars": float("nan")}}],
)
def test_the_constructor_names_a_wrong_field(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"situation\.{next(iter(fields))}"):
        Situation(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["橡皮艇", "12345678艘橡皮艇", "3艘"])
def test_what_is_no_requested_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="requested"):
        Requested.from_text(text)


@pytest.mark.parametrize("hazard", labels.HAZARDS)
def test_whatever_is_computed_from_the_largest_numbers_fits_32_bits(hazard: str) -> None:
    most = Count(9_999_999, None)
    for people in ({"trapped": most, "injured": most, "buried": most, "missing": most}, {"households": most}):
        situation = Situation(
            location="甲村",
            hazards=(hazard,),
            needs=labels.NEEDS,
            people=people,
            outages=labels.OUTAGES,
            measures=dict.fromkeys(labels.MEASURES, 9_999_999.0),
            facts={name: True if name in labels.FLAG_FACTS else 9_999_999.0 for name in labels.FACTS},
        )
        (plan,) = make_plans([situation], Context(issued=("派99999999999艘冲锋舟至甲村",)))
        assert max(order.count or 0 for order in plan.orders) < 2**31


@pytest.mark.parametrize("data", [{"location": 5}, {"issued": "派2台"}, {"issued": [5]}, {"issued": 5}, {"place": "x"}])
def test_a_wrong_context_is_named(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"context\."):
        Context.from_dict(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("x", "context: must be an object, not 'x'"),
        ([], "context: must be an object, not []"),
        ({"location": 0}, "context.location: must be text, not 0"),
        ({"issued": ""}, "context.issued: must be a list of texts, not ''"),
        ({"place": "x"}, "context.place: unknown field, known are location, issued"),
    ],
)
def test_the_message_about_a_context_says_what_stands_there_and_what_is_wanted(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Context.from_dict(data)


def test_a_field_of_the_context_that_is_null_is_left_out() -> None:
    assert Context.from_dict({"location": None, "issued": None}) == Context()


ORDER = Order("消防", "派", "冲锋舟", 2, "艘", "甲村")


def test_an_order_survives_its_dict() -> None:
    for order in (ORDER, Order("应急", "任务", "关气断电")):
        assert Order.from_dict(json.loads(json.dumps(order.to_dict()))) == order


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"count": True}, "order.count: must be a number, not True"),
        ({"count": 1.5}, "order.count: must be a whole number, not 1.5"),
        ({"item": None}, "order.item: must be text, not None"),
        ({"size": 1}, "order.size: unknown field, known are agency"),
    ],
)
def test_the_message_about_an_order_names_its_field(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Order.from_dict(ORDER.to_dict() | fields)


def test_an_order_without_one_of_its_fields_is_refused() -> None:
    data = ORDER.to_dict()
    del data["unit"]
    with pytest.raises(ValueError, match=r"^order\.unit: missing$"):
        Order.from_dict(data)


def test_a_context_survives_its_dict() -> None:
    context = Context("A镇", ("派2台除雪车至A镇",))
    assert Context.from_dict(context.to_dict()) == context
    assert Context().to_dict() == {}
