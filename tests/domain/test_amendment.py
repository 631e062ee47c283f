"""Amendments change one rule of doctrine's YAML and leave every other line, comments too, as it is."""

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.domain import Doctrine, Order, default_doctrine
from dispatch.domain.amendment import RulePlace, with_count, with_rule, without_rule
from dispatch.domain.doctrine import doctrine_file

TEXT = doctrine_file().read_text(encoding="utf-8")
PLACES = [
    RulePlace(section, label, position)
    for section, labelled in (("hazards", default_doctrine().hazards), ("needs", default_doctrine().needs))
    for label, rules in labelled.items()
    if len(rules) > 1 and f"  {label}: [" not in TEXT
    for position in range(len(rules))
] + [RulePlace("all", "", position) for position in range(len(default_doctrine().always))]


def rules_of(doctrine: Doctrine, place: RulePlace) -> list[str]:
    rules = doctrine.always if place.section == "all" else getattr(doctrine, place.section)[place.label]
    return [rule.item for rule in rules]


def changed_lines(text: str) -> list[str]:
    return [line for line in difflib.ndiff(TEXT.splitlines(), text.splitlines()) if line[:1] in "+-"]


@settings(max_examples=10)  # a whole doctrine is read for each
@given(st.sampled_from(PLACES))
def test_any_rule_can_be_taken_out_and_nothing_else_goes_with_it(place: RulePlace) -> None:
    before = rules_of(default_doctrine(), place)
    without = Doctrine(without_rule(TEXT, place))
    assert rules_of(without, place) == before[: place.position] + before[place.position + 1 :]
    assert sum(1 for _ in without.rules()) == sum(1 for _ in default_doctrine().rules()) - 1


def test_a_rule_is_added_behind_the_others_of_its_hazard() -> None:
    text = with_rule(TEXT, "hazards", "flood", Order("消防", "任务", "到场后回报水位"))
    assert changed_lines(text) == ["+     - {task: 到场后回报水位}"]
    assert Doctrine(text).hazards["flood"][-1].item == "到场后回报水位"
    text = with_rule(TEXT, "all", "", Order("应急", "派", "照明车", 2))
    assert changed_lines(text) == ["+   - {send: 照明车, count: 2}"]
    quoted = with_rule(TEXT, "hazards", "flood", Order("应急", "协调", "学校: 开门"))
    assert Doctrine(quoted).hazards["flood"][-1].item == "学校: 开门"


def test_a_number_is_replaced_where_it_stands() -> None:
    place = RulePlace("hazards", "building_fire", 1)
    text = with_count(TEXT, place, 4)
    assert Doctrine(text).hazards["building_fire"][1].count == 4
    assert len(changed_lines(text)) == 2


def test_what_is_not_there_cannot_be_changed() -> None:
    for place in (RulePlace("hazards", "flood", 99), RulePlace("hazards", "meteor", 0), RulePlace("wishes", "", 0)):
        with pytest.raises(LookupError, match="doctrine has no"):
            without_rule(TEXT, place)
    with pytest.raises(LookupError, match="no count"):
        with_count(TEXT, RulePlace("hazards", "flood", 3), 2)
    with pytest.raises(LookupError, match="share a line"):
        without_rule(TEXT, RulePlace("needs", "communications", 0))
    with pytest.raises(LookupError, match="share a line"):
        with_rule(TEXT, "needs", "food", Order("应急", "任务", "先问几个人"))
    with pytest.raises(LookupError, match="no rule orders"):
        with_rule(TEXT, "hazards", "flood", Order("应急", "继续", "等"))
