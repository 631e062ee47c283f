"""The named formulas that doctrine's YAML counts with: small functions of a situation."""

from collections.abc import Callable, Collection, Mapping, Sequence
from math import ceil

from dispatch.domain.reading import Reading


def _per(amount: float, size: float) -> int:
    """How many units of ``size`` hold ``amount``; guards against 0.1 + 0.2 style rounding."""
    return ceil(round(amount / size, 6))


def _look_up(table: Sequence[Sequence[int]], number: int) -> int | None:
    """The second figure of the first line whose first figure is not below ``number``; None beyond the last line."""
    return next((count for most, count in table if number <= most), None)


def _vehicles_for(number: int, reading: Reading) -> int:
    table = reading.thresholds["vehicles_by_trapped"]
    found = _look_up(table, number)
    if found is not None:
        return found
    most, count = table[-1]
    return int(count) + _per(number - most, reading.thresholds["people_per_further_vehicle"])


def vehicles(reading: Reading) -> int:
    """Rescue vehicles by people trapped."""
    return _vehicles_for(reading.people(), reading)


def search_vehicles(reading: Reading) -> int:
    """Rescue vehicles by people trapped, buried or missing."""
    return _vehicles_for(reading.caught(), reading)


def crew(reading: Reading) -> int:
    """The crew of the rescue vehicles."""
    return vehicles(reading) * int(reading.thresholds["crew_per_vehicle"])


def ploughs(reading: Reading) -> int:
    """By depth and length, whichever calls for more."""
    depth, km, thresholds = reading.measure("snow_depth_m"), reading.fact("km"), reading.thresholds
    if depth is None and not km:
        return int(thresholds["ploughs_unknown"])
    wanted = max(_per(depth or 0, 1), _per(km, thresholds["km_per_plough"]), 1)
    return int(min(wanted, thresholds["ploughs_most"]))


def tow_trucks(reading: Reading) -> int:
    """By stuck cars."""
    return max(1, _per(reading.fact("cars"), reading.thresholds["cars_per_tow_truck"]))


def cars(reading: Reading) -> int:
    """The stuck cars themselves."""
    return ceil(reading.fact("cars"))


def dogs(reading: Reading) -> int:
    """By people buried or missing; they work in pairs."""
    return int(max(reading.thresholds["dogs_least"], _per(reading.lost(), reading.thresholds["people_per_dog"])))


def rubble_dogs(reading: Reading) -> int:
    """By people buried, missing or trapped in a building that fell."""
    return max(1, _per(reading.caught(), reading.thresholds["people_per_dog"]))


def boats(reading: Reading) -> int:
    """By people trapped, more in fast water or for people who cannot help themselves."""
    hard = bool(reading.fact("current")) or bool(reading.situation.vulnerable)
    size = reading.thresholds["people_per_boat_hard" if hard else "people_per_boat"]
    return int(max(reading.thresholds["boats_least"], _per(reading.trapped(), size)))


def jackets(reading: Reading) -> int:
    """For the people trapped and for the crew."""
    return reading.trapped() + crew(reading)


def excavators(reading: Reading) -> int:
    """By people buried."""
    thresholds = reading.thresholds
    return int(max(thresholds["excavators_least"], _per(reading.planned("buried"), thresholds["buried_per_excavator"])))


def heavy_teams(reading: Reading) -> int:
    """Heavy rescue teams by people trapped, buried or missing."""
    return max(1, _per(reading.caught(), reading.thresholds["people_per_heavy_team"]))


def engines(reading: Reading) -> int:
    """Fire engines by people trapped."""
    return max(int(reading.thresholds["engines_least"]), vehicles(reading))


def forest_crews(reading: Reading) -> int:
    """Forest fire crews by burning area."""
    thresholds = reading.thresholds
    wanted = _per(reading.measure("area_ha") or 0, thresholds["ha_per_forest_crew"])
    return int(min(max(1, wanted), thresholds["forest_crews_most"]))


def tankers(reading: Reading) -> int:
    """Tankers that take over what has not leaked yet."""
    return max(1, _per(reading.measure("leak_tonnes") or 0, reading.thresholds["tonnes_per_tanker"]))


def crash_vehicles(reading: Reading) -> int:
    """Rescue vehicles of one fire station, or of two where more than one person is pinned."""
    stations = 2 if reading.fact("pinned") > 1 else 1
    return max(stations * int(reading.thresholds["crash_vehicles"]), vehicles(reading))


def wreckers(reading: Reading) -> int:
    """By vehicles in the collision."""
    return max(1, _per(reading.fact("vehicles"), reading.thresholds["vehicles_per_wrecker"]))


def collapse_vehicles(reading: Reading) -> int:
    """Rescue vehicles by people buried, missing or trapped in a building that fell."""
    found = _look_up(reading.thresholds["collapse_vehicles"], reading.caught())
    return int(reading.thresholds["collapse_vehicles_most"]) if found is None else found


def ambulances(reading: Reading) -> int:
    """By severity; one for every person pinned, and never none."""
    thresholds = reading.thresholds
    severe = ceil(reading.fact("severe"))
    moderate = _per(reading.moderate(), thresholds["moderate_per_ambulance"])
    light = _per(reading.fact("light"), thresholds["light_per_ambulance"])
    return max(severe + moderate + light, ceil(reading.fact("pinned")), 1)


def people(reading: Reading) -> int:
    """One for everybody."""
    return reading.people()


def litres(reading: Reading) -> int:
    """Drinking water for a day."""
    return reading.people() * int(reading.thresholds["litres_a_person"])


def rations(reading: Reading) -> int:
    """Food for a day."""
    return reading.people() * int(reading.thresholds["rations_a_person"])


def tents(reading: Reading) -> int:
    """By people without a roof."""
    return _per(reading.sheltered(), reading.thresholds["people_per_tent"])


def beds(reading: Reading) -> int:
    """One for everybody without a roof."""
    return reading.sheltered()


def quilts(reading: Reading) -> int:
    """One for everybody without a roof, more in winter."""
    each = reading.thresholds["winter_quilts_a_person"] if reading.fact("winter") or reading.fact("cold") else 1
    return reading.sheltered() * int(each)


def buses(reading: Reading) -> int:
    """By people to be taken away."""
    return max(1, _per(reading.people(), reading.thresholds["people_per_bus"]))


FORMULAS: Mapping[str, Callable[[Reading], int]] = {
    formula.__name__: formula
    for formula in (
        *(vehicles, search_vehicles, crash_vehicles, collapse_vehicles, engines),
        *(ploughs, tow_trucks, cars, wreckers, excavators, tankers, buses, ambulances),
        *(dogs, rubble_dogs, boats, jackets, heavy_teams, forest_crews),
        *(people, litres, rations, tents, beds, quilts),
    )
}

# The numbers of people that formulas count with, by the short name under which the working tells them.
_AMOUNTS: Mapping[str, Callable[[Reading], float]] = {
    "人": Reading.people,
    "寻": Reading.lost,
    "埋": lambda reading: reading.planned("buried"),
    "伤": Reading.moderate,
    "困": Reading.caught,
    "员": crew,
}
# Those that are told only where the formula is used.
_TOLD_WITH = {
    "困": ("search_vehicles", "collapse_vehicles", "rubble_dogs", "heavy_teams"),
    "员": ("jackets",),
}


def amounts(reading: Reading, used: Collection[str]) -> Mapping[str, int]:
    """The numbers of people that the formulas ``used`` count with, by a short name; those that are 0 are left out."""
    told = {
        name: int(amount(reading))
        for name, amount in _AMOUNTS.items()
        if name not in _TOLD_WITH or any(formula in used for formula in _TOLD_WITH[name])
    }
    return {name: number for name, number in told.items() if number > 0}
