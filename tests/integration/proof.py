"""Proves that a store holds what was answered: every row once, as it was answered, in a chain that verifies."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing

from dispatch.store import Audit, Store
from dispatch.store.upkeep import check
from tests.integration.load import Answer


def prove(url: str, answered: Mapping[str, Answer]) -> int:
    """How many rows the store holds. AssertionError where an answer is not there, twice, or not as it was given.

    To be asked when the server has gone: on SQLite one process alone writes.
    """
    with closing(Store.open(url)) as store:
        rows = store.list_recent(1_000_000)
        assert Audit(store.database).verify().faults == ()
    assert [problem for finding in check(url) for problem in finding.problems] == []
    times = Counter(row.request_id for row in rows if row.request_id)  # in a spool, what was replayed has none
    assert [request_id for request_id, count in times.items() if count > 1] == []
    stored = {row.request_id: Answer(row.name, row.instruction) for row in rows}
    lost = {request_id: answer for request_id, answer in answered.items() if stored.get(request_id) != answer}
    assert lost == {}, f"{len(lost)} of {len(answered)} answers are not stored as they were given"
    return len(rows)
