"""Scenarios: what is in the situation is said, what is said is in it, and every label comes up."""

import random
from collections.abc import Iterator
from functools import cache

import pytest

from dispatch.domain import Count, Situation, labels
from training.synthesis.declining import DECLINABLE, UNITS
from training.synthesis.hazards import TABLES
from training.synthesis.holdout import Draw
from training.synthesis.items import ITEMS
from training.synthesis.lexicon import Lexicon
from training.synthesis.people import Narration
from training.synthesis.reckonings import Reckoning, Reckonings
from training.synthesis.scenario import draw_scenario
from training.synthesis.tellings import Telling, Tellings
from training.synthesis.utterances import Scenario

SIZE = 400  # of each hazard
# Facts that depend on who speaks, not on what happened: pairs.py adds them.
BY_THE_CALLER = {"caller_elsewhere"}


@cache
def scenarios() -> tuple[Scenario, ...]:
    draw = Draw(random.Random(1))
    return tuple(draw_scenario(hazard, draw, spoken, 1.2, 0.2) for hazard in TABLES for spoken in [True, False] * SIZE)


@cache
def told_scenarios() -> tuple[Scenario, ...]:
    """Scenarios whose people are told of, reckoned, or counted by role."""
    draw, people = Draw(random.Random(4)), Lexicon.load().people
    narrations = {
        spoken: Narration(Reckonings(people["reckoned"], register), Tellings(people["told"], register))
        for spoken, register in ((True, "spoken"), (False, "formal"))
    }
    return tuple(
        draw_scenario(hazard, draw, spoken, 1.2, 0.2, narrations[spoken])
        for hazard in TABLES
        for spoken in [True, False] * SIZE
    )


def said(scenario: Scenario) -> set[tuple[str | float, ...]]:
    return {utterance.path for unit in scenario.units for utterance in unit}


def to_be_said(scenario: Scenario) -> Iterator[tuple[str | float, ...]]:
    """What the situation holds, as paths into facts.yaml (needs and hazards are left to the phrasing)."""
    situation = Situation(**scenario.fields)
    spoken = said(scenario)
    for category, count in situation.people.items():
        if count.conflicting:
            yield "conflicting", "people"
        elif category == "injured" and not {("people", "injured"), ("people", "injured_some")} & spoken:
            assert situation.facts["unconscious"]  # 有人昏迷
            assert count == Count(1, None)
        elif category == "trapped" and ("fact", "pinned") in spoken and ("people", "trapped") not in spoken:
            assert situation.facts["pinned"] == count.min == count.max
        else:
            yield "people", f"{category}_some" if count.min == 1 and count.max is None else category
    for name, value in situation.measures.items():
        words = ("depth_words", name, value)
        yield words if words in spoken else ("measure", name)
    yield from (("fact", name) for name in situation.facts)
    yield from (("outage", name) for name in situation.outages)
    yield from (("vulnerable", name) for name in situation.vulnerable)
    yield from (("requested",) for _ in situation.requested)


def test_all_that_is_in_a_situation_is_said_and_nothing_else() -> None:
    for scenario in scenarios():
        assert said(scenario) == set(to_be_said(scenario)), scenario


ROLES = {"老人": "elderly", "老年人": "elderly", "孩子": "child", "小学生": "child", "学生": "child", "病人": "patient"}


def stated_by_people(scenario: Scenario) -> tuple[dict[str, Count], set[str], dict[str, bool | int]]:
    """The counts, groups and facts that the clauses of people state: told of, reckoned, and counted by role."""
    people: dict[str, Count] = {}
    groups: set[str] = set()
    facts: dict[str, bool | int] = {}
    for utterance in (utterance for unit in scenario.units for utterance in unit):
        if utterance.path[0] == "told":
            telling = Telling.from_key(str(utterance.path[1]))
            assert not people.keys() & telling.people.keys()
            people |= telling.people
            groups |= set(telling.vulnerable)
            facts |= telling.facts
        elif utterance.path[0] == "reckoned":
            reckoning = Reckoning.from_key(str(utterance.path[1]))
            assert not people.keys() & reckoning.people.keys()
            people |= {label: scenario.fields["people"][label] for label in reckoning.people}
            groups |= set(reckoning.vulnerable)
            facts |= {name: scenario.fields["facts"][name] for name in reckoning.facts}
        elif utterance.path[0] == "people":
            groups |= {group for role, group in ROLES.items() if role in utterance.slots.get("n", "")}
    return people, groups, facts


def test_a_telling_says_its_people_groups_and_facts_and_they_are_said_nowhere_else() -> None:
    keys = set()
    for scenario in told_scenarios():
        people, groups, facts = stated_by_people(scenario)
        paths = said(scenario)
        assert people.items() <= scenario.fields.get("people", {}).items()
        assert facts.items() <= scenario.fields.get("facts", {}).items()
        assert groups <= set(scenario.values("vulnerable"))
        apart = {("people", name) for name in people} | {("fact", name) for name in facts}
        assert not paths & (apart | {("vulnerable", name) for name in groups})
        said_apart = {str(path[1]) for path in paths if path[0] == "vulnerable"}
        assert groups | said_apart == set(scenario.values("vulnerable"))
        keys |= {path[1] for path in paths if path[0] == "told"}
    assert len(keys) > 100


def test_what_counts_are_said_by_role_or_told_is_all_that_the_situation_holds() -> None:
    for scenario in told_scenarios():
        people, _, _ = stated_by_people(scenario)
        by_role = {path[1] for path in said(scenario) if path[0] == "people"}
        beside = {"trapped"} if ("fact", "pinned") in said(scenario) else set()
        beside |= {"injured"} if ("fact", "unconscious") in said(scenario) else set()
        assert people.keys() | by_role | beside >= scenario.fields.get("people", {}).keys() >= people.keys() | by_role


def test_a_number_of_nobody_stands_right_behind_people() -> None:
    found = [unit for scenario in told_scenarios() for unit in scenario.units if unit[-1].path == ("beside",)]
    assert found
    assert all(unit[0].path[0] in ("people", "told", "reckoned") for unit in found)


def test_that_nobody_is_hurt_is_said_where_nobody_is() -> None:
    said_so = [
        (str(path[1]), scenario) for scenario in told_scenarios() for path in said(scenario) if path[0] == "nobody"
    ]
    assert {kind for kind, _ in said_so} == {"unhurt", "out"}
    for kind, scenario in said_so:
        people, facts = set(scenario.values("people")), set(scenario.values("facts"))
        assert people <= ({"trapped", "households"} if kind == "unhurt" else set())
        assert not facts & {"unconscious", "pinned"}
        assert "medical" not in scenario.values("needs")
        assert kind == "unhurt" or not {"rescue", "evacuation"} & set(scenario.values("needs"))


def test_who_is_unconscious_is_injured() -> None:
    found = [s for s in (*scenarios(), *told_scenarios()) if "unconscious" in s.values("facts")]
    assert found
    assert all("injured" in scenario.values("people") for scenario in found)


def test_where_all_others_are_well_nobody_else_is_in_need() -> None:
    for scenario in told_scenarios():
        for path in said(scenario):
            if path[0] == "reckoned" and Reckoning.from_key(str(path[1])).is_closing:
                beside = {"trapped"} if "pinned" in scenario.values("facts") else set()
                beside |= {"injured"} if "unconscious" in scenario.values("facts") else set()
                assert set(scenario.values("people")) - beside <= Reckoning.from_key(str(path[1])).people.keys()


def test_every_label_is_drawn() -> None:
    situations = [Situation(**scenario.fields) for scenario in scenarios()]

    def drawn(name: str) -> set[str]:
        return {label for situation in situations for label in getattr(situation, name)}

    assert drawn("hazards") == set(labels.HAZARDS)
    assert drawn("people") == set(labels.PEOPLE)
    assert drawn("vulnerable") == set(labels.VULNERABLE)
    assert drawn("outages") == set(labels.OUTAGES)
    assert drawn("needs") == set(labels.NEEDS)
    assert drawn("measures") == set(labels.MEASURES)
    assert drawn("facts") == set(labels.FACTS) - BY_THE_CALLER
    assert drawn("not_needed") == set(DECLINABLE)
    assert {item.unit for situation in situations for item in situation.requested} <= set(labels.UNITS)


def test_counts_come_in_every_form() -> None:
    counts = [count for scenario in scenarios() for count in scenario.fields.get("people", {}).values()]
    exact = [count for count in counts if not count.uncertain]
    assert 0.3 < len(exact) / len(counts) < 0.75
    assert any(count.approx for count in counts)
    assert any(count.conflicting for count in counts)
    assert any(count.max is None and count.min > 1 for count in counts)
    assert any(count.min >= 1000 for count in counts)


def test_the_badly_hurt_are_no_more_than_the_injured() -> None:
    hurt = 0
    for scenario in scenarios():
        facts = scenario.fields.get("facts", {})
        number = sum(facts.get(name, 0) for name in ("severe", "moderate", "light"))
        if number:
            hurt += 1
            assert number <= scenario.fields["people"]["injured"].min
    assert hurt > 50


def test_what_is_declined_is_not_asked_for() -> None:
    for scenario in scenarios():
        assert not set(scenario.values("not_needed")) & set(scenario.fields["needs"])
        assert all(ITEMS[item.item].need in scenario.fields["needs"] for item in scenario.values("requested"))


def test_units_are_declined_in_every_hazard_and_no_doctor_where_somebody_lies_unconscious() -> None:
    declined = {hazard: set[str]() for hazard in TABLES}
    for scenario in scenarios():
        units = set(scenario.values("not_needed")) & set(UNITS[scenario.hazards[0]])
        declined[scenario.hazards[0]] |= units
        assert not ("medical" in units and "unconscious" in scenario.values("facts"))
        assert not ("boat" in units and "in_water" in scenario.values("facts"))
    assert declined == {hazard: set(units) for hazard, units in UNITS.items()}


def test_a_collapse_joins_another_hazard_only_where_people_are_caught() -> None:
    joined = [scenario for scenario in scenarios() if "collapse" in scenario.hazards[1:]]
    assert joined
    assert all({"trapped", "buried"} & set(scenario.fields["people"]) for scenario in joined)


@pytest.mark.parametrize("hazard", TABLES)
def test_ages_are_said_as_often_as_the_table_of_the_hazard_says(hazard: str) -> None:
    draw = Draw(random.Random(3))
    every = [draw_scenario(hazard, draw, True, 1.2, 0.0) for _ in range(3000)]
    one_group = [scenario for scenario in every if scenario.values("vulnerable") in (("elderly",), ("child",))]
    aged = sum("age" in scenario.values("facts") for scenario in one_group)
    assert aged / len(one_group) == pytest.approx(TABLES[hazard].aged, abs=0.06)
    assert bool(aged) == bool(TABLES[hazard].aged)


def test_poorer_scenarios_say_less() -> None:
    draw = Draw(random.Random(2))

    def mean(richness: float) -> float:
        return sum(len(draw_scenario("flood", draw, True, richness, 0.0).units) for _ in range(300)) / 300

    assert mean(0.05) < 1 < mean(0.5) < mean(1.2)
