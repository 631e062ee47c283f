"""A small part of what `make fuzz` sends; it is larger there, and otherwise the same."""

from pathlib import Path

from tests.integration.robustness import METHODS, run


def test_nothing_that_is_sent_breaks_the_server(tmp_path: Path) -> None:
    findings, faults = run(messages=500, strings=300, seed=1, folder=tmp_path)
    assert faults == []
    assert {method for method, _ in findings.outcomes} == {*(path.rpartition("/")[2] for path in METHODS), "item"}
    assert findings.names
