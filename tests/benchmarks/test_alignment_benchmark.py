"""The alignment benchmark compares attention with rules, fact by fact."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def alignment(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("alignment")


def test_every_fact_that_a_rule_finds_is_compared(
    alignment: ModuleType, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "alignment.json"
    assert alignment.main(["--bundle", str(tiny_bundle), "--reports", "8", "--threads", "1", "--out", str(out)]) == 0
    fields = {row["field"]: row for row in json.loads(out.read_text(encoding="utf-8"))["fields"]}
    assert fields["all"]["facts"] == sum(row["facts"] for name, row in fields.items() if name != "all") > 0
    assert all(0 <= row[name] <= 1 for row in fields.values() for name in ("touched", "inside", "scattered"))
    assert "| all |" in capsys.readouterr().out


def test_shares_are_of_the_facts_and_of_the_characters(alignment: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = [("location", 4, 2), ("location", 0, 0), ("people", 2, 2)]
    monkeypatch.setattr(alignment, "compare", lambda bundle, pair: iter(facts))
    rows = {row["field"]: row for row in alignment.measure(None, [None])}
    assert rows["location"] == {"field": "location", "facts": 2, "touched": 0.5, "inside": 0.5, "scattered": 0.5}
    assert rows["all"]["inside"] == pytest.approx(4 / 6)
