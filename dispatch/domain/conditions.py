"""The conditions that doctrine's YAML refers to: GROUP:LABEL, or the name of a small function of a situation."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from dispatch.domain import labels
from dispatch.domain.places import is_vague_place
from dispatch.domain.reading import Reading

# What GROUP:LABEL may name, and where a situation holds it.
_GROUPS = {
    "hazard": ("hazards", labels.HAZARDS),
    "people": ("people", labels.PEOPLE),
    "vulnerable": ("vulnerable", labels.VULNERABLE),
    "outage": ("outages", labels.OUTAGES),
    "need": ("needs", labels.NEEDS),
    "measure": ("measures", labels.MEASURES),
    "fact": ("facts", labels.FACTS),
}


_NAMED = "named"  # named:NEED is a need that something asked for by number answers


def is_known(condition: str) -> bool:
    """Whether there is such a condition."""
    group, _, label = condition.partition(":")
    if group == _NAMED:
        return label in labels.NEEDS
    return label in _GROUPS[group][1] if group in _GROUPS else condition in CONDITIONS


def holds(condition: str, reading: Reading) -> bool:
    """Whether a known condition is met."""
    if ":" not in condition:
        return CONDITIONS[condition](reading)
    group, label = _split(condition)
    if group == _NAMED:
        return label in reading.needs_named
    values: Iterable[str] = getattr(reading.situation, group)
    return label in values


@cache
def _split(condition: str) -> tuple[str, str]:
    """Where a situation holds what GROUP:LABEL names, and the label."""
    group, label = condition.split(":")
    return (group if group == _NAMED else _GROUPS[group][0]), label


def _reaches(reading: Reading, measure: str, threshold: str) -> bool:
    """Whether a measure is at least a threshold; one that is not stated reaches none."""
    return (reading.measure(measure) or 0) >= float(reading.thresholds[threshold])


def _exceeds(reading: Reading, measure: str, threshold: str) -> bool:
    """Whether a measure is above a threshold; one that is not stated exceeds none."""
    return (reading.measure(measure) or 0) > float(reading.thresholds[threshold])


def shallow_snow(reading: Reading) -> bool:
    """Light machines clear it."""
    depth = reading.measure("snow_depth_m")
    return depth is not None and depth <= float(reading.thresholds["light_plough_depth_m"])


def drifted_snow(reading: Reading) -> bool:
    """Higher than a plough throws."""
    return _exceeds(reading, "snow_depth_m", "blower_depth_m")


def wading(reading: Reading) -> bool:
    """Still water that high-clearance vehicles can drive through."""
    depth = reading.measure("water_depth_m")
    return depth is not None and depth < float(reading.thresholds["wading_depth_m"]) and not reading.fact("current")


def deep_water(reading: Reading) -> bool:
    """Up to the chest."""
    return _reaches(reading, "water_depth_m", "chest_depth_m")


def flooded(reading: Reading) -> bool:
    """The report tells of water, which a typhoon brings or does not."""
    situation = reading.situation
    water = {"boat", "life_jacket", "drainage"} & set(situation.needs) or "flood" in situation.hazards
    return bool(water or reading.measure("water_depth_m") or reading.fact("current") or reading.fact("in_water"))


def people_stranded(reading: Reading) -> bool:
    """Somebody has to be fetched."""
    asked = {"rescue", "evacuation"} & set(reading.situation.needs)
    return bool(reading.trapped() or reading.fact("in_water") or asked)


def people_caught(reading: Reading) -> bool:
    """People are trapped, buried or missing, however many."""
    return bool({"trapped", "buried", "missing"} & set(reading.situation.people))


def many_people(reading: Reading) -> bool:
    """So many that some of them will need a doctor."""
    return reading.people() >= int(reading.thresholds["medical_people"])


def homeless(reading: Reading) -> bool:
    """People are displaced, or a roof is asked for, and it was not declined."""
    situation = reading.situation
    return bool(reading.displaced() or "shelter" in situation.needs) and "shelter" not in situation.not_needed


def lost_under_debris(reading: Reading) -> bool:
    """People are missing where something came down: they are presumed buried."""
    fallen = {"avalanche", "earthquake", "landslide", "collapse"} & set(reading.situation.hazards)
    return bool(fallen and "missing" in reading.situation.people)


def several_pinned(reading: Reading) -> bool:
    """More than one crew cuts at a time."""
    return reading.fact("pinned") > 1


def high_floor(reading: Reading) -> bool:
    """People are higher than portable ladders reach."""
    return _reaches(reading, "floor", "ladder_floor")


def destructive_quake(reading: Reading) -> bool:
    """So strong that buildings fall, whether the report says so or not."""
    return _reaches(reading, "magnitude", "destructive_magnitude")


def large_fire(reading: Reading) -> bool:
    """A wildfire that crews on foot do not surround."""
    return _exceeds(reading, "area_ha", "large_fire_ha")


def strong_wind(reading: Reading) -> bool:
    """Nothing flies or is lifted."""
    return _reaches(reading, "wind_level", "strong_wind_level")


def storm_wind(reading: Reading) -> bool:
    """Nobody can be outside."""
    return _reaches(reading, "wind_level", "storm_wind_level")


def high_altitude(reading: Reading) -> bool:
    """The air is thin."""
    return reading.fact("altitude_m") >= float(reading.thresholds["high_altitude_m"])


def low_battery(reading: Reading) -> bool:
    """The caller's phone will soon be silent."""
    percent = reading.situation.facts.get("battery_percent")
    few = percent is not None and percent <= float(reading.thresholds["low_battery_percent"])
    return few or bool(reading.fact("low_battery"))


def indoor_gas(reading: Reading) -> bool:
    """Fumes of a stove or a boiler in a home: carbon monoxide until somebody has measured."""
    chemical_facts = ("toxic", "flammable", "burning", "reactive")
    chemical = any(reading.fact(name) for name in chemical_facts) or reading.measure("leak_tonnes")
    return bool(reading.fact("indoor") and reading.fact("gas") and not chemical)


def safe_to_energise(reading: Reading) -> bool:
    """Nothing is wet, burning or broken: power can be restored at once."""
    hazards = set(reading.situation.hazards)
    return bool(hazards) and hazards <= {"snow_road", "mountain_rescue"}


def supply_is_vital(reading: Reading) -> bool:
    """A site that must not lose power, very many people, or an output in kilowatts that was asked for."""
    crowd = reading.people() >= reading.thresholds["generator_people"]
    return bool(reading.fact("critical_site") or reading.fact("kilowatts") or crowd)


def road_under_debris(reading: Reading) -> bool:
    """The road is cut, and not by snow alone."""
    return "road" in reading.situation.outages and set(reading.situation.hazards) != {"snow_road"}


def things_to_lift(reading: Reading) -> bool:
    """Walls, trees or wrecks lie on the ground."""
    return bool({"earthquake", "typhoon", "traffic_accident", "collapse"} & set(reading.situation.hazards))


def hazard_unknown(reading: Reading) -> bool:
    """None of the hazards that doctrine has rules for."""
    return not reading.situation.hazards


def uncertain_people(reading: Reading) -> bool:
    """Some count of people is a range, approximate or contradicted."""
    return any(count.uncertain for count in reading.situation.people.values())


def vague_place(reading: Reading) -> bool:
    """Nobody could be sent there: the place is unknown or has no name."""
    return is_vague_place(reading.situation.location)


def long_wait(reading: Reading) -> bool:
    """People have been waiting for more than a day."""
    return reading.fact("hours") > float(reading.thresholds["waiting_hours"])


CONDITIONS: Mapping[str, Callable[[Reading], bool]] = {
    condition.__name__: condition
    for condition in (
        *(shallow_snow, drifted_snow, wading, deep_water, flooded),
        *(people_stranded, people_caught, many_people, homeless, lost_under_debris, several_pinned),
        *(high_floor, destructive_quake, large_fire, strong_wind, storm_wind, high_altitude),
        *(low_battery, indoor_gas, safe_to_energise, supply_is_vital, road_under_debris, things_to_lift),
        *(hazard_unknown, uncertain_people, vague_place, long_wait),
    )
}
