"""Tellings: a key of the lexicon states exactly what its entries say, and is drawn only where it fits."""

import random

import pytest

from dispatch.domain.situation import Count
from training.synthesis.hazards import TABLES
from training.synthesis.holdout import Draw
from training.synthesis.lexicon import Entries, Template
from training.synthesis.tellings import Telling, Tellings


def entries(*texts: str) -> Entries:
    return Entries([Template(text) for text in texts], ())


def test_a_key_states_people_groups_and_facts() -> None:
    telling = Telling.from_key("trapped 2-9, injured 1+, elderly, child, unconscious, moderate 1")
    assert telling.people == {"trapped": Count(2, 9), "injured": Count(1, None)}
    assert telling.vulnerable == ("elderly", "child")
    assert telling.facts == {"unconscious": True, "moderate": 1}


@pytest.mark.parametrize(
    "key", ["", "elderly", "trapped", "trapped two", "elderly 1", "trapped 1, old", "unconscious 1"]
)
def test_a_key_that_is_no_list_of_labels_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"told|key|not a count"):
        Telling.from_key(key)


def test_only_what_the_hazard_knows_is_told_of() -> None:
    told = {"trapped 1, pinned 1": {"spoken": entries("司机卡住了")}, "buried 1": {"spoken": entries("压着一个")}}
    tellings, draw = Tellings(told, "spoken"), Draw(random.Random(1))
    for hazard, table in TABLES.items():
        assert (tellings.pick("trapped", hazard, set(), draw) is None) == ("pinned" not in table.numbers)
        assert (tellings.pick("buried", hazard, set(), draw) is None) == ("buried" not in table.people)


def test_a_key_may_be_for_some_hazards_alone() -> None:
    told = {"trapped 1, in_water (flood typhoon)": {"spoken": entries("有个人抱着树泡在水里")}}
    tellings, draw = Tellings(told, "spoken"), Draw(random.Random(1))
    found = {hazard for hazard in TABLES if tellings.pick("trapped", hazard, set(), draw)}
    assert found == {"flood", "typhoon"}
    assert tellings.pick("trapped", "flood", {"in_water"}, draw) is None
    for key in ("trapped 1 (fire)", "trapped 1 (flood", "trapped 1 ()"):
        with pytest.raises(ValueError, match=r"hazards|key"):
            Telling.from_key(key)


def test_nobody_is_counted_twice() -> None:
    tellings = Tellings({"trapped 2, injured 1": {"spoken": entries("困着俩,伤了一个")}}, "spoken")
    draw = Draw(random.Random(1))
    assert tellings.pick("trapped", "flood", {"missing"}, draw) is not None
    assert tellings.pick("trapped", "flood", {"injured"}, draw) is None


def test_a_register_without_entries_tells_of_nobody() -> None:
    tellings = Tellings({"trapped 2": {"spoken": entries("俩都困着")}}, "formal")
    assert tellings.pick("trapped", "flood", set(), Draw(random.Random(1))) is None


def test_keys_with_more_entries_come_more_often() -> None:
    told = {"trapped 1": {"spoken": entries(*"甲乙丙丁戊己庚辛壬")}, "trapped 2": {"spoken": entries("子")}}
    tellings, draw = Tellings(told, "spoken"), Draw(random.Random(1))
    picked = [tellings.pick("trapped", "flood", set(), draw) for _ in range(1000)]
    assert sum(telling is not None and telling.key == "trapped 1" for telling in picked) == pytest.approx(900, abs=50)
