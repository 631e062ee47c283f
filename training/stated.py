"""What a text says about amounts, read by rules alone and leniently: whatever a number could mean, it says."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

from dispatch.domain import Count
from dispatch.domain.extraction import DIGITS, UNITS, read_numeral

_SPELLINGS = str.maketrans("兩萬餘幾個數俩仨頭頂過沒樓層車蓋線", "两万余几个数两三头顶过没楼层车盖线")
_BREAK = re.compile(r"(?:\.{2,}|…|\s)+")  # a line that is cut: 五…十人
# No numbers. Patterns below try again at every place of a run, so that the time would grow with its length squared.
_OVERLONG = re.compile("[0-9]{21,}|[零〇一二两三四五六七八九十百千万]{21,}")
_MOST = 1e9
_SAME = 1e-6

_DECIMAL = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)", re.ASCII)
_SCALED = re.compile(r"(\d+(?:\.\d+)?)([十百千万])", re.ASCII)  # 3万
_NUMERAL = re.compile("(?:[零〇一二两三四五六七八九十百万]|千(?![瓦米克]))+")
_NEIGHBOURS = re.compile("([一二两三四五六七八九])([一二两三四五六七八九])([十百千万]?)")  # 三四十: 30 to 40
_TAIL = re.compile("([十百千万])([一二三四五六七八九])$")  # 三百五: 350
_POINT = re.compile("([零〇一二三四五六七八九十百]+)点([零〇一二三四五六七八九])")
_METRES = re.compile("([0-9]+|[一二两三四五六七八九十]+)米([0-9一二三四五六七八九])(?![0-9.十百千万])")  # 一米二: 1.2
_AND_A_HALF = re.compile("([0-9]+|[一二两三四五六七八九十]+)[\u4e00-\u9fff]半")  # 两米半, 三个半小时
_TWO_PEOPLE = re.compile(
    "夫妻|夫妇|父子|父女|母子|母女|姐妹|兄弟|姐弟|兄妹|双胞胎|[两俩]口子?|爷孙|祖孙|爷爷奶奶|爸妈|父母"
)
# Whoever is named in a story: as many of these as stand in a sentence are as many people at most.
_ONE_PERSON = re.compile(
    "我(?=[和跟与同带领抱背陪、])|(?<=[和跟])我|爸|父|妈|母|爷|奶|姥|外[公婆]|哥|姐|弟|妹|叔|伯|婶|嫂|姑|姨|舅|老[公婆伴乡人太汉板师]|大娘|妻|夫|媳|儿|女|男"
    "|孙|侄|甥|孩|娃|囡|宝宝|婴|幼童|少年|学生|司机|副驾|跟车|领队|带班|[组队]员|驾驶员|师傅|[班组队连]长|同[学事伴乡]|[工队战朋驴][友]|邻居|对象|乘客|游客|旅客"
    "|护士|医生|大夫|保安|民警|员工|职工|[工矿民村居渔农牧病客]人|[渔农牧村居]民|群众|住户|房东|经理|教练|志愿者|快递员|病号|患者|伤员|姑娘|小伙"
)
_CLAUSE_END = re.compile("[,。!?;…~]+")
_MOST_NAMED = 12
_MANY = 2  # at least: 好多人
_COUNTED = re.compile("([0-9]{1,5}|[一二两三四五六七八九十百]{1,6})(?=[个名位口人户家]|大人|小孩|孩|娃|老人)")

# Vague amounts, for which a situation has a lower and an upper bound.
_SOME_UNITS = re.compile("(?:几|数|上|过|成)([十百千万])")  # 几十, 上百
_TEENS = re.compile("十几|十来")
_AND_MORE = re.compile(r"(\d+[十百千万]?|[零〇一二两三四五六七八九十百千万]+)(?:[几多余来+]|好几)", re.ASCII)
_A_FEW = re.compile("几|数|多[人名位个台辆处户]|若干|一些|一批|一群|好多|许多|不少")

# Units of speech, and how many of the situation's own (m, km, hours, ha, t, kW) they are.
_CONVERSIONS = (
    (re.compile("厘米|公分|cm|CM"), 0.01),
    (re.compile("米|m"), 0.001),
    (re.compile("华?里"), 0.5),
    (re.compile("[天日晚夜]"), 24.0),
    (re.compile("分钟"), 1 / 60),
    (re.compile("亩"), 1 / 15),
    (re.compile("平方(?:公里|千米)"), 100.0),
    (re.compile("平方?米"), 0.0001),
    (re.compile("公斤|千克|kg"), 0.001),
    (re.compile("兆瓦"), 1000.0),
)
_DEPTHS = (  # in metres, by what the water or snow reaches
    (re.compile("膝|小腿|大腿"), 0.5),
    (re.compile("腰|大腿"), 1.0),
    (re.compile("胸"), 1.3),
    (re.compile(r"[盖没埋淹比]\w{0,4}车|车\w{0,12}(?:[盖没埋淹顶]|天线|后视镜)|脖"), 1.5),
    (
        re.compile(
            "一人|人高|人还高|比人|人的头|人深|身高|跟人|人头|过头|头顶|没顶|露不出头|头都不露|踩不[到着]底|看不见人"
        ),
        1.7,
    ),
    (re.compile("[房屋][顶檐尖脊]|平房|[二2][楼层]|一层|整层|一楼"), 3.0),
)


@dataclass(frozen=True)
class Stated:
    """Numbers that are said, bounds of what is said vaguely (几十人: 20 to 99), and what numbers of people come to."""

    numbers: frozenset[float]
    bounds: frozenset[tuple[int, int]]
    people: frozenset[float]

    def has(self, number: float) -> bool:
        return number in self.numbers or any(abs(number - other) < _SAME for other in self.numbers)

    def has_count(self, count: Count) -> bool:
        """Whether a count of people can be read here. One person, some, or many, can be read in any call for help."""
        if (count.min <= 1 and count.max == 1) or (count.min <= _MANY and count.max is None):
            return True
        if count.min == count.max and count.min in self.people:
            return True
        if count.max is None:
            return self.has(count.min) or any(count.min == low for low, _ in self.bounds)
        low_said = count.min == 0 or self.has(count.min) or any(count.min == low for low, _ in self.bounds)
        return low_said and (self.has(count.max) or any(count.max == high for _, high in self.bounds))


def read_stated(texts: Iterable[str]) -> Stated:
    """All amounts that texts (NFKC) state, in the units said and in those of a situation."""
    numbers: set[float] = set()
    bounds: set[tuple[int, int]] = set()
    people: set[float] = set()
    for text in texts:
        spelled = text.translate(_SPELLINGS)
        for version in {spelled, _BREAK.sub("", spelled)}:
            bounded = _OVERLONG.sub(" ", version)
            numbers.update(_numbers(bounded))
            bounds.update(_bounds(bounded))
            people.update(_people(bounded))
    return Stated(frozenset(numbers), frozenset(bounds), frozenset(people))


def _numbers(text: str) -> Iterator[float]:
    for match in _DECIMAL.finditer(text):
        yield from _in_units(float(match[0]), text, match.end())
    for match in _THOUSANDS.finditer(text):
        yield float(match[0].replace(",", ""))
    for match in _SCALED.finditer(text):
        yield from _in_units(float(match[1]) * UNITS[match[2]], text, match.end())
    for match in _NUMERAL.finditer(text):
        for value in _readings(match[0]):
            yield from _in_units(value, text, match.end())
    for match in _POINT.finditer(text):
        for whole in _readings(match[1]):
            yield from _in_units(whole + DIGITS[match[2]] / 10, text, match.end())
    for match in _METRES.finditer(text):
        yield from (metres + tenths / 10 for metres in _readings(match[1]) for tenths in _readings(match[2]))
    for match in _AND_A_HALF.finditer(text):
        yield from (whole + 0.5 for whole in _readings(match[1]))
    if "半" in text:
        yield from (0.5, 12.0)  # 半米, 半天
    if _TWO_PEOPLE.search(text):
        yield 2.0
    yield from (metres for pattern, metres in _DEPTHS if pattern.search(text))


def _people(text: str) -> Iterator[float]:
    """How many people may be meant: named one by one in two neighbouring clauses, or a sum or rest of counted ones."""
    counted = [value for match in _COUNTED.finditer(text) for value in _readings(match[1])][:_MOST_NAMED]
    for left, right in combinations(counted, 2):
        yield from (left + right, abs(left - right))
    yield from map(sum, combinations(counted, 3))
    clauses = ["", *_CLAUSE_END.split(text)]
    named = max(_named(before) + _named(clause) for before, clause in pairwise(clauses))
    yield from map(float, range(2, min(named, _MOST_NAMED) + 1))


def _named(clause: str) -> int:
    counted = (value for match in _COUNTED.finditer(clause) for value in _readings(match[1]) if value < _MOST_NAMED)
    return len(_ONE_PERSON.findall(clause)) + 2 * len(_TWO_PEOPLE.findall(clause)) + int(sum(counted))


def _in_units(value: float, text: str, end: int) -> Iterator[float]:
    """The value as it is said, and in the situation's units where another unit follows it."""
    yield value
    end += text.startswith(("个", "多"), end)
    yield from (value * factor for unit, factor in _CONVERSIONS if unit.match(text, end))


def _readings(numeral: str) -> Iterator[float]:
    """What digits or a run of Chinese numerals can mean: 三百五 is 350, 三四十 is 30 or 40, 二零零 is 200."""
    if numeral.isascii():
        yield float(numeral)
        return
    value = UNITS.get(numeral, read_numeral(numeral))
    if value is not None:
        yield float(value)
    if all(char in DIGITS for char in numeral):
        yield float("".join(str(DIGITS[char]) for char in numeral))
    for first, second, unit in _NEIGHBOURS.findall(numeral):
        yield from (float(DIGITS[digit] * UNITS.get(unit, 1)) for digit in (first, second))
    if (tail := _TAIL.search(numeral)) and (head := read_numeral(numeral[:-1])) is not None:
        yield float(head + DIGITS[tail[2]] * UNITS[tail[1]] // 10)


def _bounds(text: str) -> Iterator[tuple[int, int]]:
    for match in _SOME_UNITS.finditer(text):
        unit = UNITS[match[1]]
        yield from ((2 * unit, 10 * unit - 1), (unit, 10 * unit - 1), (unit, 2 * unit - 1))
    if _TEENS.search(text):
        yield from ((10, 19), (11, 19))
    for match in _AND_MORE.finditer(text):
        scaled = _SCALED.fullmatch(match[1])
        values = [float(scaled[1]) * UNITS[scaled[2]]] if scaled else _readings(match[1])
        for value in (int(value) for value in values if value < _MOST):
            last = _last_place(value)
            yield from ((value, value + last - 1), (value + 1, value + last - 1))
    if _A_FEW.search(text):
        yield from ((2, 9), (3, 9))


def _last_place(value: int) -> int:
    """The decimal place of the last digit that is not 0: 300 -> 100."""
    place = 1
    while value and value % (place * 10) == 0:
        place *= 10
    return place
