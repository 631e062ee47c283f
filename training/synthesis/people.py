"""The people of a scenario: how many and what happened to them, counted, told of in the story, or reckoned."""

from dataclasses import dataclass
from math import sqrt

from dispatch.domain.situation import Count
from training.synthesis.hazards import HazardTable
from training.synthesis.holdout import Draw
from training.synthesis.numbers import CountPhrase, draw_conflict, draw_count, spell
from training.synthesis.reckonings import Reckonings
from training.synthesis.tellings import Tellings
from training.synthesis.utterances import Scenario, Utterance

_MEASURE_WORDS = ("人", "人", "人", "名群众", "个人", "名村民", "名人员", "位群众", "名居民", "名", "位村民")
_SPOKEN_MEASURE_WORDS = ("个人", "人", "个人", "号人", "口人", "个乡亲", "个老乡", "个", "位", "条人命")
_HOUSEHOLD_WORDS = ("户", "户群众", "户人家", "户居民")
_SPOKEN_HOUSEHOLD_WORDS = ("户", "家", "户人家", "家人", "户邻居", "家住户")
_COLLOQUIAL = {2: ("俩人", "俩"), 3: ("仨人", "仨")}
_COLLOQUIAL_SHARE = 0.25
# Who people are, said with their number (游客三十名, 三十个老人), and the vulnerable group they make ("" for none).
_ROLES = (
    *(
        (role, "")
        for role in ("游客", "旅客", "工人", "职工", "村民", "外地人", "大人", "务工人员", "乘客", "老乡", "邻居")
    ),
    *(
        (role, "")
        for role in ("民工", "驴友", "钓鱼的", "司机", "住客", "员工", "当地人", "骑车的", "妇女", "男的", "女的")
    ),
    *(("老人", "elderly"), ("老年人", "elderly"), ("孩子", "child"), ("小学生", "child"), ("学生", "child")),
    ("病人", "patient"),
)
_HOUSEHOLD_ROLES = ("牧民", "村民", "住户", "租户", "渔民")
_MOST_IN_A_GROUP = 60  # of people who cannot help themselves
_TOLD_SHARE = 0.75  # of the people of a report that tells of them; the others are counted by role
_RECKONED_SHARE = 0.14  # of all categories of people
_MOST_BESIDE_A_TELLING = 12
_SOME_SHARE = 0.2  # of injured, buried, missing and trapped people: 有人受伤, without a number
_MANY_SHARE = 0.25  # of these: 好多人受伤
_BESIDE_SHARE = 0.12  # of reports that count people: another number, of nobody in need, right behind them
_UNHURT_SHARE = 0.05  # of reports with people, none of them hurt, that say so
_NOBODY_SHARE = 0.35  # of reports without people that say that all are well
_CONFLICT_SHARE = 0.04  # of categories with a number: two numbers that contradict
_FEWEST_IN_CONFLICT = 10
_TRAPPED = ("被困", "受困")
_MOST_PINNED = 6
_PEOPLE_PATHS = ("people", "told", "reckoned")
# What a report does not say in one breath with: nobody is hurt.
_OF_THE_HURT = frozenset({"injured", "buried", "missing", "unconscious", "pinned", "medical", "medicine"})
_OF_THE_TRAPPED = frozenset(
    {"trapped", "households", "in_water", "rescue", "evacuation", "boat", "search", "displaced"}
)


@dataclass(frozen=True)
class Narration:
    """How the lexicon lets the people of a report be told of; without ``tellings`` they are counted or reckoned."""

    reckonings: Reckonings
    tellings: Tellings | None = None


def draw_people(
    scenario: Scenario, draw: Draw, table: HazardTable, richness: float, narration: Narration | None
) -> None:
    """Adds people to a scenario of one hazard. Without ``narration`` they are counted, each category by itself."""
    for category, (chance, most) in table.people.items():
        if not draw.chance(min(0.95, chance * sqrt(richness))):  # how many is what even short reports say
            continue
        said = scenario.values("people")
        if category in said or (category == "households" and "trapped" in said):
            continue
        if narration and draw.chance(_RECKONED_SHARE) and _reckon(scenario, draw, category, narration.reckonings):
            if scenario.units[-1][0].path[1] in narration.reckonings.closing:
                break
            continue
        if narration and narration.tellings:
            _tell(scenario, draw, category, most, narration.tellings)
        elif category == "households":
            _category(scenario, draw, category, most)
        elif draw.chance(_SOME_SHARE):
            _some(scenario, draw, category, narration)
        elif most >= _FEWEST_IN_CONFLICT and category == "trapped" and draw.chance(_CONFLICT_SHARE):
            _conflict(scenario, draw, category, most)
        else:
            _category(scenario, draw, category, most)
    if "pinned" in table.numbers:
        _pinned(scenario, draw, table.numbers["pinned"] * richness)
    if narration and draw.chance(_BESIDE_SHARE):
        _say_beside(scenario, draw)


def say_that_nobody_is_hurt(scenario: Scenario, draw: Draw) -> None:
    """At times says of a finished scenario that nobody is hurt or that all are out, if nothing speaks against it."""
    said = {*scenario.values("people"), *scenario.values("facts"), *scenario.values("needs")}
    if said & _OF_THE_HURT or scenario.values("vulnerable"):
        return
    if not said & _OF_THE_TRAPPED:
        if draw.chance(_NOBODY_SHARE):
            lost = "mountain_rescue" in scenario.hazards  # who is lost is not out
            scenario.say(Utterance(("nobody", "unhurt" if lost else draw.pick(("unhurt", "out")))))
    elif "trapped" in said and draw.chance(_UNHURT_SHARE):
        scenario.say(Utterance(("nobody", "unhurt")))


def _some(scenario: Scenario, draw: Draw, category: str, narration: Narration | None) -> None:
    """People without a number: 有人受伤 or, where that is told of, 好多人受伤."""
    if narration and draw.chance(_MANY_SHARE):
        scenario.add_value("people", category, Count(2, None))
        scenario.say(Utterance(("told", f"{category} 2+")))
    else:
        scenario.add_value("people", category, Count(1, None))
        scenario.say(Utterance(("people", f"{category}_some")))


def _say_beside(scenario: Scenario, draw: Draw) -> None:
    """A number that counts nobody in need, right behind people."""
    counted = [at for at, unit in enumerate(scenario.units) if unit[0].path[0] in _PEOPLE_PATHS]
    if counted:
        at = draw.pick(counted)
        scenario.units[at] = (*scenario.units[at], Utterance(("beside",)))


def _reckon(scenario: Scenario, draw: Draw, category: str, reckonings: Reckonings) -> bool:
    """Says counts that follow from the numbers of a clause, if there are some that fit."""
    reckoned = reckonings.pick(category, scenario.hazards[0], _stated(scenario), draw, scenario.in_words)
    if reckoned is None:
        return False
    for name in ("people", "facts", "measures"):
        for label, value in getattr(reckoned, name).items():
            scenario.add_value(name, label, value)
    scenario.add_groups(reckoned.vulnerable)
    scenario.say(Utterance(("reckoned", reckoned.key), reckoned.slots))
    return True


def _stated(scenario: Scenario) -> set[str]:
    """The labels with values that a scenario has so far."""
    return {label for name in ("people", "facts", "measures") for label in scenario.values(name)}


def _tell(scenario: Scenario, draw: Draw, category: str, most: int, tellings: Tellings) -> None:
    """People told of in the story, in one clause with all that it says; else counted by role."""
    said = scenario.values("people")
    told = draw.chance(_TOLD_SHARE)
    telling = tellings.pick(category, scenario.hazards[0], _stated(scenario), draw) if told else None
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
    before = draw.chance(0.5) and not (role.endswith("人") and phrase.before.startswith("数"))  # 人数百个
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
    number = draw.number("pinned", 1, min(_MOST_PINNED, trapped.min) if trapped else _MOST_PINNED)
    if not trapped:
        scenario.add_value("people", "trapped", Count(number, number))
    scenario.add_value("facts", "pinned", number)
    text = spell(number, draw, scenario.in_words) + draw.pick(("人", "个人"))
    scenario.say(Utterance(("fact", "pinned"), {"n": text}))
