"""What a report declines: supplies that are there, and units that need not come."""

from collections.abc import Mapping
from typing import Any

from training.synthesis.holdout import Draw

SUPPLIES = ("food", "water", "warmth", "medicine", "sandbag", "shelter", "life_jacket", "lighting", "fuel")
# Units that may stay away, by hazard: never what such an incident cannot be dealt with without.
UNITS: Mapping[str, tuple[str, ...]] = {
    "snow_road": ("medical", "heavy_equipment", "transport", "generator"),
    "avalanche": ("medical", "transport", "communications"),
    "flood": ("medical", "generator", "drainage", "transport", "boat"),
    "earthquake": ("medical", "heavy_equipment", "generator", "transport"),
    "landslide": ("medical", "heavy_equipment", "generator", "transport"),
    "typhoon": ("medical", "generator", "transport", "boat"),
    "building_fire": ("medical", "transport"),
    "wildfire": ("medical", "transport", "communications"),
    "hazmat": ("medical", "heavy_equipment", "transport"),
    "traffic_accident": ("medical", "heavy_equipment", "firefighting", "transport"),
    "collapse": ("medical", "generator", "debris_clearing", "transport"),
    "mountain_rescue": ("medical", "transport", "communications"),
}
DECLINABLE = (*SUPPLIES, *sorted({need for needs in UNITS.values() for need in needs}))

_TWO_SHARE = 0.3  # of supplies that are declined
_TOGETHER = (("food", "water"), ("food", "water"), ("food", "warmth"), ("shelter", "warmth"))
_UNITS_SHARE = 0.4  # of what is declined
# Who is in such a state is not left without a doctor or a boat, whatever the report says.
_NO_DOCTOR_DECLINED = frozenset({"unconscious", "severe", "moderate"})
_NO_BOAT_DECLINED = frozenset({"in_water", "current"})
_NO_ENGINE_DECLINED = frozenset({"burning", "smoke", "gas", "flammable", "toxic", "pinned"})


def draw_declined(hazards: tuple[str, ...], fields: Mapping[str, Any], draw: Draw) -> tuple[str, ...]:
    """One or two things that are on offer and not wanted; never one that ``fields`` asks for."""
    asked = fields["needs"]
    if draw.chance(_UNITS_SHARE):
        units = [need for need in UNITS[hazards[0]] if need not in asked and _may_stay_away(need, hazards, fields)]
        if units:
            return (draw.pick(units),)
    left = [need for need in SUPPLIES if need not in asked]
    pairs = [pair for pair in _TOGETHER if set(pair) <= set(left)]
    return draw.pick(pairs) if pairs and draw.chance(_TWO_SHARE) else (draw.pick(left),)


def _may_stay_away(need: str, hazards: tuple[str, ...], fields: Mapping[str, Any]) -> bool:
    facts, people = fields.get("facts", {}).keys(), fields.get("people", {})
    match need:
        case "medical":
            return not facts & _NO_DOCTOR_DECLINED and "buried" not in people
        case "boat":
            return not facts & _NO_BOAT_DECLINED
        case "firefighting":
            return len(hazards) == 1 and not facts & _NO_ENGINE_DECLINED and "trapped" not in people
        case _:
            return True
