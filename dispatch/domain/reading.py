"""A situation as doctrine's formulas and conditions see it: planning numbers, with the thresholds beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from dispatch.domain.situation import Situation

# Thresholds that are tables: lines of "up to how many people" and "how many vehicles", both rising.
THRESHOLD_TABLES = frozenset({"vehicles_by_trapped", "collapse_vehicles"})

# The thresholds that formulas, conditions and the plan read: a doctrine has to state every one of them and no other.
THRESHOLDS = frozenset(
    {
        "crew_per_vehicle",
        "vehicles_by_trapped",
        "people_per_further_vehicle",
        "household_people",
        "medical_people",
        "moderate_per_ambulance",
        "light_per_ambulance",
        "first_wave",
        "generator_people",
        "litres_a_person",
        "rations_a_person",
        "people_per_tent",
        "winter_quilts_a_person",
        "people_per_bus",
        "strong_wind_level",
        "storm_wind_level",
        "high_altitude_m",
        "low_battery_percent",
        "ploughs_most",
        "ploughs_unknown",
        "km_per_plough",
        "light_plough_depth_m",
        "blower_depth_m",
        "cars_per_tow_truck",
        "dogs_least",
        "people_per_dog",
        "boats_least",
        "people_per_boat",
        "people_per_boat_hard",
        "wading_depth_m",
        "chest_depth_m",
        "excavators_least",
        "buried_per_excavator",
        "destructive_magnitude",
        "people_per_heavy_team",
        "engines_least",
        "ladder_floor",
        "large_fire_ha",
        "ha_per_forest_crew",
        "forest_crews_most",
        "tonnes_per_tanker",
        "crash_vehicles",
        "vehicles_per_wrecker",
        "collapse_vehicles",
        "collapse_vehicles_most",
        "waiting_hours",
    }
)

# The thresholds that are numbers of people, units or pieces: orders state them or multiples of them.
WHOLE_THRESHOLDS = frozenset(
    {
        "crew_per_vehicle",
        "first_wave",
        "litres_a_person",
        "rations_a_person",
        "winter_quilts_a_person",
        "ploughs_most",
        "ploughs_unknown",
        "dogs_least",
        "boats_least",
        "excavators_least",
        "engines_least",
        "forest_crews_most",
        "crash_vehicles",
        "collapse_vehicles_most",
    }
)


@dataclass(frozen=True)
class Reading:
    """A situation with doctrine's thresholds.

    ``needs_named`` are the needs that something asked for by number answers already.
    """

    situation: Situation
    thresholds: Mapping[str, Any]
    needs_named: frozenset[str] = frozenset()

    def planned(self, category: str) -> int:
        """Planning number of a category of people; 0 when the report states none."""
        count = self.situation.people.get(category)
        return count.planning_number() if count else 0

    def trapped(self) -> int:
        """How many people cannot get away by themselves; 0 when unknown."""
        households = ceil(self.planned("households") * self.thresholds["household_people"])
        return self.planned("trapped") or households

    def people(self) -> int:
        """How many people the supplies and vehicles are for; 0 when unknown."""
        return self.trapped() or self.displaced()

    def displaced(self) -> int:
        """How many people have lost their homes, as far as the report says."""
        return ceil(self.fact("displaced"))

    def sheltered(self) -> int:
        """How many people need a roof: the displaced, or else everybody."""
        return self.displaced() or self.people()

    def lost(self) -> int:
        """How many people have to be searched for."""
        return self.planned("buried") + self.planned("missing")

    def caught(self) -> int:
        """How many people have to be got out or searched for."""
        return self.trapped() + self.lost()

    def moderate(self) -> float:
        """How many are moderately injured; injured people of unstated severity count as that."""
        return max(self.fact("moderate"), self.planned("injured") - self.fact("severe") - self.fact("light"))

    def everyone(self) -> int:
        """How many people the incident is about, to compare incidents by."""
        return self.people() + self.lost() + self.planned("injured")

    def measure(self, name: str) -> float | None:
        return self.situation.measures.get(name)

    def fact(self, name: str) -> float:
        return float(self.situation.facts.get(name, 0))
