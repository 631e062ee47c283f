"""Every clause of doctrine by an example of clauses.yaml, and every rule by one of these examples."""

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatch.domain import (
    Context,
    Count,
    Doctrine,
    Requested,
    Situation,
    default_doctrine,
    labels,
    make_plans,
    render_instruction,
)
from dispatch.domain.rules import Rule


def read_situation(fields: Mapping[str, Any]) -> Situation:
    """The situation that an example is about, at 甲地 unless it says otherwise."""
    values: dict[str, Any] = {
        "location": fields.get("location", "甲地"),
        "people": {category: Count.from_text(str(text)) for category, text in fields.get("people", {}).items()},
        "requested": tuple(Requested.from_text(text) for text in fields.get("requested", ())),
        "measures": fields.get("measures", {}),
        "facts": {**fields.get("facts", {}), **dict.fromkeys(fields.get("flags", "").split(), True)},
    }
    for name in ("hazards", "vulnerable", "outages", "needs", "not_needed"):
        values[name] = tuple(fields.get(name, "").split())
    return Situation(**values)


CLAUSES = yaml.safe_load(Path(__file__).with_name("clauses.yaml").read_text(encoding="utf-8"))
PLAIN = CLAUSES.pop("plain")
EXAMPLES = [
    (f"{group}: {about}", read_situation(fields), says, never)
    for group, examples in CLAUSES.items()
    for about, fields, says, never in examples
]

SITUATIONS = [Situation(location="甲地", hazards=(hazard,)) for hazard in labels.HAZARDS]
SITUATIONS += [situation for _, situation, _, _ in EXAMPLES]


def instruction(situation: Situation, doctrine: Doctrine | None = None) -> str:
    return render_instruction(make_plans([situation], Context(), doctrine))


def without(rule: Rule) -> Doctrine:
    """The shipped doctrine less one rule."""
    doctrine = copy.copy(default_doctrine())
    doctrine.hazards = {hazard: others(rules, rule) for hazard, rules in doctrine.hazards.items()}
    doctrine.needs = {need: others(rules, rule) for need, rules in doctrine.needs.items()}
    doctrine.always = others(doctrine.always, rule)
    return doctrine


def others(rules: tuple[Rule, ...], rule: Rule) -> tuple[Rule, ...]:
    return tuple(other for other in rules if other is not rule)


@pytest.mark.parametrize("hazard", labels.HAZARDS)
def test_a_hazard_of_which_nothing_else_is_known(hazard: str) -> None:
    assert instruction(Situation(location="甲地", hazards=(hazard,))) == PLAIN[hazard]


@pytest.mark.parametrize(("situation", "says", "never"), [pytest.param(*rest, id=about) for about, *rest in EXAMPLES])
def test_the_instruction_says_what_the_clause_asks_for(situation: Situation, says: str, never: str) -> None:
    text = instruction(situation)
    assert [clause for clause in says.split() if clause not in text] == [], text
    assert [clause for clause in never.split() if clause in text] == [], text


def test_no_two_examples_have_one_name() -> None:
    assert len({about for about, *_ in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(rule, id=f"{label or section}: {rule.action}{rule.item} {number}")
        for number, (section, label, rule) in enumerate(default_doctrine().rules())
        if section != "fallback"
    ],
)
def test_every_rule_is_shown_by_an_example(rule: Rule) -> None:
    """Without the rule one of the examples reads otherwise: nobody can add a rule that none of them needs."""
    rest = without(rule)
    assert any(instruction(situation, rest) != instruction(situation) for situation in SITUATIONS)


def test_the_fallback_sends_somebody_where_no_rule_does() -> None:
    lonely = Situation(location="甲地", hazards=("flood",), outages=("power",))
    doctrine = copy.copy(default_doctrine())
    doctrine.fallback = dataclasses.replace(doctrine.fallback, item="向导")
    assert instruction(lonely).startswith(f"派2辆{default_doctrine().fallback.item}至甲地")
    assert instruction(lonely, doctrine).startswith("派2名向导至甲地")
