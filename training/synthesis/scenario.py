"""Scenarios: an incident drawn at random, as a situation and as the facts that its report will say.

What is drawn is said and what is said was drawn: doctrine reads the situation, and the report must show why.
"""

from collections.abc import Mapping, Sequence

from dispatch.domain.situation import Count, Requested
from training.synthesis.declining import draw_declined
from training.synthesis.hazards import TABLES, Chances, HazardTable
from training.synthesis.holdout import Draw, side_of_combination
from training.synthesis.items import ITEMS
from training.synthesis.numbers import spell
from training.synthesis.people import Narration, draw_people, say_that_nobody_is_hurt
from training.synthesis.utterances import Scenario, Utterance

_CAR_WORDS = ("辆车", "台车", "辆车", "辆货车", "辆小车")
_REINFORCE_SHARE = 0.03
_DEPTH_WORDS_SHARE = 0.22

# What is said of each number, lowest and highest.
_NUMBER_LIMITS: Mapping[str, tuple[int, int]] = {
    "km": (2, 60),
    "hours": (2, 72),
    "altitude_m": (1200, 5800),
    "kilowatts": (20, 500),
    "battery_percent": (1, 29),
    "cars": (2, 99),
    "vehicles": (2, 30),
    "displaced": (20, 3000),
}
_COUNTED = {"cars": _CAR_WORDS, "vehicles": _CAR_WORDS, "displaced": ("人", "名群众", "人")}
_DEPTHS = ("snow_depth_m", "water_depth_m")
_DEPTH_LIMITS = (0.2, 4.0)
_DEPTHS_IN_WORDS = (0.5, 1.0, 1.3, 1.5, 1.7, 3.0)  # those that facts.yaml has words for
_VULNERABLE = ("elderly", "elderly", "elderly", "child", "child", "infant", "pregnant", "patient", "disabled")
_AGES = {"elderly": (65, 96), "child": (2, 9)}


def draw_scenario(
    hazard: str, draw: Draw, spoken: bool, richness: float, declined: float, narration: Narration | None = None
) -> Scenario:
    """A request for help in one hazard, at times with another that comes with it.

    ``richness`` scales the chance of every fact: 1 for a report of middling length. ``declined`` is the chance that
    something is declined. With a ``narration`` its people are reckoned (出来了5个,剩下…) or told of (我和我妈) as well.
    """
    table = TABLES[hazard]
    scenario = Scenario((hazard,), spoken)
    _measures(scenario, draw, _scaled(table.measures, richness))
    draw_people(scenario, draw, table, richness, narration)
    _join(scenario, draw, table, richness)
    _flags(scenario, draw, table, richness)
    _numbers(scenario, draw, _scaled(table.numbers, richness))
    _outages(scenario, draw, _scaled(table.outages, richness))
    _vulnerable(scenario, draw, table.vulnerable * richness, table.aged)
    _needs(scenario, draw, table, richness)
    if draw.chance(declined):
        scenario.fields["not_needed"] = draw_declined(scenario.hazards, scenario.fields, draw)
    if narration:
        say_that_nobody_is_hurt(scenario, draw)
    scenario.fields["hazards"] = scenario.hazards
    draw.note_needs(scenario.hazards, scenario.fields["needs"])
    return scenario


def _scaled(chances: Chances, richness: float) -> list[tuple[str, float]]:
    return [(name, chance * richness) for name, chance in chances.items()]


def _drawn(draw: Draw, chances: Sequence[tuple[str, float]]) -> list[str]:
    random = draw.random
    return [name for name, chance in chances if random() < chance]


def _join(scenario: Scenario, draw: Draw, table: HazardTable, richness: float) -> None:
    """Another hazard beside the first; a collapse only where people are caught in what fell."""
    caught = not {"trapped", "buried"}.isdisjoint(scenario.values("people"))
    for hazard in _drawn(draw, _scaled(table.joined, richness)):
        if hazard != "collapse" or caught:
            scenario.hazards += (hazard,)
            return


def _measures(scenario: Scenario, draw: Draw, chances: Sequence[tuple[str, float]]) -> None:
    for name in _drawn(draw, chances):
        if name in _DEPTHS:
            _depth(scenario, draw, name)
            continue
        value, text = _measure(name, scenario, draw)
        scenario.add_value("measures", name, value)
        scenario.say(Utterance(("measure", name), {"v": text}))


def _measure(name: str, scenario: Scenario, draw: Draw) -> tuple[float, str]:
    if name == "floor":
        floor = draw.number("floor", 2, 9) if draw.chance(0.7) else draw.number("floor", 10, 33)
        return float(floor), spell(floor, draw, max(0.1, scenario.in_words)).replace("两", "二")
    if name == "wind_level":
        level = draw.number("wind_level", 4, 9) if draw.chance(0.5) else draw.number("wind_level", 10, 17)
        return float(level), spell(level, draw, scenario.in_words)
    if name == "magnitude":
        magnitude = round(4 + 4 * draw.random(), 1)
        return magnitude, spell(magnitude, draw, 0.0)
    if name == "area_ha":
        area = draw.number("area_ha", 1, 9) if draw.chance(0.4) else draw.number("area_ha", 10, 900)
        return float(area), spell(area, draw, 0.0)
    assert name == "leak_tonnes", name
    if draw.chance(0.3):
        tonnes = 0.5 + draw.whole(0, 8)
        return tonnes, spell(tonnes, draw, 0.0)
    whole = draw.number("leak_tonnes", 1, 9) if draw.chance(0.4) else draw.number("leak_tonnes", 10, 60)
    return float(whole), spell(whole, draw, scenario.in_words)


def _depth(scenario: Scenario, draw: Draw, name: str) -> None:
    """A depth in metres or centimetres, or in words (到膝盖, 一人深)."""
    low, high = _DEPTH_LIMITS
    if draw.chance(_DEPTH_WORDS_SHARE):
        depth = draw.pick(_DEPTHS_IN_WORDS)
        scenario.say(Utterance(("depth_words", name, depth)))
    else:
        depth = round(low + (high - low) * draw.random(), 1)
        if draw.chance(0.35):
            depth = float(max(1, round(depth)))
        scenario.say(Utterance(("measure", name), {"v": _metres(depth, scenario, draw)}))
    scenario.add_value("measures", name, depth)


def _metres(depth: float, scenario: Scenario, draw: Draw) -> str:
    if depth < 1 and draw.chance(0.4):
        return f"{round(depth * 100)}" + draw.pick(("厘米", "公分", "cm"))
    if depth == 0.5 and draw.chance(0.5):
        return "半米"
    if scenario.spoken and 1 < depth < 3 and depth != int(depth) and draw.chance(0.4):
        whole, tenth = divmod(round(depth * 10), 10)
        return f"{spell(whole, draw, 1.0)}米{spell(tenth, draw, 1.0).replace('两', '二')}"
    return spell(depth, draw, scenario.in_words) + "米"


def _flags(scenario: Scenario, draw: Draw, table: HazardTable, richness: float) -> None:
    flags = _drawn(draw, _scaled(table.flags, richness))
    for group in table.one_of:
        flags += _drawn(draw, _scaled(group, richness))[:1]
    if draw.chance(_REINFORCE_SHARE):
        flags.append("reinforce")
    for name in dict.fromkeys(flags):
        if name in scenario.values("facts"):  # told of
            continue
        scenario.add_value("facts", name, True)
        if name == "unconscious" and "injured" not in scenario.values("people"):
            scenario.add_value("people", "injured", Count(1, None))  # 有人昏迷
        scenario.say(Utterance(("fact", name), {"v": str(draw.whole(5, 35))}))


def _numbers(scenario: Scenario, draw: Draw, chances: Sequence[tuple[str, float]]) -> None:
    for name in _drawn(draw, chances):
        if name in _NUMBER_LIMITS and not _is_said_already(name, scenario):
            low, high = _NUMBER_LIMITS[name]
            small = high > 9 >= low and draw.chance(0.4)
            number = draw.number(name, low, 9) if small else draw.number(name, max(low, min(10, high)), high)
            _say_number(scenario, draw, name, number)


def _is_said_already(name: str, scenario: Scenario) -> bool:
    facts = scenario.values("facts")
    return name in facts or (name == "battery_percent" and "low_battery" in facts)


def _say_number(scenario: Scenario, draw: Draw, name: str, number: int) -> None:
    scenario.add_value("facts", name, number)
    text = spell(number, draw, scenario.in_words)
    slots = {"n": text + draw.pick(_COUNTED[name])} if name in _COUNTED else {"v": text}
    scenario.say(Utterance(("fact", name), slots))


def _outages(scenario: Scenario, draw: Draw, chances: Sequence[tuple[str, float]]) -> None:
    outages = _drawn(draw, chances)
    scenario.fields["outages"] = tuple(outages)
    for name in outages:
        scenario.say(Utterance(("outage", name)))


def _vulnerable(scenario: Scenario, draw: Draw, chance: float, aged: float) -> None:
    """One or two groups of people who cannot help themselves; ``aged`` is the chance of an age beside a group that
    has one."""
    if not draw.chance(chance):
        return
    drawn = dict.fromkeys(draw.pick(_VULNERABLE) for _ in range(2 if draw.chance(0.25) else 1))
    groups = [group for group in drawn if group not in scenario.values("vulnerable")]
    scenario.add_groups(groups)
    for group in groups:
        utterances = [Utterance(("vulnerable", group))]
        if group in _AGES and "age" not in scenario.values("facts") and draw.chance(aged):
            age = draw.number("age", *_AGES[group])
            scenario.add_value("facts", "age", age)
            utterances.append(Utterance(("fact", "age"), {"v": spell(age, draw, scenario.in_words)}))
        scenario.say(*utterances)


def _needs(scenario: Scenario, draw: Draw, table: HazardTable, richness: float) -> None:
    """What is asked for, one thing at times by number; how needs are joined is left to the phrasing."""
    needs = _drawn(draw, _scaled(table.needs, richness))
    if draw.sides.combinations != "known":
        sides = {n: {side_of_combination(hazard, n) for hazard in scenario.hazards} for n in table.needs}
        held = [need for need in table.needs if draw.sides.combinations in sides[need]]
        needs += [draw.pick(held)] if held else []
    needs = [need for need in needs if draw.admits_need(scenario.hazards, need)]
    if table.items and draw.chance(table.requested * richness):
        _requested(scenario, draw, draw.pick(table.items), needs)
    if "generator" in needs and draw.chance(0.15):
        number = draw.number("kilowatts", *_NUMBER_LIMITS["kilowatts"])
        _say_number(scenario, draw, "kilowatts", number)
    scenario.fields["needs"] = tuple(dict.fromkeys(needs))


def _requested(scenario: Scenario, draw: Draw, word: str, needs: list[str]) -> None:
    """A quantity asked for: 请派橡皮艇3艘. It implies the need."""
    item = ITEMS[word]
    if not draw.admits_need(scenario.hazards, item.need):
        return
    number = draw.number(f"requested:{word}", item.low, item.high)
    scenario.fields["requested"] = (Requested(item.word, float(number), item.unit),)
    needs.append(item.need)
    count = spell(number, draw, 0.2 if scenario.spoken else 0.0)
    scenario.say(Utterance(("requested",), {"item": item.word, "count": count, "unit": item.unit}))
