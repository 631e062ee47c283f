"""The lexicon's machinery: templates are compiled once, every choice is reached, a broken file is named."""

import random
from pathlib import Path

import pytest

from training.synthesis.holdout import Draw, Side, Sides, side_of_entry
from training.synthesis.lexicon import Entries, Lexicon, Template, default_lexicon_folder


def draw(side: Side = "known") -> Draw:
    return Draw(random.Random(1), Sides(entries=side))


def test_choices_nest_and_all_are_reached() -> None:
    template, source = Template("[a|b[c|d]|]{n}"), draw()
    assert {template.fill(source, {"n": "1"}) for _ in range(200)} == {"a1", "bc1", "bd1", "1"}
    assert sorted(template.phrasings()) == ["a{n}", "bc{n}", "bd{n}", "{n}"]
    assert template.slots == ("n",)


def test_what_fills_a_slot_is_no_template() -> None:
    assert Template("{n}[人|人]").fill(draw(), {"n": "[a|b]{c}"}) == "[a|b]{c}人"


@pytest.mark.parametrize("text", ["[a|b", "a]", "{", "{a b}", "a}", "[a|{b]"])
def test_a_malformed_template_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="template"):
        Template(text)


def test_a_slot_without_a_value_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="phone"):
        Template("电话{phone}").fill(draw())


def test_long_lists_are_divided_and_each_draw_keeps_to_its_side() -> None:
    texts = ["涨水了", "发大水", "水来了", *(f"水涨了{n}" for n in range(60))]
    entries = Entries.divide([Template(text) for text in texts], divided=True)
    validation, test = ({text for text in texts[3:] if side_of_entry(text) == side} for side in ("validation", "test"))
    assert {template.text for template in entries.held_out} == validation | test
    draws = [draw(), draw("validation"), draw("test")]
    said = [{entries.fill(each) for _ in range(2000)} for each in draws]
    assert said == [set(texts) - validation - test, validation, test]
    assert all(said)
    assert [each.used for each in draws] == [set(), {"entries"}, {"entries"}]


def test_the_first_entries_of_a_list_are_known_in_every_split() -> None:
    held = [text for text in map(str, range(200)) if side_of_entry(text) != "known"]
    assert [t.text for t in Entries.divide([Template(text) for text in held], divided=True)][:3] == held[:3]
    assert {t.text for t in Entries.divide([Template(text) for text in held], divided=True).held_out} == {*held[3:]}


def test_short_and_undivided_lists_have_no_held_out_side() -> None:
    held = next(text for text in map(str, range(100)) if side_of_entry(text) != "known")
    others = [Template(f"x{n}") for n in range(9)]
    assert Entries.divide([*others[:3], Template(held)], divided=True).held_out == ()
    assert Entries.divide([*others, Template(held)], divided=False).held_out == ()
    assert len(Entries.divide([*others, Template(held)], divided=True).held_out) >= 1


def test_the_calm_part_of_a_list_pleads_for_nothing() -> None:
    entries = Entries([Template(text) for text in ("喂,", "[救命|快]啊,", "报告:", "快来救我们,")], ())
    assert [template.text for template in entries.calm] == ["喂,", "报告:"]
    assert entries.calm.calm is entries.calm
    assert not len(Entries([Template("救命")], ()).calm)


def test_the_distant_part_of_a_list_is_not_about_the_speaker() -> None:
    entries = Entries([Template("{n}困住了"), Template("[我们|一共]{n}困在里面")], [Template("这边困了{n}")])
    assert [template.text for template in entries.distant] == ["{n}困住了"]
    assert entries.distant.held_out == ()


def test_the_present_part_of_a_list_passes_nothing_on() -> None:
    entries = Entries([Template("你好"), Template("[替|帮]家里人报警"), Template("帮转")], ())
    assert [template.text for template in entries.present] == ["你好"]


def test_the_whole_lexicon_compiles() -> None:
    lexicon = Lexicon.load()
    assert isinstance(lexicon.facts["hazard"]["flood"]["formal"], Entries)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"places\.yaml is missing"):
        Lexicon.load(tmp_path)
    for path in default_lexicon_folder().glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for broken, said in (("a: [", "facts.yaml"), ("- a", "mapping"), ('a: ["[b"]', "not closed")):
        (tmp_path / "facts.yaml").write_text(broken)
        with pytest.raises(ValueError, match=said) as failure:
            Lexicon.load(tmp_path)
        assert "facts.yaml" in str(failure.value)


def test_traditional_characters_are_one_for_one_and_no_numerals() -> None:
    table = Lexicon.load().traditional
    assert len(table) >= 400
    assert all(len(simplified) == len(traditional) == 1 for simplified, traditional in table.items())
    assert not set(table) & set("零一二两三四五六七八九十百千万亿几数多余半")
