"""Incidents: a person says which requests belong together, and the store says what came in at about the same time."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from dispatch.store import Audit, Incidents, Instruction, NotFound, Retention, Store
from dispatch.store.records import utc_now

Make = Callable[..., Instruction]
HOUR = timedelta(hours=1)


@pytest.fixture
def incidents(store: Store) -> Incidents:
    return Incidents(store.database)


def incident_of(store: Store, name: str) -> str:
    found = store.get(name)
    assert found is not None
    return found.incident_id


def test_a_request_joins_an_incident_and_leaves_the_one_before(store: Store, incidents: Incidents, draft: Make) -> None:
    one, other = store.save_all([draft(incident_id="i-1"), draft(incident_id="i-2", request_id="r")])
    assert incidents.join(one.name, "i-2", "li") == "i-2"
    assert [row.name for row in store.list_incident("i-2")] == [one.name, other.name] or [
        row.name for row in store.list_incident("i-2")
    ] == [other.name, one.name]
    assert store.list_incident("i-1") == []
    (merged,) = Audit(store.database).events(subject=one.name, actor="li", limit=9)
    assert (merged.action, merged.details) == ("instruction.merged", {"incident": "i-2", "before": "i-1"})
    assert Audit(store.database).verify().faults == ()
    assert store.get(other.name) == other


def test_where_neither_has_an_incident_one_is_made(store: Store, incidents: Incidents, draft: Make) -> None:
    one, other, third = store.save_all([draft(), draft(), draft()])
    made = incidents.join(one.name, other.name, "li")
    assert other.name == f"instructions/{made}"
    assert incident_of(store, one.name) == incident_of(store, other.name) == made
    assert incidents.join(third.name, other.name, "li") == made
    assert incidents.join(third.name, made, "li") == made  # again: it is recorded, and changes nothing
    details = [step.details for step in Audit(store.database).events(actor="li", limit=9)]
    assert details == [
        {"incident": made, "before": "", "with": other.name},
        {"incident": made, "before": ""},
        {"incident": made, "before": made},
    ]
    assert Audit(store.database).verify().faults == ()


def test_nothing_joins_what_is_not_there_or_itself(store: Store, incidents: Incidents, draft: Make) -> None:
    name = store.save(draft()).name
    for one, into in ((name, "i-9"), (name, "instructions/" + "0" * 32), ("instructions/" + "0" * 32, name)):
        with pytest.raises(NotFound):
            incidents.join(one, into, "li")
    with pytest.raises(ValueError, match="merged with itself"):
        incidents.join(name, name, "li")
    assert incident_of(store, name) == ""


def test_a_repeat_of_the_request_is_answered_as_before(store: Store, incidents: Incidents, draft: Make) -> None:
    one, other = store.save_all([draft(request_id="r-1", body_digest="d"), draft()], "cad")
    incidents.join(one.name, other.name, "li")
    assert store.save(draft(request_id="r-1", body_digest="d"), "cad").name == one.name


def test_what_came_in_at_about_the_same_time_is_found_on_both_sides_the_nearest(
    store: Store, incidents: Incidents, draft: Make
) -> None:
    now = utc_now()
    hours = [-7, -5, -2, -1, 0, 1, 3, 7]
    saved = dict(
        zip(
            hours,
            store.save_all([draft(created_at=now + hour * HOUR, report=f"{hour}") for hour in hours]),
            strict=True,
        )
    )
    found = incidents.near(now, within=6 * HOUR, limit=9)
    assert [request.report for request in found] == ["-5", "-2", "-1", "0", "1", "3"]
    assert found[3].name == saved[0].name
    assert [request.report for request in incidents.near(now, within=6 * HOUR, limit=2)] == ["-1", "0", "1", "3"]
    Retention(store.database).erase(saved[1].name, actor="dpo", reason="request")
    assert len(incidents.near(now, within=HOUR, limit=9)) == 2
