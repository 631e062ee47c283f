"""The names of places: which of them name none, and where one stands in a text."""

import re
from collections.abc import Iterator
from functools import lru_cache

# A place made of these alone names no place: somebody has to call back and ask.
_GENERIC_WORDS = (
    *("山区", "山里", "山上", "山下", "野外", "高速", "国道", "省道", "县道", "乡道", "公路", "道路", "马路"),
    *("路上", "路边", "路段", "路", "途中", "半路", "村口", "村里", "村子", "村", "镇上", "镇里", "镇"),
    *("县里", "城里", "小区", "楼里", "楼上", "家里", "屋里", "家", "学校", "厂里", "工地", "服务区", "隧道"),
    *("桥下", "桥边", "桥", "河边", "江边", "水库", "附近", "旁边", "外头", "外面", "里面", "前面", "后面"),
    *("边上", "这边", "那边", "这里", "那里", "这儿", "那儿", "一处", "某处", "我们", "咱们", "我", "的"),
    *("在", "口", "上", "下", "里", "边"),
)

_NUMERALS = "零一二三四五六七八九十百千万"
# What names of villages begin with, where it stands at the beginning of a word: 大张庄村 is not 张庄.
_HEADS = "大小新老东西南北前后上下中内外"
_BEFORE_A_NAME = re.compile(r"(?:^|[\W_]|[省市区县旗镇乡在到去往至是于]|街道)$")
_TAILS = re.compile("[村镇乡县市区省旗路街庄屯寨](?![口里上边头民])|街道|社区|小区|大道|高速|隧道|大桥")
_ENDED = re.compile(r"[村镇乡县市区省旗路街庄屯寨号楼栋院线道桥站场厂处段A-Za-z0-9]$")

# A division, so that a village or an estate is not looked for in the whole country.
_DIVISION = re.compile("[\u4e00-\u9fff]{2}(?:[省市县旗镇乡]|街道|苏木|(?<![小社景校厂库园矿地灾林牧湖山双])区)")
_VILLAGE = re.compile("[\u4e00-\u9fffA-Za-z]{1,4}(?:村|庄|屯|寨|小区|花园|家园|公寓|新村|苑|公馆|家属院|大厦|广场)")
_ROAD = "(?:高速公路|高速|公路|国道|省道|县道|乡道|村道|专用道|铁路|线|河|江)"
_LONE_ROAD = re.compile(
    rf"(?:[A-Z]\d{{1,4}}{_ROAD}?|[A-Z]?\d{{2,3}}(?:国道|省道|县道)|[\u4e00-\u9fff]{{2,5}}(?:高速公路|高速|铁路)|地铁\d+号线)",
    re.ASCII,
)


def is_lone_road(place: str) -> bool:
    """Whether a place is a long road or line and no point on it: no kilometre post, section, landmark or other name."""
    return _LONE_ROAD.fullmatch(place) is not None


def lacks_district(place: str, *sources: str) -> bool:
    """Whether a place is the short name of a village or an estate, and no source says in which district it lies."""
    if not _VILLAGE.fullmatch(place):
        return False
    return not any(_DIVISION.search(source) for source in (place, *sources))


def is_cut_short(place: str, text: str) -> bool:
    """Whether a place stands in a text only inside a longer name, which may be another place: 张庄 in 大张庄村."""
    found = list(find_place(place, text))
    return bool(found) and all(_is_inside_a_name(place, text, start) for start in found)


def _is_inside_a_name(place: str, text: str, start: int) -> bool:
    before = text[max(0, start - 3) : start]
    if before and before[-1] in _NUMERALS and place[0] in _NUMERALS:
        return True  # 十里铺 in 三十里铺
    if before and before[-1] in _HEADS and _BEFORE_A_NAME.search(before[:-1]):
        return True
    return not _ENDED.search(place[-1]) and _TAILS.match(text, start + len(place)) is not None


@lru_cache(1024)  # each rule and check about a report asks for the same few
def is_vague_place(place: str) -> bool:
    """Whether a place is unknown or generic ("", 山区公路, 村口): it holds no proper name and no road number."""
    reached = {0}  # the offsets that generic words lead to: linear, where a nested pattern would try every split
    for start in range(len(place)):
        if start in reached:
            reached |= {start + len(word) for word in _GENERIC_WORDS if place.startswith(word, start)}
    return len(place) in reached


def find_place(place: str, text: str) -> Iterator[int]:
    """The offsets (code points) where a place stands in a text, not inside a longer number or word: S6 not in S65."""
    start = text.find(place) if place else -1
    while start >= 0:
        end = start + len(place)
        before, after = text[max(0, start - 1) : start], text[end : end + 1]
        if not (_in_one_word(before, place[0]) or _in_one_word(place[-1], after)):
            yield start
        start = text.find(place, start + 1)


def stands_in(place: str, text: str) -> bool:
    """Whether a place stands somewhere in a text (see :func:`find_place`)."""
    return any(True for _ in find_place(place, text))


def is_same_place(place: str, other: str) -> bool:
    """Whether two names may be one place's: one of them is the longer form of the other."""
    return stands_in(place, other) or stands_in(other, place)


def _in_one_word(left: str, right: str) -> bool:
    return all(character.isascii() and character.isalnum() for character in (left, right))
