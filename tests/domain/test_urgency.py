"""Priority, and which of several incidents comes first."""

import dataclasses
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch.domain import Context, Count, Situation, by_urgency, default_doctrine, make_plans, render_instruction
from dispatch.domain.plan import PRIORITIES


def people(**counts: str) -> dict[str, Count]:
    return {category: Count.from_text(text) for category, text in counts.items()}


def situation_where(condition: str) -> Situation:
    """The least situation in which a condition of the priorities is met."""
    group, _, label = condition.partition(":")
    named = {
        "deep_water": Situation(measures={"water_depth_m": 1.3}),
        "lost_under_debris": Situation(hazards=("landslide",), people=people(missing="1")),
        "long_wait": Situation(facts={"hours": 25}),
    }
    match group:
        case "hazard":
            return Situation(hazards=(label,))
        case "people":
            return Situation(people=people(**{label: "1"}))
        case "vulnerable":
            return Situation(vulnerable=(label,))
        case "need":
            return Situation(needs=(label,))
        case "fact":
            return Situation(facts={label: True})
        case _:
            return named[condition]


@pytest.mark.parametrize(
    ("level", "condition"),
    [(level, condition) for level, met in default_doctrine().priorities.items() for condition in met],
)
def test_each_condition_of_a_priority_is_enough_for_it(level: str, condition: str) -> None:
    assert default_doctrine().priority(situation_where(condition)) == level


@pytest.mark.parametrize(
    ("situation", "priority"),
    [
        (Situation(hazards=("flood",), measures={"water_depth_m": 1.2}), "一般"),
        (Situation(hazards=("flood",), people=people(missing="1")), "紧急"),
        (Situation(hazards=("snow_road",), facts={"hours": 24}), "一般"),
        (Situation(hazards=("flood",), needs=("food", "water", "sandbag")), "一般"),
        (Situation(), "一般"),
        (Situation(kind="resolved", people=people(buried="3")), "一般"),
    ],
)
def test_priority(situation: Situation, priority: str) -> None:
    (plan,) = make_plans([situation], Context())
    assert plan.priority == priority


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.from_type(Situation), st.from_type(Situation))
def test_more_facts_only_raise_the_priority(situation: Situation, more: Situation) -> None:
    both = dataclasses.replace(
        situation,
        kind="request",
        hazards=situation.hazards + more.hazards,
        people={**more.people, **situation.people},
        vulnerable=situation.vulnerable + more.vulnerable,
        needs=situation.needs + more.needs,
        facts={**more.facts, **situation.facts},
    )
    priority = default_doctrine().priority
    assert PRIORITIES.index(priority(both)) <= PRIORITIES.index(priority(situation))


# Each one is more urgent than the next.
IN_ORDER = (
    Situation(location="甲", hazards=("avalanche",), people=people(buried="1")),  # 特急, by hazard
    Situation(location="甲", hazards=("building_fire",)),
    Situation(location="甲", hazards=("flood",), facts={"current": True}, people=people(trapped="9")),
    Situation(location="甲", hazards=("flood",), facts={"current": True}),  # fewer people
    Situation(location="甲东", hazards=("flood",), facts={"current": True}),  # the text of the place
    Situation(location="甲", hazards=("hazmat",), facts={"gas": True}),
    Situation(location="甲", hazards=("collapse",), people=people(buried="9")),
    Situation(location="甲", hazards=("landslide",), people=people(buried="9")),
    Situation(location="甲", hazards=("snow_road",), people=people(buried="9")),  # the rest, in the order of the labels
    Situation(location="甲", hazards=("earthquake",), people=people(buried="9")),
    Situation(location="甲", people=people(buried="9")),  # no hazard is known
    Situation(location="甲", hazards=("hazmat", "collapse"), people=people(trapped="1")),  # 紧急
    Situation(location="甲", hazards=("collapse",), people=people(trapped="9")),
    Situation(location="甲", hazards=("flood",), needs=("food",)),  # 一般
    Situation(location="甲", kind="offer", hazards=("avalanche",)),
)


@given(st.permutations(IN_ORDER))
def test_the_most_urgent_comes_first_whichever_was_said_first(situations: list[Situation]) -> None:
    assert by_urgency(situations) == IN_ORDER


@pytest.mark.parametrize("said", list(itertools.permutations([("A区", "avalanche"), ("B区", "landslide")])))
def test_an_avalanche_before_a_landslide_each_at_its_own_place(said: tuple[tuple[str, str], ...]) -> None:
    situations = by_urgency([Situation(location=place, hazards=(hazard,)) for place, hazard in said])
    first, second = render_instruction(make_plans(situations, Context())).split(";二、")
    assert ("至A区" in first, "雪崩探杆" in first) == (True, True)
    assert ("至B区" in second, "边坡监测" in second) == (True, True)
