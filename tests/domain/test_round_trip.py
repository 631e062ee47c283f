"""Every plan can be read back from its text."""

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch.domain import (
    Context,
    Order,
    Plan,
    Situation,
    by_urgency,
    labels,
    make_plans,
    parse_orders,
    render_instruction,
)
from dispatch.domain.plan import AGENCIES

# Situations are large. A hundred thousand more plans are read back by `make prove`.
patient = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def assert_reads_back(plans: Sequence[Plan]) -> None:
    """The text of plans says each of their orders: to whom, what, how many of it."""
    spoken = [order for plan in plans for order in plan.spoken()]
    text = render_instruction(plans)
    assert [_without_place(order) for order in parse_orders(text)] == [_without_place(order) for order in spoken], text
    assert {order.agency for order in spoken} <= set(AGENCIES)


def _without_place(order: Order) -> tuple[str, str, str, int | None, str]:
    return order.agency, order.action, order.item, order.count, order.unit


def request(situation: Situation, hazard: str) -> Situation:
    """The situation as a request for help in one more hazard."""
    return dataclasses.replace(situation, kind="request", hazards=(*situation.hazards, hazard))


@pytest.mark.parametrize("hazard", labels.HAZARDS)
@patient
@given(st.from_type(Situation))
def test_a_plan_reads_back_from_its_text(hazard: str, situation: Situation) -> None:
    assert_reads_back(make_plans([request(situation, hazard)], Context()))


@patient
@given(st.lists(st.from_type(Situation), min_size=1, max_size=10))
def test_several_plans_read_back_from_their_text(situations: list[Situation]) -> None:
    assert_reads_back(make_plans(by_urgency(situations), Context()))


@pytest.mark.parametrize("hazard", labels.HAZARDS)
@patient
@given(st.from_type(Situation), st.from_type(Situation))
def test_a_plan_reads_back_after_others_were_issued(hazard: str, situation: Situation, before: Situation) -> None:
    here = dataclasses.replace(before, location=situation.location)
    issued = render_instruction(make_plans([here], Context()))
    assert_reads_back(make_plans([request(situation, hazard)], Context(issued=(issued,))))


@pytest.mark.parametrize("hazard", labels.HAZARDS)
@patient
@given(st.from_type(Situation))
def test_what_was_issued_is_not_issued_again(hazard: str, situation: Situation) -> None:
    enough = {name: value for name, value in situation.facts.items() if name != "reinforce"}
    wanted = tuple(need for need in situation.not_needed if need != "rescue")
    here = dataclasses.replace(request(situation, hazard), facts=enough, not_needed=wanted)
    issued = render_instruction(make_plans([here], Context()))
    (plan,) = make_plans([here], Context(issued=(issued,)))
    assert {order.action for order in plan.spoken()} <= {"继续", "核实", "联系", "回拨"}
