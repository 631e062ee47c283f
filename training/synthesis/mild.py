"""Mild incidents: nobody is hurt, little is wanted, and there is no hurry; they are requests all the same."""

from collections.abc import Mapping

from training.synthesis.declining import draw_declined
from training.synthesis.holdout import Draw
from training.synthesis.utterances import Scenario, Utterance

# What is asked for where little has happened; "" for somebody to look after it, which is no need of its own.
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "snow_road": ("snow_clearing", ""),
    "avalanche": ("snow_clearing", ""),
    "flood": ("drainage", "sandbag", ""),
    "earthquake": ("",),
    "landslide": ("debris_clearing", ""),
    "typhoon": ("debris_clearing", ""),
    "building_fire": ("firefighting", ""),
    "wildfire": ("firefighting", ""),
    "hazmat": ("sandbag", ""),
    "traffic_accident": ("heavy_equipment", "heavy_equipment", ""),
    "collapse": ("debris_clearing", ""),
}
MILD_HAZARDS = tuple(_NEEDS)
_NOTE_SHARE = 0.75  # say that nobody is hurt, or that there is no hurry
_UNASKED_SHARE = 0.2  # of those that ask for nothing that is a need: they do not ask for anybody either


def draw_mild(hazard: str, draw: Draw, spoken: bool, declined: float) -> Scenario:
    """``declined`` is the chance that something is declined."""
    need = draw.pick(_NEEDS[hazard])
    needs = (need,) if need and draw.admits_need((hazard,), need) else ()
    scenario = Scenario((hazard,), spoken, {"hazards": (hazard,), "needs": needs}, mild=True)
    if draw.chance(_NOTE_SHARE):
        scenario.say(Utterance(("mild_note",)))
    if not needs and not draw.chance(_UNASKED_SHARE):
        traffic = hazard == "traffic_accident" and draw.chance(0.6)
        scenario.say(Utterance(("mild_ask", "traffic" if traffic else "look")))
    if draw.chance(declined):
        scenario.fields["not_needed"] = draw_declined((hazard,), scenario.fields, draw)
    return scenario
