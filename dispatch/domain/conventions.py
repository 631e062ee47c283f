"""Conventions: clauses that reviews have taught to say behind an order, although no rule asks for them.

They are what doctrine leaves open, and no more: nobody is sent or called off by one, and it holds no number and no
place. What contradicts a rule is a change of doctrine, which a supervisor signs.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispatch.domain import fields, labels
from dispatch.domain.doctrine import Doctrine
from dispatch.domain.extraction import find_numbers
from dispatch.domain.instruction import join_incidents, parse_orders, render_instruction, split_incidents
from dispatch.domain.place_checks import names_place
from dispatch.domain.plan import Order, Plan
from dispatch.domain.situation import JsonObject, Situation

LONGEST_CLAUSE = 30  # characters
_SAID_ON_SCENE = ("任务", "注意")
_SENDS_OR_COUNTS = re.compile(
    r"\d|[派调撤]|取消|停止|中止|终止|暂[不停缓]|推迟|无需|不[用必]|放弃|待命|收队|归队|解散|返回驻地|通知|申请"
)


@dataclass(frozen=True)
class Convention:
    """A clause, and the hazards of the situations in which it was taught (none: in all).

    Where it is said ``always``, nearly all orders for such situations were released with it: it goes without the
    network's saying it. Else the network decides whether.
    """

    clause: str
    hazards: tuple[str, ...] = ()
    always: bool = False

    def holds_for(self, situation: Situation) -> bool:
        """Whether the clause was taught for such a situation."""
        return situation.kind == "request" and (not self.hazards or bool(set(self.hazards) & set(situation.hazards)))

    def to_dict(self) -> JsonObject:
        """JSON-ready."""
        return {"clause": self.clause, "hazards": list(self.hazards), "always": self.always}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Convention":
        """Inverse of :meth:`to_dict`. Raises ValueError naming the field that is wrong."""
        fields.read_object("convention", data, ("clause", "hazards", "always"))
        fields.require("convention", data, ("clause", "hazards"))
        hazards, always = data["hazards"], data.get("always", False)
        if not isinstance(hazards, list) or not set(hazards) <= set(labels.HAZARDS):
            raise ValueError(f"convention.hazards: must be a list of known hazards, not {hazards!r:.80}")
        if not isinstance(always, bool):
            raise ValueError(f"convention.always: must be true or false, not {always!r:.80}")
        return cls(fields.read_text("convention.clause", data["clause"]), tuple(hazards), always)


def can_be_taught(clause: str, doctrine: Doctrine) -> bool:
    """Whether a clause is a task or a warning of which doctrine says nothing, without a number or a place."""
    if not clause or len(clause) > LONGEST_CLAUSE or _SENDS_OR_COUNTS.search(clause):
        return False
    if find_numbers(clause) or names_place(clause):
        return False
    orders = parse_orders(clause, doctrine)
    on_scene = len(orders) == 1 and orders[0].action in _SAID_ON_SCENE and orders[0].count is None
    return on_scene and not any(item in clause for item in doctrine.items)


def additions(text: str, plans: Sequence[Plan]) -> tuple[tuple[str, ...], ...] | None:
    """The clauses that a text says behind those of each plan; None for a text that is not theirs with an addition."""
    parts = split_incidents(text)
    if len(parts) != len(plans):
        return None
    added: list[tuple[str, ...]] = []
    for part, plan in zip(parts, plans, strict=True):
        own = render_instruction([plan])
        if part != own and not part.startswith(f"{own},"):
            return None
        added.append(tuple(part[len(own) + 1 :].split(",")) if part != own else ())
    return tuple(added)


def endings(
    text: str, situations: Sequence[Situation], conventions: Sequence[Convention]
) -> tuple[tuple[str, ...], ...]:
    """The clauses of conventions that hold for each situation and that its part of a text ends in."""
    parts = split_incidents(text)
    if not conventions or len(parts) != len(situations):
        return ((),) * len(situations)
    found = []
    for part, situation in zip(parts, situations, strict=True):
        known = {convention.clause for convention in conventions if convention.holds_for(situation)}
        clauses = part.split(",")
        first = len(clauses)
        while first and clauses[first - 1] in known:
            first -= 1
        found.append(tuple(dict.fromkeys(clauses[first:])))
    return tuple(found)


def due_endings(
    text: str, situations: Sequence[Situation], conventions: Sequence[Convention]
) -> tuple[tuple[str, ...], ...]:
    """The clauses that each situation's part of a text is to end in: its :func:`endings`, and what holds always."""
    said = endings(text, situations, conventions)
    always = [
        [each.clause for each in conventions if each.always and each.holds_for(situation)] for situation in situations
    ]
    return tuple(tuple(dict.fromkeys((*own, *due))) for own, due in zip(said, always, strict=True))


def without_endings(text: str, situations: Sequence[Situation], conventions: Sequence[Convention]) -> str:
    """A text less what its parts end in (see :func:`endings`)."""
    ends = endings(text, situations, conventions)
    if not any(ends):
        return text
    parts = zip(split_incidents(text), ends, strict=True)
    return join_incidents([part.removesuffix(",".join(("", *end))) if end else part for part, end in parts])


def with_endings(plans: Sequence[Plan], ends: Sequence[Sequence[str]], doctrine: Doctrine) -> tuple[Plan, ...]:
    """Plans whose texts end in these clauses, each once; a clause that doctrine says already stays where it is."""
    return tuple(plan.ending_in(_orders(plan, clauses, doctrine)) for plan, clauses in zip(plans, ends, strict=True))


def _orders(plan: Plan, clauses: Sequence[str], doctrine: Doctrine) -> list[Order]:
    said = {order.item for order in plan.orders}
    orders = [order for clause in clauses for order in parse_orders(clause, doctrine)]
    return [order for order in orders if order.item not in said]
