"""What stands in people.yaml: keys that state what their entries say, in many ways, and nobody named but them."""

import re
from itertools import chain
from pathlib import Path

import pytest
import yaml

from dispatch.domain.situation import Count
from training.synthesis.hazards import TABLES
from training.synthesis.lexicon import Lexicon, Template
from training.synthesis.reckonings import Reckoning
from training.synthesis.tellings import Telling

PEOPLE = yaml.safe_load(
    (Path(__file__).resolve().parents[3] / "data" / "lexicon" / "people.yaml").read_text(encoding="utf-8")
)
TOLD, RECKONED = PEOPLE["told"], PEOPLE["reckoned"]
CATEGORIES = ("trapped", "injured", "buried", "missing")
_PLEA = re.compile("救命|求救|(?<![急搜])救人|救救|来救|救我|营救|解救|请求救援|求援")
_NUMERALS = re.compile("[0-9零〇二两三四五六七八九十百千万俩仨]")


def expand(template: str) -> list[str]:
    """Every text that the alternatives of a template make."""
    return list(Template(template).phrasings())


def told(category: str, vulnerable: bool) -> set[str]:
    """The phrasings that tell of people of a category, with or without somebody who cannot help themselves."""
    keys = [key for key in TOLD if category in Telling.from_key(key).people]
    keys = [key for key in keys if bool(Telling.from_key(key).vulnerable) == vulnerable]
    return {text for key in keys for found in TOLD[key].values() for entry in found for text in expand(entry)}


@pytest.mark.parametrize("category", ["trapped", "injured", "buried", "missing"])
def test_people_are_told_of_in_many_ways(category: str) -> None:
    assert len(told(category, vulnerable=False)) >= 60
    assert len(told(category, vulnerable=True)) >= 30
    counts = {Telling.from_key(key).people.get(category) for key in TOLD}
    assert {Count(n, n) for n in range(1, 6)} | {Count(2, 9), Count(1, None)} <= counts


def test_no_telling_is_said_of_other_people() -> None:
    # The same words under two keys would be one clause with two labels.
    seen: dict[str, str] = {}
    for key, registers in TOLD.items():
        for text in chain.from_iterable(expand(entry) for found in registers.values() for entry in found):
            assert seen.setdefault(text, key) == key, text


@pytest.mark.parametrize(
    ("vulnerable", "words"),
    [
        (
            "elderly",
            "老人|老太太|老大爷|老爷子|老头|老两口|老奶奶|奶奶|爷爷|姥|外公|外婆|老年|老夫妻|老丈人|养老院|敬老院",
        ),
        ("child", "孩|娃|小学|儿童|幼童|男童|女童|孙子|孙女|小姑娘|幼儿园|补习班|托管班|闺女|七八岁"),
        ("infant", "婴|宝宝|月|吃奶|周岁|新生儿"),
        ("pregnant", "孕|大肚子|快生"),
        ("patient", "病|透析|瘫|手术|卧床"),
        ("disabled", "残疾|轮椅|聋哑|盲人|看不见"),
    ],
)
def test_who_cannot_help_themselves_is_named_and_nobody_else_is(vulnerable: str, words: str) -> None:
    elsewhere = {"child": "宝宝|月|吃奶|婴|周岁"}.get(vulnerable, "$^")  # an infant is no child besides
    for key, registers in TOLD.items():
        for text in chain.from_iterable(expand(entry) for found in registers.values() for entry in found):
            said = vulnerable in Telling.from_key(key).vulnerable
            if said or not re.search(elsewhere, text):
                assert bool(re.search(words, text)) == said, (key, text)


def test_every_key_is_said_in_some_hazard_and_for_somebody_elsewhere() -> None:
    for key in TOLD:
        assert any(Telling.from_key(key).fits(hazard) for hazard in TABLES), key
    for key in RECKONED:
        assert any(Reckoning.from_key(key).fits(hazard) for hazard in TABLES), key
    people = Lexicon.load().people
    for key, registers in (people["told"] | people["reckoned"] | people["nobody"]).items():
        if "spoken" in registers:
            distant = registers["spoken"].distant
            assert len(distant) > len(distant.held_out), key


@pytest.mark.parametrize("category", CATEGORIES)
def test_many_people_are_told_of_in_both_registers_and_every_hazard(category: str) -> None:
    assert set(TOLD[f"{category} 2+"]) == {"formal", "spoken"}


def test_every_phrasing_of_a_reckoning_has_the_slots_of_its_key_once() -> None:
    for key, registers in RECKONED.items():
        wanted = sorted(Reckoning.from_key(key).slots)
        assert set(registers) == {"formal", "spoken"}, key
        for text in chain.from_iterable(expand(entry) for entry in chain(*registers.values())):
            assert sorted(re.findall(r"\{(\w+)\}", text)) == wanted, (key, text)


def test_no_phrasing_of_a_reckoning_has_a_number_that_its_key_does_not_state() -> None:
    for key, registers in RECKONED.items():
        if not re.search("= 1|= 2|- 1", key):
            for text in chain.from_iterable(expand(entry) for entry in chain(*registers.values())):
                assert not _NUMERALS.search(text), (key, text)


def test_every_category_is_reckoned_from_a_difference_a_sum_and_beside_other_numbers() -> None:
    for category in CATEGORIES:
        assert f"all, {category} = part" in RECKONED
        assert f"{category} = count, other" in RECKONED
        assert f"{category} = first + second" in RECKONED
    assert {f"{category} = all - out" for category in ("trapped", "buried", "missing", "households")} <= RECKONED.keys()


def test_vulnerable_people_of_reckonings_are_named_and_nobody_else_is() -> None:
    words = {"elderly": "老人|老太太|老大爷|奶奶|爷爷|姥", "child": "孩|娃|儿童|小学"}
    for key, registers in RECKONED.items():
        for text in chain.from_iterable(expand(entry) for entry in chain(*registers.values())):
            said = {name for name, pattern in words.items() if re.search(pattern, text)}
            assert said == set(Reckoning.from_key(key).vulnerable), (key, text)


def test_numbers_of_nobody_stand_beside_people_in_many_ways() -> None:
    for register in ("formal", "spoken"):
        assert len(PEOPLE["beside"][register]) >= 10
        for text in chain.from_iterable(map(expand, PEOPLE["beside"][register])):
            assert set(re.findall(r"\{(\w+)\}", text)) <= {"n", "small", "plate"}, text
            assert "{" in text, text
            assert not re.search("被困|受困|困着|受伤|埋|失联|失踪", text), text


def test_that_nobody_is_hurt_names_nobody_in_need() -> None:
    for registers in PEOPLE["nobody"].values():
        for register in ("formal", "spoken"):
            assert len(registers[register]) >= 6
            for text in chain.from_iterable(map(expand, registers[register])):
                assert re.search("[无没未零]|安全|平安|全部|[都全均已]", text), text


def test_nobody_pleads_for_rescue_by_telling_of_people() -> None:
    for section in ("told", "reckoned", "nobody"):
        for key, registers in PEOPLE[section].items():
            for text in chain.from_iterable(expand(entry) for entry in chain(*registers.values())):
                assert not _PLEA.search(text), (key, text)
