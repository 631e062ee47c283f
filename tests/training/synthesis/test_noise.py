"""Noise leaves the place, the numbers and the order of what is said alone."""

import random
import re
from dataclasses import replace
from functools import cache
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.synthesis import PairGenerator, Recipe
from training.synthesis.draft import WIDE_MARKS
from training.synthesis.holdout import Draw
from training.synthesis.lexicon import Lexicon
from training.synthesis.noise import Noise, NoiseConfig
from training.synthesis.styles import STYLES

ALWAYS = NoiseConfig(share=1.0, most_kinds=6, words=0.9, characters=0.9, marks=0.9)
NUMERALS = "0123456789零〇一二两三四五六七八九十百千万几"
CLAUSES = (
    "急需医疗队",
    "停电了",
    "50人被困",
    "水深1.5米",
    "我们没有吃的",
    "请快来救援",
    "五十来号人",
    "不需要帐篷",
    "路断了",
)
PLACES = ("大石桥村3组", "G109国道K12+300", "断电湾村", "红旗区没水路平安小区5号楼")


@cache
def lexicon() -> Lexicon:
    return Lexicon.load()


@cache
def noise() -> Noise:
    return Noise(lexicon())


reports = st.tuples(
    st.sampled_from(PLACES), st.lists(st.sampled_from(CLAUSES), min_size=1, max_size=8), st.sampled_from(",。!")
).map(lambda parts: (parts[0], parts[2].join((parts[0], *parts[1])) + parts[2]))


@given(reports, st.sampled_from(list(STYLES)), st.integers(0, 2**32))
@settings(deadline=None)
def test_the_place_and_every_number_stay(report: tuple[str, str], style: str, seed: int) -> None:
    place, text = report
    noisy = noise().apply(text, style, (place,), ALWAYS, Draw(random.Random(seed)))
    assert place in noisy

    def numbers(text: str) -> list[str]:
        return re.findall(f"[{NUMERALS}][{NUMERALS}.+K]*", text)

    assert numbers(noisy) == numbers(text)
    assert noisy.count("不") == text.count("不")


@given(st.sampled_from(list(STYLES)), st.integers(0, 2**32))
@settings(deadline=None)
def test_without_a_share_nothing_changes(style: str, seed: int) -> None:
    clean = NoiseConfig(share=0.0, decorated=0.0)
    assert noise().apply("断电,50人被困", style, (), clean, Draw(random.Random(seed))) == "断电,50人被困"


def changed(kind: str, text: str) -> set[str]:
    config = replace(ALWAYS, decorated=0.0, most_kinds=1, kinds={"post": (kind,)})
    return {noise().apply(text, "post", ("石桥村",), config, Draw(random.Random(seed))) for seed in range(40)}


def test_each_kind_does_what_its_name_says() -> None:
    assert any("…" in text or "..." in text or "—" in text for text in changed("cut", "石桥村全村停电断水"))
    assert "石桥村,停电断水路断了" in changed("unpunctuated", "石桥村,停电,断水,路断了")
    assert any(WIDE_MARKS[0] in text for text in changed("width", "停电,断水"))
    assert any("電" in text and "石桥村" in text for text in changed("script", "石桥村,停电"))
    assert len(changed("homophones", "我们被困了,急需救援和医疗队,道路中断")) > 3


def test_posts_alone_are_decorated() -> None:
    config = NoiseConfig(share=0.0, decorated=1.0)
    draw = Draw(random.Random(1))
    posts = {noise().apply("停电", "post", (), config, draw) for _ in range(50)}
    assert "停电" not in posts
    assert all("停电" in post and "［" not in post for post in posts)
    assert {noise().apply("停电", "caller", (), config, draw) for _ in range(50)} == {"停电"}


@pytest.mark.parametrize("style", STYLES)
def test_a_full_share_changes_every_report(style: str) -> None:
    clean = NoiseConfig(share=0.0, decorated=0.0)
    every = NoiseConfig(share=1.0, decorated=0.0)
    draw = Draw(random.Random(2))
    samples = PairGenerator(lexicon(), "9", Recipe(noise=clean, other=0.0)).samples()
    made = list(islice((sample for sample in samples if sample.style == style), 150))
    for sample in made:
        report, places = sample.pair.report, [situation.location for situation in sample.pair.situations]
        assert noise().apply(report, style, places, every, draw) != report


def test_a_report_that_is_all_place_and_number_stays_as_it_is() -> None:
    assert noise().apply("石桥村50", "duty", ("石桥村",), ALWAYS, Draw(random.Random(1))) == "石桥村50"


@pytest.mark.parametrize("fields", [{"share": 1.5}, {"words": -0.1}, {"decorated": 2.0}, {"most_kinds": 0}])
def test_a_configuration_out_of_range_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        NoiseConfig(**fields)  # type: ignore[arg-type]
