"""The domain: situations, doctrine, plans, instructions and checks. Imports no other room."""

from dispatch.domain.checks import Check, run_checks
from dispatch.domain.conventions import Convention
from dispatch.domain.doctrine import Doctrine, default_doctrine
from dispatch.domain.instruction import (
    MAX_SITUATIONS,
    by_urgency,
    make_plans,
    make_workings,
    parse_orders,
    render_instruction,
    split_orders,
)
from dispatch.domain.plan import PRIORITIES, Order, Plan
from dispatch.domain.situation import Context, Count, Requested, Situation

__all__ = [
    "MAX_SITUATIONS",
    "PRIORITIES",
    "Check",
    "Context",
    "Convention",
    "Count",
    "Doctrine",
    "Order",
    "Plan",
    "Requested",
    "Situation",
    "by_urgency",
    "default_doctrine",
    "make_plans",
    "make_workings",
    "parse_orders",
    "render_instruction",
    "run_checks",
    "split_orders",
]
