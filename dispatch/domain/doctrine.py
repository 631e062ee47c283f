"""Doctrine (预案): reads the rules and applies them to a situation, which makes a plan."""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
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
        orders = self._wanted(reading)
        orders = [order for order in orders if not self._declined(order.item, situation)]
        orders = self._with_requested(orders, situation)
        here = [
            replace(order, item=self.resource_name(order.item))
            for order in issued
            if _same_place(order.place, situation.location)
        ]
        reinforced = bool(reading.fact("reinforce"))
        orders, covered = _subtract(orders, here, at_least=1 if reinforced else 0)
        orders = _lead(self._fallback_if_idle(orders, covered, reading), reinforced)
        orders = _first_wave(orders, int(self.thresholds["first_wave"]))
        place = situation.location or UNKNOWN_PLACE
        spoken = sorted((replace(order, place=place) for order in orders), key=_action_rank)
        return Plan((*spoken, *covered, *self._totals(reading, place)), priority(reading))

    def _read_rules(self, section: str, rules: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
        return tuple(_read_rule(section, fields, self.resources) for fields in rules)

    def _wanted(self, reading: Reading) -> list[Order]:
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

    def _declined(self, item: str, situation: Situation) -> bool:
        return self.need_of(item) in situation.not_needed

    def _with_requested(self, orders: list[Order], situation: Situation) -> list[Order]:
        """A quantity asked for on scene is the order; doctrine is the floor."""
        asked = {self.resource_name(requested.item): requested for requested in situation.requested}
        raised = []
        for order in orders:
            wanted = asked.pop(order.item, None)
            count = max(order.count or 0, int(wanted.count)) if wanted else order.count
            unit = self.resources[order.item].unit if wanted and order.item in self.resources else order.unit
            raised.append(replace(order, count=count, unit=unit))
        for item, requested in asked.items():
            unit = self.resources[item].unit if item in self.resources else requested.unit
            action = "派" if unit in _UNITS_SENT else "调运"
            raised.append(Order(self.agency(item), action, item, int(requested.count), unit))
        return raised

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
    """Whether an issued order went to this incident's place (one name may be the longer form of the other)."""
    return bool(issued and wanted) and (issued in wanted or wanted in issued)


def _subtract(orders: Sequence[Order], issued: Sequence[Order], at_least: int) -> tuple[list[Order], list[Order]]:
    """What is still to be ordered (``at_least`` of what has a number), and what issued orders cover already."""
    left, covered = [], []
    for order in orders:
        same = [other for other in issued if other.item == order.item]
        if not same or order.action in _QUESTIONS:
            left.append(order)
            continue
        sent = sum(other.count or 0 for other in same)
        covered.append(replace(order, action="已派", count=sent or None, place=same[0].place))
        missing = max(at_least, order.count - sent) if order.count and sent else 0
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
        if order.action in ("派", "增派") and order.count and order.count > most and order.unit in _VEHICLE_UNITS:
            waves += [replace(order, count=most), replace(order, action="备勤", count=order.count - most)]
        else:
            waves.append(order)
    return waves


def _action_rank(order: Order) -> int:
    return SPOKEN_ACTIONS.index(order.action)
