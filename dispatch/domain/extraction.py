"""Numbers in Chinese text, found by rules alone: an opinion that is independent of the network's."""

import re
from dataclasses import dataclass

DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_NUMBER = re.compile(r"\d+(?:\.\d+)?|[零〇一二两三四五六七八九十百千万]+", re.ASCII)
# Chinese numerals are numbers only before a measure word: 一起, 万店村 and 三岔路 are not.
_MEASURE = "[个名位人户口号台辆艘只米公层楼小时天级度吨亩顶件箱条套床份升年岁]"
_MEASURE_WORD = re.compile(rf"[多几余来]?{_MEASURE}")
# 百, 千 or 万 with no digit before it (上万人) is vague, as are two digits in a row (三四十); a digit after one lacks
# its unit (三百五).
_NOT_A_NUMERAL = re.compile(r"^[百千万]|[百千万][一二两三四五六七八九]$|[一二两三四五六七八九]{2}")
_LONGEST_NUMERAL = 16  # 九千九百九十九万九千九百九十九 has 15
# Mobile numbers, at times in groups, and those of the fixed network with their area code.
_PHONE = re.compile(r"(?<![\d-])(?:1[3-9]\d[ -]?\d{4}[ -]?\d{4}|0\d{2,3}[ -]?\d{7,8})(?!\d)", re.ASCII)


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
        if token.isascii():
            found.append(Number(float(token), match.start(), match.end()))
        elif _MEASURE_WORD.match(text, match.end()) and (value := read_numeral(token)) is not None:
            found.append(Number(float(value), match.start(), match.end()))
    return found


def find_phones(text: str) -> list[tuple[int, int]]:
    """Where telephone numbers stand in a text (code points)."""
    return [match.span() for match in _PHONE.finditer(text)]


def read_numeral(text: str) -> int | None:
    """The value of a Chinese numeral (五十 -> 50, 两千零三 -> 2003); None when it is not one (万, 三百五, 万万万…)."""
    if len(text) > _LONGEST_NUMERAL or _NOT_A_NUMERAL.search(text):
        return None
    if not any(char in UNITS for char in text):
        digits = [DIGITS[char] for char in text]
        return int("".join(map(str, digits))) if len(digits) == 1 else None
    total = section = digit = 0
    for char in text:
        if char in DIGITS:
            digit = DIGITS[char]
        elif char == "万":
            total, section, digit = (total + section + digit) * 10_000, 0, 0
        else:
            section += (digit or 1) * UNITS[char]
            digit = 0
    return total + section + digit
