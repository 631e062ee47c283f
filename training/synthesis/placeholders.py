"""What fills the placeholders of templates that state no fact: phones, names, times, and numbers that count nobody."""

from collections.abc import Callable, Mapping, Sequence

from training.synthesis.holdout import SEED_PLACE, Draw
from training.synthesis.lexicon import Entries, Template
from training.synthesis.numbers import to_chinese

_PLATE_PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"
_PLATE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_DIGITS = "0123456789"
_DAY_HALVES = ("凌晨", "早上", "上午", "中午", "下午", "傍晚", "晚上", "")


def phone(draw: Draw) -> str:
    """A mobile number, at times in groups."""
    digits = "1" + draw.pick("3456789") + "".join(draw.rng.choices(_DIGITS, k=9))
    grouping = draw.random()
    if grouping < 0.9:
        return digits
    return (" " if grouping < 0.95 else "-").join((digits[:3], digits[3:7], digits[7:]))


def _hour(draw: Draw) -> str:
    return str(draw.whole(0, 23))


def _minute(draw: Draw) -> str:
    return f"{draw.whole(0, 59):02d}"


def _day(draw: Draw) -> str:
    return str(draw.whole(1, 28))


def _clock(draw: Draw) -> str:
    if draw.chance(0.5):
        return f"{_hour(draw)}:{_minute(draw)}"
    hour = draw.whole(1, 12)
    said = str(hour) if draw.chance(0.6) else to_chinese(hour)
    return draw.pick(_DAY_HALVES) + said + draw.pick(("点", "点半", "点多"))


def _kilometre_post(draw: Draw) -> str:
    post = f"K{draw.whole(1, 2999)}"
    return post + (f"+{draw.whole(1, 19) * 50}" if draw.chance(0.6) else "")


def _bus(draw: Draw) -> str:
    return str(draw.whole(1, 999))


def _plate(draw: Draw) -> str:
    while True:
        plate = (
            draw.pick(_PLATE_PROVINCES)
            + draw.pick(_PLATE_LETTERS)
            + draw.pick(("", "·"))
            + "".join(draw.rng.choices(_DIGITS, k=3))
            + "".join(draw.rng.choices(_DIGITS + _PLATE_LETTERS, k=2))
        )
        if SEED_PLACE not in plate:
            return plate


def _room(draw: Draw) -> str:
    if draw.chance(0.3):
        return f"{draw.whole(1, 6)}-{draw.whole(1, 18)}{draw.whole(1, 4):02d}"
    return f"{draw.whole(1, 24)}{draw.whole(1, 8):02d}"


def _small(draw: Draw) -> str:
    number = draw.whole(2, 9)
    return str(number) if draw.chance(0.6) else to_chinese(number)


def _any_number(draw: Draw) -> str:
    return str(draw.whole(2, 30))


class PlaceholderMaker:
    """Fills templates: takes what is given for their slots, and makes the rest."""

    def __init__(self, names: Entries, goods: Sequence[str]) -> None:
        self._makers: Mapping[str, Callable[[Draw], str]] = {
            "phone": phone,
            "name": names.fill,
            "item": lambda draw: draw.pick(goods),
            "hour": _hour,
            "minute": _minute,
            "day": _day,
            "clock": _clock,
            "post": _kilometre_post,
            "bus": _bus,
            "plate": _plate,
            "room": _room,
            "small": _small,
            "n": _any_number,
        }

    def fill(self, template: Template, draw: Draw, given: Mapping[str, str] | None = None) -> str:
        """Raises KeyError for a slot that is neither given nor known."""
        if not template.slots:
            return template.fill(draw)
        slots = dict(given or {})
        for name in template.slots:
            if name not in slots:
                slots[name] = self._makers[name](draw)
        return template.fill(draw, slots)
