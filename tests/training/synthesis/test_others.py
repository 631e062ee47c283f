"""What is no request: told in a request's clauses with a turn, in every style; and requests that sound like none."""

import random
import re
from functools import cache
from itertools import chain, islice

import pytest

from dispatch.domain.labels import HAZARDS
from training.synthesis import Lexicon, PairGenerator, Recipe, Sample
from training.synthesis.draft import Block, Draft
from training.synthesis.holdout import Draw
from training.synthesis.items import ITEMS
from training.synthesis.lexicon import Entries
from training.synthesis.others import COMPOSED, KINDS, TURNS, OtherPhrasing
from training.synthesis.phrasing import Phrasing
from training.synthesis.placeholders import PlaceholderMaker
from training.synthesis.scenario import draw_scenario
from training.synthesis.styles import STYLES, Voice
from training.synthesis.utterances import Scenario

PLACE = "石桥村"
SIZE = 300


@cache
def lexicon() -> Lexicon:
    return Lexicon.load()


@cache
def others() -> OtherPhrasing:
    placeholders = PlaceholderMaker(lexicon().frames["names"], tuple(ITEMS))
    return OtherPhrasing(lexicon(), placeholders, Phrasing(lexicon(), placeholders))


def voice(name: str) -> Voice:
    return Voice(name, STYLES[name], spoken=name not in ("duty", "radio"), length=60)


def reports(kind: str, style: str) -> list[str]:
    draw = Draw(random.Random(f"{kind}:{style}"))
    return [others().report(kind, "flood", PLACE, voice(style), draw) for _ in range(SIZE)]


def turn_texts(kind: str, style: str) -> set[str]:
    """What a turn of this kind may say, but for what fills its slots."""
    register = "spoken" if voice(style).spoken else "formal"
    turns = [lexicon().other["turns"][name].get(register, {}) for name in TURNS[kind]]
    templates = chain.from_iterable(chain(*turn.values()) for turn in turns)
    return {piece for template in templates for text in template.phrasings() for piece in [re.split(r"\{", text)[0]]}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_style_has_reports_of_every_kind_by_entries_and_in_a_request_s_clauses(kind: str, style: str) -> None:
    turns = {text for text in turn_texts(kind, style) if len(text) >= 6}
    turned = [text for text in reports(kind, style) if any(turn in text for turn in turns)]
    assert 0.15 < len(turned) / SIZE < 0.8
    assert any(re.search(r"被困|受困|困|淹|洪|水", text) for text in turned)


def test_offers_told_in_clauses_ask_for_nothing() -> None:
    for style in STYLES:
        for text in reports("offer", style):
            assert not re.search("救命|急需|请速派|请求救援", text), text


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_draw_gives_the_same_reports(kind: str) -> None:
    assert reports(kind, "post") == reports(kind, "post")


@pytest.mark.parametrize("style", ["duty", "caller", "relative"])
def test_a_distractor_adds_one_clause_and_never_before_the_first(style: str) -> None:
    draw = Draw(random.Random(style))
    elsewhere = style == "relative"
    draft = Draft("", (Block(PLACE, ("发大水了", "水深两米")),), "", (), (",",), ("",))
    counted = draw_scenario("flood", draw, voice(style).spoken, 1.0, 0.0)
    for scenario in (counted, Scenario(("flood",), voice(style).spoken)):
        for _ in range(50):
            (block,) = others().with_distractor(draft, scenario, voice(style), elsewhere, draw).blocks
            assert len(block.units) == 3
            assert block.units[0] == "发大水了"
            assert [unit for unit in block.units if unit in draft.blocks[0].units] == list(draft.blocks[0].units)
            assert not elsewhere or not re.search("我|这里", "".join(block.units))


def marks(entries: Entries) -> set[str]:
    """The longest piece of each text that the entries make, between its slots."""
    pieces = (re.split(r"\{\w+\}", text) for template in entries for text in template.phrasings())
    return {max(found, key=len) for found in pieces}


@pytest.mark.parametrize("style", ["duty", "caller", "post"])
@pytest.mark.parametrize("kind", KINDS)
def test_reports_are_composed_of_parts_of_one_list(kind: str, style: str) -> None:
    register = "spoken" if voice(style).spoken else "formal"
    lists = [[marks(part) for part in lexicon().other["composed"][name][register].values()] for name in COMPOSED[kind]]
    composed = [
        text
        for text in reports(kind, style)
        if any(all(any(mark in text for mark in part) for part in parts) for parts in lists)
    ]
    assert 0.05 < len(composed) / SIZE < 0.45


@pytest.mark.parametrize("style", ["duty", "caller", "relative"])
def test_who_makes_little_of_it_says_so_and_leaves_the_facts_alone(style: str) -> None:
    draw = Draw(random.Random(style))
    elsewhere = style == "relative"
    draft = Draft("", (Block(PLACE, ("发大水了", "水深两米")),), "", ("谢谢",), (",",), ("",))
    said = set()
    for _ in range(100):
        harmless = others().with_harmless(draft, voice(style), elsewhere, draw)
        units = list(harmless.blocks[0].units)
        assert [unit for unit in units if unit in draft.blocks[0].units] == list(draft.blocks[0].units)
        assert units[0] == "发大水了"
        added = [harmless.opening, *units[2:], *harmless.tail[:-1]]
        assert any(added)
        assert not elsewhere or not re.search("我(?!妈)|这里", "".join(added)), added
        said.add("".join(added))
    assert len(said) > 50


def samples(recipe: Recipe) -> list[Sample]:
    return list(islice(PairGenerator(lexicon(), "5", recipe).samples(), SIZE))


def test_requests_remain_requests_with_a_distractor() -> None:
    pairs = [sample.pair for sample in samples(Recipe(other=0.0, two_incidents=0.0, distracted=1.0))]
    assert {pair.situations[0].kind for pair in pairs} == {"request"}
    assert sum(bool(re.search("解决|演|获救|脱险|安全|平安|剩下", pair.report)) for pair in pairs) > SIZE / 3


def test_harmless_requests_remain_requests_in_every_hazard() -> None:
    pairs = [sample.pair for sample in samples(Recipe(other=0.0, two_incidents=0.0, harmless=1.0))]
    assert {pair.situations[0].kind for pair in pairs} == {"request"}
    assert {pair.situations[0].hazards[0] for pair in pairs} == set(HAZARDS)
    assert not any("rescue" in pair.situations[0].needs for pair in pairs)
    assert sum(not pair.situations[0].needs for pair in pairs) > SIZE / 3
    assert sum("reinforce" in pair.situations[0].facts for pair in pairs) > SIZE / 40


def test_one_report_in_six_is_no_request() -> None:
    kinds = [sample.pair.situations[0].kind for sample in samples(Recipe())]
    assert 0.1 < sum(kind != "request" for kind in kinds) / SIZE < 0.2
