"""Revising: a text that a person writes in a draft's place, as it is released, and what in it is no order."""

import re
from collections.abc import Sequence

from dispatch.domain import Check, Doctrine, Plan, parse_orders
from dispatch.model import normalize
from dispatch.workflow.intake import MAX_REPORT

MAX_TEXT = MAX_REPORT  # characters: what passes through without a model can be as long as its report

_OF_KNOWN_ITEMS = ("派", "增派", "备勤", "随行", "携带", "调运", "任务")  # the others name places, people and utilities
_NUMBERED = re.compile("[一二三四五六七八九十]、")


def read_revision(text: str) -> str:
    """What is released where somebody has typed the text. Raises ValueError for none, and for one that is too long."""
    revised = normalize(on_one_line(text)).text.strip()
    if not revised:
        raise ValueError("text: must not be empty; to release nothing, reject it")
    if len(revised) > MAX_TEXT:
        raise ValueError(f"text: must have at most {MAX_TEXT} characters, not {len(revised)}")
    return revised


def on_one_line(text: str) -> str:
    """The text with a mark between orders where a line ends; as long as it was, so that spans hold."""
    line = list(text)
    for at, character in enumerate(text):
        if character in "\r\n":
            before, behind = "".join(line[:at]).rstrip(), text[at:].lstrip()
            mark = ";" if _NUMBERED.match(behind) else ","
            line[at] = mark if before and before[-1] not in ",;,;。" and behind else " "
    return "".join(line)


def find_unread(text: str, plans: Sequence[Plan], doctrine: Doctrine) -> Sequence[Check]:
    """Clauses outside the grammar, and what doctrine has no name for: no agency's system can count these."""
    known = doctrine.items | {order.item for plan in plans for order in plan.orders}
    checks = []
    for order in parse_orders(text, doctrine):
        if order.action in _OF_KNOWN_ITEMS and order.item not in known:
            start = max(0, text.find(order.item))
            message = f"{order.item} is nothing that doctrine knows: it goes out in these words, to {order.agency}"
            checks.append(Check("UNREAD_ORDER", "warning", message, "instruction", start, start + len(order.item)))
    return checks
