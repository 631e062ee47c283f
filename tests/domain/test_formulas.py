"""Formulas: the names under which doctrine states their numbers, and what they count with."""

from dispatch.domain import Count, Situation, default_doctrine
from dispatch.domain.reading import THRESHOLD_TABLES, THRESHOLDS, Reading


def test_the_shipped_doctrine_states_the_thresholds_that_are_read_and_no_others() -> None:
    assert set(default_doctrine().thresholds) == THRESHOLDS
    tables = {name for name, value in default_doctrine().thresholds.items() if isinstance(value, list)}
    assert tables == THRESHOLD_TABLES


def test_households_make_whole_people() -> None:
    families = Situation(people={"households": Count(3, 3)})
    assert Reading(families, {"household_people": 2.5}).trapped() == 8
