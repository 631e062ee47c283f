"""What doctrine's YAML is made of: resources and rules, read with errors that name what is wrong."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import yaml

from dispatch.domain import labels
from dispatch.domain.conditions import holds, is_known
from dispatch.domain.formulas import FORMULAS
from dispatch.domain.plan import AGENCIES, PRIORITIES
from dispatch.domain.reading import THRESHOLD_TABLES, THRESHOLDS, WHOLE_THRESHOLDS, Reading
from dispatch.domain.situation import LIMIT

VERBS = {
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
    "contact": "联系",
    "callback": "回拨",
}
_RESOURCE_VERBS = ("send", "escort", "carry", "supply", "apply")  # their items are resources, the others' may be text
_ON_SCENE = ("task", "attention")  # carried out by those who are sent
_DEFAULT_AGENCY, _ON_SCENE_AGENCY = "应急", "消防"
UNITS_OF_FORCES = "辆台艘只支架"  # vehicles, machines, boats, dogs, teams, aircraft: each counts as one unit sent
_UNITS_SENT = UNITS_OF_FORCES + "名人"  # what comes by itself; anything else is carried to the place
_UNITS_OF_EXTENT = ("米",)  # of what is measured rather than sent
# What the name of something counted must not hold, or its order would not read back from the instruction's text.
GRAMMAR_MARKS = re.compile(r"[,、;至到赴\s\d]|前往")
_SECTIONS = ("thresholds", "resources", "hazards", "needs", "all", "fallback", "priority", "rank")


@dataclass(frozen=True)
class Resource:
    """What can be sent: its measure word, the agency that sends it, the need it answers and other words for it.

    ``verb`` is how it is ordered where somebody asks for it by number; ``unless`` are conditions under which nobody
    uses it.
    """

    unit: str
    agency: str
    need: str = ""
    aliases: tuple[str, ...] = ()
    verb: str = ""
    unless: tuple[str, ...] = ()

    @property
    def action(self) -> str:
        """How it is ordered where no rule says so."""
        return VERBS[self.verb or ("send" if self.unit in _UNITS_SENT else "supply")]

    def usable(self, reading: Reading) -> bool:
        return not any(holds(condition, reading) for condition in self.unless)


@dataclass(frozen=True)
class Rule:
    """One order and when it applies (see the head of doctrine.yaml)."""

    action: str
    item: str
    agency: str
    count: int | str | None = None
    when: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    def applies(self, reading: Reading) -> bool:
        for condition in self.when:
            if not holds(condition, reading):
                return False
        for condition in self.unless:
            if holds(condition, reading):
                return False
        return not self.any or any(holds(condition, reading) for condition in self.any)

    def number(self, reading: Reading) -> int | None:
        """How many; None where doctrine gives no number."""
        count = FORMULAS[self.count](reading) if isinstance(self.count, str) else self.count
        return count or None


class _Loader(yaml.SafeLoader):
    """Plain YAML in which no key stands twice: of two blocks of one hazard the second would replace the first."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise ValueError(f"doctrine, line {key.start_mark.line + 1}: {key.value} stands twice")
                seen.add((key.tag, key.value))
        return node


def read_yaml(text: str) -> Any:
    """What a YAML text holds. Raises ValueError that names the line where it is no YAML, or a key stands twice."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        about = " ".join(part for part in (error.context, error.problem) if part)
        raise ValueError(f"doctrine{line}: not YAML: {about}") from error
    except yaml.reader.ReaderError as error:
        line = f", line {text.count(chr(10), 0, error.position) + 1}"
        raise ValueError(f"doctrine{line}: not YAML: character {chr(error.character)!r} is not allowed") from error


def check_sections(data: Any) -> None:
    """Raises ValueError where a section or a threshold is missing, or a hazard or need unknown."""
    for section in _SECTIONS:
        if not isinstance(data, Mapping) or data.get(section) is None:
            raise ValueError(f"doctrine: section {section!r} is missing")
    for section in ("thresholds", "resources", "hazards", "needs", "priority"):
        if not isinstance(data[section], Mapping):
            raise ValueError(f"doctrine, {section}: must be names with values, not {data[section]!r:.40}")
    _check_thresholds(data["thresholds"])
    for section, known in (("hazards", labels.HAZARDS), ("needs", labels.NEEDS)):
        if unknown := set(data[section]) - set(known):
            raise ValueError(f"doctrine, {section}: unknown label {_first_name(unknown)!r}")
    if unknown := set(_read_names("rank", "hazards", data["rank"])) - set(labels.HAZARDS):
        raise ValueError(f"doctrine, rank: unknown label {_first_name(unknown)!r}")


def _check_thresholds(thresholds: Mapping[str, Any]) -> None:
    if missing := THRESHOLDS - set(thresholds):
        raise ValueError(f"doctrine, thresholds: {', '.join(sorted(missing))} missing")
    if unknown := set(thresholds) - THRESHOLDS:
        raise ValueError(f"doctrine, thresholds: unknown name {_first_name(unknown)!r}")
    for name, value in thresholds.items():
        if name in THRESHOLD_TABLES and not _is_rising_table(value):
            raise ValueError(
                f"doctrine, thresholds, {name}: must be lines of two whole numbers above 0, the first rising and the "
                f"second not falling, not {value!r:.80}"
            )
        if name in WHOLE_THRESHOLDS and not _is_whole(value):
            raise ValueError(f"doctrine, thresholds, {name}: must be a whole number above 0, not {value!r:.80}")
        if name not in THRESHOLD_TABLES and not _is_positive(value):
            raise ValueError(f"doctrine, thresholds, {name}: must be a number above 0, not {value!r:.80}")


def _is_rising_table(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    if not all(isinstance(line, list) and len(line) == 2 and all(map(_is_whole, line)) for line in value):
        return False
    return all(most < next_most and count <= next_count for (most, count), (next_most, next_count) in pairwise(value))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and _is_positive(value)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < LIMIT


def read_resource(name: str, fields: Any) -> Resource:
    """Raises ValueError that names the resource and what is wrong with it."""
    where = f"resource {name}"
    _check_name(where, name)
    if not isinstance(fields, Mapping):
        raise ValueError(f"doctrine, {where}: must be names with values, not {fields!r:.40}")
    if missing := {"unit", "agency"} - set(fields):
        raise ValueError(f"doctrine, {where}: {', '.join(sorted(missing))} missing")
    if unknown := set(fields) - {"unit", "agency", "need", "aliases", "verb", "unless"}:
        raise ValueError(f"doctrine, {where}: unknown field {_first_name(unknown)!r}")
    for field in ("unit", "agency", "need", "verb"):
        _check_text(where, field, fields.get(field, ""))
    resource = Resource(
        fields["unit"],
        fields["agency"],
        fields.get("need", ""),
        _read_names(where, "aliases", fields.get("aliases", [])),
        fields.get("verb", ""),
        _read_conditions(where, "unless", fields),
    )
    for alias in resource.aliases:
        _check_name(f"{where}, aliases", alias)
    _check_agency(where, resource.agency)
    if resource.unit not in (*labels.UNITS, *_UNITS_OF_EXTENT):
        raise ValueError(f"doctrine, {where}: unknown unit {resource.unit!r}, known are {', '.join(labels.UNITS)}")
    if resource.need and resource.need not in labels.NEEDS:
        raise ValueError(f"doctrine, {where}: unknown need {resource.need!r}")
    if resource.verb and resource.verb not in VERBS:
        raise ValueError(f"doctrine, {where}: unknown verb {resource.verb!r}")
    return resource


def read_rules(section: str, rules: Any, resources: Mapping[str, Resource]) -> tuple[Rule, ...]:
    """Raises ValueError that names the section, the rule and what is wrong with it."""
    if not isinstance(rules, list) or not all(isinstance(fields, Mapping) for fields in rules):
        raise ValueError(f"doctrine, {section}: must be a list of rules, not {rules!r:.40}")
    return tuple(_read_rule(section, fields, resources) for fields in rules)


def read_priorities(levels: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """The conditions of each priority, the most urgent first; the last one has none. Raises ValueError."""
    if set(levels) != set(PRIORITIES[:-1]):
        raise ValueError(
            f"doctrine, priority: must state {' and '.join(PRIORITIES[:-1])}, not {', '.join(map(str, levels))}"
        )
    return {level: _read_conditions("priority", level, levels) for level in PRIORITIES[:-1]}


def _read_rule(section: str, fields: Mapping[str, Any], resources: Mapping[str, Resource]) -> Rule:
    verbs = [verb for verb in VERBS if verb in fields]
    if len(verbs) != 1:
        raise ValueError(f"doctrine, {section}: a rule needs exactly one of {', '.join(VERBS)}: {dict(fields)}")
    (verb,) = verbs
    item = fields[verb]
    _check_text(section, verb, item)
    if not item.strip():
        raise ValueError(f"doctrine, {section}: {verb} must name an order, not {item!r}")
    where = f"{section}, {item}"
    if unknown := set(fields) - {verb, "count", "agency", "when", "any", "unless"}:
        raise ValueError(f"doctrine, {where}: unknown field {_first_name(unknown)!r}")
    _check_item(section, verb, item, resources)
    count = fields.get("count")
    if isinstance(count, str) and count not in FORMULAS:
        raise ValueError(f"doctrine, {where}: unknown formula {count!r}")
    if count is not None and not isinstance(count, str) and not _is_whole(count):
        raise ValueError(f"doctrine, {where}: count must be a whole number above 0 or a formula, not {count!r}")
    conditions = (_read_conditions(where, name, fields) for name in ("when", "any", "unless"))
    return Rule(VERBS[verb], item, _read_agency(where, verb, item, fields, resources), count, *conditions)


def _check_item(section: str, verb: str, item: str, resources: Container[str]) -> None:
    if verb in _RESOURCE_VERBS and item not in resources:
        raise ValueError(f"doctrine, {section}: unknown resource {item!r}, list it under resources")
    if any(mark in item for mark in ",;"):
        raise ValueError(f"doctrine, {section}, {item}: an order must not hold , or ;, which part orders")


def _read_agency(where: str, verb: str, item: str, fields: Mapping[str, Any], resources: Mapping[str, Resource]) -> str:
    if item in resources:
        if "agency" in fields:
            raise ValueError(f"doctrine, {where}: its agency stands under resources")
        return resources[item].agency
    agency = fields.get("agency", _ON_SCENE_AGENCY if verb in _ON_SCENE else _DEFAULT_AGENCY)
    _check_agency(where, agency)
    return str(agency)


def _check_text(where: str, name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError(f"doctrine, {where}: {name} must be text, not {value!r:.40}")


def _check_name(where: str, name: Any) -> None:
    """Raises ValueError for a name of a resource that an instruction's text could not say."""
    _check_text(where, "name", name)
    if not name or (mark := GRAMMAR_MARKS.search(name)):
        held = f"hold {mark[0]!r}, which the grammar of instructions reads" if name and mark else "be empty"
        raise ValueError(f"doctrine, {where}: name {name!r} must not {held}")


def _first_name(unknown: Iterable[Any]) -> str:
    """Which of several unknown names an error tells; YAML reads some names as numbers."""
    return min(map(str, unknown))


def _check_agency(where: str, agency: Any) -> None:
    if agency not in AGENCIES:
        raise ValueError(f"doctrine, {where}: unknown agency {agency!r}")


def _read_conditions(where: str, name: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    conditions = _read_names(where, name, fields.get(name, []))
    for condition in conditions:
        if not is_known(condition):
            raise ValueError(f"doctrine, {where}: unknown condition {condition!r}")
    return conditions


def _read_names(where: str, name: str, values: Sequence[Any]) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"doctrine, {where}: {name} must be a list of names, not {values!r:.40}")
    return tuple(values)
