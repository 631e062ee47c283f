"""Doctrine (预案): reads the rules and applies them to a situation, which makes a plan."""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from math import ceil
from typing import Any

import yaml

from dispatch.domain import labels
from dispatch.domain.formulas import CONDITIONS, FORMULAS, THRESHOLDS, Reading, priority
from dispatch.domain.plan import AGENCIES, SPOKEN_ACTIONS, UNKNOWN_PLACE, Order, Plan
from dispatch.domain.situation import Situation

_VERBS = {
    "send": "派",
    "escort": "随行",
    "carry": "携带",
    "notify": "通知",
    "supply": "调运",
    "coordinate": "协调",
    "apply": "申请",
    "task": "任务",
    "attention": "注意",
    "verify": "核实",
    "callback": "回拨",
}
_RESOURCE_VERBS = ("send", "escort", "carry", "notify", "supply")  # their items are resources, the others' free text
_SECTIONS = ("thresholds", "resources", "hazards", "needs", "all", "fallback")
# What a rule's conditions may name, and where a situation holds it.
_GROUPS = {
    "hazard": ("hazards", labels.HAZARDS),
    "people": ("people", labels.PEOPLE),
    "vulnerable": ("vulnerable", labels.VULNERABLE),
    "outage": ("outages", labels.OUTAGES),
    "need": ("needs", labels.NEEDS),
    "measure": ("measures", labels.MEASURES),
    "fact": ("facts", labels.FACTS),
}
_QUESTIONS = ("核实", "回拨")  # asked again however often they were asked before
_VEHICLE_UNITS = "辆台艘"
_UNITS_SENT = "辆台艘只支架"  # what comes by itself; anything else is carried to the place
_UNITS_OF_GOODS = "件床套条顶份副个"  # pieces: 100床 and 100套 are as many

STAND_DOWN = Order("应急", "任务", "暂不派警")
CONTINUE = Order("应急", "继续", "已派力量继续处置")


@dataclass(frozen=True)
class Resource:
    """What can be sent: its measure word, the agency that sends it, the need it answers and other words for it."""

    unit: str
    agency: str
    need: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """One order and when it applies (see the head of doctrine.yaml)."""

    action: str
    item: str
    count: int | str | None = None
    when: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    def applies(self, reading: Reading) -> bool:
        return (
            all(_holds(condition, reading) for condition in self.when)
            and (not self.any or any(_holds(condition, reading) for condition in self.any))
            and not any(_holds(condition, reading) for condition in self.unless)
        )


class Doctrine:
    """The rules of one YAML text. ``digest`` identifies them on every stored row.

    Raises ValueError that names what is missing (a section, a threshold) or unknown (a hazard, a need, an agency, or a
    rule's verb, condition, formula or resource).
    """

    def __init__(self, text: str) -> None:
        data = yaml.safe_load(text)
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        _check_sections(data)
        self.thresholds: Mapping[str, Any] = data["thresholds"]
        self.resources = {name: _read_resource(name, fields) for name, fields in data["resources"].items()}
        self.hazards = {hazard: self._read_rules(hazard, rules) for hazard, rules in data["hazards"].items()}
        self.needs = {need: self._read_rules(need, rules) for need, rules in data["needs"].items()}
        self.always = self._read_rules("all", data["all"])
        self.fallback = self._read_rules("fallback", [data["fallback"]])[0]
        self._canonical = {alias: name for name, resource in self.resources.items() for alias in resource.aliases}

    def resource_name(self, word: str) -> str:
        """The doctrine's own name for a resource that a report calls ``word``."""
        return str(self._canonical.get(word, word))

    def agency(self, item: str) -> str:
        resource = self.resources.get(self.resource_name(item))
        return resource.agency if resource else "应急"

    def need_of(self, item: str) -> str:
        """The need that an item answers; "" for none."""
        resource = self.resources.get(self.resource_name(item))
        return resource.need if resource else ""

    def plan(self, situation: Situation, issued: Sequence[Order] = ()) -> Plan:
        """Applies the rules to one situation; ``issued`` are the orders read from the context's instructions."""
        reading = Reading(situation, self.thresholds)
        if situation.kind != "request":
            stand_down = (STAND_DOWN, Order("应急", "回拨", "核实后登记"))
            return Plan(stand_down, "一般")
        place = situation.location or UNKNOWN_PLACE
        orders, covered = self._less_issued(self._wanted(reading), issued, reading)
        orders = _lead(self._fallback_if_idle(orders, covered, reading), bool(reading.fact("reinforce")))
        orders = _first_wave(orders, self._first_wave_most)
        spoken = sorted((replace(order, place=place) for order in orders), key=_action_rank)
        return Plan((*spoken, *covered, *self._totals(reading, place)), priority(reading))

    def working(self, situation: Situation, issued: Sequence[Order] = ()) -> str:
        """The intermediate results between a situation and its plan: ``人390,冲锋舟49-13=36,医疗队-``.

        First the numbers of people that the formulas count with, then the items whose number in the text is not
        doctrine's own: those issued already (wanted, sent and left, where they have numbers), and those of which only
        a first wave goes. The decoder writes it before the instruction, because a small network reads well and
        calculates badly in one step (Nye et al. 2021, "Show Your Work: Scratchpads for Intermediate Computation with
        Language Models"); nobody acts on it. "" for what is no request.
        """
        if situation.kind != "request":
            return ""
        reading = Reading(situation, self.thresholds)
        wanted = self._wanted(reading)
        left, covered = self._less_issued(wanted, issued, reading)
        sent = {order.item: order.count for order in covered}
        still = {order.item: order.count for order in left}
        steps = [f"{name}{number}" for name, number in reading.amounts().items() if number]
        for order in wanted:
            if order.item in sent:
                numbers = f"{order.count}-{sent[order.item]}={still.get(order.item, 0)}"
                steps.append(order.item + (numbers if order.count and sent[order.item] else "-"))
            elif _exceeds_first_wave(order, self._first_wave_most):
                steps.append(f"{order.item}{order.count}")
        return ",".join(steps)

    @property
    def _first_wave_most(self) -> int:
        return int(self.thresholds["first_wave"])

    def _less_issued(
        self, wanted: Sequence[Order], issued: Sequence[Order], reading: Reading
    ) -> tuple[list[Order], list[Order]]:
        """What is still to be ordered, and what orders issued for this place cover already."""
        place = reading.situation.location or UNKNOWN_PLACE
        here = [replace(o, item=self.resource_name(o.item)) for o in issued if _same_place(o.place, place)]
        return _subtract(wanted, here, at_least=1 if reading.fact("reinforce") else 0)

    def _read_rules(self, section: str, rules: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
        return tuple(_read_rule(section, fields, self.resources) for fields in rules)

    def _wanted(self, reading: Reading) -> list[Order]:
        """Whatever was issued: the rules' orders, less the declined, and what was asked."""
        situation = reading.situation
        orders = [order for order in self._ruled(reading) if self.need_of(order.item) not in situation.not_needed]
        return self._with_requested(orders, situation)

    def _ruled(self, reading: Reading) -> list[Order]:
        """The orders of every rule that applies; an item named by several rules stands once, at its largest count."""
        situation = reading.situation
        rules = [rule for hazard in situation.hazards for rule in self.hazards.get(hazard, ())]
        rules += [rule for need in situation.needs for rule in self.needs.get(need, ())]
        rules += self.always
        orders: dict[str, Order] = {}
        for rule in rules:
            if rule.applies(reading):
                order = self._order(rule, reading)
                before = orders.get(order.item)
                if before is None or (order.count or 0) > (before.count or 0):
                    orders[order.item] = order
        return list(orders.values())

    def _order(self, rule: Rule, reading: Reading) -> Order:
        count = FORMULAS[rule.count](reading) if isinstance(rule.count, str) else rule.count
        unit = self.resources[rule.item].unit if rule.item in self.resources and count else ""
        return Order(self.agency(rule.item), rule.action, rule.item, count or None, unit)

    def _with_requested(self, orders: list[Order], situation: Situation) -> list[Order]:
        """A quantity asked for on scene is the order; doctrine is the floor, where both count in units alike.

        100 crates of water are no 100 litres: asked for in a unit of another kind, they are ordered in that unit.
        """
        asked = {self.resource_name(requested.item): requested for requested in situation.requested}
        orders = list(orders)
        for item, requested in asked.items():
            own_unit = self.resources[item].unit if item in self.resources else requested.unit
            alike = _are_alike(own_unit, requested.unit)
            count, unit = ceil(requested.count), own_unit if alike else requested.unit
            index = next((index for index, order in enumerate(orders) if order.item == item), None)
            if index is None:
                action = "派" if unit in _UNITS_SENT else "调运"
                orders.append(Order(self.agency(item), action, item, count, unit))
            else:
                floor = (orders[index].count or 0) if alike else 0
                orders[index] = replace(orders[index], count=max(floor, count), unit=unit)
        return orders

    def _fallback_if_idle(self, orders: list[Order], covered: Sequence[Order], reading: Reading) -> list[Order]:
        """Somebody must be sent or be under way already."""
        if any(order.action in ("派", "随行", "调运") for order in orders):
            return orders
        return [CONTINUE if covered else self._order(self.fallback, reading), *orders]

    def _totals(self, reading: Reading, place: str) -> list[Order]:
        """Vehicles by people trapped, and their crew: data in the plan, not in the text."""
        vehicles = FORMULAS["vehicles"](reading)
        crew = vehicles * int(self.thresholds["crew_per_vehicle"])
        return [
            Order("消防", "出动", "救援车辆", vehicles, "辆", place),
            Order("消防", "出动", "救援人员", crew, "人", place),
        ]


@cache
def default_doctrine() -> Doctrine:
    """The doctrine that ships with the package."""
    return Doctrine(resources.files(__package__).joinpath("doctrine.yaml").read_text("utf-8"))


def _holds(condition: str, reading: Reading) -> bool:
    if ":" not in condition:
        return CONDITIONS[condition](reading)
    group, label = condition.split(":")
    values: Iterable[str] = getattr(reading.situation, _GROUPS[group][0])
    return label in values


def _check_sections(data: Any) -> None:
    for section in _SECTIONS:
        if not isinstance(data, Mapping) or data.get(section) is None:
            raise ValueError(f"doctrine: section {section!r} is missing")
    if missing := THRESHOLDS - set(data["thresholds"]):
        raise ValueError(f"doctrine, thresholds: {', '.join(sorted(missing))} missing")
    for section, known in (("hazards", labels.HAZARDS), ("needs", labels.NEEDS)):
        if unknown := set(data[section]) - set(known):
            raise ValueError(f"doctrine, {section}: unknown label {sorted(map(str, unknown))[0]!r}")


def _read_resource(name: str, fields: Mapping[str, Any]) -> Resource:
    if missing := {"unit", "agency"} - set(fields):
        raise ValueError(f"doctrine, resource {name}: {', '.join(sorted(missing))} missing")
    resource = Resource(fields["unit"], fields["agency"], fields.get("need", ""), tuple(fields.get("aliases", ())))
    if resource.agency not in AGENCIES:
        raise ValueError(f"doctrine, resource {name}: unknown agency {resource.agency!r}")
    if resource.need and resource.need not in labels.NEEDS:
        raise ValueError(f"doctrine, resource {name}: unknown need {resource.need!r}")
    return resource


def _read_rule(section: str, fields: Mapping[str, Any], resources: Container[str]) -> Rule:
    verbs = [verb for verb in _VERBS if verb in fields]
    if len(verbs) != 1:
        raise ValueError(f"doctrine, {section}: a rule needs exactly one of {', '.join(_VERBS)}: {dict(fields)}")
    rule = Rule(
        _VERBS[verbs[0]],
        fields[verbs[0]],
        fields.get("count"),
        *(tuple(fields.get(name, ())) for name in ("when", "any", "unless")),
    )
    if unknown := set(fields) - {verbs[0], "count", "when", "any", "unless"}:
        raise ValueError(f"doctrine, {section}, {rule.item}: unknown field {sorted(unknown)[0]!r}")
    if verbs[0] in _RESOURCE_VERBS and rule.item not in resources:
        raise ValueError(f"doctrine, {section}: unknown resource {rule.item!r}, list it under resources")
    if isinstance(rule.count, str) and rule.count not in FORMULAS:
        raise ValueError(f"doctrine, {section}, {rule.item}: unknown formula {rule.count!r}")
    for condition in (*rule.when, *rule.any, *rule.unless):
        group, _, label = condition.partition(":")
        known = label in _GROUPS[group][1] if group in _GROUPS else condition in CONDITIONS
        if not known:
            raise ValueError(f"doctrine, {section}, {rule.item}: unknown condition {condition!r}")
    return rule


def _same_place(issued: str, wanted: str) -> bool:
    """Whether an issued order went to this incident's place (one name may be the longer form of the other).

    A road or kilometre post is no longer form of another whose digits it begins: S6 is not S65.
    """
    short, long = sorted((issued, wanted), key=len)
    start = long.find(short) if short else -1
    if start < 0:
        return False
    before, after = long[:start][-1:], long[start + len(short) :][:1]
    return not (_in_one_word(before, short[0]) or _in_one_word(short[-1], after))


def _in_one_word(left: str, right: str) -> bool:
    return all(character.isascii() and character.isalnum() for character in (left, right))


def _are_alike(unit: str, other: str) -> bool:
    """Whether two measure words count the same: machines by the piece, or goods by the piece."""
    return unit == other or any(unit in group and other in group for group in (_UNITS_SENT, _UNITS_OF_GOODS))


def _subtract(orders: Sequence[Order], issued: Sequence[Order], at_least: int) -> tuple[list[Order], list[Order]]:
    """What is still to be ordered (``at_least`` of units that have a number), and what issued orders cover already."""
    left, covered = [], []
    for order in orders:
        same = [other for other in issued if other.item == order.item]
        if not same or order.action in _QUESTIONS:
            left.append(order)
            continue
        sent = sum(other.count or 0 for other in same)
        covered.append(replace(order, action="已派", count=sent or None, place=same[0].place))
        least = at_least if order.unit in _UNITS_SENT else 0  # one more litre of water is no help
        missing = max(least, order.count - sent) if order.count and sent else 0
        if missing > 0:
            left.append(replace(order, count=missing))
    return left, covered


def _lead(orders: Sequence[Order], reinforced: bool) -> list[Order]:
    """Without anything to send, the medical team leads; after a first wave that was not enough, 派 becomes 增派."""
    sends = any(order.action == "派" for order in orders)
    verb = "增派" if reinforced else "派"
    leading = "派" if sends else "随行"
    return [replace(order, action=verb) if order.action == leading else order for order in orders]


def _first_wave(orders: Sequence[Order], most: int) -> list[Order]:
    """At most ``most`` vehicles, machines or boats of a kind go first; the rest stand by."""
    waves: list[Order] = []
    for order in orders:
        if order.action in ("派", "增派") and order.count and _exceeds_first_wave(order, most):
            waves += [replace(order, count=most), replace(order, action="备勤", count=order.count - most)]
        else:
            waves.append(order)
    return waves


def _exceeds_first_wave(order: Order, most: int) -> bool:
    return (order.count or 0) > most and order.unit in _VEHICLE_UNITS


def _action_rank(order: Order) -> int:
    return SPOKEN_ACTIONS.index(order.action)
