"""What stands in data/lexicon: each file's schema, how much there is of everything, and what may not be said where."""

import re
from collections.abc import Iterator, Mapping
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatch.domain import labels
from dispatch.domain.places import is_vague_place
from training.synthesis.lexicon import Lexicon, Template, leaves

FOLDER = Path(__file__).resolve().parents[3] / "data" / "lexicon"
LEXICON: Mapping[str, Any] = {
    name: yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    for name in ("facts", "people", "frames", "other", "places", "noise")
}
FACTS, FRAMES, OTHER, PLACES, NOISE = (LEXICON[name] for name in ("facts", "frames", "other", "places", "noise"))

LEAST_ENTRIES, LEAST_PHRASINGS = 10, 40
NEW_FLAGS = ("flammable", "reactive", "trees", "villages", "unreachable")
SOME = tuple(f"{category}_some" for category in ("injured", "buried", "missing", "trapped"))
COUNTED = ("cars", "pinned", "severe", "moderate", "light", "displaced", "vehicles")
DEPTHS = (0.5, 1.0, 1.3, 1.5, 1.7, 3.0)
SEVERAL = ("not_needed_together", "shared")  # what one clause says of several, by a key that states it
STYLES = {
    "duty": ["formal"],
    "radio": ["formal"],
    "caller": ["spoken"],
    "relative": ["spoken"],
    "post": ["spoken", "formal"],
}
STYLE_LISTS = (
    "openings",
    "place",
    "place_last",
    "amid",
    "narrated",
    "nowhere",
    "pleas",
    "contacts",
    "closings",
    "joiners",
    "finals",
)
SHARED_LISTS = ("digressions", "emotions", "times", "updates", "verified", "repost", "hashtags", "emoji", "fillers")
ASIDE_SLOTS = {"phone", "post", "clock", "bus", "plate", "room", "small"}
PLACE_SLOTS = {"town", "other", "county", "name", "village", "street", "road", "landmark"} | {
    *("n", "v", "km", "metres", "nnn", "letter", "admin", "estate", "surname", "way", "far", "nth", "cn", "room")
}
KINDS_OF_NOBODY = ("offer", "resolved", "news", "thanks", "test", "question", "knowledge", "errand", "notice")
OTHER_SLOTS = {"place", "hazard", "n", "small", "phone", "item", "name", "hour", "day", "plate"}
OTHER_PLACES = {"elsewhere", "onward", "hometown"}
TWO = {
    **{
        way: {"first", "second"}
        for way in ("any", "urgent_first", "urgent_last", "mild_last", "mild_first", "unmarked")
    },
    "turns": {"a", "b", "first", "second"},
    "halves": {"a", "b", "first", "second", "first_more", "second_more"},
}
WEIGHTED = ("joiners", "finals")  # drawn evenly: what stands there twice comes twice as often

_SLOT = re.compile(r"\{(\w+)\}")
_NUMERALS = set("0123456789零〇一二两三四五六七八九十百千万亿几数多余半")
_NEGATIONS = set("不没无未别勿免已")
_PLEA = re.compile("救命|求救|(?<![急搜])救人|救救|来救|救我|营救|解救|请求救援|求援")
_FACT_WORDS = re.compile(
    "被困|受困|困住|受伤|伤员|被埋|失联|失踪|停电|断电|停水|断水|停气|没信号|断路|老人(?!机)|孕妇|婴儿|病人"
    "|暴雪|积雪|雪崩|洪水|内涝|被淹|地震|滑坡|塌方|泥石流|台风|火灾|(?<!打不)着火|山火|泄漏|车祸|坍塌|倒塌|迷路"
    "|急需|冲锋舟|发电机|医疗队|帐篷|药品"
)
_DEAD_BATTERY = re.compile("电瓶|蓄电池|充电|手机|车")
_OVER = re.compile(
    "不用|不需|无需|不必|不再|不麻烦|别再|别转|别派|别来|请勿|勿|取消|撤|解除|结束|完毕|完成|办结|解决|脱险|脱困|获救"
    "|得救|救出|接出|救走|安全|平安|收队|归队|归建|恢复|扑灭|排除|作废|关闭|结案|没事|找到|停止|删除|转移|救到|控制|平息|终止|安置|处理完|达标"
    "|别过来|别去|别跑|别让|别找|掉头|回去吧|人回来|销案|销个案|已处理|已终结|误报|留给别处|不要再"
)

_OFFERED = re.compile("可以|可随时|能去|愿|免费|可提供|申请参加|可派|志愿者|请战|去支援|去救|去帮忙")


def expand(template: str) -> list[str]:
    """Every text that the alternatives of a template make."""
    return list(Template(template).phrasings())


def lists(value: Any) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Every list below a value, with the keys that lead to it."""
    return ((path, found) for path, found in leaves(value) if isinstance(found, list))


def slots(text: str) -> set[str]:
    return set(_SLOT.findall(text))


def facts() -> dict[str, list[str]]:
    """The entries of every fact: both registers together, and nouns and clauses of a need.

    Not what one clause says of several: such lists are short, and many.
    """
    entries: dict[str, list[str]] = {}
    for path, found in lists(FACTS):
        if path[0] in SEVERAL or path[:2] == ("need", "together"):
            continue
        parts = tuple(part for part in path if part not in ("formal", "spoken", "nouns", "clauses", "spoken_clauses"))
        entries.setdefault("/".join(parts), []).extend(found)
    return entries


def frames_of(kind: str) -> list[str]:
    """The entries of one kind of clause in all styles."""
    return [entry for style in FRAMES["styles"].values() for entry in style.get(kind, ())]


@pytest.mark.parametrize("name", LEXICON)
def test_no_key_stands_twice(name: str) -> None:
    nodes = [yaml.compose((FOLDER / f"{name}.yaml").read_text("utf-8"), Loader=yaml.SafeLoader)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), sorted(key for key in keys if keys.count(key) > 1)
            nodes += [value for _, value in node.value]


@pytest.mark.parametrize("name", LEXICON)
def test_entries_are_well_formed(name: str) -> None:
    for path, entries in lists(LEXICON[name]):
        for entry in entries:
            assert isinstance(entry, str), (path, entry)
            texts = expand(entry)
            assert len(set(texts)) == len(texts), f"{entry} makes a text twice"
            for text in texts:
                assert not re.search(r"[\[\]|{}]", _SLOT.sub("", text)), entry
                assert "A7" not in text, entry


def test_no_entry_stands_twice_in_a_list() -> None:
    for name, data in LEXICON.items():
        for path, entries in lists(data):
            if path[-1] not in WEIGHTED:
                assert len(entries) == len(set(entries)), (name, path)


def test_facts_have_the_keys_of_the_labels() -> None:
    assert set(FACTS["hazard"]) == set(labels.HAZARDS)
    assert set(FACTS["people"]) == {*labels.PEOPLE, *SOME}
    assert set(FACTS["conflicting"]) == {"people"}
    assert set(FACTS["measure"]) == set(labels.MEASURES)
    assert set(FACTS["fact"]) == {*labels.FACTS, *NEW_FLAGS}
    assert set(FACTS["vulnerable"]) == set(labels.VULNERABLE)
    assert set(FACTS["outage"]) == set(labels.OUTAGES)
    assert set(FACTS["need"]["clauses"]) == set(labels.NEEDS)
    assert set(FACTS["need"]["spoken_clauses"]) == set(labels.NEEDS)
    assert set(FACTS["need"]["nouns"]) == set(labels.NEEDS) - {"evacuation"}
    for depths in FACTS["depth_words"].values():
        assert tuple(depths) == DEPTHS


@pytest.mark.parametrize("section", ["hazard", "people", "measure", "fact", "vulnerable", "outage"])
def test_facts_are_said_in_both_registers(section: str) -> None:
    for key, registers in FACTS[section].items():
        assert list(registers) == ["formal", "spoken"], key
        assert min(len(entries) for entries in registers.values()) >= 8, key


def fact_slots(path: tuple[str, ...]) -> set[str]:
    section, key = path[0], path[1] if len(path) > 1 else ""
    match section:
        case "people":
            return set() if key in SOME else {"n"}
        case "measure":
            return {"v"}
        case "fact" if key in labels.NUMBER_FACTS:
            return {"n"} if key in COUNTED else {"v"}
        case "conflicting":
            return {"a", "b"}
        case "not_needed" | "spoken_not_needed" | "units_not_needed":
            return {"nouns"}
        case "declined_but_needed":
            return {"nouns", "wanted"}
        case "mild_ask" if key == "need":
            return {"nouns"}
        case "need" if key in ("list", "spoken_list"):
            return {"nouns"}
        case "requested":
            return {"item", "count", "unit"}
        case _:
            return set()


def test_every_phrasing_of_a_fact_has_its_slots_once_and_no_other() -> None:
    for path, entries in lists(FACTS):
        wanted = sorted(fact_slots(path))
        for text in chain.from_iterable(expand(entry) for entry in entries):
            assert sorted(_SLOT.findall(text)) == wanted, (path, text)


@pytest.mark.parametrize("key", facts())
def test_every_fact_has_enough_entries_and_phrasings(key: str) -> None:
    entries = facts()[key]
    assert len(entries) >= LEAST_ENTRIES
    assert len(set(chain.from_iterable(map(expand, entries)))) >= LEAST_PHRASINGS


@pytest.mark.parametrize("key", facts())
def test_no_two_entries_of_a_fact_make_the_same_phrasing(key: str) -> None:
    # A phrasing that two entries make would stand in training while one of them is held out.
    for first, second in combinations(((entry, set(expand(entry))) for entry in facts()[key]), 2):
        assert first[1].isdisjoint(second[1]), (first[0], second[0])


def test_needs_are_asked_for_together_and_declined_together() -> None:
    for key, registers in FACTS["need"]["together"].items():
        assert set(key.split(", ")) <= set(labels.NEEDS), key
        assert len(key.split(", ")) >= 2, key
        assert registers["spoken"], key
    several = [
        entry for registers in FACTS["need"]["together"].values() for found in registers.values() for entry in found
    ]
    assert len(several) >= 100
    for key, found in FACTS["not_needed_together"].items():
        assert set(key.split(", ")) <= set(labels.NEEDS), key
        assert len(found) >= 5, key


def test_somebody_elsewhere_finds_words_for_every_fact() -> None:
    for section in ("hazard", "people", "measure", "fact", "vulnerable", "outage"):
        for key, registers in FACTS[section].items():
            distant = [entry for entry in registers["spoken"] if not re.search("我|咱|俺|这里|这边|这儿", entry)]
            assert len(distant) >= 3 or key == "caller_elsewhere", key


def test_a_dead_battery_is_no_power_outage() -> None:
    for text in chain.from_iterable(expand(entry) for entry in chain(*FACTS["outage"]["power"].values())):
        assert not _DEAD_BATTERY.search(text), text
        assert text not in ("没电", "没电了"), text
    assert len([entry for entry in FRAMES["digressions"] if "电" in entry and _DEAD_BATTERY.search(entry)]) >= 8


def test_only_the_need_for_rescue_pleads_for_rescue() -> None:
    pleading = {key for key, entries in facts().items() if any(_PLEA.search(entry) for entry in entries)}
    assert pleading == {"need/rescue"}
    for key, registers in FACTS["need"]["together"].items():
        if "rescue" not in key.split(", "):
            for text in chain.from_iterable(expand(entry) for entry in chain(*registers.values())):
                assert not _PLEA.search(text), (key, text)


def test_styles_have_all_their_lists() -> None:
    assert {name: style["registers"] for name, style in FRAMES["styles"].items()} == STYLES
    for name, style in FRAMES["styles"].items():
        relay = {"relay"} if name in ("relative", "post") else set()
        assert set(style) == {"registers", *STYLE_LISTS, *relay}, name
        for kind in ("openings", "nowhere", "closings"):
            assert style[kind].count("") <= 1, (name, kind)
    assert set(FRAMES) == {
        "styles",
        *SHARED_LISTS,
        *("decoys", "placed", "asides", "names", "second", "two", "related"),
    }


def test_frames_have_their_slots_and_no_other() -> None:
    wanted: dict[str, set[str]] = {key: {"place"} for key in ("place", "place_last", "amid", "narrated", "relay")}
    wanted["second"] = {"second"}
    wanted |= {"formal": {"place"}, "spoken": {"place"}}  # of placed
    allowed = {"contacts": {"phone", "name"}, "times": {"hour", "minute", "day"}, "asides": ASIDE_SLOTS}
    for path, entries in lists(FRAMES):
        for text in chain.from_iterable(map(expand, entries)):
            if path[0] == "two":
                assert slots(text) - {"joiner"} == TWO[path[-1]], (path, text)
                assert path[-1] != "unmarked" or not re.search(r"\{first\}\W", text), (path, text)
            elif path[-1] in allowed:
                assert slots(text), (path, text)
                assert slots(text) <= allowed[path[-1]], (path, text)
            elif path[0] == "decoys":
                assert set() != slots(text) <= OTHER_PLACES, (path, text)
            else:
                others = OTHER_PLACES if path[-1] in ("narrated", "relay") else set()
                assert slots(text) - others == wanted.get(path[-1], set()), (path, text)
                assert text.count("{place}") == len(wanted.get(path[-1], set()) & {"place"}) or path[1] == "radio", text


def test_what_follows_a_place_does_not_read_as_a_part_of_it() -> None:
    for path, entries in lists(FRAMES):
        for text in chain.from_iterable(map(expand, entries)):
            assert not re.search(
                "\\{place\\}(附近|旁|边上|一带|段|路段|处|境内|方向|往|以东|以西|[东西南北]边|上面|下面)", text
            ), (path, text)


def test_places_stand_in_many_clauses_and_beside_many_others() -> None:
    assert sum(len(frames_of(kind)) for kind in ("place", "place_last", "amid", "narrated", "relay")) >= 240
    assert sum(map(len, FRAMES["decoys"].values())) >= 60
    assert set(FRAMES["placed"]) == set(labels.HAZARDS)
    for hazard, registers in FRAMES["placed"].items():
        assert all(len(registers[register]) >= 5 for register in ("formal", "spoken")), hazard


def test_who_is_there_does_not_say_otherwise_of_another_place() -> None:
    # Where the speaker is elsewhere, that is a fact of the situation.
    for text in chain.from_iterable(expand(entry) for entry in FRAMES["decoys"]["spoken"]):
        assert not re.search(r"我人?(?:现在|目前)?在\{", text), text


def test_openings_pleas_digressions_and_contacts_are_many() -> None:
    kinds = [frames_of("openings"), frames_of("pleas"), FRAMES["digressions"], frames_of("contacts")]
    assert len({entry for entries in kinds for entry in entries}) >= 400
    for kind in ("place", "relay", "pleas"):
        assert all(len(style[kind]) >= 15 for style in FRAMES["styles"].values() if kind in style), kind


@pytest.mark.parametrize(
    ("kind", "long"), [("digressions", 40), ("emotions", 40), ("updates", 40), ("repost", 40), ("verified", 30)]
)
def test_posts_can_grow_long(kind: str, long: int) -> None:
    lengths = [max(map(len, expand(entry))) for entry in FRAMES[kind]]
    assert len(lengths) >= 30
    assert sum(length >= long for length in lengths) >= 5
    assert sum(length <= 12 for length in lengths) >= 5


def test_frames_state_no_fact_and_do_not_plead_for_rescue() -> None:
    for path, entries in lists(FRAMES):
        if path[-1] == "names" or path[0] == "placed":
            continue
        for text in chain.from_iterable(map(expand, entries)):
            assert not _FACT_WORDS.search(text), (path, text)
            assert not _PLEA.search(text), (path, text)


def test_two_incidents_are_told_in_many_ways() -> None:
    assert list(FRAMES["two"]) == list(FRAMES["related"]["named"]) == ["formal", "spoken"]
    for register, ways in FRAMES["two"].items():
        assert set(ways) == set(TWO), register
        assert len(ways["any"]) >= 20
        assert all(len(found) >= 6 for found in ways.values()), register
        for way, found in ways.items():
            for text in chain.from_iterable(map(expand, found)):
                assert re.search(r"\{first\}.*\{second\}", text), (way, text)
    assert all(len(found) >= 8 for registers in FRAMES["related"].values() for found in registers.values())
    assert len(PLACES["from_another"]) >= 20
    assert not any(is_vague_place(text) for text in chain.from_iterable(map(expand, PLACES["from_another"])))


def test_what_is_mild_states_nothing_but_its_hazard() -> None:
    for key in ("mild", "mild_note", "mild_ask"):
        for path, entries in lists(FACTS[key]):
            for text in chain.from_iterable(map(expand, entries)):
                assert not re.search("被困|受困|埋着|失联|停电|断电|烟|老人|孩子|救命|快来|急需|不够", text), (
                    path,
                    text,
                )
    hazard_words = {
        **{"snow_road": "雪", "avalanche": "雪", "flood": "水|涝", "earthquake": "震", "landslide": "滑坡|塌|落石"},
        **{"typhoon": "台风", "building_fire": "火|着", "wildfire": "火|着|燃", "hazmat": "化|试剂|罐|清洗剂|泄漏"},
        **{"traffic_accident": "追尾|蹭|撞|事故|怼|刮碰", "collapse": "塌|垮|倒"},
    }
    for hazard, registers in FACTS["mild"].items():
        for text in chain.from_iterable(map(expand, chain(*registers.values()))):
            assert re.search(hazard_words[hazard], text), (hazard, text)


def others(kind: str) -> list[str]:
    """Every text of a kind of what is no request, in both registers."""
    return [text for entries in OTHER[kind].values() for text in chain.from_iterable(map(expand, entries))]


def test_reports_that_ask_for_nobody_are_complete() -> None:
    least = {"offer": 150, "resolved": 140} | dict.fromkeys(
        ("news", "thanks", "chatter", "test", "prank", "question", "knowledge"), 55
    )
    least |= {"errand": 28, "notice": 28}
    assert set(OTHER) == {*least, "hazard_words", "turns", "distractors", "harmless", "composed"}
    for kind, number in least.items():
        assert list(OTHER[kind]) == ["formal", "spoken"]
        assert sum(map(len, OTHER[kind].values())) >= number, kind
        assert all(slots(text) <= OTHER_SLOTS for text in others(kind)), kind
    assert set(OTHER["hazard_words"]) == set(labels.HAZARDS)
    assert all(len(words) >= 6 for words in OTHER["hazard_words"].values())


def test_many_reports_that_ask_for_nobody_are_long_and_full_of_what_requests_hold() -> None:
    words = _FACT_WORDS.pattern + "|消防|救援|报警|119|110|救护车|救生衣|挖掘机|救命|伤"
    entries = [entry for kind in KINDS_OF_NOBODY for found in OTHER[kind].values() for entry in found]
    longest = [max(expand(entry), key=len) for entry in entries]
    assert sum(len(text) >= 45 for text in longest) > len(longest) / 3
    assert sum(bool(re.search(words, text)) for text in map("|".join, map(expand, entries))) > len(entries) / 2


def test_offers_do_not_plead_and_what_is_resolved_is_over() -> None:
    for text in others("offer"):
        assert not re.search("救命|救救|快来|急需", text), text
    for text in others("resolved"):
        assert _OVER.search(text), text
        assert not re.search("快来(?!得)|救救|还没有?(?:出来|救|解决|人管)", text), text


def test_every_turn_has_a_side_before_and_one_behind_and_resolves_or_offers_by_itself() -> None:
    for name, registers in OTHER["turns"].items():
        assert set(registers) <= {"formal", "spoken"}, name
        for sides in registers.values():
            assert list(sides) == ["before", "behind"], name
            for text in chain.from_iterable(map(expand, chain(*sides.values()))):
                assert slots(text) <= OTHER_SLOTS - {"place", "hazard"}, text
                assert name != "resolved" or _OVER.search(text) or "已" in text, text
                assert name != "offer" or _OFFERED.search(text), text


def test_distractors_state_no_fact_and_no_need() -> None:
    for path, entries in lists(OTHER["distractors"]):
        assert len(entries) >= 5, path
        for text in chain.from_iterable(map(expand, entries)):
            assert slots(text) <= {"small"}, text
            assert not _FACT_WORDS.search(text), text
            assert not _PLEA.search(text), text
            assert not re.search("不够|增派|增援|再来", text), text
    for registers in OTHER["distractors"].values():  # some that somebody elsewhere may say
        assert sum(not re.search("我|咱|俺|这里|这边|这儿", entry) for entry in registers["spoken"]) >= 2


def test_what_makes_little_of_a_request_states_no_fact_and_does_not_take_it_back() -> None:
    for path, entries in lists(OTHER["harmless"]):
        assert len(entries) >= 6, path
        for text in chain.from_iterable(map(expand, entries)):
            assert not slots(text), (path, text)
            assert not _FACT_WORDS.search(text), (path, text)
            assert not _PLEA.search(text), (path, text)
            assert not re.search("不用来|别来|不用派|已解决|得救|脱险|孩子|不够|增援|没人受伤", text), (path, text)
    for kind, entries in Lexicon.load().other["harmless"]["spoken"].items():
        assert len(entries.distant) - len(entries.distant.held_out) >= 2, kind


def test_composed_reports_have_many_parts() -> None:
    for name, registers in OTHER["composed"].items():
        assert list(registers) == ["formal", "spoken"], name
        for parts in registers.values():
            assert len(parts) == 3, name
            assert sum(map(len, parts.values())) >= 14, name
            assert all(len(entries) >= 4 for entries in parts.values()), name
            for text in chain.from_iterable(map(expand, chain(*parts.values()))):
                assert slots(text) <= OTHER_SLOTS, (name, text)
        assert sum(len(entries) for parts in registers.values() for entries in parts.values()) >= 30, name


def test_composed_offers_offer_and_all_clears_are_over_by_one_part_alone() -> None:
    for registers, part, words in (
        (OTHER["composed"]["condition"], "have", re.compile(_OFFERED.pattern + "|可|能")),
        (OTHER["composed"]["told_over"], "end", _OVER),
    ):
        for parts in registers.values():
            for text in chain.from_iterable(map(expand, parts[part])):
                assert words.search(text), text


def test_generic_places_name_no_place() -> None:
    assert set(PLACES["generic"]) == set(labels.HAZARDS)
    for hazard, words in PLACES["generic"].items():
        assert len(words) >= 12, hazard
        assert all(map(is_vague_place, words)), hazard


def test_places_are_composed_of_known_slots() -> None:
    tails = ("group_tails", "outskirts", "building_parts", "site_parts", "structure_parts", "composed", "overseas")
    names = ("landmarks", "bridges", "tunnels", "schools", "estates", "relative", "road_parts", "letter_roads")
    for key in (*names, *tails, "from_another"):
        assert len(PLACES[key]) >= 10, key
        for entry in PLACES[key]:
            assert slots(entry) <= PLACE_SLOTS, entry
    for key in ("landmarks", "bridges", "tunnels", "schools", "estates"):
        assert all(slots(entry) & PLACE_SLOTS - {"n", "v"} for entry in PLACES[key]), key


def test_noise_changes_words_but_no_numbers() -> None:
    least = {"homophones": 200, "typos": 60, "shorthand": 60}
    assert set(NOISE) == set(least)
    for kind, number in least.items():
        assert len(NOISE[kind]) >= number, kind
        for word, variants in NOISE[kind].items():
            assert variants, word
            assert word not in variants, word
            assert len(variants) == len(set(variants)), word
            assert not _NUMERALS & set(word + "".join(variants)), word
    assert all(len(text) == 1 for pair in NOISE["typos"].items() for text in (pair[0], *pair[1]))


def test_noise_neither_adds_nor_drops_a_negation() -> None:
    # Words of a region have negations of their own (没有 -> 冇得), so shorthand is not held to this.
    for word, variants in (NOISE["homophones"] | NOISE["typos"]).items():
        for variant in variants:
            assert sorted(_NEGATIONS & set(variant)) == sorted(_NEGATIONS & set(word)), (word, variant)


def test_fillers_hold_no_number_and_no_negation() -> None:
    # They are put anywhere into a report: 等一下 would add a number to it.
    assert all(FRAMES["fillers"])
    assert not (_NUMERALS | _NEGATIONS) & set("".join(FRAMES["fillers"]))
