"""The dashboard, the alert rules and docs/operations.md speak of metrics that the server has, and of all of them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dispatch.engine import BatchDone, Load
from dispatch.server.errors import Reason
from dispatch.server.health import PARTS
from dispatch.server.metrics import ServedModel, StateSources
from dispatch.server.telemetry import Telemetry
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionResponse
from dispatch.workflow import Tick

ROOT = Path(__file__).parents[2]
ALERTS = yaml.safe_load((ROOT / "ops/prometheus/alerts.yml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((ROOT / "ops/grafana/dispatch.json").read_text(encoding="utf-8"))
OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]

OF_PROMETHEUS = {"up": frozenset[str]()}
GIVEN_BY_PROMETHEUS = {"job", "instance", "le"}
_SELECTOR = re.compile(r"\b(?P<name>(?:dispatch|process)_[a-z_]+|up)\b(?P<labels>\{[^}]*\})?")


def telemetry_that_saw_everything() -> Telemetry:
    telemetry = Telemetry()
    metrics = telemetry.metrics
    metrics.calls_in_progress.labels("m").inc()
    metrics.count_call("m", "INTERNAL", "INTERNAL_ERROR", 0.1)
    answer = GenerateInstructionResponse(review_state="pending")
    answer.checks.add(code="NO_MODEL", severity="warning")
    metrics.count_answer(answer)
    metrics.observe_batch(BatchDone(1, 20, (0.1,), 0.1, {"urgent": 1, "bulk": 0}))
    metrics.observe_clock(Tick(alarmed=(), escalated=(), overdue=0))
    telemetry.observe_commit(0.1, {})
    telemetry.start(
        StateSources(
            load=lambda: [Load({"urgent": 0, "bulk": 0}, {"urgent": 0, "bulk": 0}, 0, True)],
            models=lambda: [ServedModel("default", "ab12", "stable", "torch", 0.0)],
            health=lambda: dict.fromkeys(PARTS.values(), True),
        )
    )
    return telemetry


FAMILIES = [
    family
    for family in text_string_to_metric_families(
        generate_latest(telemetry_that_saw_everything().metrics.registry).decode()
    )
    if not family.name.endswith("_created")
]
EXPORTED: Mapping[str, frozenset[str]] = OF_PROMETHEUS | {
    sample.name: frozenset(sample.labels) for family in FAMILIES for sample in family.samples
}


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression of the rules and the dashboard, with where it stands."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def metrics_table() -> list[str]:
    """The rows of docs/operations.md as they must be."""
    rows = []
    for family in FAMILIES:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        if name.startswith("dispatch_"):
            named = ", ".join(f"`{label}`" for label in sorted(labels))
            rows.append(f"| `{name}` | {family.type} | {named} | {family.documentation} |")
    return sorted(rows)


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_metric_and_label_of_an_expression_exists(where: str, expression: str) -> None:
    found = list(_SELECTOR.finditer(expression))
    assert found, f"{where} asks for no metric"
    for selector in found:
        assert selector["name"] in EXPORTED, f"{where}: no metric {selector['name']}"
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector["labels"] or ""))
        assert labels <= EXPORTED[selector["name"]] | GIVEN_BY_PROMETHEUS, f"{where}: {selector[0]}"


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_brackets_of_an_expression_are_closed(where: str, expression: str) -> None:
    open_brackets = []
    for character in re.sub(r'"[^"]*"', "", expression):
        if character in "([{":
            open_brackets.append(character)
        elif character in ")]}":
            assert open_brackets, where
            assert open_brackets.pop() + character in ("()", "[]", "{}"), where
    assert not open_brackets, where


@pytest.mark.parametrize("where", [*RULES, *DASHBOARD["panels"]], ids=lambda it: it.get("alert") or it["title"])
def test_values_of_closed_sets_exist(where: dict[str, Any]) -> None:
    text = json.dumps(where, ensure_ascii=False).replace('\\"', '"')
    reasons = {*get_args(Reason), "INTERNAL", "UNKNOWN"}
    for names in re.findall(r'reason=~?"([^"]+)"', text):
        assert set(names.split("|")) <= reasons
    for part in re.findall(r'part="([^"]+)"', text):
        assert part in PARTS.values()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_severe_it_is_and_the_document_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert re.search(rf"^\| {rule['alert']} \| {rule['labels']['severity']} \| .+ \| .+ \|$", OPERATIONS, re.M)


def test_the_document_speaks_of_no_alert_that_there_is_not() -> None:
    assert set(re.findall(r"\bDispatch[A-Z]\w+", OPERATIONS)) - {"DispatchService"} == {rule["alert"] for rule in RULES}


def test_the_table_of_metrics_is_the_servers() -> None:
    documented = sorted(re.findall(r"^\| `dispatch_\w+` \| .+ \|$", OPERATIONS, re.M))
    assert documented == metrics_table()


def test_panels_do_not_lie_on_each_other_and_have_ids_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


if __name__ == "__main__":
    print("\n".join(metrics_table()))
