"""Scenarios: an incident drawn at random, as a situation and as the facts that its report will say.

To add a hazard: write its sampler, add it to ``SAMPLERS``, and give it phrases in ``data/lexicon``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dispatch.domain.situation import Count, Requested
from training.synthesis.holdout import Draw
from training.synthesis.numbers import draw_count, spell


@dataclass(frozen=True)
class Utterance:
    """One fact to be said: its section and key in the lexicon, and the slots of its templates."""

    section: str
    key: str
    slots: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Scenario:
    """One incident while it is being drawn; ``fields`` become the Situation, place and context come later."""

    hazard: str
    spoken: bool
    fields: dict[str, Any] = field(default_factory=dict)
    said: list[Utterance] = field(default_factory=list)

    def add_labels(self, name: str, labels: Sequence[str]) -> None:
        self.fields[name] = (*self.fields.get(name, ()), *labels)

    def add_value(self, name: str, label: str, value: Any) -> None:
        self.fields.setdefault(name, {})[label] = value


_MEASURE_WORDS = ("人", "人", "人", "名群众", "个人", "名村民", "名司乘人员", "位群众", "人员")
_SPOKEN_MEASURE_WORDS = ("个人", "人", "个人", "号人", "口人", "个乡亲", "个老乡")
_CAR_WORDS = ("辆车", "台车", "辆车", "辆货车", "辆小车")


def draw_scenario(hazard: str, draw: Draw) -> Scenario:
    """A request for help in one hazard."""
    scenario = Scenario(hazard, spoken=draw.chance(0.5))
    scenario.add_labels("hazards", (hazard,))
    SAMPLERS[hazard](scenario, draw)
    return scenario


def _snow_road(scenario: Scenario, draw: Draw) -> None:
    _depth(scenario, draw, "snow_depth_m", 0.75, (0.3, 4.0), (0.5, 1.0, 1.5, 1.7, 3.0))
    _number_fact(scenario, draw, "km", 0.15, (2, 60))
    if draw.chance(0.3):
        cars = draw.number("cars", 2, 9) if draw.chance(0.4) else draw.number("cars", 10, 99)
        scenario.add_value("facts", "cars", cars)
        text = spell(cars, draw, 0.3 if scenario.spoken else 0.0) + draw.rng.choice(_CAR_WORDS)
        scenario.said.append(Utterance("fact", "cars", {"n": text}))
    _people(scenario, draw, {"trapped": (0.8, 300), "injured": (0.12, 30), "buried": (0.12, 20), "missing": (0.06, 20)})
    _flag_facts(scenario, draw, {"cold": 0.25, "reinforce": 0.03})
    _number_fact(scenario, draw, "hours", 0.10, (2, 48))
    _outages(scenario, draw, {"power": 0.35, "communications": 0.08, "road": 0.10, "water": 0.04})
    _vulnerable(scenario, draw, 0.15)
    power_out = "power" in scenario.fields.get("outages", ())
    _needs(
        scenario,
        draw,
        {
            "rescue": 0.30,
            "snow_clearing": 0.35,
            "medical": 0.30,
            "generator": 0.45 if power_out else 0.05,
            "warmth": 0.15,
            "food": 0.12,
            "water": 0.10,
            "fuel": 0.06,
            "evacuation": 0.04,
        },
    )
    _requested(scenario, draw, 0.08, {"除雪车": ("台", "snow_clearing"), "棉被": ("床", "warmth")})


def _flood(scenario: Scenario, draw: Draw) -> None:
    _depth(scenario, draw, "water_depth_m", 0.65, (0.2, 4.0), (0.5, 1.0, 1.3, 1.5, 1.7, 3.0))
    _people(scenario, draw, {"trapped": (0.8, 400), "injured": (0.1, 30), "missing": (0.08, 20)})
    if "trapped" not in scenario.fields.get("people", {}) and draw.chance(0.4):
        _person_category(scenario, draw, "households", 200, ("户", "户群众", "户人家"))
    _flag_facts(scenario, draw, {"current": 0.2, "in_water": 0.1, "critical_site": 0.05, "reinforce": 0.03})
    _number_fact(scenario, draw, "hours", 0.10, (2, 48))
    _outages(scenario, draw, {"power": 0.3, "water": 0.12, "communications": 0.1, "road": 0.1, "gas": 0.03})
    _vulnerable(scenario, draw, 0.3)
    _needs(
        scenario,
        draw,
        {
            "rescue": 0.35,
            "boat": 0.35,
            "evacuation": 0.15,
            "medical": 0.15,
            "food": 0.15,
            "water": 0.15,
            "life_jacket": 0.12,
            "sandbag": 0.10,
            "drainage": 0.12,
            "medicine": 0.06,
            "shelter": 0.05,
            "generator": 0.05,
            "lighting": 0.04,
        },
    )
    _requested(
        scenario,
        draw,
        0.12,
        {
            "冲锋舟": ("艘", "boat"),
            "橡皮艇": ("艘", "boat"),
            "沙袋": ("条", "sandbag"),
            "排水车": ("辆", "drainage"),
            "救生衣": ("件", "life_jacket"),
        },
    )


def _landslide(scenario: Scenario, draw: Draw) -> None:
    _people(scenario, draw, {"trapped": (0.6, 200), "buried": (0.35, 30), "injured": (0.25, 30), "missing": (0.15, 30)})
    _flag_facts(scenario, draw, {"reinforce": 0.03, "critical_site": 0.03})
    if draw.chance(0.15):
        cars = draw.number("cars", 2, 60)
        scenario.add_value("facts", "cars", cars)
        text = spell(cars, draw, 0.2) + draw.rng.choice(_CAR_WORDS)
        scenario.said.append(Utterance("fact", "cars", {"n": text}))
    _number_fact(scenario, draw, "hours", 0.08, (2, 48))
    _outages(scenario, draw, {"road": 0.45, "power": 0.25, "communications": 0.15, "water": 0.08})
    _vulnerable(scenario, draw, 0.2)
    _needs(
        scenario,
        draw,
        {
            "rescue": 0.35,
            "debris_clearing": 0.35,
            "medical": 0.25,
            "search": 0.15,
            "evacuation": 0.15,
            "food": 0.10,
            "water": 0.10,
            "lighting": 0.08,
            "shelter": 0.08,
        },
    )
    _requested(scenario, draw, 0.10, {"挖掘机": ("台", "debris_clearing"), "装载机": ("台", "heavy_equipment")})


def _building_fire(scenario: Scenario, draw: Draw) -> None:
    if draw.chance(0.5):
        floor = draw.number("floor", 2, 9) if draw.chance(0.7) else draw.number("floor", 10, 33)
        scenario.add_value("measures", "floor", float(floor))
        text = spell(floor, draw, 0.3 if scenario.spoken else 0.1).replace("两", "二")
        scenario.said.append(Utterance("measure", "floor", {"v": text}))
    _people(scenario, draw, {"trapped": (0.7, 120), "injured": (0.2, 30), "missing": (0.05, 10)})
    _flag_facts(scenario, draw, {"smoke": 0.4, "burning": 0.15, "reinforce": 0.05})
    _outages(scenario, draw, {"power": 0.12, "gas": 0.05, "road": 0.05})
    _vulnerable(scenario, draw, 0.25)
    _needs(
        scenario,
        draw,
        {"firefighting": 0.5, "rescue": 0.4, "medical": 0.2, "evacuation": 0.1, "lighting": 0.05},
    )
    _requested(scenario, draw, 0.12, {"水罐车": ("辆", "firefighting"), "举高车": ("辆", "heavy_equipment")})


SAMPLERS: Mapping[str, Callable[[Scenario, Draw], None]] = {
    "snow_road": _snow_road,
    "flood": _flood,
    "landslide": _landslide,
    "building_fire": _building_fire,
}


def _depth(
    scenario: Scenario,
    draw: Draw,
    name: str,
    chance: float,
    limits: tuple[float, float],
    words: Sequence[float],
) -> None:
    """A depth in metres or centimetres, or in words (到膝盖, 一人深)."""
    if not draw.chance(chance):
        return
    if draw.chance(0.22):
        depth = draw.rng.choice(words)
        scenario.said.append(Utterance("depth_words", f"{name}/{depth}"))
    else:
        depth = round(draw.rng.uniform(*limits), 1)
        if draw.chance(0.35):
            depth = float(max(1, round(depth)))
        scenario.said.append(Utterance("measure", name, {"v": _metres(depth, scenario.spoken, draw)}))
    scenario.add_value("measures", name, depth)


def _metres(depth: float, spoken: bool, draw: Draw) -> str:
    if depth < 1 and draw.chance(0.4):
        return f"{round(depth * 100)}" + draw.rng.choice(("厘米", "公分", "cm"))
    if depth == 0.5 and draw.chance(0.5):
        return "半米"
    if spoken and 1 < depth < 3 and depth != int(depth) and draw.chance(0.4):
        whole, tenth = divmod(round(depth * 10), 10)
        return f"{spell(whole, draw, 1.0)}米{spell(tenth, draw, 1.0).replace('两', '二')}"
    return spell(depth, draw, 0.3 if spoken else 0.05) + "米"


def _people(scenario: Scenario, draw: Draw, chances: Mapping[str, tuple[float, int]]) -> None:
    words = _SPOKEN_MEASURE_WORDS if scenario.spoken else _MEASURE_WORDS
    for category, (chance, most) in chances.items():
        if not draw.chance(chance):
            continue
        if category in ("injured", "buried") and draw.chance(0.25):
            scenario.add_value("people", category, Count(1, None))
            scenario.said.append(Utterance("people", f"{category}_some"))
            continue
        _person_category(scenario, draw, category, most, words)
    injured = scenario.fields.get("people", {}).get("injured")
    if injured is not None and injured.max == injured.min and 2 <= injured.min < 10 and draw.chance(0.3):
        name = draw.rng.choice(("severe", "light"))
        number = draw.rng.randint(1, injured.min - 1)
        scenario.add_value("facts", name, number)
        text = spell(number, draw, 0.3 if scenario.spoken else 0.0) + draw.rng.choice(("人", "名", "个"))
        scenario.said.append(Utterance("fact", name, {"n": text}))


def _person_category(scenario: Scenario, draw: Draw, category: str, most: int, words: Sequence[str]) -> None:
    count, before, after = draw_count(category, draw, scenario.spoken, most)
    scenario.add_value("people", category, count)
    scenario.said.append(Utterance("people", category, {"n": before + draw.rng.choice(words) + after}))


def _flag_facts(scenario: Scenario, draw: Draw, chances: Mapping[str, float]) -> None:
    for name, chance in chances.items():
        if draw.chance(chance):
            scenario.add_value("facts", name, True)
            scenario.said.append(Utterance("fact", name, {"v": str(draw.rng.randint(5, 35))}))


def _number_fact(scenario: Scenario, draw: Draw, name: str, chance: float, limits: tuple[int, int]) -> None:
    if draw.chance(chance):
        number = draw.number(name, *limits)
        scenario.add_value("facts", name, number)
        scenario.said.append(Utterance("fact", name, {"v": spell(number, draw, 0.3 if scenario.spoken else 0.0)}))


def _outages(scenario: Scenario, draw: Draw, chances: Mapping[str, float]) -> None:
    for name, chance in chances.items():
        if draw.chance(chance):
            scenario.add_labels("outages", (name,))
            scenario.said.append(Utterance("outage", name))


def _vulnerable(scenario: Scenario, draw: Draw, chance: float) -> None:
    if draw.chance(chance):
        group = draw.rng.choice(("elderly", "elderly", "child", "child", "infant", "pregnant", "patient", "disabled"))
        scenario.add_labels("vulnerable", (group,))
        scenario.said.append(Utterance("vulnerable", group))


def _needs(scenario: Scenario, draw: Draw, chances: Mapping[str, float]) -> None:
    """Needs, and at times one thing that is declined; how they are joined is left to the phrasing."""
    needs = [name for name, chance in chances.items() if draw.chance(chance)]
    scenario.add_labels("needs", needs)
    if draw.chance(0.06):
        declined = [name for name in ("food", "water", "warmth", "medicine", "sandbag") if name not in needs]
        scenario.add_labels("not_needed", (draw.rng.choice(declined),))


def _requested(scenario: Scenario, draw: Draw, chance: float, items: Mapping[str, tuple[str, str]]) -> None:
    """A quantity asked for: 请派橡皮艇3艘. Never of what is declined."""
    item = draw.rng.choice(list(items))
    unit, need = items[item]
    if not draw.chance(chance) or need in scenario.fields.get("not_needed", ()):
        return
    limits = (100, 3000) if item == "沙袋" else (10, 200) if unit in "件床" else (1, 9)
    number = draw.number(f"requested:{item}", *limits)
    scenario.fields["requested"] = (Requested(item, float(number), unit),)
    needs = scenario.fields.get("needs", ())
    scenario.fields["needs"] = (*needs, need)
    count = spell(number, draw, 0.2 if scenario.spoken else 0.0)
    scenario.said.append(Utterance("requested", need, {"item": item, "count": count, "unit": unit}))
