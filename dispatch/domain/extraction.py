"""Numbers in Chinese text, found by rules alone: an opinion that is independent of the network's."""

import re
from dataclasses import dataclass

_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_NUMBER = re.compile(r"\d+(?:\.\d+)?|[零〇一二两三四五六七八九十百千万]+")
# Chinese numerals are numbers only before a measure word: 一起, 万店村 and 三岔路 are not.
_MEASURE_WORD = re.compile(r"[多几余来]?[个名位人户口号台辆艘只米公层楼小时天级度吨亩顶件箱条套床份升年岁]")
_NOT_A_COUNT = re.compile(r"^(?:[:点时分]\d|[点时分秒%号年月日]|%)")


@dataclass(frozen=True)
class Number:
    """A number and where it stands: ``text[start:end]``, offsets in code points."""

    value: float
    start: int
    end: int


def find_numbers(text: str) -> list[Number]:
    """Every number of a text in reading order: runs of digits, and Chinese numerals before a measure word."""
    found = []
    for match in _NUMBER.finditer(text):
        token = match[0]
        if token[0].isdigit() and token.isascii():
            found.append(Number(float(token), match.start(), match.end()))
        elif _MEASURE_WORD.match(text, match.end()) and (value := read_numeral(token)) is not None:
            found.append(Number(float(value), match.start(), match.end()))
    return found


def find_counts(text: str) -> list[Number]:
    """The numbers that may count people or things: no phones, clock times, percentages, house numbers or degrees."""
    counts = []
    for number in find_numbers(text):
        before, after = text[: number.start], text[number.end :]
        is_code = number.end - number.start >= 7 or re.search(r"[A-Za-z+#第]$", before) is not None
        is_cold = after.startswith("度") or before.endswith("零下")
        if not (is_code or is_cold or _NOT_A_COUNT.match(after) or before.endswith(":")):
            counts.append(number)
    return counts


def read_numeral(text: str) -> int | None:
    """The value of a Chinese numeral (五十 -> 50, 两千零三 -> 2003); None when it is not one."""
    if not any(char in _UNITS for char in text):
        digits = [_DIGITS[char] for char in text]
        return int("".join(map(str, digits))) if len(digits) == 1 else None
    total = section = digit = 0
    for char in text:
        if char in _DIGITS:
            digit = _DIGITS[char]
        elif char == "万":
            total, section, digit = (total + section + digit) * 10_000, 0, 0
        else:
            section += (digit or 1) * _UNITS[char]
            digit = 0
    return total + section + digit
