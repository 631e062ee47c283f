"""Numbers as people say them: digits and Chinese numerals; exact, approximate, ranged, open and vague counts."""

from collections.abc import Sequence
from dataclasses import dataclass

from dispatch.domain.situation import Count, format_number
from training.synthesis.holdout import Draw

_DIGITS = "零一二三四五六七八九"
_MOST_IN_NUMERALS = 9999


def to_chinese(number: int) -> str:
    """A whole number below 10,000 in Chinese numerals; before a measure word 2 is 两."""
    if number == 2:
        return "两"
    text, zero_pending = "", False
    for size, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, size)
        if digit:
            text += ("零" if zero_pending else "") + ("两" if digit == 2 and size >= 1000 else _DIGITS[digit]) + unit
            zero_pending = False
        elif text and number:
            zero_pending = True
    return text.removeprefix("一") if text.startswith("一十") else text or "零"


def spell(number: float, draw: Draw, in_words: float) -> str:
    """A number in digits or, with the chance ``in_words`` and if it is whole, in Chinese numerals."""
    if in_words and number == int(number) and number <= _MOST_IN_NUMERALS and draw.chance(in_words):
        text = to_chinese(int(number))
        return "两" + text[1:] if text.startswith("二百") and draw.chance(0.5) else text
    return format_number(number)


@dataclass(frozen=True)
class CountPhrase:
    """A count and how it is said, around the measure word: 约50 人 左右."""

    count: Count
    before: str
    after: str = ""

    def with_measure_word(self, word: str) -> str:
        return self.before + word + self.after


@dataclass(frozen=True)
class _Vague:
    """A count that is a word: its bounds (``high`` None: open above), and whether it is a number of its own, 近百."""

    words: tuple[str, ...]
    low: int
    high: int | None
    approx: bool = False


def _neighbours(tens: str, size: int, lows: Sequence[int]) -> tuple[_Vague, ...]:
    """三四十, 两三百: a number and the next one."""
    words = ((low, ("两" if low == 2 and size > 10 else _DIGITS[low]) + _DIGITS[low + 1] + tens) for low in lows)
    return tuple(_Vague((word,), low * size, (low + 1) * size) for low, word in words)


_FEW = (
    *(_Vague(("几", "好几", "数"), 2, 9),) * 2,
    _Vague(("一两",), 1, 2),
    _Vague(("两三",), 2, 3),
    _Vague(("三五",), 3, 5),
    *_neighbours("", 1, range(3, 9)),
)
_TEENS = (_Vague(("十几", "十几", "10几"), 11, 19), _Vague(("十余", "10余", "10多", "十多"), 10, 19))
_TENS_AND_SOME = tuple(
    _Vague((f"{_DIGITS[tens]}十几", f"{tens}0几", f"{_DIGITS[tens]}十好几"), 10 * tens + 1, 10 * tens + 9)
    for tens in (2, 2, 3, 3, *range(4, 10))
)
_TENS = (_Vague(("几十", "几十", "好几十", "数十"), 20, 99),) * 2
_DOZENS = (*_TEENS * 4, *_TENS_AND_SOME, *_TENS * 2, *_neighbours("十", 10, range(2, 9)))
_HUNDREDS = (
    *(_Vague(("几百", "好几百", "数百"), 200, 999),) * 3,
    *(_Vague(("上百",), 100, None),) * 2,
    *(_Vague(("近百", "将近一百", "小一百"), 100, 100, approx=True),) * 2,
    *_neighbours("百", 100, range(2, 8)),
)
_THOUSANDS = (
    _Vague(("几千", "好几千", "数千"), 2000, 9999),
    _Vague(("上千",), 1000, None),
    _Vague(("近千", "将近一千"), 1000, 1000, approx=True),
)
_VAGUE: Sequence[Sequence[_Vague]] = (_FEW, _DOZENS, _HUNDREDS, _THOUSANDS)
_APPROXIMATELY = ("约", "大约", "大概", "大概有", "将近", "差不多", "估计", "估摸着", "约莫", "近")
_OR_SO = ("左右", "上下")
_JOINERS = ("到", "至", "-", "~", "—")
_AT_LEAST = ("至少", "不少于", "起码", "最少", "少说也有")
_KINDS = (
    (0.52, "exact"),
    (0.64, "approximate"),
    (0.72, "range"),
    (0.81, "and_more"),
    (0.85, "open"),
    (1.00, "vague"),
)


def draw_count(slot: str, draw: Draw, in_words: float, most: int) -> CountPhrase:
    """A count of people for a slot, mostly exact, of at most about ``most`` people.

    ``in_words`` is the chance that a number is said in Chinese numerals.
    """
    roll = draw.random()
    kind = next(kind for limit, kind in _KINDS if roll < limit)
    if kind == "vague":
        return _vague(draw, most)
    if kind == "and_more" and most >= 20:
        return _and_more(draw, in_words, most)
    if kind == "open" and most >= 10:
        return _open(slot, draw, in_words, most)
    number = _draw_number(slot, draw, most)
    if kind == "range" and number >= 3:
        return _range(slot, number, draw, in_words)
    if kind == "approximate" and number >= 3:
        return _approximate(number, draw, in_words)
    return CountPhrase(Count(number, number), spell(number, draw, in_words))


def draw_conflict(slot: str, draw: Draw, in_words: float, most: int) -> tuple[Count, str, str]:
    """Two counts for one group: their bounds, and how each is said."""
    first = _draw_number(slot, draw, most)
    second = first
    while second == first:
        second = _draw_number(slot, draw, most)
    count = Count(min(first, second), max(first, second), conflicting=True)
    return count, spell(first, draw, in_words), spell(second, draw, in_words)


def _draw_number(slot: str, draw: Draw, most: int) -> int:
    band = draw.random()
    if band < 0.4 or most <= 10:
        return draw.number(slot, 1, min(9, most))
    if band < 0.8:
        return draw.number(slot, 10, min(60, most))
    if band < 0.97 or most < 200:
        return draw.number(slot, 10, min(300, most))
    return draw.number(slot, 100, most)


def _approximate(number: int, draw: Draw, in_words: float) -> CountPhrase:
    count = Count(number, number, approx=True)
    if 10 <= number < 100 and number % 10 == 0 and draw.chance(0.4):
        return CountPhrase(count, (to_chinese(number) if draw.chance(0.8) else str(number)) + "来")
    said = spell(number, draw, in_words)
    way = draw.random()
    before = draw.pick(_APPROXIMATELY) if way < 0.7 else ""
    return CountPhrase(count, before + said, draw.pick(_OR_SO) if way > 0.5 else "")


def _range(slot: str, number: int, draw: Draw, in_words: float) -> CountPhrase:
    other = draw.number(slot, number + 1, 2 * number) if number >= 9 else draw.whole(number + 1, 9)
    count = Count(number, other)
    if draw.chance(in_words) and other <= _MOST_IN_NUMERALS:
        return CountPhrase(count, to_chinese(number) + draw.pick(_JOINERS[:2]) + to_chinese(other))
    return CountPhrase(count, f"{number}{draw.pick(_JOINERS)}{other}")


def _and_more(draw: Draw, in_words: float, most: int) -> CountPhrase:
    """50多, 三百余, 一千多: the round number and all up to the next one."""
    size = 10 if most < 200 or draw.chance(0.5) else 100 if most < 2000 or draw.chance(0.7) else 1000
    low = size * draw.whole(2 if size == 10 else 1, 9)
    return CountPhrase(Count(low, low + size - 1), spell(low, draw, max(in_words, 0.3)) + draw.pick(("多", "多", "余")))


def _open(slot: str, draw: Draw, in_words: float, most: int) -> CountPhrase:
    """1000+, 50人以上, 至少30."""
    if draw.chance(0.5):
        number = draw.number(slot, 10, min(300, most))
        return CountPhrase(Count(number, None), draw.pick(_AT_LEAST) + spell(number, draw, in_words))
    number = draw.whole(1, 9) * draw.pick((10, 100) if most < 1000 else (10, 100, 1000))
    if draw.chance(0.6):
        return CountPhrase(Count(number, None), f"{number}+")
    return CountPhrase(Count(number, None), spell(number, draw, in_words), "以上")


def _vague(draw: Draw, most: int) -> CountPhrase:
    largest = sum(most >= size for size in (20, 200, 2000))
    vague = draw.pick(_VAGUE[min(draw.pick((0, 0, 1, 1, 1, 2, 2, 3)), largest)])
    return CountPhrase(Count(vague.low, vague.high, approx=vague.approx), draw.pick(vague.words))
