"""Pairs: gold is what doctrine answers, every span is there, and each recipe makes what it says.

``python tests/training/synthesis/test_pairs.py 100000`` proves of that many pairs that their plans read back.
"""

import json
import sys
from collections import Counter
from functools import cache
from itertools import islice

from dispatch.domain import by_urgency, default_doctrine, make_plans, parse_orders, render_instruction, run_checks
from dispatch.domain.checks import Candidate
from dispatch.domain.labels import HAZARDS, KINDS
from dispatch.domain.places import is_vague_place
from training.corpus import Pair
from training.synthesis import RECIPES, Lexicon, PairGenerator, Recipe, Sample, split_pairs

SIZE = 2500
FEW = 150
POST_LENGTHS = (63, 135, 255)  # 10th, 50th and 90th percentile of real posts


@cache
def lexicon() -> Lexicon:
    return Lexicon.load()


@cache
def samples() -> tuple[Sample, ...]:
    return tuple(islice(PairGenerator(lexicon(), "7", Recipe()).samples(), SIZE))


@cache
def of_split(split: str, size: int = FEW) -> tuple[Pair, ...]:
    return tuple(islice(split_pairs(lexicon(), split, 7), size))


def every_pair() -> list[Pair]:
    return [sample.pair for sample in samples()] + [pair for split in RECIPES for pair in of_split(split)]


def percentile(lengths: list[int], percent: int) -> int:
    return sorted(lengths)[len(lengths) * percent // 100]


def prove_read_back(pair: Pair) -> None:
    """Asserts that the instruction is what doctrine answers, and that it reads back as the plans that it says."""
    plans = make_plans(pair.situations, pair.context)
    assert pair.instruction == render_instruction(plans)
    read = [(o.agency, o.action, o.item, o.count, o.unit) for o in parse_orders(pair.instruction)]
    spoken = [(o.agency, o.action, o.item, o.count, o.unit) for plan in plans for o in plan.spoken()]
    assert read == spoken, pair


def test_every_pair_is_what_doctrine_answers_and_reads_back() -> None:
    for pair in every_pair():
        prove_read_back(pair)


def test_no_pair_carries_an_error() -> None:
    doctrine = default_doctrine()
    for pair in every_pair():
        plans = make_plans(pair.situations, pair.context)
        candidate = Candidate(pair.report, pair.context, pair.situations, plans, pair.instruction, False)
        assert not [check for check in run_checks(candidate, doctrine) if check.severity == "error"], pair


def test_a_location_is_a_span_of_the_report_or_is_the_context() -> None:
    for pair in every_pair():
        for situation in pair.situations:
            assert situation.location in pair.report or situation.location == pair.context.location


def test_the_seed_road_occurs_nowhere() -> None:
    for pair in every_pair():
        assert "A7" not in json.dumps(pair.to_dict(), ensure_ascii=False)


def test_pairs_are_the_same_after_writing_and_reading() -> None:
    for pair in every_pair():
        assert Pair.from_dict(json.loads(json.dumps(pair.to_dict()))) == pair


def test_the_hazards_are_balanced_and_every_kind_comes_up() -> None:
    first = Counter(sample.pair.situations[0].hazards[:1] for sample in samples())
    requests = SIZE - first[()]
    assert set(first) - {()} == {(hazard,) for hazard in HAZARDS}
    assert all(0.5 < first[(hazard,)] * len(HAZARDS) / requests < 1.6 for hazard in HAZARDS)
    assert {sample.pair.situations[0].kind for sample in samples()} == set(KINDS)


def test_lengths_of_posts_are_like_those_of_real_ones_and_calls_are_shorter() -> None:
    lengths: dict[str, list[int]] = {}
    for sample in samples():
        lengths.setdefault(sample.style, []).append(len(sample.pair.report))
    for percent, real in zip((10, 50, 90), POST_LENGTHS, strict=True):
        assert 0.8 * real < percentile(lengths["post"], percent) < 1.2 * real, percent
    for style in ("duty", "radio", "caller", "relative"):
        assert percentile(lengths[style], 50) < 100


def test_most_reports_are_clean() -> None:
    recipe = Recipe().noise
    assert recipe.share < 0.5


def test_a_report_pleads_for_rescue_only_where_the_need_stands() -> None:
    for sample in samples():
        pair = sample.pair
        asked = any("rescue" in situation.needs for situation in pair.situations)
        if pair.situations[0].kind == "request" and not asked:
            assert "救命" not in pair.report


def test_two_incidents_have_their_own_places_and_come_most_urgent_first() -> None:
    said_first = 0
    for pair in of_split("two_incidents"):
        first, second = pair.situations
        assert first.location != second.location
        assert by_urgency(pair.situations) == pair.situations
        assert first.location in pair.report
        assert second.location in pair.report
        said_first += pair.report.index(first.location) < pair.report.index(second.location)
    assert 0.2 < said_first / FEW < 0.8  # whichever was said first
    assert any(len(pair.report) < 30 for pair in of_split("two_incidents", 10 * FEW))


def test_a_relative_is_elsewhere_and_the_phone_tells_nothing_of_the_incident() -> None:
    relatives = [sample.pair for sample in samples() if sample.style == "relative"]
    assert relatives
    for pair in relatives:
        (situation,) = pair.situations
        assert "caller_elsewhere" in situation.facts
        assert situation.location in pair.report


def test_each_recipe_makes_what_it_says() -> None:
    assert all(pair.situations[0].kind != "request" for pair in of_split("not_requests"))
    assert all(pair.context.issued for pair in of_split("issued") if pair.situations[0].location)
    assert all(pair.situations[0].not_needed for pair in of_split("declined"))
    for pair in of_split("no_place"):
        location = pair.situations[0].location
        assert is_vague_place(location) or (location == pair.context.location and location not in pair.report)
    for pair in of_split("caller_elsewhere"):
        (situation,) = pair.situations
        assert situation.location in pair.report
        assert pair.context.location != situation.location
        assert pair.context.location or "caller_elsewhere" in situation.facts
    assert all(any(situation.people for situation in pair.situations) for pair in of_split("other_numbers"))


def test_issued_instructions_are_for_this_incident_and_for_others() -> None:
    pairs = [pair for pair in of_split("issued", 6 * FEW) if pair.context.issued]
    same = [pair.situations[0].location in pair.context.issued[0] for pair in pairs]
    assert 0.6 < sum(same) / len(same) < 0.98
    assert any("增派" in pair.instruction for pair in pairs)


def test_reordered_pairs_hold_the_situations_of_the_seen_ones() -> None:
    seen = {repr(pair.situations): pair.report for pair in islice(split_pairs(lexicon(), "seen", 7), 3 * FEW)}
    found = [pair for pair in of_split("reordered") if repr(pair.situations) in seen]
    assert len(found) == FEW
    assert all(pair.report != seen[repr(pair.situations)] for pair in found)


def test_another_seed_gives_other_pairs() -> None:
    other = [pair.report for pair in islice(split_pairs(lexicon(), "train", 8), 50)]
    assert len(set(other) - {pair.report for pair in of_split("train")}) > 40


def main(pairs: int) -> None:
    plans = 0
    for pair in islice(split_pairs(Lexicon.load(), "train", 2), pairs):
        prove_read_back(pair)
        plans += len(pair.situations)
    print(f"{plans:,} plans of {pairs:,} pairs: each reads back from its text")


if __name__ == "__main__":
    main(int(sys.argv[1]))
