"""Alignment: the characters of the report that facts and orders come from, by rule, by attention, by doctrine."""

from collections.abc import Sequence

import numpy as np
import pytest

from dispatch.domain import Context, Count, Situation, default_doctrine, make_plans, render_instruction
from dispatch.domain.conventions import with_endings
from dispatch.domain.linear import INSTRUCTION, REPORT, situation_parts
from dispatch.engine import Attention, Token
from dispatch.workflow.alignment import Alignment, Answer, align

REPORT_TEXT = "山区公路积雪３米,断电,50人被困,急需发电机"
SITUATION = Situation(
    location="山区公路",
    hazards=("snow_road",),
    people={"trapped": Count(50, 50)},
    outages=("power",),
    needs=("generator",),
    measures={"snow_depth_m": 3.0},
)


def answer(report: str = REPORT_TEXT, *situations: Situation, context: Context = Context()) -> Answer:
    situations = situations or (SITUATION,)
    plans = make_plans(situations, context)
    orders = tuple(order for plan in plans for order in plan.orders)
    return Answer(report, context, situations, orders, render_instruction(plans))


def looking(given: Answer, looks: dict[str, str]) -> Attention:
    """A network that looks at some words while it writes some parts, and otherwise at the symbol before the report."""
    source = [Token(REPORT, "report"), *(Token(c, "report", at, at + 1) for at, c in enumerate(given.report))]
    target = [
        Token(str(piece), f"situations[{index}].{path}")
        for index, situation in enumerate(given.situations)
        for path, pieces in situation_parts(situation)
        for piece in pieces[:1]
    ]
    target.append(Token(INSTRUCTION, "instruction"))
    target += [Token(c, "instruction", at, at + 1) for at, c in enumerate(given.instruction)]
    cross = np.zeros((2, 1, len(target), len(source)), np.float32)
    for row, token in enumerate(target):
        words = looks.get(token.part if token.part != "instruction" else token.text)
        at = given.report.index(words) + 1 if words else 0
        cross[-1, 0, row, at : at + len(words or "x")] = 1 / len(words or "x")
    cross[0] = 1 / len(source)
    return Attention(tuple(source), tuple(target), {"cross": cross})


def aligned(given: Answer, looks: dict[str, str] | None = None) -> dict[str, Alignment]:
    return {each.path: each for each in align(given, looking(given, looks or {}), default_doctrine())}


def words(given: Answer, alignment: Alignment) -> list[str]:
    return [given.report[start:end] for start, end in alignment.spans]


def test_what_a_rule_finds_is_taken_whatever_the_network_looks_at() -> None:
    given = answer()
    found = aligned(given, {"situations[0].people.trapped": "断电"})["situations[0].people.trapped"]
    assert (words(given, found), found.score, found.evidence) == (["50人"], 1.0, "rule")
    assert found.text == "被困:50"


def test_spans_are_of_the_report_as_it_came() -> None:
    given = answer("\u200b山区公路积雪３米,①50人被困")
    found = aligned(given)
    assert words(given, found["situations[0].location"]) == ["山区公路"]
    assert words(given, found["situations[0].measures.snow_depth_m"]) == ["３米"]


def test_a_label_is_aligned_with_what_the_last_layer_looks_at_when_it_is_written() -> None:
    given = answer()
    found = aligned(given, {"situations[0].outages[0]": "断电"})["situations[0].outages[0]"]
    assert (words(given, found), found.evidence) == (["断电"], "attention")
    assert found.score == pytest.approx(1.0)


@pytest.mark.parametrize("looks", [{}, {"situations[0].outages[0]": ","}])
def test_attention_that_rests_on_nothing_is_no_evidence(looks: dict[str, str]) -> None:
    found = aligned(answer(), looks)["situations[0].outages[0]"]
    assert (found.spans, found.score, found.evidence) == ((), 0.0, "none")


def test_a_place_of_the_context_is_said_to_be_from_there() -> None:
    given = answer("积雪3米", Situation(location="A7公路", hazards=("snow_road",)), context=Context("Ａ7公路"))
    found = aligned(given)["situations[0].location"]
    assert (found.spans, found.score, found.evidence) == ((), 1.0, "context")


def test_an_order_comes_from_the_facts_without_which_doctrine_would_not_give_it() -> None:
    given = answer()
    found = aligned(given, {"situations[0].hazards[0]": "积雪"})
    ploughs = next(each for each in found.values() if each.text == "派3台除雪车")
    assert ploughs.facts == tuple(
        f"situations[0].{path}" for path in ("hazards[0]", "measures.snow_depth_m", "location")
    )
    assert words(given, ploughs) == ["山区公路积雪３米"]
    assert ploughs.evidence == "doctrine"


def test_an_order_with_two_reasons_comes_from_both() -> None:
    given = answer()
    found = aligned(given, {"situations[0].outages[0]": "断电"})
    power = next(each for each in found.values() if "电力公司" in each.text)
    assert {"situations[0].outages[0]", "situations[0].needs[0]"} <= set(power.facts)
    assert {"断电", "发电机"} <= set(words(given, power))


def test_orders_of_two_incidents_come_from_their_own() -> None:
    first = Situation(location="甲村", hazards=("flood",), people={"trapped": Count(5, 5)})
    second = Situation(location="乙村", hazards=("landslide",), people={"buried": Count(3, 3)})
    given = answer("甲村水淹5人被困,乙村塌方3人被埋", first, second)
    found = [each for each in aligned(given).values() if each.target == "order"]
    assert len(found) == len(given.orders)
    for order, alignment in zip(given.orders, found, strict=True):
        own = 0 if order.place == "甲村" else 1
        assert {path.split(".")[0] for path in alignment.facts} <= {f"situations[{own}]"}


def test_an_order_that_doctrine_does_not_give_is_aligned_with_what_its_clause_looks_at() -> None:
    given = answer("水淹了,快来", Situation(location="", hazards=("flood",)))
    foreign = given.orders[0].__class__("应急", "任务", "到场后回报水位")
    changed = Answer(given.report, given.context, given.situations, (foreign,), "派人,到场后回报水位")
    found = align(changed, looking(changed, dict.fromkeys("到场后回报水位", "水淹")), default_doctrine())[-1]
    assert (words(changed, found), found.evidence, found.facts) == (["水淹"], "attention", ())


def test_paths_are_those_of_the_answers_json() -> None:
    paths = list(aligned(answer()))
    assert paths[:3] == ["situations[0].kind", "situations[0].location", "situations[0].hazards[0]"]
    orders: Sequence[str] = [path for path in paths if path.startswith("plan")]
    assert orders == [f"plan[{index}]" for index in range(len(answer().orders))]


def test_facts_of_two_incidents_that_are_said_alike_come_from_their_own() -> None:
    first = Situation(location="甲村", hazards=("flood",), people={"trapped": Count(3, 3)}, needs=("boat",))
    second = Situation(location="乙村", hazards=("flood",), people={"trapped": Count(3, 3)}, needs=("boat",))
    given = answer("甲村水淹,3人被困,要冲锋舟;乙村也淹了,3人被困,也要冲锋舟", first, second)
    found = aligned(given)
    middle = given.report.index("乙村")
    for path in ("people.trapped", "needs[0]"):
        spans = [found[f"situations[{index}].{path}"].spans for index in (0, 1)]
        assert [len(each) for each in spans] == [1, 1]
        assert spans[0][0][1] < middle < spans[1][0][0]


def test_a_fact_that_is_said_beside_another_place_alone_comes_from_there() -> None:
    first = Situation(location="甲村", hazards=("flood",), people={"trapped": Count(3, 3)})
    second = Situation(location="乙村", hazards=("flood",))
    found = aligned(answer("甲村、乙村进水,3人被困", first, second))
    assert found["situations[0].people.trapped"].evidence == "rule"


def test_orders_of_two_incidents_that_are_alike_come_from_their_own() -> None:
    alike = Situation(hazards=("flood",), people={"trapped": Count(5, 5)})
    given = answer("河边进水5人被困,厂里也进水5人被困", alike, alike)
    found = [each for each in aligned(given).values() if each.target == "order"]
    half = len(given.orders) // 2
    for index, alignment in enumerate(found):
        assert {path.split(".")[0] for path in alignment.facts} <= {f"situations[{index // half}]"}


def test_a_taught_ending_of_two_incidents_is_looked_for_where_each_is_written() -> None:
    first = Situation(location="甲村", hazards=("flood",))
    second = Situation(location="乙村", hazards=("flood",))
    plans = with_endings(make_plans((first, second), Context()), [["回报水位"]] * 2, default_doctrine())
    orders = tuple(order for plan in plans for order in plan.orders)
    given = Answer("甲村水很大,乙村水更大", Context(), (first, second), orders, render_instruction(plans))
    attention = looking(given, {})
    rows = [row for row, token in enumerate(attention.target) if token.part == "instruction" and token.text == "位"]
    for row, word in zip(rows, ("很大", "更大"), strict=True):
        at = given.report.index(word) + 1
        attention.weights["cross"][-1, 0, row] = 0
        attention.weights["cross"][-1, 0, row, at : at + 2] = 4  # all that the rows of the clause look at
    endings = [each for each in align(given, attention, default_doctrine()) if each.text == "任务回报水位"]
    assert [words(given, each) for each in endings] == [["很大"], ["更大"]]


def test_a_fact_that_is_found_nowhere_takes_from_the_score_of_its_order() -> None:
    given = answer()
    ploughs = next(each for each in aligned(given).values() if each.text == "派3台除雪车")
    assert ploughs.facts[0] == "situations[0].hazards[0]"  # no rule knows it, and the network looks at nothing
    assert ploughs.score == pytest.approx(2 / 3)
