"""Conventions are found where many pairs add the same clause, for the hazards that explain it."""

from collections.abc import Sequence

from dispatch.domain import Context, Convention, Count, Situation, default_doctrine, make_plans, render_instruction
from dispatch.domain.conventions import with_endings
from training.conventions import LEAST_PAIRS, find_conventions, follows, is_changed
from training.corpus import Pair

CLAUSE = "到场后回报水位"
FLOOD = Situation(location="杜鹃街道", hazards=("flood",), people={"trapped": Count(16, 16)})
BOTH = Situation(location="青石镇", hazards=("flood", "typhoon"), people={"trapped": Count(9, 9)})
SNOW = Situation(location="B9公路", hazards=("snow_road",), people={"trapped": Count(50, 50)})


def pair(situations: Sequence[Situation], ends: Sequence[Sequence[str]]) -> Pair:
    plans = with_endings(make_plans(situations, Context()), ends, default_doctrine())
    return Pair("报告", render_instruction(plans), situations=tuple(situations))


def test_a_clause_of_many_pairs_is_a_convention_for_the_hazard_they_share() -> None:
    pairs = [pair([FLOOD], [[CLAUSE]])] * LEAST_PAIRS + [pair([BOTH], [[CLAUSE]])] * 3
    pairs += [pair([SNOW, FLOOD], [[], [CLAUSE]])] * 3 + [pair([SNOW], [[]])]
    assert find_conventions(pairs) == (Convention(CLAUSE, ("flood",), always=True),)


def test_hazards_are_as_many_as_it_takes_and_none_where_none_explains_it() -> None:
    two = [pair([FLOOD], [[CLAUSE]]), pair([SNOW], [[CLAUSE]])] * LEAST_PAIRS
    assert find_conventions(two) == (Convention(CLAUSE, ("flood", "snow_road"), always=True),)
    bare = Situation(location="青石镇", people={"trapped": Count(9, 9)})
    assert find_conventions([*two, *[pair([bare], [[CLAUSE]])] * LEAST_PAIRS]) == (Convention(CLAUSE, (), always=True),)


def test_a_clause_that_is_often_left_out_does_not_hold_always() -> None:
    said, unsaid = pair([FLOOD], [[CLAUSE]]), pair([FLOOD], [[]])
    assert find_conventions([*[said] * 95, *[unsaid] * 5])[0].always
    assert not find_conventions([*[said] * 95, *[unsaid] * 6])[0].always


def test_what_was_taught_before_stays_until_enough_releases_speak_against_it() -> None:
    before = (Convention(CLAUSE, ("flood",), always=True), Convention("注意水流", ("typhoon",)))
    without = pair([FLOOD], [[]])
    assert find_conventions([without] * (LEAST_PAIRS - 1), before) == before
    at_times = (Convention(CLAUSE, ("flood",)), before[1])
    assert find_conventions([without] * LEAST_PAIRS, before) == at_times
    again = find_conventions([pair([FLOOD], [[CLAUSE]])] * LEAST_PAIRS, at_times)
    assert again == (before[1], before[0])


def test_a_text_follows_from_its_reading_where_rules_and_what_holds_always_make_it() -> None:
    always, at_times = (Convention(CLAUSE, ("flood",), always=True),), (Convention(CLAUSE, ("flood",)),)
    both = pair([SNOW, FLOOD], [[], [CLAUSE]])
    assert follows(both, always)
    assert not follows(both, at_times)
    assert not follows(pair([FLOOD], [[]]), always)
    assert follows(pair([FLOOD], [[]]), at_times)
    assert not follows(Pair("report", "instruction"), always)


def test_a_few_pairs_and_what_contradicts_doctrine_teach_nothing() -> None:
    assert find_conventions([pair([FLOOD], [[CLAUSE]])] * (LEAST_PAIRS - 1)) == ()
    text = pair([FLOOD], [[]]).instruction
    for other in (f"{text},派1台排水车", text.replace("2艘", "3艘") + f",{CLAUSE}"):
        assert find_conventions([Pair("报告", other, situations=(FLOOD,))] * LEAST_PAIRS) == ()


def test_pairs_of_such_situations_are_changed_and_others_are_not() -> None:
    taught = (Convention(CLAUSE, ("flood",)),)
    changed = [is_changed(pair([one], [[]]), taught) for one in (FLOOD, BOTH, SNOW)]
    assert changed == [True, True, False]
