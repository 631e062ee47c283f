"""Placing: the label is the incident's place and no other, wherever and beside whatever it stands."""

import random
import re
from collections import Counter
from functools import cache
from itertools import islice

import pytest

from dispatch.domain.places import is_vague_place
from training.synthesis import Lexicon, PairGenerator, Recipe
from training.synthesis.draft import Block
from training.synthesis.holdout import Draw
from training.synthesis.lexicon import Template, leaves
from training.synthesis.placing import Placing, Site, Stand, placed_block
from training.synthesis.styles import STYLES, Voice

CALLER = Voice("caller", STYLES["caller"], spoken=True, length=60)
NAMED, NAMELESS = Site("大河乡石桥村"), Site("山区公路")


@cache
def placing() -> Placing:
    return Placing(Lexicon.load())


def stands(site: Site, *, voice: Voice = CALLER, relays: bool = False, alone: bool = True) -> Counter[Stand]:
    draw = Draw(random.Random(1))
    return Counter(placing().stand(voice, site, relays, alone, draw) for _ in range(600))


def test_a_place_of_a_name_stands_first_amid_and_last_in_every_way() -> None:
    frames = {(stand.frame, stand.position) for stand in stands(NAMED)}
    assert frames == {
        *(("", "first"), ("place", "first"), ("narrated", "first"), ("placed", "first")),
        *(("amid", "amid"), ("narrated", "amid"), ("place_last", "last")),
    }


def test_no_story_is_told_of_a_place_without_a_name() -> None:
    assert not {stand.frame for stand in stands(NAMELESS)} & {"narrated", "placed"}


def test_a_place_stands_first_where_another_incident_follows_without_a_word() -> None:
    for relays in (False, True):
        assert {stand.position for stand in stands(NAMED, relays=relays, alone=False)} == {"first"}


def test_a_relayed_place_says_so_wherever_it_stands() -> None:
    found = stands(NAMED, relays=True)
    assert {stand.frame for stand in found} == {"relay"}
    assert {stand.position for stand in found} == {"first", "amid", "last"}


def test_other_places_differ_from_the_incidents_and_from_each_other() -> None:
    draw, template = Draw(random.Random(2)), Template("从{elsewhere}往{onward}走到{place}")
    for _ in range(300):
        other, onward = placing().slots(template, ["镇", "县人民医院"], draw).values()
        assert "镇" not in other + onward
        assert other not in onward
        assert onward not in other


@pytest.mark.parametrize("text", ["林子里着火了", "山岳遇险", "仓库倒了", "三个人困住", "化工厂泄漏"])
def test_a_bare_place_does_not_run_into_words_that_could_belong_to_it(text: str) -> None:
    draw = Draw(random.Random(3))
    assert not placed_block(Stand(""), "石桥村", "石桥村", [text], draw).bare_place
    assert placed_block(Stand(""), "石桥村", "石桥村", ["积雪3米"], draw).bare_place


def test_a_place_amid_stands_behind_a_fact() -> None:
    draw = Draw(random.Random(4))
    for _ in range(50):
        block = placed_block(Stand("amid", "amid"), "在石桥村", "石桥村", ["发大水了", "停电了"], draw)
        assert block in (
            Block("", ("发大水了", "在石桥村", "停电了")),
            Block("", ("发大水了", "停电了", "在石桥村")),
        )


def test_a_third_of_spoken_reports_and_posts_speak_of_other_places() -> None:
    words = [template for path, found in leaves(Lexicon.load().frames) for template in found if path[-1] != "second"]
    marks = [
        part
        for template in words
        if re.search(r"\{elsewhere\}|\{hometown\}", template.text)
        for text in template.phrasings()
        for part in re.split(r"\{\w+\}", text)
        if len(part) >= 4
    ]
    others: Counter[str] = Counter()
    number: Counter[str] = Counter()
    for sample in islice(PairGenerator(Lexicon.load(), "9", Recipe()).samples(), 1500):
        if sample.style in ("caller", "relative", "post") and not is_vague_place(sample.pair.situations[0].location):
            number[sample.style] += 1
            others[sample.style] += any(mark in sample.pair.report for mark in marks)
    assert all(others[style] > number[style] / 4 for style in number)  # those alone whose words are told apart


def test_a_location_stands_once_unless_it_is_repeated_on_purpose() -> None:
    pairs = [sample.pair for sample in islice(PairGenerator(Lexicon.load(), "10", Recipe()).samples(), 1500)]
    twice = [
        pair
        for pair in pairs
        for situation in pair.situations
        if len(situation.location) > 4 and pair.report.count(situation.location) > 1 and "重复" not in pair.report
    ]
    assert len(twice) < len(pairs) / 200
