"""Numbers as people say them: digits, Chinese numerals, and exact, approximate, ranged or vague counts."""

import random
from collections.abc import Sequence

from dispatch.domain.situation import Count, format_number
from training.synthesis.holdout import Draw

_DIGITS = "零一二三四五六七八九"


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


def spell(number: float, draw: Draw, chinese_share: float) -> str:
    """A number in digits or, for whole ones, in Chinese numerals."""
    if number == int(number) and draw.chance(chinese_share):
        return to_chinese(int(number))
    return format_number(number)


def draw_count(slot: str, draw: Draw, spoken: bool, most: int) -> tuple[Count, str, str]:
    """A count of people for a slot: (count, text before the measure word, text after it).

    Mostly exact; else approximate (约50人, 50人左右, 五十来人), a range (30到40人), open (50多人, 几十人).
    """
    rng = draw.rng
    band = rng.random()
    low, high = (1, 9) if band < 0.4 or most <= 10 else (10, min(60, most)) if band < 0.8 else (10, most)
    number = draw.number(slot, low, high)
    digits = spell(number, draw, 0.3 if spoken else 0.05)
    kind = rng.random()
    if kind < 0.62 or number < 3:
        return Count(number, number), digits, ""
    if kind < 0.80:
        approx = Count(number, number, approx=True)
        if number >= 20 and number % 10 == 0 and number < 100 and draw.chance(0.4):
            return approx, to_chinese(number) + "来", ""
        before = rng.choice(("约", "大约", "大概", "大概有", "将近"))
        after = rng.choice(("左右", "上下"))
        return approx, *rng.choice(((before + digits, ""), (digits, after), (before + digits, after)))
    if kind < 0.90:
        other = draw.number(slot, number + 1, number + 99) if number >= 10 else number + 1
        joiner = rng.choice(("到", "至", "-", "~"))
        return Count(number, other), f"{number}{joiner}{other}", ""
    return _vague_count(rng.choice(_VAGUE), rng)


_VAGUE: Sequence[str] = ("十几", "十余", "几十", "几个", "tens", "hundreds")


def _vague_count(kind: str, rng: random.Random) -> tuple[Count, str, str]:
    match kind:
        case "十几":
            return Count(11, 19), "十几", ""
        case "十余":
            return Count(10, 19), "10余", ""
        case "几十":
            return Count(20, 99), "几十", ""
        case "几个":
            return Count(2, 9), "几", ""
        case _:
            step = 10 if kind == "tens" else 100
            base = step * rng.randint(2, 8)
            return Count(base, base + step - 1), f"{base}多", ""
