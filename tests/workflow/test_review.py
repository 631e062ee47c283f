"""The review desk: who may decide what, over which findings, what is released by it, and what is remembered of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from dispatch.domain import Check, Context, Count, Doctrine, Situation, default_doctrine, make_plans, render_instruction
from dispatch.store import (
    ALL_SCOPES,
    ROLES,
    Audit,
    Decision,
    EtagMismatch,
    Instruction,
    LeaseHeld,
    NotFound,
    QueueFilter,
    Reviews,
    StateConflict,
    Store,
)
from dispatch.workflow import NotAllowed, ReasonRequired, ReviewConfig, ReviewDesk, Reviewer

SITUATION = Situation(
    location="A7公路",
    hazards=("snow_road",),
    people={"trapped": Count(50, 50)},
    needs=("rescue", "snow_clearing"),
    measures={"snow_depth_m": 3.0},
)
PLANS = make_plans([SITUATION], Context())
DRAFT = render_instruction(PLANS)
REPORT = "A7公路积雪3米,50人被困,需要清雪,电话13812345678"
LI, WANG = (Reviewer(name, ROLES["reviewer"]) for name in ("li", "wang"))
CHIEF, CAD = Reviewer("chief", ROLES["supervisor"]), Reviewer("cad", ROLES["dispatcher"])
LOW = Check("LOW_CONFIDENCE", "warning", "unsure", "instruction").to_dict()
ERROR = Check("UNGROUNDED_PLACE", "error", "nowhere", "instruction").to_dict()

Save = Callable[..., Instruction]


@pytest.fixture
def save(store: Store) -> Save:
    def run(**changes: Any) -> Instruction:
        fields: dict[str, Any] = {
            "report": REPORT,
            "context": {},
            "decoding": {},
            "instruction": DRAFT,
            "candidates": [],
            "situations": [SITUATION.to_dict()],
            "plan": [order.to_dict() for plan in PLANS for order in plan.orders],
            "checks": [],
            "confidence": 0.6,
            "model": {"name": "default", "digest": "ab12"},
            "doctrine": default_doctrine().digest,
            "timings": {},
            "priority": "紧急",
            **changes,
        }
        return store.save(Instruction(**fields))

    return run


@pytest.fixture
def desk(store: Store) -> ReviewDesk:
    return ReviewDesk(store, default_doctrine())


@pytest.fixture
def approved(desk: ReviewDesk, save: Save) -> Callable[[], Instruction]:
    def run() -> Instruction:
        claimed = desk.claim(LI, save().name)
        return desk.approve(LI, claimed.name, etag=claimed.etag)

    return run


def released(desk: ReviewDesk) -> list[tuple[str, str, str, int | None]]:
    """The orders of the last decision."""
    orders = desk.decisions(CAD, after=desk.last_cursor(CAD) - 1, limit=1)[0].orders
    return [(item.order.agency, item.order.action, item.order.item, item.order.count) for item in orders]


def test_an_approval_releases_doctrines_plan_with_its_crews(desk: ReviewDesk, approved: Any) -> None:
    assert approved().final_text == DRAFT
    assert released(desk) == [
        ("交通", "派", "除雪车", 3),
        ("医疗120", "随行", "医疗队", None),
        ("消防", "出动", "救援车辆", 5),
        ("消防", "出动", "救援人员", 25),
    ]


def test_a_draft_that_is_not_doctrines_releases_what_its_text_says(desk: ReviewDesk, save: Save) -> None:
    claimed = desk.claim(LI, save(instruction="派2台除雪车至A7公路").name)
    desk.approve(LI, claimed.name, etag=claimed.etag)
    assert released(desk) == [("交通", "派", "除雪车", 2)]


def test_a_plan_of_another_version_does_not_stop_an_approval(desk: ReviewDesk, save: Save) -> None:
    claimed = desk.claim(LI, save(plan=[{"agency": "fire"}], situations=[{"kind": "war"}]).name)
    desk.approve(LI, claimed.name, etag=claimed.etag)
    assert released(desk)[0] == ("交通", "派", "除雪车", 3)


def test_a_revision_releases_what_its_text_says(desk: ReviewDesk, save: Save) -> None:
    claimed = desk.claim(LI, save().name)
    revised = desk.revise(LI, claimed.name, etag=claimed.etag, text=" 派3台除雪车至A7公路，到场后回报水位 ")
    assert revised.final_text == "派3台除雪车至A7公路,到场后回报水位"
    assert released(desk) == [("交通", "派", "除雪车", 3), ("应急", "任务", "到场后回报水位", None)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("派4台除雪车至A7公路\n医疗队随行\n", "派4台除雪车至A7公路,医疗队随行"),
        ("\n派4台除雪车至A7公路,\r\n\r\n医疗队随行", "派4台除雪车至A7公路,   医疗队随行"),
        ("一、派3台除雪车至A7公路\n二、派1辆救护车至B村", "一、派3台除雪车至A7公路;二、派1辆救护车至B村"),
    ],
)
def test_each_line_of_a_revision_is_an_order_of_its_own(desk: ReviewDesk, save: Save, text: str, expected: str) -> None:
    claimed = desk.claim(LI, save().name)
    revised = desk.revise(LI, claimed.name, etag=claimed.etag, text=text, reason="x")
    assert " ".join(revised.final_text.split()) == " ".join(expected.split())
    (told,) = desk.decisions(CAD, after=0, limit=9)
    assert [item.order.place for item in told.orders] == ["A7公路", "B村" if "B村" in text else "A7公路"]


def test_what_doctrine_has_no_name_for_is_told(desk: ReviewDesk, save: Save) -> None:
    checks = desk.checks_of(save().name, "派三台除雪车至A7公路\n派2台造雪机至A7公路\n派1辆救护车至A7公路")
    unread = [check.message.partition(" ")[0] for check in checks if check.code == "UNREAD_ORDER"]
    assert unread == ["三台除雪车", "造雪机"]


@pytest.mark.parametrize("text", ["", " \n", DRAFT, f" {DRAFT}", "派" * 4001, "㍿" * 1500])
def test_a_text_that_is_no_revision_is_refused(desk: ReviewDesk, save: Save, text: str) -> None:
    claimed = desk.claim(LI, save().name)
    with pytest.raises(ValueError, match="text: "):
        desk.revise(LI, claimed.name, etag=claimed.etag, text=text, reason="x")


def test_a_text_is_checked_as_it_was_typed(desk: ReviewDesk, save: Save) -> None:
    duplicate = Check("POSSIBLE_DUPLICATE", "info", "as before", "report", 0, 4).to_dict()
    saved = save(report="　Ａ７公路积雪3米,50人被困", checks=[LOW, ERROR, duplicate])
    text = "派４台除雪车至B村，到场后回报水位"
    checks = desk.checks_of(saved.name, text)
    found = {check.code: text[check.start : check.end] for check in checks if check.target == "instruction"}
    assert found["UNGROUNDED_NUMBER"] == "４"
    assert found["UNGROUNDED_PLACE"] == "B村"
    assert found["UNREAD_ORDER"] == "到场后回报水位"
    assert "LOW_CONFIDENCE" not in found  # said of the draft alone
    about_report = {check.code: saved.report[check.start : check.end] for check in checks if check.target == "report"}
    assert about_report["POSSIBLE_DUPLICATE"] == "　Ａ７公"
    assert about_report["AMBIGUOUS_PLACE"] == "Ａ７公路"
    assert [check.severity for check in checks] == sorted(
        (check.severity for check in checks), key=("error", "warning", "info").index
    )


def test_the_draft_itself_is_found_as_doctrine_wants_it(desk: ReviewDesk, save: Save) -> None:
    codes = {check.code for check in desk.checks_of(save().name, DRAFT)}
    assert not codes & {"UNREAD_ORDER", "DOCTRINE_MISMATCH", "UNGROUNDED_NUMBER", "UNGROUNDED_PLACE"}


def test_a_report_that_was_cut_needs_a_reason_whatever_is_released(desk: ReviewDesk, save: Save) -> None:
    cut = Check("TRUNCATED_INPUT", "error", "cut", "report", 3, 9).to_dict()
    claimed = desk.claim(LI, save(checks=[cut]).name)
    with pytest.raises(ReasonRequired) as caught:
        desk.revise(LI, claimed.name, etag=claimed.etag, text="派3台除雪车至A7公路")
    assert "TRUNCATED_INPUT" in {check.code for check in caught.value.checks}


@pytest.mark.parametrize(("check", "over"), [(LOW, "LOW_CONFIDENCE"), (ERROR, "UNGROUNDED_PLACE")])
def test_low_confidence_takes_a_reason(desk: ReviewDesk, save: Save, check: Any, over: str) -> None:
    claimed = desk.claim(LI, save(checks=[check]).name)
    assert [doubt.code for doubt in desk.doubts(claimed)] == [over]
    with pytest.raises(ReasonRequired, match=f"approved over {over}"):
        desk.approve(LI, claimed.name, etag=claimed.etag, reason="  ")
    assert desk.approve(LI, claimed.name, etag=claimed.etag, reason="已回拨").review_state == "approved"


@pytest.mark.parametrize("end", ["rejected", "recalled", "revised"])
def test_a_draft_that_counts_on_what_was_withdrawn_takes_a_reason(desk: ReviewDesk, save: Save, end: str) -> None:
    text = "派2台除雪车至A7公路"
    earlier, caller = save(incident_id="i", instruction=text), "派1辆救护车至A7公路"
    draft = save(incident_id="i", context={"issued": [text, caller]})
    claimed = desk.claim(LI, draft.name)
    assert desk.doubts(claimed) == []
    held = desk.claim(CHIEF, earlier.name)
    if end == "rejected":
        desk.reject(CHIEF, earlier.name, etag=held.etag, reason="误报")
    elif end == "revised":
        desk.revise(CHIEF, earlier.name, etag=held.etag, text="派1台除雪车至A7公路", reason="x")
    else:
        done = desk.approve(CHIEF, earlier.name, etag=held.etag)
        assert desk.doubts(claimed) == []
        desk.recall(CHIEF, earlier.name, etag=done.etag, reason="误报")
    (doubt,) = desk.doubts(claimed)
    assert doubt.message == f"{text} is counted as issued, and is not any more: {earlier.name} is {end}"
    assert doubt in desk.checks_of(draft.name, "派3台除雪车至A7公路")
    with pytest.raises(ReasonRequired, match="approved over ISSUED_WITHDRAWN"):
        desk.approve(LI, draft.name, etag=claimed.etag)
    assert desk.approve(LI, draft.name, etag=claimed.etag, reason="已另派").review_state == "approved"


def test_what_was_revised_to_no_fewer_orders_still_counts(desk: ReviewDesk, save: Save) -> None:
    text = "派2台除雪车至A7公路"
    earlier, other = save(incident_id="i", instruction=text), save(incident_id="i", instruction="派2台除雪车至B村")
    draft = save(incident_id="i", context={"issued": [text]})
    held = desk.claim(LI, earlier.name)
    desk.revise(LI, earlier.name, etag=held.etag, text=f"{text},到场后回报路况", reason="x")
    desk.reject(LI, other.name, etag=desk.claim(LI, other.name).etag, reason="误报")  # never counted
    assert desk.doubts(draft) == []


def test_the_confidence_that_is_low_can_be_set(store: Store, save: Save) -> None:
    strict = ReviewDesk(store, default_doctrine(), ReviewConfig(low_confidence=0.7))
    easy = ReviewDesk(store, default_doctrine(), ReviewConfig(low_confidence=0.5))
    saved = save(checks=[LOW])
    assert [doubt.code for doubt in strict.doubts(saved)] == ["LOW_CONFIDENCE"]
    assert easy.doubts(saved) == []


@pytest.mark.parametrize("step", ["reject", "return_for_review"])
def test_what_says_no_says_why(desk: ReviewDesk, save: Save, step: str) -> None:
    claimed = desk.claim(LI, save().name)
    with pytest.raises(ReasonRequired):
        getattr(desk, step)(LI, claimed.name, etag=claimed.etag, reason="")
    with pytest.raises(ValueError, match="reason: must have at most 500"):
        getattr(desk, step)(LI, claimed.name, etag=claimed.etag, reason="x" * 501)
    assert getattr(desk, step)(LI, claimed.name, etag=claimed.etag, reason="重复").claimed_by == ""


def test_who_has_decided_undoes_it_and_others_need_a_supervisor(desk: ReviewDesk, approved: Any) -> None:
    done = approved()
    with pytest.raises(NotAllowed) as caught:
        desk.return_for_review(WANG, done.name, etag=done.etag, reason="x")
    assert caught.value.scope == "supervise"
    back = desk.return_for_review(LI, done.name, etag=done.etag, reason="看错了")
    assert back.review_state == "pending"
    with pytest.raises(StateConflict, match="what li decided"):
        desk.claim(LI, done.name)
    claimed = desk.claim(WANG, done.name)
    rejected = desk.reject(WANG, done.name, etag=claimed.etag, reason="重复")
    assert desk.return_for_review(CHIEF, done.name, etag=rejected.etag, reason="不重复").review_state == "pending"


def test_nobody_undoes_what_another_decides_meanwhile_by_guessing_its_etag(
    desk: ReviewDesk, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = desk.claim(LI, save().name)
    coming = str(int(claimed.etag) + 1)
    decide = Reviews.decide

    def decide_after_li(self: Reviews, decision: Decision) -> Instruction:
        monkeypatch.setattr(Reviews, "decide", decide)
        desk.approve(LI, claimed.name, etag=claimed.etag)
        return decide(self, decision)

    monkeypatch.setattr(Reviews, "decide", decide_after_li)
    with pytest.raises(EtagMismatch):
        desk.return_for_review(WANG, claimed.name, etag=coming, reason="x")


def test_every_step_asks_for_its_scope(desk: ReviewDesk, save: Save) -> None:
    saved = save()
    fields: dict[str, Any] = {"etag": saved.etag, "reason": "x"}
    steps: dict[str, list[Callable[[Reviewer], object]]] = {
        "read": [
            lambda who: desk.list(who, QueueFilter(), limit=1),
            lambda who: desk.get(who, saved.name),
            lambda who: desk.history(who, saved.name),
        ],
        "review": [
            lambda who: desk.claim(who, saved.name),
            lambda who: desk.release(who, saved.name),
            lambda who: desk.approve(who, saved.name, **fields),
            lambda who: desk.revise(who, saved.name, text="x", **fields),
            lambda who: desk.reject(who, saved.name, **fields),
            lambda who: desk.return_for_review(who, saved.name, **fields),
        ],
        "supervise": [
            lambda who: desk.recall(who, saved.name, **fields),
            lambda who: desk.supersede(who, saved.name, by=saved.name, **fields),
        ],
        "watch": [
            lambda who: desk.begin_watch(who, after=0, agency=""),
            lambda who: desk.decisions(who, after=0, limit=1),
            lambda who: desk.last_cursor(who),
            lambda who: desk.report_order(who, "0", "issued"),
        ],
        "audit": [lambda who: desk.audit(who, limit=1)],
        "export": [desk.begin_export],
    }
    for scope, calls in steps.items():
        for call in calls:
            with pytest.raises(NotAllowed) as caught:
                call(Reviewer("x", ALL_SCOPES - {scope}))
            assert caught.value.scope == scope
    assert [event.action for event in desk.audit(CHIEF, limit=9)] == ["instruction.stored"]


def test_what_is_not_there_is_not_found(desk: ReviewDesk, save: Save) -> None:
    name = "instructions/" + "0" * 32
    for call in (desk.get, desk.history, desk.claim, desk.release):
        with pytest.raises(NotFound):
            call(LI, name)
    with pytest.raises(NotFound):
        desk.checks_of(name, "x")
    with pytest.raises(NotFound):
        desk.supersede(CHIEF, save().name, etag="1", by=name, reason="x")


def test_reading_is_recorded_once_a_minute_and_not_for_a_claim(
    desk: ReviewDesk, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("dispatch.workflow.review.monotonic", lambda: now[0])
    name = save().name
    for moment in (0.0, 30.0, 59.0, 61.0):
        now[0] = 1000.0 + moment
        desk.get(LI, name)
    desk.get(CHIEF, name)
    desk.get(CAD, name)
    desk.claim(WANG, name)
    desk.get(WANG, name)
    read = [event.actor for event in desk.audit(CHIEF, subject=name, limit=99) if event.action == "instruction.read"]
    assert read == ["li", "li", "chief"]


def test_the_memory_of_readings_is_bounded(
    desk: ReviewDesk, store: Store, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatch.workflow.review._MOST_READERS", 3)
    now = [0.0]
    monkeypatch.setattr("dispatch.workflow.review.monotonic", lambda: now[0])
    name = save().name
    for number in range(12):
        now[0] += 30
        desk.get(Reviewer(f"r{number}", ROLES["auditor"]), name)
    assert len(desk._reads._read_at) <= 4


def test_a_list_shows_no_number_and_a_search_takes_the_right_to_read_them(desk: ReviewDesk, save: Save) -> None:
    save()
    for who in (CAD, LI, CHIEF):
        (listed,) = desk.list(who, QueueFilter(), limit=9).instructions
        assert listed.report == "A7公路积雪3米,50人被困,需要清雪,电话138****5678"
    with pytest.raises(NotAllowed):
        desk.list(CAD, QueueFilter(text="1381"), limit=9)
    assert desk.list(LI, QueueFilter(text="13812345678"), limit=9).instructions


def test_decisions_are_masked_by_role_but_for_what_crews_are_sent(desk: ReviewDesk, save: Save) -> None:
    text, reason = "派3台除雪车至A7公路,联系13912345678", "回拨13812345678"
    claimed = desk.claim(LI, save().name)
    desk.revise(LI, claimed.name, etag=claimed.etag, text=text, reason=reason)
    (seen,), (told,) = desk.history(CAD, claimed.name), desk.decisions(CAD, after=0, limit=9)
    assert (seen.text, seen.reason) == ("", "回拨138****5678")
    assert [item.order.item for item in seen.orders if "139" in item.order.item] == ["139****5678"]
    assert (told.text, told.reason) == (text, "回拨138****5678")
    (known,) = desk.history(LI, claimed.name)
    assert (known.text, known.reason) == (text, reason)


def test_what_took_the_place_of_another_is_told_to_everybody(desk: ReviewDesk, save: Save) -> None:
    one, other = save(), save()
    desk.supersede(CHIEF, one.name, etag=one.etag, by=other.name, reason="合并")
    assert [decision.text for decision in desk.history(CAD, one.name)] == [other.name]


def test_an_auditor_finds_what_somebody_did(desk: ReviewDesk, approved: Any) -> None:
    done = approved()
    desk.recall(CHIEF, done.name, etag=done.etag, reason="误报")
    assert [event.action for event in desk.audit(CHIEF, actor="chief", limit=9)] == ["instruction.recalled"]
    by_li = desk.audit(CHIEF, actor="li", subject=done.name, limit=9)
    assert [event.action for event in by_li] == ["instruction.claimed", "instruction.approved"]
    assert desk.audit(CHIEF, after=by_li[-1].seq, limit=9)[0].actor == "chief"


def test_of_many_who_decide_at_once_one_does(desk: ReviewDesk, store: Store, save: Save) -> None:
    saved, barrier = save(), Barrier(4)

    def decide(name: str) -> str:
        who = Reviewer(name, ROLES["supervisor"])
        barrier.wait()
        try:
            claimed = desk.claim(who, saved.name)
            return desk.approve(who, saved.name, etag=claimed.etag).review_state
        except (LeaseHeld, StateConflict, EtagMismatch):
            return ""

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(decide, "abcd"))
    assert sorted(outcomes) == ["", "", "", "approved"]
    assert [decision.action for decision in desk.decisions(CAD, after=0, limit=9)] == ["approved"]
    assert Audit(store.database).verify().faults == ()


def test_of_a_decision_and_a_recall_by_the_same_etag_one_is_taken(desk: ReviewDesk, approved: Any) -> None:
    done, barrier = approved(), Barrier(2)

    def step(name: str) -> str:
        barrier.wait()
        try:
            return getattr(desk, name)(CHIEF, done.name, etag=done.etag, reason="x").review_state  # type: ignore[no-any-return]
        except EtagMismatch:
            return ""

    with ThreadPoolExecutor(2) as pool:
        states = set(pool.map(step, ("recall", "return_for_review")))
    assert states in ({"", "recalled"}, {"", "pending"})


def test_doctrine_says_who_carries_out_what_is_typed(desk: ReviewDesk, save: Save) -> None:
    doctrine: Doctrine = default_doctrine()
    claimed = desk.claim(LI, save().name)
    desk.revise(LI, claimed.name, etag=claimed.etag, text="协调电力公司恢复供电", reason="x")
    assert released(desk) == [(doctrine.agency("电力公司恢复供电"), "协调", "电力公司恢复供电", None)]
