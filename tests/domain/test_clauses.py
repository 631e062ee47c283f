"""Every clause of doctrine by an example of clauses.yaml, and every rule by one of these examples."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatch.domain import (
    Context,
    Count,
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


def instruction(situation: Situation) -> str:
    return render_instruction(make_plans([situation], Context()))


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
    """One of the examples makes the rule apply: nobody can add a rule without one."""
    applied = (rules for _, situation, _, _ in EXAMPLES for rules in [default_doctrine().applying(situation)])
    assert any(rule is one for rules in applied for one in rules)


def test_the_fallback_sends_somebody_where_no_rule_does() -> None:
    lonely = Situation(location="甲地", hazards=("flood",), outages=("power",))
    fallback = default_doctrine().fallback
    assert fallback.item not in {rule.item for rule in default_doctrine().applying(lonely)}
    assert instruction(lonely).startswith(f"派2辆{fallback.item}至甲地")
