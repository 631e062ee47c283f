"""Conditions that hold a measure against a threshold: at it, just below it, and without the measure."""

import pytest

from dispatch.domain import Situation, default_doctrine
from dispatch.domain.conditions import holds
from dispatch.domain.reading import Reading


def read(**measures: float) -> Reading:
    return Reading(Situation(measures=measures), default_doctrine().thresholds)


@pytest.mark.parametrize(
    ("condition", "measure", "least"),
    [
        ("deep_water", "water_depth_m", 1.3),
        ("high_floor", "floor", 4),
        ("destructive_quake", "magnitude", 6.0),
        ("strong_wind", "wind_level", 6),
        ("storm_wind", "wind_level", 10),
        ("drifted_snow", "snow_depth_m", 3.1),
        ("large_fire", "area_ha", 1.1),
    ],
)
def test_a_measure_is_held_against_its_threshold(condition: str, measure: str, least: float) -> None:
    assert holds(condition, read(**{measure: least}))
    assert not holds(condition, read(**{measure: round(least - 0.1, 1)}))
    assert not holds(condition, read())
