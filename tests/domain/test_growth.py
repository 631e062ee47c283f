"""Time grows with a report's length as the report does: no rule takes seconds for a hostile one.

Nothing is held against a clock: the processor time for a text is compared with that for one a quarter as long, and what
is over before anybody would notice is left alone. What else the machine does takes none of a thread's time, but may
slow it down: what takes the square takes it every time.
"""

import time
from collections.abc import Callable
from functools import partial

import pytest

from dispatch.domain import Context, Count, Situation, default_doctrine, make_plans
from dispatch.domain.amounts import find_amounts
from dispatch.domain.checks import Candidate, run_checks
from dispatch.domain.headcounts import find_headcounts
from dispatch.domain.instruction import parse_orders

UNITS = [
    "甲",
    "9",
    "万",
    "三百",
    "a,",
    ";一、",
    "娃3人,",
    "俩,",
    "夫妻3人",
    "12个,出来5个",
    "其余3人",
    "3公里雪",
    "派到",
    "ж",
]
LEAST_S = 0.2
TRIES = 5


def processor_s(work: Callable[[str], object], text: str) -> float:
    began = time.thread_time()
    work(text)
    return time.thread_time() - began


def count_heads(text: str) -> object:
    return find_headcounts(text, find_amounts(text))


def check(length: int, text: str) -> object:
    """All checks, of a place of that length."""
    place = text[10 : 10 + length]
    people = {"trapped": Count(50, 60), "injured": Count(3, 3)}
    situations = (Situation(location=place, hazards=("snow_road",), people=people, needs=("rescue", "generator")),)
    plans = make_plans(situations, Context())
    return run_checks(Candidate(text, Context(place[:200]), situations, plans, text[:1500], True), default_doctrine())


@pytest.mark.parametrize(
    "work",
    [count_heads, partial(check, 2), partial(check, 600), parse_orders],
    ids=["headcounts", "checks", "checks of a long place", "orders"],
)
def test_no_rule_takes_the_square_of_a_reports_length(work: Callable[[str], object]) -> None:
    for unit in UNITS:
        short, long = (unit * (length // len(unit)) for length in (2000, 8000))
        tries = ((processor_s(work, short), processor_s(work, long)) for _ in range(TRIES))
        assert any(taken < max(LEAST_S, 10 * quarter) for quarter, taken in tries), unit
