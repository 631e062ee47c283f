"""`dispatch doctrine`: the rules as tables for people and as JSON for programs."""

from typing import Any

import pytest

from dispatch.domain import default_doctrine, labels


@pytest.mark.parametrize("hazard", labels.HAZARDS)
def test_the_rules_of_a_hazard_are_a_table(dispatch: Any, hazard: str) -> None:
    shown = dispatch("doctrine", "show", hazard)
    assert shown.exit_code == 0
    assert shown.stdout.startswith(hazard)
    for rule in default_doctrine().hazards[hazard]:
        assert f"{rule.action} {rule.item}" in shown.stdout
        assert rule.agency in shown.stdout
    assert "water_depth_m" in shown.stdout or hazard not in ("flood", "typhoon")
    assert "thresholds" not in shown.stdout


def test_everything_is_shown_without_a_hazard(dispatch: Any) -> None:
    shown = dispatch("doctrine", "show").stdout
    doctrine = default_doctrine()
    titles = {line.strip() for line in shown.splitlines()}
    needs = {f"need: {need}" for need in doctrine.needs}
    assert {"thresholds", "resources", *doctrine.hazards, *needs, "all", "fallback", "priority"} <= titles
    for name in (*doctrine.thresholds, *doctrine.resources):
        assert name in shown


def test_the_rules_of_a_hazard_as_json(dispatch: Any) -> None:
    answer = dispatch.json("doctrine", "show", "flood", "--json")
    assert answer["digest"] == default_doctrine().digest
    assert list(answer["rules"]) == ["flood"]
    assert answer["rules"]["flood"][0] == {
        "order": "派 高底盘车",
        "count": "vehicles",
        "when": ["people_stranded", "wading"],
        "any": [],
        "unless": [],
        "agency": "应急",
    }


def test_everything_as_json(dispatch: Any) -> None:
    answer = dispatch.json("doctrine", "show", "--json")
    assert set(answer) == {"digest", "thresholds", "resources", "rules", "priority", "rank"}
    assert answer["thresholds"]["crew_per_vehicle"] == 5
    assert answer["resources"]["冲锋舟"]["aliases"] == ["橡皮艇", "皮划艇", "快艇"]
    assert sum(map(len, answer["rules"].values())) == len(list(default_doctrine().rules()))


def test_an_unknown_hazard_is_wrong_usage_and_the_known_ones_are_named(dispatch: Any) -> None:
    shown = dispatch("doctrine", "show", "tornado")
    assert shown.exit_code == 2
    assert all(hazard in shown.stderr for hazard in labels.HAZARDS)
