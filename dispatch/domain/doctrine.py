"""Doctrine (预案): applies the rules of doctrine.yaml to a situation, which makes a plan."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from dispatch.domain import labels
from dispatch.domain.conditions import holds
from dispatch.domain.formulas import FORMULAS, amounts
from dispatch.domain.places import is_same_place
from dispatch.domain.plan import PRIORITIES, SPOKEN_ACTIONS, UNKNOWN_PLACE, Order, Plan
from dispatch.domain.reading import Reading
from dispatch.domain.rules import (
    GRAMMAR_MARKS,
    UNITS_OF_FORCES,
    Resource,
    Rule,
    check_sections,
    read_priorities,
    read_resource,
    read_rules,
    read_yaml,
)
from dispatch.domain.situation import Situation

_QUESTIONS = ("核实", "联系", "回拨")  # asked again however often they were asked before
_COUNTED_ACTIONS = ("派", "随行", "携带", "通知", "调运", "申请")
_VEHICLE_UNITS = "辆台艘"
_UNITS_OF_GOODS = "件床套条顶张份副个"  # pieces: 100床 and 100套 are as many
_UNITS_OF_BOATS = "艘条只"
_UNITS_OF_PEOPLE = "名人"
_EXTENT_UNIT = "米"  # what it measures does not add up: 500 m and 800 m of cordon are 800 m
_MOST_SENT = 10**9 - 1  # whatever issued texts add up to, it fits 32 bits

STAND_DOWN = Order("应急", "任务", "暂不派警")
CONTINUE = Order("应急", "继续", "已派力量继续处置")


class Doctrine:
    """The rules of one YAML text. ``digest`` identifies them on every stored row.

    Raises ValueError that names the line of what is no YAML, and what is missing (a section, a threshold), of the wrong
    kind, unknown (a hazard, a need, an agency, a threshold, or a rule's verb, condition, formula or resource), or
    stands twice (a key, a word for two resources).
    """

    def __init__(self, text: str) -> None:
        data = read_yaml(text)
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        check_sections(data)
        self.thresholds: Mapping[str, Any] = data["thresholds"]
        self.resources = {name: read_resource(name, fields) for name, fields in data["resources"].items()}
        self.hazards = {name: read_rules(name, rules, self.resources) for name, rules in data["hazards"].items()}
        self.needs = {name: read_rules(name, rules, self.resources) for name, rules in data["needs"].items()}
        self.always = read_rules("all", data["all"], self.resources)
        (self.fallback,) = read_rules("fallback", [data["fallback"]], self.resources)
        self.priorities = read_priorities(data["priority"])
        self.rank = (*data["rank"], *(hazard for hazard in labels.HAZARDS if hazard not in data["rank"]))
        self._canonical = _canonical_names(self.resources)
        self._agencies = _agencies(rule for _, _, rule in self.rules())
        self.needs_by_word: Mapping[str, str] = {
            word: resource.need for name, resource in self.resources.items() for word in (name, *resource.aliases)
        }
        """Every word for a resource, with the need that it answers."""
        self.items = frozenset({*(rule.item for _, _, rule in self.rules()), *self.needs_by_word})
        """All that its rules order, and every word for a resource."""

    def rules(self) -> Iterator[tuple[str, str, Rule]]:
        """Every rule with its section and, below ``hazards`` and ``needs``, its label ("" elsewhere)."""
        for section, labelled in (("hazards", self.hazards), ("needs", self.needs)):
            yield from ((section, label, rule) for label, rules in labelled.items() for rule in rules)
        yield from (("all", "", rule) for rule in self.always)
        yield "fallback", "", self.fallback

    def rules_for(self, situation: Situation) -> Iterator[tuple[str, str, int, Rule]]:
        """The rules that apply to a situation, each with its section, its label there and its place below that."""
        reading = self._read(situation)
        blocks: list[tuple[str, str, Sequence[Rule]]] = [
            *(("hazards", hazard, self.hazards.get(hazard, ())) for hazard in situation.hazards),
            *(("needs", need, self.needs.get(need, ())) for need in situation.needs),
            ("all", "", self.always),
        ]
        for section, label, rules in blocks:
            for position, rule in enumerate(rules):
                if rule.applies(reading):
                    yield section, label, position, rule

    def resource_name(self, word: str) -> str:
        """The doctrine's own name for a resource that a report calls ``word``."""
        return str(self._canonical.get(word, word))

    def agency(self, item: str) -> str:
        """Who carries out an order: as its resource or its rule says."""
        resource = self.resources.get(self.resource_name(item))
        return resource.agency if resource else str(self._agencies.get(item, "应急"))

    def need_of(self, item: str) -> str:
        """The need that an item answers; "" for none."""
        resource = self.resources.get(self.resource_name(item))
        return resource.need if resource else ""

    def priority(self, situation: Situation) -> str:
        """特急, 紧急 or 一般: the most urgent level of which a condition is met."""
        reading = self._read(situation)
        if situation.kind == "request":
            for level, conditions in self.priorities.items():
                if any(holds(condition, reading) for condition in conditions):
                    return level
        return PRIORITIES[-1]

    def urgency(self, situation: Situation) -> tuple[bool, int, int, int, str]:
        """A key to sort situations by, the most urgent first.

        A request before what is none; then by priority, by the rank of its most pressing hazard, by how many people it
        is about (more first), and by the text of its place.
        """
        hazards = [self.rank.index(hazard) for hazard in situation.hazards]
        return (
            situation.kind != "request",
            PRIORITIES.index(self.priority(situation)),
            min(hazards, default=len(self.rank)),
            -self._read(situation).everyone(),
            situation.location,
        )

    def plan(self, situation: Situation, issued: Sequence[Order] = ()) -> Plan:
        """Applies the rules to one situation; ``issued`` are the orders read from the context's instructions."""
        if situation.kind != "request":
            # Units on the way go on until somebody has confirmed that they are not needed.
            under_way = (CONTINUE,) if issued else ()
            return Plan((*under_way, STAND_DOWN, Order("应急", "回拨", "核实后登记")), PRIORITIES[-1])
        reading = self._read(situation)
        place = situation.location or UNKNOWN_PLACE
        wanted = self._wanted(reading)
        orders, covered = self._less_issued(wanted, issued, reading)
        orders = _lead(orders, bool(reading.fact("reinforce")))
        if covered and not _brings_somebody(orders):
            orders = [CONTINUE, *orders]
        orders = _first_wave(orders, self._first_wave_most)
        spoken = sorted((order.at(place) for order in orders), key=_action_rank)
        return Plan((*spoken, *covered, *self._totals(wanted, reading, place)), self.priority(situation))

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
        reading = self._read(situation)
        wanted = self._wanted(reading)
        left, covered = self._less_issued(wanted, issued, reading)
        sent = {order.item: order.count or 0 for order in covered}
        still = {order.item: order.count or 0 for order in left}
        items = {order.item for order in wanted}
        used = {rule.count for rule in self._applying(reading) if rule.item in items and isinstance(rule.count, str)}
        steps = [f"{name}{number}" for name, number in amounts(reading, used).items()]
        for order in wanted:
            if order.item in sent:
                before, after = sent[order.item], still.get(order.item, 0)
                counted = order.count and (before or after)
                steps.append(order.item + (f"{order.count}-{before}={after}" if counted else "-"))
            elif _exceeds_first_wave(order, self._first_wave_most):
                steps.append(f"{order.item}{order.count}")
        return ",".join(steps)

    @property
    def _first_wave_most(self) -> int:
        return int(self.thresholds["first_wave"])

    def _read(self, situation: Situation) -> Reading:
        return Reading(situation, self.thresholds, self._needs_named(situation))

    def _needs_named(self, situation: Situation) -> frozenset[str]:
        """The needs that things asked for by number answer; what answers no other need is the machine that is meant."""
        answered = {self.need_of(requested.item) for requested in situation.requested} - set(situation.not_needed)
        return frozenset(need if need in situation.needs else "heavy_equipment" for need in answered)

    def _less_issued(
        self, wanted: Sequence[Order], issued: Sequence[Order], reading: Reading
    ) -> tuple[list[Order], list[Order]]:
        """What is still to be ordered, and what orders issued for this place cover already."""
        place = reading.situation.location or UNKNOWN_PLACE
        here = [replace(o, item=self.resource_name(o.item)) for o in issued if is_same_place(o.place, place)]
        return _subtract(wanted, here, at_least=1 if reading.fact("reinforce") else 0)

    def _wanted(self, reading: Reading) -> list[Order]:
        """Whatever was issued: the rules' orders and what was asked, less the declined and what cannot be used.

        Somebody is sent, by the fallback if by nothing else, unless nobody is wanted.
        """
        orders = self._with_requested(self._ruled(reading), reading.situation)
        orders = [o for o in orders if self._usable(o.item, reading) and not self._declined(o.item, reading)]
        if self._declined(self.fallback.item, reading) or _brings_somebody(orders):
            return orders
        return [self._order(self.fallback, reading), *orders]

    def _declined(self, item: str, reading: Reading) -> bool:
        return self.need_of(item) in reading.situation.not_needed

    def _usable(self, item: str, reading: Reading) -> bool:
        resource = self.resources.get(item)
        return resource is None or resource.usable(reading)

    def _applying(self, reading: Reading) -> Iterator[Rule]:
        situation = reading.situation
        for hazard in situation.hazards:
            yield from (rule for rule in self.hazards.get(hazard, ()) if rule.applies(reading))
        for need in situation.needs:
            yield from (rule for rule in self.needs.get(need, ()) if rule.applies(reading))
        yield from (rule for rule in self.always if rule.applies(reading))

    def _ruled(self, reading: Reading) -> list[Order]:
        """The orders of every rule that applies; an item named by several rules stands once, at its largest count."""
        orders: dict[str, Order] = {}
        for rule in self._applying(reading):
            order = self._order(rule, reading)
            before = orders.get(order.item)
            if before is None or (order.count or 0) > (before.count or 0):
                orders[order.item] = order
        return list(orders.values())

    def _order(self, rule: Rule, reading: Reading) -> Order:
        count = rule.number(reading)
        unit = self.resources[rule.item].unit if rule.item in self.resources and count else ""
        return Order(rule.agency, rule.action, rule.item, count, unit)

    def _with_requested(self, orders: list[Order], situation: Situation) -> list[Order]:
        """A quantity asked for on scene is the order; doctrine is the floor, where both count in units alike.

        100 crates of water are no 100 litres: asked for in a unit of another kind, they are ordered in that unit.
        """
        orders = list(orders)
        for requested in situation.requested:
            item = self.resource_name(GRAMMAR_MARKS.sub("", requested.item))
            resource = self.resources.get(item, Resource(requested.unit, self.agency(item)))
            alike = _are_alike(resource.unit, requested.unit)
            count, unit = ceil(requested.count), resource.unit if alike else requested.unit
            same = [at for at, order in enumerate(orders) if order.item == item and order.action in _COUNTED_ACTIONS]
            if not item or not count or unit not in labels.UNITS:
                continue
            if same:
                floor = (orders[same[0]].count or 0) if alike else 0
                orders[same[0]] = replace(orders[same[0]], count=max(floor, count), unit=unit)
            else:
                orders.append(Order(resource.agency, resource.action, item, count, unit))
        return orders

    def _totals(self, wanted: Sequence[Order], reading: Reading, place: str) -> list[Order]:
        """Vehicles by people trapped, and their crew: data in the plan, not in the text."""
        ordered = [order.count or 0 for order in wanted if order.item == self.fallback.item]
        vehicles = max(FORMULAS["vehicles"](reading), *ordered, 0)
        people = vehicles * int(self.thresholds["crew_per_vehicle"])
        return [
            Order("消防", "出动", "救援车辆", vehicles, "辆", place),
            Order("消防", "出动", "救援人员", people, "人", place),
        ]


@cache
def default_doctrine() -> Doctrine:
    """The doctrine that ships with the package. Raises ValueError that names its file where it was changed wrongly."""
    file = doctrine_file()
    try:
        return Doctrine(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def doctrine_file() -> Path:
    """Where the doctrine in use stands."""
    return Path(__file__).with_name("doctrine.yaml")


def _canonical_names(resources: Mapping[str, Resource]) -> Mapping[str, str]:
    """The doctrine's own name for each word for a resource. Raises ValueError where a word stands for two."""
    names = {name: name for name in resources}
    for name, resource in resources.items():
        for alias in resource.aliases:
            if names.setdefault(alias, name) != name:
                raise ValueError(f"doctrine, resource {name}: its alias {alias} stands for {names[alias]} already")
    return names


def _agencies(rules: Iterator[Rule]) -> Mapping[str, str]:
    """Who carries out each order. Raises ValueError where two rules say different things."""
    agencies: dict[str, str] = {}
    for rule in rules:
        if agencies.setdefault(rule.item, rule.agency) != rule.agency:
            raise ValueError(f"doctrine, {rule.item}: has two agencies, {agencies[rule.item]} and {rule.agency}")
    return agencies


def _are_alike(unit: str, other: str) -> bool:
    """Whether two measure words count the same: machines or goods by the piece, or people. None counts as any."""
    if not unit or not other:
        return True
    groups = (UNITS_OF_FORCES, _UNITS_OF_GOODS, _UNITS_OF_BOATS, _UNITS_OF_PEOPLE)
    return unit == other or any(unit in group and other in group for group in groups)


def _subtract(orders: Sequence[Order], issued: Sequence[Order], at_least: int) -> tuple[list[Order], list[Order]]:
    """What is still to be ordered (``at_least`` of units that have a number), and what issued orders cover already."""
    left, covered = [], []
    for order in orders:
        same = [other for other in issued if other.item == order.item and _are_alike(order.unit, other.unit)]
        sent = min(sum(other.count or 0 for other in same), _MOST_SENT)
        too_near = order.unit == _EXTENT_UNIT and sent < (order.count or 0)
        if not same or order.action in _QUESTIONS or too_near:
            left.append(order)
            continue
        covered.append(replace(order, action="已派", count=sent or None, place=same[0].place))
        least = at_least if order.unit in UNITS_OF_FORCES else 0  # one more litre of water is no help
        missing = max(least, order.count - sent if sent else 0) if order.count else 0
        if missing > 0:
            left.append(replace(order, count=missing))
    return left, covered


def _brings_somebody(orders: Sequence[Order]) -> bool:
    return any(order.action in ("派", "增派", "随行", "调运") for order in orders)


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
        if _exceeds_first_wave(order, most):
            waves += [replace(order, count=most), replace(order, action="备勤", count=(order.count or 0) - most)]
        else:
            waves.append(order)
    return waves


def _exceeds_first_wave(order: Order, most: int) -> bool:
    """Whether it sends more than the first wave; what others are asked to send, they send at once."""
    return order.action in ("派", "增派") and (order.count or 0) > most and order.unit in _VEHICLE_UNITS


def _action_rank(order: Order) -> int:
    return SPOKEN_ACTIONS.index(order.action)
