"""Phrasing: who is elsewhere says so before anything else, and a lexicon that cannot say it is refused."""

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest

from training.synthesis.holdout import Draw
from training.synthesis.lexicon import Entries, Lexicon, Template
from training.synthesis.phrasing import Phrasing
from training.synthesis.placeholders import PlaceholderMaker
from training.synthesis.placing import Site
from training.synthesis.scenario import draw_scenario
from training.synthesis.styles import STYLES, Voice
from training.synthesis.utterances import Scenario

RELATIVE = Voice("relative", STYLES["relative"], spoken=True, length=60)
NOWHERE = Site("", elsewhere=True)


@cache
def lexicon() -> Lexicon:
    return Lexicon.load()


def phrasing(openings: Sequence[str]) -> Phrasing:
    """Phrasing by a lexicon in which relatives have these openings alone."""
    frames = lexicon().frames
    relative = {**frames["styles"]["relative"], "openings": Entries([Template(text) for text in openings], ())}
    changed = {**frames, "styles": {**frames["styles"], "relative": relative}}
    return Phrasing(replace(lexicon(), frames=changed), PlaceholderMaker(frames["names"], ("帐篷",)))


def opening(phrasing: Phrasing, draw: Draw) -> str:
    scenario = draw_scenario("flood", draw, True, 0.5, 0.0)
    return phrasing.draft(RELATIVE, [(scenario, NOWHERE)], draw).opening


def test_a_speaker_elsewhere_who_names_no_place_always_has_an_opening() -> None:
    draw = Draw(random.Random(1))
    assert {opening(phrasing(["", "", "替家里报警"]), draw) for _ in range(50)} == {"替家里报警"}


@pytest.mark.parametrize("openings", [[], [""]])
def test_a_style_without_openings_is_refused(openings: list[str]) -> None:
    with pytest.raises(ValueError, match=r"openings .*relative"):
        opening(phrasing(openings), Draw(random.Random(1)))


def said_aside(asides: Sequence[str], number: int) -> list[str]:
    """The clauses of a report by a lexicon with these numbers aside alone, of which so many are asked for."""
    entries = Entries([Template(text) for text in asides], ())
    changed = replace(lexicon(), frames={**lexicon().frames, "asides": entries})
    phrasing, draw = Phrasing(changed, PlaceholderMaker(changed.frames["names"], ("帐篷",))), Draw(random.Random(2))
    scenario = draw_scenario("flood", draw, True, 0.5, 0.0)
    draft = phrasing.draft(RELATIVE, [(scenario, Site("石桥村"))], draw, number)
    return [unit for unit in draft.blocks[0].units if unit in asides]


def test_a_report_holds_the_numbers_aside_that_are_asked_for() -> None:
    assert set(said_aside(["打了三次电话", "排到九号"], 2)) == {"打了三次电话", "排到九号"}


def test_more_numbers_aside_than_the_lexicon_has_are_refused() -> None:
    with pytest.raises(ValueError, match="asides"):
        said_aside(["打了三次电话"], 2)


def clauses(**fields: tuple[str, ...]) -> set[str]:
    """What a caller says of a flood whose situation holds these needs and nothing else, over many reports."""
    scenario = Scenario(("flood",), True, {"needs": (), **fields})
    voice = Voice("caller", STYLES["caller"], spoken=True, length=0)
    phrasing, draw = Phrasing(lexicon(), PlaceholderMaker(lexicon().frames["names"], ("帐篷",))), Draw(random.Random(3))
    drafts = [phrasing.draft(voice, [(scenario, Site("石桥村"))], draw) for _ in range(400)]
    return {unit for draft in drafts for unit in draft.blocks[0].units}


def phrasings(entries: Entries) -> set[str]:
    return {text for template in entries for text in template.phrasings()}


def test_needs_are_asked_for_together_and_in_the_story() -> None:
    said = clauses(needs=("boat", "medical"))
    need = lexicon().facts["need"]
    assert said & phrasings(need["together"]["boat, medical"]["spoken"])
    assert said & phrasings(need["spoken_clauses"]["boat"])
    assert not said & phrasings(need["together"]["boat, life_jacket"]["spoken"])


def test_a_need_alone_is_never_asked_for_with_another() -> None:
    said = clauses(needs=("boat",))
    for registers in lexicon().facts["need"]["together"].values():
        assert not said & phrasings(registers["spoken"])


def test_things_are_declined_together() -> None:
    said = clauses(not_needed=("food", "water"))
    assert said & phrasings(lexicon().facts["not_needed_together"]["food, water"])
    assert not clauses(not_needed=("food",)) & phrasings(lexicon().facts["not_needed_together"]["food, water"])


def test_kin_may_be_named_by_somebody_elsewhere_but_not_themselves() -> None:
    entries = Entries(
        [Template(text) for text in ("我爸困在里头", "我和我爸困在里头", "我们困着", "[我媳妇|我姐]困着")], ()
    )
    assert [template.text for template in entries.distant] == ["我爸困在里头", "[我媳妇|我姐]困着"]
