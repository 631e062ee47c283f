"""Two incidents: told in every way, by their true urgency, the second place by the first, and some things of both."""

import random
import re
from collections import Counter
from functools import cache
from itertools import islice

import pytest

from dispatch.domain import by_urgency
from dispatch.domain.places import is_vague_place
from training.corpus import Pair
from training.synthesis import Lexicon, PairGenerator, Recipe
from training.synthesis.gazetteer import Gazetteer
from training.synthesis.holdout import Draw, Sides
from training.synthesis.joint import INCIDENTS, Joint, Joints
from training.synthesis.mild import MILD_HAZARDS, draw_mild
from training.synthesis.noise import NoiseConfig

SIZE = 600


@cache
def lexicon() -> Lexicon:
    return Lexicon.load()


@cache
def pairs() -> tuple[Pair, ...]:
    recipe = Recipe(other=0.0, two_incidents=1.0, noise=NoiseConfig(share=0.0, decorated=0.0))
    return tuple(islice(PairGenerator(lexicon(), "11", recipe).pairs(), SIZE))


def told_first(pair: Pair) -> int:
    """Which of the situations is told first."""
    return min((0, 1), key=lambda n: pair.report.index(pair.situations[n].location))


@pytest.mark.parametrize("register", ["formal", "spoken"])
@pytest.mark.parametrize("incidents", INCIDENTS)
def test_incidents_are_joined_in_several_ways_and_both_are_told(register: str, incidents: str) -> None:
    joints, draw = Joints(lexicon()), Draw(random.Random(1))
    drawn = [joints.pick(register, incidents, True, draw) for _ in range(300)]
    assert len({joint.template for joint in drawn}) > 25
    for joint in drawn:
        assert joint.template.index("{first}") < joint.template.index("{second}")
        assert joint.by_turns == ("{b}" in joint.template)
        assert joint.in_halves <= joint.by_turns


def test_only_incidents_with_many_facts_are_told_in_halves() -> None:
    joints, draw = Joints(lexicon()), Draw(random.Random(2))
    halves = {kind for kind in INCIDENTS for _ in range(200) if joints.pick("spoken", kind, False, draw).in_halves}
    assert halves == {"rich"}


@pytest.mark.parametrize(("incidents", "first", "last"), [("rich", "要紧|急", "轻"), ("mild", "不急", "不急")])
def test_words_of_urgency_stand_where_they_are_true(incidents: str, first: str, last: str) -> None:
    two = lexicon().frames["two"]["spoken"]
    key = "urgent" if incidents == "rich" else "mild"
    by_first = (
        {True: f"{key}_first", False: f"{key}_last"} if key == "urgent" else {True: "mild_last", False: "mild_first"}
    )
    joints, draw = Joints(lexicon()), Draw(random.Random(3))
    for urgent_first, name in by_first.items():
        wanted = {text for template in two[name] for text in template.phrasings()}
        other = {text for template in two[by_first[not urgent_first]] for text in template.phrasings()}
        drawn = {joints.pick("spoken", incidents, urgent_first, draw).template for _ in range(400)}
        assert drawn & wanted
        assert not drawn & (other - wanted)


def test_what_is_said_of_both_stands_behind_them() -> None:
    assert Joint("{first}另{second}").with_both("两处都停电").template == "{first}另{second}{joiner}两处都停电"


def test_an_outage_of_both_is_in_both_situations() -> None:
    both = [pair for pair in pairs() if re.search("(两处|两边|两个地方|两地)[都均](停电|断电)", pair.report)]
    assert both
    assert all("power" in situation.outages for pair in both for situation in pair.situations)


def test_the_second_place_is_at_times_the_way_from_the_first() -> None:
    words = ("对岸", "再往里", "再往前", "往上游", "往下游", "另一头")
    related = [
        p for p in pairs() if any(s.location.startswith(words) or s.location.endswith(words) for s in p.situations)
    ]
    assert len(related) > SIZE / 100
    for pair in related:
        assert not any(is_vague_place(situation.location) for situation in pair.situations)


def test_a_way_from_another_place_holds_only_names_of_its_side() -> None:
    gazetteer = Gazetteer(lexicon())
    draw = Draw(random.Random(5), Sides(names="test"))
    places = {gazetteer.from_another(draw) for _ in range(500)}
    assert len(places) > 150
    assert not draw.used  # it holds no name at all


def test_one_incident_is_often_told_in_far_fewer_words() -> None:
    lengths = [sorted(len(p.report) - p.report.index(s.location) for s in p.situations) for p in pairs()]
    assert sum(short < 25 and long > 60 for short, long in lengths) > SIZE / 20


@pytest.mark.parametrize("spoken", [True, False])
def test_mild_incidents_ask_for_little_and_state_nothing_else(spoken: bool) -> None:
    draw = Draw(random.Random(6))
    needs: Counter[str] = Counter()
    for hazard in MILD_HAZARDS:
        for _ in range(50):
            scenario = draw_mild(hazard, draw, spoken, 0.0)
            assert set(scenario.fields) == {"hazards", "needs"}
            assert scenario.mild
            needs.update(scenario.fields["needs"] or ("",))
    assert set(needs) == {"", *("snow_clearing", "drainage", "sandbag", "debris_clearing", "firefighting")} | {
        "heavy_equipment"
    }


def test_the_order_of_the_label_is_doctrine_s_whatever_is_told_first() -> None:
    assert all(by_urgency(pair.situations) == pair.situations for pair in pairs())
    assert 0.2 < sum(map(told_first, pairs())) / SIZE < 0.8
