"""Amounts in Chinese text: what a number counts or measures, how vaguely, and what happened to those counted.

Rules alone, no part of the network: an opinion of its own on every number of a report.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from dispatch.domain.extraction import DIGITS, UNITS, read_numeral

Kind = Literal["people", "length", "level", "area", "weight", "hours", "kilowatts", "things", ""]

# Character for character, so that offsets stay those of the text itself.
_SIMPLIFIED = str.maketrans(
    "兩萬餘幾個數戶層樓輛臺條張頂號傷壓聯係點鐘時風級裡頃畝噸車們從見麼雙仨俩倆鄉親媽爺孫師機駕員隊領婦嬰鄰閨對剩餘運願無獲駛帶學還兒懷別"
    "為產僅眾內凍劉動醫響圍處頭寶尋導屬歲開彈拋護擔掛撐斷曉來楊沒潔滯熱愛監礦確礙離糧約線練組經絡職脫計說誰趙蹤轉邊達過這進遠長鬧陳險隨額飯餓剛滿著",
    "两万余几个数户层楼辆台条张顶号伤压联系点钟时风级里顷亩吨车们从见么双三两两乡亲妈爷孙师机驾员队领妇婴邻闺对剩余运愿无获驶带学还儿怀别"
    "为产仅众内冻刘动医响围处头宝寻导属岁开弹抛护担挂撑断晓来杨没洁滞热爱监矿确碍离粮约线练组经络职脱计说谁赵踪转边达过这进远长闹陈险随额饭饿刚满着",
)
_DIGIT, _PLACE = "[一二两三四五六七八九]", "[十百千万]"
# The longest first. A run of digits or numerals that is longer than any number is none.
_NUMERAL = re.compile(
    r"(?<![\dA-Za-z.])(?P<digits>(?<!:)\d{1,3}(?:,\d{3}){1,2}(?![\d,])|\d{1,8}(?:\.\d{1,3})?)(?![\d.]*\d)(?P<scale>[百千万]?)"
    r"|(?P<some>(?:好?几|(?<!(?<!大)人)数)(?P<some_unit>[十百千万]))"
    r"|(?P<about>[上近过成](?P<about_unit>[百千万]))"
    r"|(?P<few>好?几(?!乎)|(?<!人)数(?=[名个人户位口号])(?!人的))"
    r"|(?<![零〇一二两三四五六七八九十百千万第])(?P<numeral>(?:[零〇一二两三四五六七八九十百万]|千(?!瓦)){1,16})"
    r"(?![零〇一二三四五六七八九十百万]|千(?!瓦))",
    re.ASCII,
)
_TAIL = re.compile(rf"(.*)({_PLACE})({_DIGIT})")  # 三百五: 350
_NEIGHBOURS = re.compile(rf"(.*?)({_DIGIT})({_DIGIT})({_PLACE}?)")  # 三四十: 30 to 40
_JOINER = re.compile(r"\s?(?:-|~|—|–|到|至)\s?|或者?|、")
_MORE = re.compile(r"[多余来]|好?几|\+")
_PERSON = (
    "人|大人|小孩|孩子|娃|老人|老头|老太|老乡|老百姓|乡亲|村民|居民|群众|民工|工人|工友|学生|病人|病号|伤员|伤者|员工|职工"
    "|游客|乘客|旅客|驴友|同伴|队友|司机|师傅|同事|邻居|家属|亲戚|妇女|孕妇|婴儿|男的|女的|姑娘|小伙|矿工|住客|业主|伙计"
    "|[被受困埋压伤失走下出联没在都全还]"
)
_KINDS: tuple[tuple[re.Pattern[str], Kind, float], ...] = (
    (re.compile(r"公里|千米|km", re.IGNORECASE), "length", 1000.0),
    (re.compile(r"厘米|公分|cm", re.IGNORECASE), "length", 0.01),
    (re.compile(r"平方(?:公里|千米)"), "area", 100.0),
    (re.compile(r"公顷"), "area", 1.0),
    (re.compile(r"亩"), "area", 1 / 15),
    (re.compile(r"米(?!饭|粉|线)"), "length", 1.0),
    (re.compile(r"级(?![台响響])"), "level", 1.0),
    (re.compile(r"吨"), "weight", 1.0),
    (re.compile(r"个?(?:多)?(?:小时|钟头)"), "hours", 1.0),
    (re.compile(r"千瓦|kw", re.IGNORECASE), "kilowatts", 1.0),
    (re.compile(rf"个(?=\s?(?:{_PERSON}))|[名位](?![置于])|口(?=人|[\W_]|$|[没被困埋])|号(?=人)"), "people", 1.0),
    (re.compile(r"人(?![民次份均深高家行工])|[户](?!外)|家(?=人家|住户|[困被没])"), "people", 1.0),
    (re.compile("[辆台艘只套顶床张份升条箱支架袋桶]"), "things", 1.0),
)
_TENTHS = re.compile(rf"(\d|{_DIGIT})(?![\d.十百千万])", re.ASCII)  # 一米二
_NEAR = 10  # characters: where nothing ends the clause, what is said farther away is said of others
_CLAUSE_END = re.compile(r"[,。;;!?、\s.,…]")

# What happened to the people of whom a clause speaks.
EVENTS = {
    "injured": re.compile("伤|挂彩|流血|流着血|骨折|疼"),
    "buried": re.compile("埋|掩|压在|压住|压着"),
    "missing": re.compile(
        "失踪|失联|失去[联踪]|下落不明|没影|进去的|走失|走散|走丢|丢了|少了|不见|没音信|去向不明|找不[到着]|没找[到着]|联系不上|不知去向"
    ),
    "trapped": re.compile("困|滞留|出不[来去]|下不[来去]|走不[了脱掉](?!路)|脱不[了开]|没能?[出下]来|未撤|动弹不得"),
}


@dataclass(frozen=True)
class Amount:
    """A stated amount, ``text[start:end]`` (code points), in metres, hectares, tonnes, hours and kilowatts.

    ``lows`` and ``highs`` are the bounds that a careful reader may write down for it (None: open above). ``unit`` is
    the measure word; ``events`` is what its clause says happened to people.
    """

    lows: frozenset[float]
    highs: frozenset[float | None]
    start: int
    end: int
    kind: Kind = ""
    unit: str = ""
    events: frozenset[str] = frozenset()

    @property
    def exact(self) -> bool:
        """Whether it is one number, however roughly that is meant."""
        return self.highs <= self.lows | {None}


def simplified(text: str) -> str:
    """A text with the characters that amounts and people are said in as they are written in the Mainland; as long."""
    return text.translate(_SIMPLIFIED)


def find_amounts(text: str) -> list[Amount]:
    """Every amount of a text (NFKC) in reading order, those whose kind nothing tells with the kind ""."""
    spelled = simplified(text)
    found = [_with_unit(amount, spelled) for amount in _numerals(spelled)]
    for index in reversed(range(len(found) - 1)):  # 30到40人, 7~8名: the first has the kind of the second
        first, second = found[index], found[index + 1]
        if not first.kind and second.kind and _JOINER.fullmatch(spelled, first.end, second.start):
            scale = _scale(second)
            found[index] = replace(_scaled(first, scale), kind=second.kind, unit=second.unit)
    return [replace(amount, events=events) if (events := _events(spelled, amount)) else amount for amount in found]


def clause_of(text: str, start: int, end: int, most: int = 24) -> str:
    """What stands around ``text[start:end]`` up to the next punctuation mark or space, at most ``most`` characters."""
    before = text[max(0, start - most) : start]
    begins = [match.end() for match in _CLAUSE_END.finditer(before)]
    after = text[end : end + most]
    stop = _CLAUSE_END.search(after)
    return before[begins[-1] if begins else 0 :] + text[start:end] + (after[: stop.start()] if stop else after)


def _numerals(text: str) -> Iterator[Amount]:
    reached = 0
    for match in _NUMERAL.finditer(text):
        bounds = _bounds(match)
        if bounds is None or match.start() < reached:
            continue
        lows, highs, whole = bounds
        end = match.end()
        if whole is not None and (more := _MORE.match(text, end)):
            last = _last_place(whole)
            end = more.end()
            lows, highs = frozenset({whole, whole + 1}), frozenset({whole, whole + last - 1, None})
        reached = end
        yield Amount(lows, highs, match.start(), end)


def _bounds(match: re.Match[str]) -> tuple[frozenset[float], frozenset[float | None], float | None] | None:
    """The bounds of a numeral, and its value where it has one; None for what is no number."""
    if digits := match["digits"]:
        value = float(digits.replace(",", "")) * UNITS.get(match["scale"], 1)
        return frozenset({value}), frozenset({value, None}), value
    if unit := match["some_unit"]:
        size = float(UNITS[unit])
        return frozenset({size, 2 * size, 3 * size}), frozenset({10 * size - 1, None}), None
    if unit := match["about_unit"]:
        size = float(UNITS[unit])
        return frozenset({size}), frozenset({size, 2 * size - 1, 10 * size - 1, None}), None
    if match["few"]:
        return frozenset({2.0, 3.0}), frozenset({9.0, None}), None
    return _numeral_bounds(match["numeral"])


def _numeral_bounds(numeral: str) -> tuple[frozenset[float], frozenset[float | None], float | None] | None:
    number = read_numeral(numeral)
    if number is not None:
        return frozenset({float(number)}), frozenset({float(number), None}), float(number)
    if (near := _NEIGHBOURS.fullmatch(numeral)) and near[2] != near[3]:
        head = (read_numeral(near[1]) or 0) if near[1] else 0
        size = UNITS.get(near[4], 1)
        low, high = (float(head + DIGITS[digit] * size) for digit in (near[2], near[3]))
        return frozenset({low}), frozenset({high, None}), None
    if (tail := _TAIL.fullmatch(numeral)) and (head_value := read_numeral(tail[1] + tail[2])) is not None:
        value = float(head_value + DIGITS[tail[3]] * UNITS[tail[2]] // 10)
        return frozenset({value}), frozenset({value, None}), value
    if all(char in DIGITS for char in numeral):
        value = float("".join(str(DIGITS[char]) for char in numeral))
        return frozenset({value}), frozenset({value, None}), value
    return None


def _with_unit(amount: Amount, text: str) -> Amount:
    at = amount.end + text.startswith(" ", amount.end)
    for pattern, kind, scale in _KINDS:
        if match := pattern.match(text, at):
            tenths = _TENTHS.match(text, match.end()) if match[0] == "米" and amount.exact else None
            if tenths:
                value = min(amount.lows) + float(DIGITS.get(tenths[1], 0) or int(tenths[1])) / 10
                return replace(amount, lows=frozenset({value}), highs=frozenset({value}), kind=kind, unit="米")
            return replace(_scaled(amount, scale), kind=kind, unit=match[0])
    return amount


def _scaled(amount: Amount, scale: float) -> Amount:
    if scale == 1:
        return amount
    lows = frozenset(low * scale for low in amount.lows)
    return replace(amount, lows=lows, highs=frozenset(high and high * scale for high in amount.highs))


def _scale(amount: Amount) -> float:
    return next((scale for pattern, _, scale in _KINDS if pattern.fullmatch(amount.unit)), 1.0)


def _events(text: str, amount: Amount) -> frozenset[str]:
    if amount.kind not in ("people", ""):
        return frozenset()
    clause = clause_of(text, amount.start, amount.end, _NEAR)
    return frozenset(event for event, words in EVENTS.items() if words.search(clause))


def _last_place(value: float) -> int:
    """The decimal place of the last digit that is not 0: 300 -> 100."""
    place = 1
    while value >= place * 10 and value % (place * 10) == 0:
        place *= 10
    return place
