"""The names of places: which of them name none, and where one stands in a text."""

from collections.abc import Iterator

# A place made of these alone names no place: somebody has to call back and ask.
_GENERIC_WORDS = (
    *("山区", "山里", "山上", "山下", "野外", "高速", "国道", "省道", "县道", "乡道", "公路", "道路", "马路"),
    *("路上", "路边", "路段", "路", "途中", "半路", "村口", "村里", "村子", "村", "镇上", "镇里", "镇"),
    *("县里", "城里", "小区", "楼里", "楼上", "家里", "屋里", "家", "学校", "厂里", "工地", "服务区", "隧道"),
    *("桥下", "桥边", "桥", "河边", "江边", "水库", "附近", "旁边", "外头", "外面", "里面", "前面", "后面"),
    *("边上", "这边", "那边", "这里", "那里", "这儿", "那儿", "一处", "某处", "我们", "咱们", "我", "的"),
    *("在", "口", "上", "下", "里", "边"),
)


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
