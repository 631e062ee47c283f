"""Amendments: single rules of doctrine's YAML taken out, recounted or added, with every other line as it stands."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from dispatch.domain.plan import Order
from dispatch.domain.rules import VERBS

_PLAIN = re.compile("[\u4e00-\u9fff]+")


@dataclass(frozen=True)
class RulePlace:
    """Where a rule stands: its section, its label there ("" below `all`), and its place from 0."""

    section: str
    label: str
    position: int

    def __str__(self) -> str:
        return f"{self.section}{'.' if self.label else ''}{self.label}[{self.position}]"


def without_rule(text: str, place: RulePlace) -> str:
    """The YAML less one rule. Raises LookupError where there is none, or it shares its line with others."""
    lines = text.splitlines(keepends=True)
    first, last = _lines_of(_rules_by_line(text, place)[place.position])
    return "".join((*lines[:first], *lines[last + 1 :]))


def with_count(text: str, place: RulePlace, count: int) -> str:
    """The YAML with another number in one rule. Raises LookupError where it has none."""
    node = _rules(text, place)[place.position]
    for key, value in node.value:
        if key.value == "count":
            return text[: value.start_mark.index] + str(count) + text[value.end_mark.index :]
    raise LookupError(f"{place} has no count")


def with_rule(text: str, section: str, label: str, order: Order) -> str:
    """The YAML with one rule more behind those of a label, without a condition. Raises LookupError for an unknown
    place or action, and where the rules of the label share a line.
    """
    rules = _rules_by_line(text, RulePlace(section, label, 0))
    verb = next((verb for verb, action in VERBS.items() if action == order.action), None)
    if verb is None:
        raise LookupError(f"no rule orders {order.action}")
    indent = " " * (rules[0].start_mark.column - len("- "))
    item = order.item if _PLAIN.fullmatch(order.item) else json.dumps(order.item, ensure_ascii=False)
    count = f", count: {order.count}" if order.count else ""
    lines = text.splitlines(keepends=True)
    _, last = _lines_of(rules[-1])
    return "".join((*lines[: last + 1], f"{indent}- {{{verb}: {item}{count}}}\n", *lines[last + 1 :]))


def _rules_by_line(text: str, place: RulePlace) -> Sequence[yaml.MappingNode]:
    rules = _rules(text, place)
    line = text.splitlines()[rules[0].start_mark.line]
    if not line.lstrip().startswith("- "):
        raise LookupError(f"the rules of {place.label or place.section} share a line: change them by hand")
    return rules


def _rules(text: str, place: RulePlace) -> Sequence[yaml.MappingNode]:
    node: Any = yaml.compose(text, yaml.SafeLoader)
    for name in filter(None, (place.section, place.label)):
        found = [value for key, value in node.value if key.value == name]
        if not found:
            raise LookupError(f"doctrine has no {place}")
        node = found[0]
    rules: Sequence[yaml.MappingNode] = node.value
    if place.position >= len(rules):
        raise LookupError(f"doctrine has no {place}")
    return rules


def _lines_of(rule: yaml.MappingNode) -> tuple[int, int]:
    """The first and the last line of a rule, from 0."""
    return rule.start_mark.line, _end(rule)


def _end(node: yaml.Node) -> int:
    """A block ends where something else begins; what stands in it ends in its own line."""
    if isinstance(node, yaml.ScalarNode) or getattr(node, "flow_style", False):
        return int(node.end_mark.line)
    parts = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
    return max(map(_end, parts))
