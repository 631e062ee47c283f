"""Checks on numbers: what the report states and nothing claims, and what is claimed and nothing states."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dispatch.domain.amounts import EVENTS, Amount, clause_of, find_amounts, simplified
from dispatch.domain.doctrine import Doctrine
from dispatch.domain.extraction import find_numbers
from dispatch.domain.findings import Candidate, Check, Severity
from dispatch.domain.headcounts import Headcount, find_headcounts
from dispatch.domain.instruction import render_instruction
from dispatch.domain.places import find_place
from dispatch.domain.situation import Count, Situation

_SAME = 1e-6
_METRES = {"km": 1000.0}
MEASURES_BY_KIND = {
    "length": ("snow_depth_m", "water_depth_m"),
    "level": ("magnitude", "wind_level"),
    "area": ("area_ha",),
    "weight": ("leak_tonnes",),
}
FACTS_BY_KIND = {"hours": ("hours",), "kilowatts": ("kilowatts",), "things": ("cars", "vehicles")}
FACTS_BY_EVENT = {
    "": ("displaced", "pinned", "severe", "moderate", "light"),
    "injured": ("severe", "moderate", "light", "pinned"),
    "buried": ("pinned",),
    "trapped": ("pinned", "displaced"),
    "missing": (),
}
# What happens to people at once has one label for both: who is buried is missing, and trapped.
ALIKE = {
    "injured": ("injured",),
    "buried": ("buried", "trapped", "missing"),
    "missing": ("missing", "buried"),
    "trapped": ("trapped", "households", "buried"),
}
_HOUSEHOLD = re.compile("户|家")
# Clauses that speak of others than those who need help: the rescued, and the rescuers.
_OTHERS = re.compile(
    "已经?[转撤救脱疏获]|获救|救出|(?<![未法没])脱险|平安|安全|无恙|无碍|没事|[一谁]个?[都也]没|找着|消防员|队员|民警|干部|志愿"
    "|看热闹|救援人|医生|医护|担架|人次"
)
# A number of whom all but some are safe: 车上12人,3人受伤,其余没事.
_REST_IS_SAFE = re.compile(
    "(?:其余|余者|其他人?|别的|别人|剩下的)[^,。]{0,4}(?:没事|没伤|无恙|无碍|安全|平安|好好|跑|撤|在外|返回|到了|都在)(?![里上下])"
)
_NEARBY = 32
_AWAY = re.compile("[外处远内]|开外|以[外内]|方向|范围|高[处的]?地?")
_DEPTH = re.compile("雪|水|深|厚|淹|漫")
_ROAD = re.compile("雪|堵|封|断|塌|埋|受阻|压车|排")
_WAIT = re.compile("困|等|饿|没吃|没喝|断[水粮]|冻|压|埋|泡|撑")
_STUCK = re.compile("困|堵|撞|陷|卡|抛锚|受阻|滞留|追尾|熄火|打不着|动不了|走不了|冲走|被埋|被淹")
_HOUR_POINT = re.compile("[前后内]|开机|在线|值班|联系|联络|值守")
_BEFORE_COUNT = re.compile("(?:困|伤员?|埋|失踪|失联|滞留|伤者|受困者)(?:了|人员|人数|群众)?[:为约达共]?$")
_WORD = re.compile(r"[\w+:.-]")
_VAGUEST = re.compile("好?几|数|好幾|幾|數")
_UNKNOWN = re.compile("不知|不清楚|不晓得|没数|說不清|说不清|不确定|多少|没数清|不造")
_CUT = re.compile(r"(?<!\d)[—…. ]+|[—… ]+")
_CHINESE = re.compile("[\u4e00-\u9fff]")


# What a depth reaches where no number tells it, in metres: generously, since callers have many words for it.
_DEPTHS_TOLD = {
    0.5: re.compile("[膝滕藤]|[西溪棱]盖|腿|半米|半人"),
    1.0: re.compile("[腰膘]|大腿|[没沒到齐齊漫过過]要"),
    1.3: re.compile("[胸匈恟]|[凶心]口"),
    1.5: re.compile(
        r"[盖没沒埋淹比过過到]\w{0,4}[车車轿]|[车車]\w{0,12}(?:[盖没沒埋淹泡顶頂]|天[线線]|后视镜|看不)|脖"
    ),
    1.7: re.compile(
        "一人|人的?[头頭高深还還]|[头頭][顶頂]|[过過][头頭]|[没沒][顶頂人]|身高|[跟和同与比到]人|踩不|露不出|看不见人|[头頭]都"
    ),
    3.0: re.compile("[房屋][^,。]{0,4}(?:[顶頂鼎檐脊尖]|[淹没沒泡]|看不)|平房|[一二两兩整12]个?[层層楼樓]"),
}


def check_numbers(candidate: Candidate, doctrine: Doctrine) -> Iterator[Check]:
    """UNGROUNDED_NUMBER, UNREAD_NUMBER and CONFLICTING_COUNTS. Without situations nothing is known about numbers."""
    if not candidate.situations:
        return
    yield from _check_instruction(candidate)
    if not candidate.asks_for_help:
        return
    everywhere = find_amounts(candidate.report)
    amounts = _outside_places(everywhere, candidate)
    headcounts = find_headcounts(candidate.report, amounts)
    yield from _check_stated(candidate, amounts, headcounts)
    yield from _check_values(candidate, everywhere, headcounts)
    yield from _check_unread(candidate, amounts, _claimed(headcounts, candidate.situations), doctrine)
    for situation in candidate.situations:
        yield from _check_conflicts(situation, amounts, candidate.report)


def _check_instruction(candidate: Candidate) -> Iterator[Check]:
    """Every number of the instruction comes from the report, the context, or doctrine applied to the situation."""
    sources = (candidate.report, candidate.context.location, *candidate.context.issued)
    known = {number.value for source in sources for number in find_numbers(source)}
    known |= {number.value for number in find_numbers(render_instruction(candidate.plans))}
    for number in find_numbers(candidate.instruction):
        if number.value not in known:
            message = f"{number.value:g} comes neither from the report nor from doctrine"
            yield Check("UNGROUNDED_NUMBER", "error", message, "instruction", number.start, number.end)


def _outside_places(amounts: Sequence[Amount], candidate: Candidate) -> list[Amount]:
    places = {situation.location for situation in candidate.situations} | {candidate.context.location}
    found = {place: list(find_place(place, candidate.report)) for place in places}
    return [
        amount
        for amount in amounts
        if not any(_is_within(amount.start, starts, len(place)) for place, starts in found.items())
    ]


def _is_within(offset: int, starts: Sequence[int], length: int) -> bool:
    """Whether it lies in one of the spans of that length, whose beginnings are in order."""
    before = bisect_right(starts, offset)
    return before > 0 and offset < starts[before - 1] + length


def _check_stated(candidate: Candidate, amounts: Sequence[Amount], headcounts: Sequence[Headcount]) -> Iterator[Check]:
    """Every count of people must be stated: doctrine would compute from an invented one."""
    if not _CHINESE.search(candidate.report):
        return  # numbers in another language's words are not known here
    lows = {low for amount in amounts for low in amount.lows}
    highs = {high for amount in amounts for high in amount.highs}
    whole = _CUT.sub("", candidate.report)  # 领...队及三名队员
    told = {each.value for each in headcounts}
    if whole != candidate.report:
        told |= {each.value for each in find_headcounts(whole, find_amounts(whole))}
    for situation in candidate.situations:
        for category, count in situation.people.items():
            if (count.min <= 1 and count.max in (None, 1)) or (count.min == 2 and count.max is None):
                continue  # in any call for help one person, some, or many, can be read
            if count.min == count.max and count.min in told:
                continue
            low_said = count.min == 0 or count.min in lows | highs
            high_said = low_said if count.max is None else count.max in lows | highs
            if not (low_said and high_said):
                severity: Severity = "warning" if low_said or high_said else "error"
                message = f"the report does not state {count.to_text()} {category}"
                yield Check("UNGROUNDED_NUMBER", severity, message, "report", *event_span(category, candidate.report))


def _check_values(candidate: Candidate, amounts: Sequence[Amount], headcounts: Sequence[Headcount]) -> Iterator[Check]:
    """Every measure, number of a fact and number asked for must be stated, of whatever it is said; a sum of people is
    said of people alone."""
    report = candidate.report
    if not _CHINESE.search(report):
        return
    said = {number.value for number in find_numbers(report)}
    of_people = said | {float(each.value) for each in headcounts}
    for situation in candidate.situations:
        for name, value in _values(situation):
            told = _DEPTHS_TOLD.get(value) if name in MEASURES_BY_KIND["length"] else None
            if value in (of_people if name in FACTS_BY_EVENT[""] else said):
                continue
            if any(claims_value(value * _METRES.get(name, 1), amount) for amount in amounts):
                continue
            if told is None or not told.search(_CUT.sub("", report)):
                yield Check("UNGROUNDED_NUMBER", "error", f"the report does not state {value:g} ({name})", "report")


def _values(situation: Situation) -> Iterator[tuple[str, float]]:
    """The numbers beside the counts of people, with what they are; a thing alone is told, not counted."""
    yield from situation.measures.items()
    yield from ((name, float(value)) for name, value in situation.facts.items() if value != 1)
    yield from ((item.item, item.count) for item in situation.requested)


def event_span(category: str, report: str) -> tuple[int, int]:
    """Where the report first says what happened to a category of people; 0, 0 where it says it in other words."""
    pattern = _HOUSEHOLD if category == "households" else EVENTS[category]
    match = pattern.search(report)
    return match.span() if match else (0, 0)


def _check_conflicts(situation: Situation, amounts: Sequence[Amount], report: str) -> Iterator[Check]:
    for category, count in situation.people.items():
        if not count.conflicting:
            continue
        message = f"the counts of {category} contradict: {count.to_text()}"
        bounds = {float(count.min), float(count.max if count.max is not None else count.min)}
        said = {min(amount.lows): amount for amount in reversed(amounts) if amount.lows & bounds}
        if not said:
            yield Check("CONFLICTING_COUNTS", "warning", message, "report")
        for amount in sorted(said.values(), key=lambda amount: amount.start):
            yield Check("CONFLICTING_COUNTS", "warning", message, "report", amount.start, amount.end)


def _claimed(headcounts: Sequence[Headcount], situations: Sequence[Situation]) -> list[Headcount]:
    """The headcounts that some count of people is."""
    counts = {count.min for situation in situations for count in situation.people.values() if count.min == count.max}
    return [headcount for headcount in headcounts if headcount.value in counts]


def _check_unread(
    candidate: Candidate, amounts: Sequence[Amount], reckoned: Sequence[Headcount], doctrine: Doctrine
) -> Iterator[Check]:
    """Amounts of the report that no part of the situations claims, or that only another part than theirs does.

    ``reckoned`` are the headcounts that are claimed: an amount that went into one was read.
    """
    claims = _Claims(candidate.situations)
    goods, spelled = tuple(doctrine.needs_by_word), simplified(candidate.report)
    for amount in amounts:
        said = candidate.report[amount.start : amount.end]
        clause = clause_of(spelled, amount.start, amount.end)
        if amount.kind == "people" or (not amount.kind and _follows_event(candidate.report, amount)):
            if claims.people(amount) or not _counts_victims(amount, clause, said):
                continue
            if any(each.start <= amount.start < each.end for each in reckoned):
                continue
            if _REST_IS_SAFE.search(candidate.report[amount.end : amount.end + _NEARBY]):
                continue
            read = "is read as something else" if claims.anyhow(amount) else "is not part of the situation"
        elif claims.measured(amount) or not _matters(candidate.report, amount, clause, goods):
            continue
        else:
            read = "is not part of the situation"
        yield Check("UNREAD_NUMBER", "warning", f"{said} {read}", "report", amount.start, amount.end)


@dataclass(frozen=True)
class _Claims:
    """What the situations claim, all of them together."""

    situations: Sequence[Situation]

    def people(self, amount: Amount) -> bool:
        """Whether an amount of people is claimed, where its clause says what happened to them, by that category."""
        if self._requested(amount, "人名位个") or self._stated(amount, ("displaced",)):
            return True
        if _HOUSEHOLD.match(amount.unit):
            return self._counted(amount, ("households", "trapped"))
        if not amount.events:
            return self.anyhow(amount)
        categories = {alike for event in amount.events for alike in ALIKE[event]}
        facts = {fact for event in amount.events for fact in FACTS_BY_EVENT[event]}
        return self._counted(amount, tuple(categories)) or self._stated(amount, tuple(facts))

    def anyhow(self, amount: Amount) -> bool:
        """Whether any count or fact about people claims it."""
        counted = any(claims_count(count, amount) for each in self.situations for count in each.people.values())
        return counted or self._stated(amount, FACTS_BY_EVENT[""])

    def measured(self, amount: Amount) -> bool:
        """Whether a measure, a fact or something asked for claims it."""
        names = MEASURES_BY_KIND.get(amount.kind, ())
        values = [each.measures[name] for each in self.situations for name in names if name in each.measures]
        if amount.kind == "length":
            values += [float(each.facts.get("km", -1)) * 1000 for each in self.situations]
            values += [float(each.facts.get("altitude_m", -1)) for each in self.situations]
        return (
            any(claims_value(value, amount) for value in values)
            or self._stated(amount, FACTS_BY_KIND.get(amount.kind, ()))
            or self._requested(amount, amount.unit)
        )

    def _counted(self, amount: Amount, categories: Sequence[str]) -> bool:
        counts = (count for each in self.situations for name, count in each.people.items() if name in categories)
        return any(claims_count(count, amount) for count in counts)

    def _stated(self, amount: Amount, facts: Sequence[str]) -> bool:
        return any(
            claims_value(float(each.facts[name]), amount)
            for each in self.situations
            for name in facts
            if name in each.facts
        )

    def _requested(self, amount: Amount, units: str) -> bool:
        items = (item for each in self.situations for item in each.requested)
        return any(item.unit in units and claims_value(item.count, amount) for item in items)


def claims_count(count: Count, amount: Amount) -> bool:
    """Whether a count of people is what an amount states."""
    if count.conflicting and count.max is not None:
        return any(count.min <= low <= count.max for low in amount.lows)
    if amount.exact:
        return count.min in amount.lows or count.max in amount.lows
    return count.min in amount.lows and count.max in amount.highs


def claims_value(value: float, amount: Amount) -> bool:
    """Whether a number is one of the bounds that an amount states."""
    return any(bound is not None and abs(bound - value) < _SAME for bound in amount.lows | amount.highs)


def _follows_event(report: str, amount: Amount) -> bool:
    """被困50, 伤3: a bare number right behind what happened to people."""
    before = report[max(0, amount.start - 6) : amount.start]
    after = report[amount.end : amount.end + 1]
    return bool(_BEFORE_COUNT.search(before)) and not _WORD.match(after)


def _counts_victims(amount: Amount, clause: str, said: str) -> bool:
    if _OTHERS.search(clause) or (_VAGUEST.fullmatch(said) and (_UNKNOWN.search(clause) or not amount.events)):
        return False
    return bool(amount.events) or said not in ("一", "1")  # 一个人 alone is how people talk


def _matters(report: str, amount: Amount, clause: str, goods: tuple[str, ...]) -> bool:
    """Whether a measure or a number of things is one that the situation has a place for."""
    after = report[amount.end : amount.end + 8]
    match amount.kind:
        case "length" if amount.unit in ("公里", "千米", "km"):
            return bool(_ROAD.search(clause)) and not _AWAY.match(after[len(amount.unit) :])
        case "length":
            return bool(_DEPTH.search(clause)) and not _AWAY.match(after[len(amount.unit) :])
        case "weight":
            return "漏" in clause or "泄" in clause
        case "hours":
            return bool(_WAIT.search(clause)) and not _HOUR_POINT.search(report[amount.end : amount.end + 9])
        case "things":
            stuck = amount.unit in "辆台" and _STUCK.search(clause) and "车" in clause
            return min(amount.lows) > 1 and bool(stuck or after[1:].startswith(goods))
        case "level":
            return "风" in clause or "震" in clause
    return amount.kind in ("area", "kilowatts")
