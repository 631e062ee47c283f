"""Scenarios: an incident drawn at random, as a situation and as the facts that its report will say.

What is drawn is said and what is said was drawn: doctrine reads the situation, and the report must show why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from dispatch.domain.situation import Count, Requested
from training.synthesis.declining import draw_declined
from training.synthesis.hazards import TABLES, Chances, HazardTable
from training.synthesis.holdout import Draw, is_held_out_combination
from training.synthesis.items import ITEMS
from training.synthesis.numbers import CountPhrase, draw_conflict, draw_count, spell
from training.synthesis.tellings import Tellings

_MEASURE_WORDS = ("人", "人", "人", "名群众", "个人", "名村民", "名人员", "位群众", "名居民", "名", "位村民")
_SPOKEN_MEASURE_WORDS = ("个人", "人", "个人", "号人", "口人", "个乡亲", "个老乡", "个", "位", "条人命")
_HOUSEHOLD_WORDS = ("户", "户群众", "户人家", "户居民")
_SPOKEN_HOUSEHOLD_WORDS = ("户", "家", "户人家", "家人", "户邻居", "家住户")
_COLLOQUIAL = {2: ("俩人", "俩"), 3: ("仨人", "仨")}
_COLLOQUIAL_SHARE = 0.25
# Who people are, said with their number (游客三十名, 三十个老人), and the vulnerable group they make ("" for none).
_ROLES = (
    *((role, "") for role in ("游客", "旅客", "工人", "职工", "村民", "外地人", "大人", "务工人员", "乘客")),
    *(("老人", "elderly"), ("老年人", "elderly"), ("孩子", "child"), ("小学生", "child"), ("学生", "child")),
    ("病人", "patient"),
)
_HOUSEHOLD_ROLES = ("牧民", "村民", "住户", "租户", "渔民")
_MOST_IN_A_GROUP = 60  # of people who cannot help themselves
_TOLD_SHARE = 0.75  # of the people of a report that tells of them; the others are counted by role
_MOST_BESIDE_A_TELLING = 12
_CAR_WORDS = ("辆车", "台车", "辆车", "辆货车", "辆小车")
_SOME_SHARE = 0.2  # of injured, buried, missing and trapped people: 有人受伤, without a number
_CONFLICT_SHARE = 0.04  # of categories with a number: two numbers that contradict
_FEWEST_IN_CONFLICT = 10
_TRAPPED = ("被困", "受困")
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
    "pinned": (1, 6),
}
_COUNTED = {"cars": _CAR_WORDS, "vehicles": _CAR_WORDS, "pinned": ("人", "个人"), "displaced": ("人", "名群众", "人")}
_DEPTHS = ("snow_depth_m", "water_depth_m")
_DEPTH_LIMITS = (0.2, 4.0)
_DEPTHS_IN_WORDS = (0.5, 1.0, 1.3, 1.5, 1.7, 3.0)  # those that facts.yaml has words for
_VULNERABLE = ("elderly", "elderly", "elderly", "child", "child", "infant", "pregnant", "patient", "disabled")
_AGES = {"elderly": (65, 96), "child": (2, 9)}


@dataclass(frozen=True)
class Utterance:
    """One fact to be said: the keys that lead to its entries in facts.yaml, and the slots of their templates."""

    path: tuple[str | float, ...]
    slots: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Scenario:
    """One incident while it is being drawn; ``fields`` become the Situation, place and context come later.

    ``units`` are said in any order; what is in one unit stays together in its order. ``mild``: little has happened, and
    hazard and needs are said so (see mild.py). ``said_of_both``: a need that is said of two incidents at once.
    """

    hazards: tuple[str, ...]
    spoken: bool
    fields: dict[str, Any] = field(default_factory=dict)
    units: list[tuple[Utterance, ...]] = field(default_factory=list)
    mild: bool = False
    said_of_both: str = ""

    def add_value(self, name: str, label: str, value: Any) -> None:
        self.fields.setdefault(name, {})[label] = value

    def add_groups(self, groups: Sequence[str]) -> None:
        """Adds vulnerable groups, each once."""
        if groups:
            self.fields["vulnerable"] = tuple(dict.fromkeys((*self.values("vulnerable"), *groups)))

    def say(self, *utterances: Utterance) -> None:
        self.units.append(utterances)

    def values(self, name: str) -> Any:
        return self.fields.get(name, ())

    @property
    def in_words(self) -> float:
        """How often numbers are said in Chinese numerals."""
        return 0.3 if self.spoken else 0.05


def draw_scenario(
    hazard: str, draw: Draw, spoken: bool, richness: float, declined: float, tellings: Tellings | None = None
) -> Scenario:
    """A request for help in one hazard, at times with another that comes with it.

    ``richness`` scales the chance of every fact: 1 for a report of middling length. ``declined`` is the chance that
    something is declined. With ``tellings`` its people are told of (我和我妈) or counted by role (游客三十名).
    """
    table = TABLES[hazard]
    scenario = Scenario((hazard,), spoken)
    _measures(scenario, draw, _scaled(table.measures, richness))
    _people(scenario, draw, table, richness, tellings)
    _join(scenario, draw, table, richness)
    _flags(scenario, draw, table, richness)
    _numbers(scenario, draw, _scaled(table.numbers, richness))
    _outages(scenario, draw, _scaled(table.outages, richness))
    _vulnerable(scenario, draw, table.vulnerable * richness, table.aged)
    _needs(scenario, draw, table, richness)
    if draw.chance(declined):
        scenario.fields["not_needed"] = draw_declined(scenario.hazards, scenario.fields, draw)
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


def _people(scenario: Scenario, draw: Draw, table: HazardTable, richness: float, tellings: Tellings | None) -> None:
    for category, (chance, most) in table.people.items():
        if not draw.chance(min(0.95, chance * sqrt(richness))):  # how many is what even short reports say
            continue
        said = scenario.values("people")
        if category in said or (category == "households" and "trapped" in said):
            continue
        if tellings:
            _tell(scenario, draw, category, most, tellings)
        elif category == "households":
            _category(scenario, draw, category, most)
        elif draw.chance(_SOME_SHARE):
            scenario.add_value("people", category, Count(1, None))
            scenario.say(Utterance(("people", f"{category}_some")))
        elif most >= _FEWEST_IN_CONFLICT and category == "trapped" and draw.chance(_CONFLICT_SHARE):
            _conflict(scenario, draw, category, most)
        else:
            _category(scenario, draw, category, most)
    if "pinned" in table.numbers:
        _pinned(scenario, draw, table.numbers["pinned"] * richness)


def _tell(scenario: Scenario, draw: Draw, category: str, most: int, tellings: Tellings) -> None:
    """People told of in the story, in one clause with all that it says; else counted by role."""
    said = scenario.fields.get("people", {})
    telling = tellings.pick(category, scenario.hazards[0], said.keys(), draw) if draw.chance(_TOLD_SHARE) else None
    if telling is None:
        _by_role(scenario, draw, category, min(most, _MOST_BESIDE_A_TELLING) if said else most)
        return
    for name, count in telling.people.items():
        scenario.add_value("people", name, count)
    for name, value in telling.facts.items():
        scenario.add_value("facts", name, value)
    scenario.add_groups(telling.vulnerable)
    scenario.say(Utterance(("told", telling.key)))


def _by_role(scenario: Scenario, draw: Draw, category: str, most: int) -> None:
    """People counted by who they are, before the number or behind it: 游客三十名, 三十个老人, 牧民五户."""
    if category == "households":
        role, group, word = draw.pick(_HOUSEHOLD_ROLES), "", "户"
    else:
        role, group = draw.pick(_ROLES)
        word = draw.pick(("个", "个", "位") if scenario.spoken else ("名", "名", "位"))
    phrase = draw_count(category, draw, scenario.in_words, min(most, _MOST_IN_A_GROUP) if group else most)
    before = draw.chance(0.5)
    text = role + phrase.with_measure_word(word) if before else phrase.with_measure_word(word + role)
    scenario.add_groups((group,) if group else ())
    _say_count(scenario, draw, category, phrase.count, text)


def _measure_word(scenario: Scenario, draw: Draw) -> str:
    return draw.pick(_SPOKEN_MEASURE_WORDS if scenario.spoken else _MEASURE_WORDS)


def _category(scenario: Scenario, draw: Draw, category: str, most: int) -> None:
    phrase = draw_count(category, draw, scenario.in_words, most)
    if category == "households":
        word = draw.pick(_SPOKEN_HOUSEHOLD_WORDS if scenario.spoken else _HOUSEHOLD_WORDS)
        text = phrase.with_measure_word(word)
    else:
        text = _colloquially(phrase, scenario, draw) or phrase.with_measure_word(_measure_word(scenario, draw))
    _say_count(scenario, draw, category, phrase.count, text)


def _colloquially(phrase: CountPhrase, scenario: Scenario, draw: Draw) -> str:
    """俩人, 仨; "" for other numbers, and most of the time."""
    count = phrase.count
    if not scenario.spoken or count.uncertain or count.min not in _COLLOQUIAL or not draw.chance(_COLLOQUIAL_SHARE):
        return ""
    return draw.pick(_COLLOQUIAL[count.min])


def _say_count(scenario: Scenario, draw: Draw, category: str, count: Count, text: str) -> None:
    scenario.add_value("people", category, count)
    severities = _severities(scenario, draw, count) if category == "injured" else []
    scenario.say(Utterance(("people", category), {"n": text}), *severities)


def _conflict(scenario: Scenario, draw: Draw, category: str, most: int) -> None:
    """Two numbers for the people who are trapped; the first says that they are."""
    count, first, second = draw_conflict(category, draw, scenario.in_words, most)
    word = _measure_word(scenario, draw)
    scenario.add_value("people", category, count)
    trapped = draw.pick(_TRAPPED)
    scenario.say(Utterance(("conflicting", "people"), {"a": first + word + trapped, "b": second + word}))


def _severities(scenario: Scenario, draw: Draw, injured: Count) -> list[Utterance]:
    """How badly some of a known number of injured people are hurt; said right behind them."""
    if injured.uncertain or not 2 <= injured.min < 100 or not draw.chance(0.4):
        return []
    utterances, left = [], injured.min
    for name in ("severe", "moderate", "light"):
        if left > 1 and draw.chance(0.45):
            number = draw.number(name, 1, min(9, left - 1))
            left -= number
            scenario.add_value("facts", name, number)
            text = spell(number, draw, scenario.in_words) + draw.pick(("人", "名", "个"))
            utterances.append(Utterance(("fact", name), {"n": text}))
    return utterances


def _pinned(scenario: Scenario, draw: Draw, chance: float) -> None:
    """People who are pinned in a vehicle are trapped: all who are, where the report counts no others."""
    trapped = scenario.values("people") and scenario.fields["people"].get("trapped")
    if "pinned" in scenario.values("facts"):
        return
    if not draw.chance(chance) or (trapped and (trapped.uncertain or trapped.min < 2)):
        return
    low, high = _NUMBER_LIMITS["pinned"]
    number = draw.number("pinned", low, min(high, trapped.min) if trapped else high)
    if not trapped:
        scenario.add_value("people", "trapped", Count(number, number))
    _say_number(scenario, draw, "pinned", number)


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
        scenario.say(Utterance(("fact", name), {"v": str(draw.whole(5, 35))}))


def _numbers(scenario: Scenario, draw: Draw, chances: Sequence[tuple[str, float]]) -> None:
    for name in _drawn(draw, chances):
        if name in _NUMBER_LIMITS and name != "pinned" and not _is_said_otherwise(name, scenario):
            low, high = _NUMBER_LIMITS[name]
            small = high > 9 >= low and draw.chance(0.4)
            number = draw.number(name, low, 9) if small else draw.number(name, max(low, min(10, high)), high)
            _say_number(scenario, draw, name, number)


def _is_said_otherwise(name: str, scenario: Scenario) -> bool:
    return name == "battery_percent" and "low_battery" in scenario.values("facts")


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
    if draw.sides.combinations:
        held = [n for n in table.needs if any(is_held_out_combination(hazard, n) for hazard in scenario.hazards)]
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
