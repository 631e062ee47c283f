"""The instruction's grammar: a plan as text, and such a text read back into orders.

``派N+量词+资源、…至地点,另N…备勤,X随行,携带…,通知120派N辆救护车,调运…,协调…,申请…,任务,注意…,X待核实,联系…,回拨…``;
a task may have an extent (警戒半径500米); several incidents are numbered: ``一、…;二、…``.
"""

import re
from collections.abc import Sequence
from itertools import groupby

from dispatch.domain.doctrine import CONTINUE, Doctrine, default_doctrine
from dispatch.domain.labels import UNITS
from dispatch.domain.plan import Order, Plan
from dispatch.domain.situation import Context, Situation

_NUMERALS = "一二三四五六七八九十"
MAX_SITUATIONS = len(_NUMERALS)  # an instruction numbers its incidents, and has numerals for no more
_UNIT = f"[{''.join(UNITS)}]"
_COUNTED = re.compile(rf"(\d{{1,9}})({_UNIT})(.+)")  # 3台除雪车
_SUPPLY = re.compile(rf"(.+?)(?<!\d)(\d{{1,9}})({_UNIT})")  # 沙袋2000条
_EXTENT = re.compile(r"(.+?)(?<!\d)(\d{1,9})(米)")  # 警戒半径500米
_NUMBERED = re.compile(rf"(?:^|;)[{_NUMERALS}]、")
_MARK = re.compile("[,;。!]")  # between clauses, as the grammar and as people write it
_TO = "(?:至|赴|前往|到达|到(?![场位达]))"
_CLAUSE_END = re.compile(r"(?<=[,;])")
_MEDICAL = "医疗120"
_AMBULANCE = "120派"
_TRANSPORTING = ("派", "增派", "调运")  # the first clause of these says where to


def make_plans(situations: Sequence[Situation], context: Context, doctrine: Doctrine | None = None) -> tuple[Plan, ...]:
    """Doctrine applied to each situation, less what the context says was issued already."""
    doctrine = doctrine or default_doctrine()
    issued = issued_orders(context, doctrine)
    return tuple(doctrine.plan(situation, issued) for situation in situations)


def make_workings(
    situations: Sequence[Situation], context: Context, doctrine: Doctrine | None = None
) -> tuple[str, ...]:
    """The working (see :meth:`Doctrine.working`) of each situation."""
    doctrine = doctrine or default_doctrine()
    issued = issued_orders(context, doctrine)
    return tuple(doctrine.working(situation, issued) for situation in situations)


def by_urgency(situations: Sequence[Situation], doctrine: Doctrine | None = None) -> tuple[Situation, ...]:
    """The situations, the most urgent first (see :meth:`Doctrine.urgency`), whichever was reported first."""
    doctrine = doctrine or default_doctrine()
    return tuple(sorted(situations, key=doctrine.urgency))


def render_instruction(plans: Sequence[Plan]) -> str:
    """The text of one plan, or the numbered texts of several (at most MAX_SITUATIONS)."""
    assert len(plans) <= MAX_SITUATIONS, f"{len(plans)} plans, at most {MAX_SITUATIONS} can be numbered"
    return join_incidents([_render_plan(plan) for plan in plans])


def join_incidents(parts: Sequence[str]) -> str:
    """The text of one part, or the numbered texts of several: the inverse of :func:`split_incidents`."""
    if len(parts) == 1:
        return parts[0]
    return ";".join(f"{_NUMERALS[index]}、{part}" for index, part in enumerate(parts))


def parse_orders(text: str, doctrine: Doctrine | None = None) -> list[Order]:
    """The orders that an instruction's text says; clauses outside the grammar become tasks."""
    return [order for orders in parse_orders_by_incident(text, doctrine) for order in orders]


def parse_orders_by_incident(text: str, doctrine: Doctrine | None = None) -> list[list[Order]]:
    """As :func:`parse_orders`, the orders of each numbered part apart; a text without numbers is one part."""
    doctrine = doctrine or default_doctrine()
    return [_parse_part(part, doctrine) for part in split_incidents(text)]


def split_incidents(text: str) -> list[str]:
    """The numbered parts of an instruction, without their numerals; a text without numbers is one part."""
    before, *numbered = _NUMBERED.split(text)
    return [before, *numbered] if before or not numbered else numbered


def split_orders(text: str) -> list[str]:
    """The clauses of an instruction, each with the punctuation behind it: joined they are the text."""
    return [clause for clause in _CLAUSE_END.split(text) if clause]


def _parse_part(part: str, doctrine: Doctrine) -> list[Order]:
    clauses = filter(None, (clause.strip() for clause in _MARK.split(part)))
    read = [_parse_clause(clause, doctrine) for clause in clauses]
    place = next((clause_place for _, clause_place in read if clause_place), "")
    orders: list[Order] = []
    for clause_orders, clause_place in read:
        place = clause_place or place  # what a person writes may send to two
        orders += [order.at(place) for order in clause_orders]
    return orders


def issued_orders(context: Context, doctrine: Doctrine) -> list[Order]:
    """The orders that were issued already, as far as the context tells."""
    return [order for text in context.issued for order in parse_orders(text, doctrine)]


def _render_plan(plan: Plan) -> str:
    clauses: list[str] = []
    place_said = False
    for action, group in groupby(plan.spoken(), key=lambda order: order.action):
        orders = list(group)
        clauses += _render_group(action, orders)
        if action in _TRANSPORTING and not place_said:
            clauses[-1] += f"至{orders[0].place}"
            place_said = True
    return ",".join(clauses)


def _render_group(action: str, orders: list[Order]) -> list[str]:
    counted = [_counted(order) for order in orders]
    items = [order.item for order in orders]
    match action:
        case "派" | "增派":
            return [action + "、".join(counted)]
        case "备勤":
            return [f"另{'、'.join(counted)}备勤"]
        case "随行":
            return [f"{'、'.join(counted)}随行"]
        case "通知":
            return [f"通知{_AMBULANCE if _is_ambulance(order) else ''}{_counted(order)}" for order in orders]
        case "申请":
            return [action + text for text in counted]
        case "携带" | "调运":
            return [action + "、".join(map(_measured, orders))]
        case "任务" | "继续":
            return [_measured(order) for order in orders]
        case "核实":
            return [f"{item}待核实" for item in items]
        case _:  # 协调, 注意, 联系, 回拨
            return [action + item for item in items]


def _counted(order: Order) -> str:
    """3台除雪车"""
    return f"{order.count or ''}{order.unit}{order.item}"


def _measured(order: Order) -> str:
    """沙袋2000条"""
    return f"{order.item}{order.count or ''}{order.unit}"


def _is_ambulance(order: Order) -> bool:
    return bool(order.count) and order.agency == _MEDICAL


def _parse_clause(clause: str, doctrine: Doctrine) -> tuple[list[Order], str]:
    """The orders of one clause, and the place that it names ("" for none)."""
    if match := re.fullmatch(rf"(派|增派|调派)(.+?){_TO}(.+)", clause):
        action = "增派" if match[1] == "增派" else "派"
        return [_counted_order(action, text, doctrine) for text in match[2].split("、")], match[3]
    if match := re.fullmatch(r"调运(.+?)(?:至(.+))?", clause):
        return [_measured_order("调运", text, _SUPPLY, doctrine) for text in match[1].split("、")], match[2] or ""
    if match := re.fullmatch(r"另(.+)备勤", clause):
        return [_counted_order("备勤", text, doctrine) for text in match[1].split("、")], ""
    if match := re.fullmatch(rf"通知{_AMBULANCE}(.+)", clause):
        return [_counted_order("通知", match[1], doctrine)], ""
    if match := re.fullmatch(r"(.+)待核实", clause):
        return [_plain_order("核实", match[1], doctrine)], ""
    if match := re.fullmatch(r"(.+)随行", clause):
        return [_counted_order("随行", text, doctrine) for text in match[1].split("、")], ""
    if match := re.fullmatch(r"携带(.+)", clause):
        return [_measured_order("携带", text, _SUPPLY, doctrine) for text in match[1].split("、")], ""
    if match := re.fullmatch(r"(通知|申请)(.+)", clause):
        return [_counted_order(match[1], match[2], doctrine)], ""
    if match := re.fullmatch(r"(协调|注意|联系|回拨)(.+)", clause):
        return [_plain_order(match[1], match[2], doctrine)], ""
    if clause == CONTINUE.item:
        return [CONTINUE], ""
    return [_measured_order("任务", clause, _EXTENT, doctrine)], ""


def _counted_order(action: str, text: str, doctrine: Doctrine) -> Order:
    if match := _COUNTED.fullmatch(text):
        return Order(doctrine.agency(match[3]), action, match[3], int(match[1]), match[2])
    return _plain_order(action, text, doctrine)


def _measured_order(action: str, text: str, pattern: re.Pattern[str], doctrine: Doctrine) -> Order:
    if match := pattern.fullmatch(text):
        return Order(doctrine.agency(match[1]), action, match[1], int(match[2]), match[3])
    return _plain_order(action, text, doctrine)


def _plain_order(action: str, item: str, doctrine: Doctrine) -> Order:
    return Order(doctrine.agency(item), action, item)
