"""Reviews: one holder at a time, one decision at a time, every step recorded, decisions in one order for watchers."""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event

from dispatch.domain import Order
from dispatch.store import (
    Audit,
    Decision,
    EtagMismatch,
    Instruction,
    LeaseHeld,
    NotFound,
    QueueFilter,
    Retention,
    Reviews,
    StateConflict,
    Store,
)
from dispatch.store.records import utc_now

Make = Callable[..., Instruction]
MINUTE = timedelta(minutes=1)
NOW_EXPIRED = timedelta(0)
FIRE = Order("消防", "派", "冲锋舟", 2, "艘", "歙县")
POWER = Order("电力", "协调", "恢复供电")


@pytest.fixture
def reviews(store: Store) -> Reviews:
    return Reviews(store.database)


@pytest.fixture
def decide(reviews: Reviews) -> Callable[..., Instruction]:
    """Claims an instruction and decides."""

    def run(name: str, action: str, reviewer: str = "li", **rest: Any) -> Instruction:
        claimed = reviews.claim(name, reviewer, MINUTE)
        return reviews.decide(Decision(name=name, action=action, reviewer=reviewer, etag=claimed.etag, **rest))

    return run


def test_the_queue_has_the_most_urgent_first_then_the_oldest(store: Store, reviews: Reviews, draft: Make) -> None:
    now = utc_now()
    wanted = [("特急", 5), ("特急", 1), ("紧急", 9), ("一般", 30)]
    saved = {
        (priority, minutes): store.save(draft(priority=priority, created_at=now - timedelta(minutes=minutes)))
        for priority, minutes in reversed(wanted)
    }
    listed: list[Instruction] = []
    page = reviews.queue(limit=3)
    listed += page.instructions
    page = reviews.queue(limit=3, token=page.next_token)
    listed += page.instructions
    assert listed == [saved[item] for item in wanted]
    assert page.next_token == ""
    with pytest.raises(ValueError, match="page_token"):
        reviews.queue(limit=3, token="made up")


def test_a_claim_keeps_others_off_until_it_expires(store: Store, reviews: Reviews, draft: Make) -> None:
    name = store.save(draft()).name
    claimed = reviews.claim(name, "li", MINUTE)
    assert (claimed.review_state, claimed.claimed_by, claimed.version) == ("claimed", "li", 2)
    with pytest.raises(LeaseHeld) as caught:
        reviews.claim(name, "wang", MINUTE)
    assert (caught.value.holder, caught.value.until) == ("li", claimed.lease_expires_at)
    assert reviews.queue(limit=9).instructions == []
    renewed = reviews.claim(name, "li", NOW_EXPIRED)
    assert renewed.claimed_at == claimed.claimed_at
    assert [item.name for item in reviews.queue(limit=9).instructions] == [name]
    assert reviews.queue(QueueFilter(states=("claimed",)), limit=9).instructions == []
    assert reviews.claim(name, "wang", MINUTE).claimed_by == "wang"
    with pytest.raises(StateConflict, match="claimed by wang"):
        reviews.release(name, "li")
    assert reviews.release(name, "wang").review_state == "pending"


def test_of_two_who_claim_at_once_one_gets_it(store: Store, reviews: Reviews, draft: Make) -> None:
    name = store.save(draft()).name
    barrier = Barrier(4)

    def claim(reviewer: str) -> str:
        barrier.wait()
        try:
            return reviews.claim(name, reviewer, MINUTE).claimed_by
        except LeaseHeld as error:
            return error.holder

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(claim, "abcd"))) == 1


def test_what_is_approved_is_the_draft_and_what_is_revised_is_the_revision(
    store: Store, reviews: Reviews, draft: Make, decide: Any
) -> None:
    first, second = store.save(draft(incident_id="i-1")), store.save(draft())
    approved = decide(first.name, "approved", orders=[FIRE, POWER])
    assert (approved.review_state, approved.final_text, approved.claimed_by) == ("approved", first.instruction, "")
    revised = decide(second.name, "revised", reviewer="wang", text="派出3艘", reason="水深")
    assert (revised.review_state, revised.final_text) == ("revised", "派出3艘")
    one, two = reviews.decisions(limit=9)
    assert (one.cursor, one.incident_id, one.text) == (1, "i-1", first.instruction)
    assert [item.order for item in one.orders] == [FIRE, POWER]
    assert (two.cursor, two.action, two.reviewer, two.reason, two.orders) == (2, "revised", "wang", "水深", ())
    assert reviews.decisions(after=1, limit=9) == [two]
    assert reviews.decisions(agency="电力", limit=9) == [one]
    assert reviews.history(second.name) == [two]
    assert Audit(store.database).verify().faults == ()


def test_nobody_decides_on_what_has_changed_or_is_not_theirs(store: Store, reviews: Reviews, draft: Make) -> None:
    name = store.save(draft()).name
    claimed = reviews.claim(name, "li", MINUTE)
    decision = Decision(name=name, action="approved", reviewer="li", etag=claimed.etag)
    with pytest.raises(EtagMismatch):
        reviews.decide(replace(decision, etag="1"))
    with pytest.raises(StateConflict, match="claimed by li"):
        reviews.decide(replace(decision, reviewer="wang"))
    with pytest.raises(NotFound):
        reviews.decide(replace(decision, name="instructions/0"))
    with pytest.raises(ValueError, match="none of approved"):
        reviews.decide(replace(decision, action="liked"))
    with pytest.raises(ValueError, match="releases no orders"):
        reviews.decide(replace(decision, action="rejected", orders=[FIRE]))
    with pytest.raises(ValueError, match="reason: the character NUL"):
        reviews.decide(replace(decision, reason="\0"))
    assert reviews.decide(decision).review_state == "approved"
    with pytest.raises(EtagMismatch):
        reviews.decide(decision)
    with pytest.raises(StateConflict, match="is approved"):
        reviews.claim(name, "li", MINUTE)
    assert len(reviews.decisions(limit=9)) == 1


def test_without_a_claim_nothing_is_approved(store: Store, reviews: Reviews, draft: Make) -> None:
    saved = store.save(draft())
    with pytest.raises(StateConflict, match="is pending"):
        reviews.decide(Decision(name=saved.name, action="approved", reviewer="li", etag=saved.etag))


def test_what_was_released_can_be_recalled_with_its_orders(
    store: Store, reviews: Reviews, draft: Make, decide: Any
) -> None:
    name = store.save(draft()).name
    approved = decide(name, "approved", orders=[FIRE, POWER])
    done = reviews.decisions(limit=1)[0].orders[1]
    reviews.report_order(done.id, "cancelled", "cad")
    recalled = reviews.decide(
        Decision(name=name, action="recalled", reviewer="chief", etag=approved.etag, reason="误报")
    )
    assert recalled.review_state == "recalled"
    assert [item.state for item in reviews.history(name)[0].orders] == ["recalled", "cancelled"]
    assert [item.action for item in reviews.decisions(limit=9)] == ["approved", "recalled"]
    assert Audit(store.database).verify().faults == ()


def test_nothing_gives_way_to_what_will_not_be_decided_about_or_was_withdrawn(
    store: Store, reviews: Reviews, draft: Make, decide: Any
) -> None:
    one, other, rejected, erased = store.save_all([draft() for _ in range(4)])
    decide(rejected.name, "rejected", reason="重复")
    Retention(store.database).erase(erased.name, actor="dpo", reason="request")
    step = Decision(name=one.name, action="superseded", reviewer="chief", etag=one.etag, text=other.name, reason="合并")
    for successor in (rejected.name, erased.name):
        with pytest.raises(StateConflict, match=f"{successor} is .*, so it cannot be put in the place of another"):
            reviews.decide(replace(step, text=successor))
    with pytest.raises(NotFound):
        reviews.decide(replace(step, text=""))
    assert reviews.decide(step).review_state == "superseded"
    with pytest.raises(StateConflict, match=f"{one.name} is superseded"):  # else neither were in the queue
        reviews.decide(replace(step, name=other.name, etag=other.etag, text=one.name))
    assert [item.name for item in reviews.queue(limit=9).instructions] == [other.name]


def test_what_is_returned_is_decided_anew(store: Store, reviews: Reviews, draft: Make, decide: Any) -> None:
    name = store.save(draft()).name
    approved = decide(name, "approved", orders=[FIRE])
    back = reviews.decide(Decision(name=name, action="returned", reviewer="chief", etag=approved.etag, reason="再看"))
    assert (back.review_state, back.final_text) == ("pending", "")
    assert reviews.history(name)[0].orders[0].state == "recalled"
    assert decide(name, "rejected", reviewer="wang", reason="重复").review_state == "rejected"
    assert [item.cursor for item in reviews.history(name)] == [1, 2, 3]


def test_who_had_decided_before_a_second_review_cannot_claim_it_again(
    store: Store, reviews: Reviews, draft: Make, decide: Any
) -> None:
    name = store.save(draft()).name
    for action, reviewer in (("approved", "li"), ("rejected", "wang")):
        done = decide(name, action, reviewer=reviewer, reason="x")
        reviews.decide(Decision(name=name, action="returned", reviewer="chief", etag=done.etag, reason="再看"))
        with pytest.raises(StateConflict, match=f"second review of what {reviewer} decided"):
            reviews.claim(name, reviewer, MINUTE)
    with pytest.raises(StateConflict, match="what li decided"):
        reviews.claim(name, "li", MINUTE)
    assert decide(name, "approved", reviewer="chief").review_state == "approved"


def test_what_was_returned_undecided_can_be_claimed_again(
    store: Store, reviews: Reviews, draft: Make, decide: Any
) -> None:
    name = store.save(draft()).name
    assert decide(name, "returned", reason="换人看").review_state == "pending"
    assert reviews.claim(name, "li", MINUTE).claimed_by == "li"


def test_where_nobody_has_a_name_a_second_review_is_nobody_elses(
    store: Store, reviews: Reviews, draft: Make, decide: Any
) -> None:
    name = store.save(draft()).name
    done = decide(name, "approved", reviewer="")
    reviews.decide(Decision(name=name, action="returned", reviewer="", etag=done.etag, reason="再看"))
    assert decide(name, "rejected", reviewer="", reason="重复").review_state == "rejected"


def test_the_queue_is_filtered(store: Store, reviews: Reviews, draft: Make) -> None:
    hazard = {"kind": "request", "location": "歙县", "hazards": ["flood", "landslide"]}
    flood = store.save(draft(situations=[hazard], incident_id="i-1", priority="特急")).name
    other = store.save(draft(report="100%断电_了", instruction="协调电力公司", priority="一般")).name
    reviews.claim(other, "li", MINUTE)
    everything = ("pending", "claimed")
    for wanted, expected in (
        (QueueFilter(states=everything), [flood, other]),
        (QueueFilter(states=everything, hazard="landslide"), [flood]),
        (QueueFilter(states=everything, hazard="typhoon"), []),
        (QueueFilter(states=everything, priority="一般"), [other]),
        (QueueFilter(states=everything, text="0%断电_"), [other]),
        (QueueFilter(states=everything, text="%"), [other]),
        (QueueFilter(states=everything, text="电力公司"), [other]),
        (QueueFilter(states=everything, text="黄山市"), [flood]),
        (QueueFilter(states=everything, claimed_by="li"), [other]),
        (QueueFilter(states=everything, incident_id="i-1"), [flood]),
        (QueueFilter(incident_id="i-1", text="黄山", hazard="flood", priority="特急"), [flood]),
    ):
        assert [item.name for item in reviews.queue(wanted, limit=9).instructions] == expected, wanted


def test_pages_of_one_priority_follow_on_each_other(store: Store, reviews: Reviews, draft: Make) -> None:
    names = [store.save(draft(priority="特急")).name for _ in range(5)]
    store.save(draft(priority="一般"))
    listed, token = [], ""
    for _ in range(3):
        page = reviews.queue(QueueFilter(priority="特急"), limit=2, token=token)
        listed += [item.name for item in page.instructions]
        token = page.next_token
    assert (listed, token) == (names, "")


@pytest.mark.parametrize(
    "key",
    [
        [1e999, "2026-01-01T00:00:00+00:00", "0" * 32],
        [2**70, "2026-01-01T00:00:00+00:00", "0" * 32],
        [-1, "2026-01-01T00:00:00+00:00", "0" * 32],
        [0, "0001-01-01T00:00:00+23:00", "0" * 32],
        [0, "2026-01-01T00:00:00+00:00", "\ud800"],
        [0, "2026-01-01T00:00:00+00:00", "\0"],
        [0, 5, "0" * 32],
        {},
    ],
    ids=str,
)
def test_a_page_token_that_was_tampered_with_is_refused(reviews: Reviews, key: Any) -> None:
    token = base64.urlsafe_b64encode(json.dumps(key).encode()).decode()
    with pytest.raises(ValueError, match="page_token: "):
        reviews.queue(limit=3, token=token)


@pytest.mark.parametrize("asked", [{"states": ("liked",)}, {"priority": "liked"}, {"hazard": "liked"}], ids=str)
def test_a_filter_for_what_there_is_not_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(asked))}: "):
        QueueFilter(**asked)


def test_an_agency_is_told_of_what_has_orders_for_it(store: Store, reviews: Reviews, draft: Make, decide: Any) -> None:
    names = [store.save(draft()).name for _ in range(3)]
    for name, orders in zip(names, ([FIRE], [POWER], [FIRE, POWER]), strict=True):
        decide(name, "approved", orders=orders)
    assert [item.name for item in reviews.decisions(agency="电力", limit=9)] == names[1:]
    assert [item.cursor for item in reviews.decisions(agency="消防", after=1, limit=9)] == [3]
    assert reviews.decisions(agency="水利", limit=9) == []
    assert reviews.last_cursor() == 3


def test_without_decisions_the_last_cursor_is_0(reviews: Reviews) -> None:
    assert reviews.last_cursor() == 0


def test_an_order_goes_forward_only(store: Store, reviews: Reviews, draft: Make, decide: Any) -> None:
    decide(store.save(draft()).name, "approved", orders=[FIRE])
    order = reviews.decisions(limit=1)[0].orders[0]
    assert order.state == "released"
    for state in ("issued", "issued", "on_scene"):
        assert reviews.report_order(order.id, state, "cad").state == state
    with pytest.raises(StateConflict, match="is on_scene, so it cannot be acknowledged"):
        reviews.report_order(order.id, "acknowledged", "cad")
    reviews.report_order(order.id, "cancelled", "cad")
    with pytest.raises(StateConflict):
        reviews.report_order(order.id, "on_scene", "cad")
    with pytest.raises(ValueError, match="none of released"):
        reviews.report_order(order.id, "lost", "cad")
    with pytest.raises(NotFound):
        reviews.report_order("0", "issued", "cad")
    steps = [step.action for step in Audit(store.database).events(limit=99) if step.action.startswith("order.")]
    assert steps == ["order.issued", "order.on_scene", "order.cancelled"]


def test_cursors_have_no_gaps_when_many_decide_at_once(
    store: Store, reviews: Reviews, draft: Make, decide: Any
) -> None:
    names = [saved.name for saved in store.save_all([draft() for _ in range(12)])]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: decide(name, "approved"), names))
    assert [item.cursor for item in reviews.decisions(limit=99)] == list(range(1, 13))
    assert Audit(store.database).verify().faults == ()


def test_every_step_is_an_event_with_who_and_when(store: Store, reviews: Reviews, draft: Make, decide: Any) -> None:
    name = store.save(draft(), "cad").name
    reviews.claim(name, "li", MINUTE)
    reviews.release(name, "li")
    decide(name, "rejected", reason="重复")
    events = Audit(store.database).events(subject=name, limit=9)
    assert [(step.actor, step.action.removeprefix("instruction.")) for step in events] == [
        ("cad", "stored"), ("li", "claimed"), ("li", "unclaimed"), ("li", "claimed"), ("li", "rejected"),
    ]  # fmt: skip
    assert all(abs(step.at - utc_now()) < MINUTE for step in events)


@pytest.mark.parametrize(
    "wanted",
    [QueueFilter(), QueueFilter(hazard="flood", text="歙县"), QueueFilter(priority="一般", claimed_by="li")],
    ids=["all", "by hazard and text", "by priority and holder"],
)
def test_the_queue_is_read_by_its_index(sqlite_store: Store, draft: Make, wanted: QueueFilter) -> None:
    reviews, database = Reviews(sqlite_store.database), sqlite_store.database
    sqlite_store.save_all([draft() for _ in range(3)])
    token = reviews.queue(limit=1).next_token
    asked: list[tuple[str, Any]] = []
    event.listen(database._reader, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
    reviews.queue(wanted, limit=1, token=token)
    queries = [(query, values) for query, values in asked if query.startswith("SELECT")]
    assert len(queries) == 2  # of what is pending, and of claims that have expired
    with database.reading() as connection:
        for query, values in queries:
            plan = " ".join(row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values))
            assert "USING INDEX ix_instructions_review_state_urgency_created_at_id (review_state=? AND " in plan
            assert "TEMP B-TREE" not in plan
