"""ReviewService over a real connection: what reviewers, auditors and dispatch systems can do, and what nobody can."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from dispatch.domain import Check, Context, Count, Situation, default_doctrine, make_plans, render_instruction
from dispatch.server import DispatchServer, ServerConfig
from dispatch.server.authentication import NEEDS, AuthenticationConfig
from dispatch.server.review_service import Export, ReviewService
from dispatch.store import (
    ALL_SCOPES,
    ROLES,
    Audit,
    Decision,
    Instruction,
    Reviews,
    Store,
    StoreUnavailable,
    Tokens,
    new_name,
)
from dispatch.v1 import review_service_pb2 as messages
from dispatch.v1.review_service_pb2_grpc import ReviewServiceStub
from dispatch.workflow import LiveIntake, ReviewConfig, ReviewDesk, Reviewer

SITUATION = Situation(
    location="歙县", hazards=("flood",), people={"trapped": Count(3, 3)}, needs=("rescue",), facts={"in_water": True}
)
PLAN = make_plans([SITUATION], Context())
DRAFT = render_instruction(PLAN)
PATIENCE_S = 20.0

Save = Callable[..., str]


@pytest.fixture
def save(store: Store) -> Save:
    """Stores a draft, with the fields given replaced, and gives its name."""

    def run(**changes: Any) -> str:
        fields: dict[str, Any] = {
            "report": "歙县内涝,3人被困水中,电话13812345678",
            "context": {},
            "decoding": {},
            "instruction": DRAFT,
            "candidates": [{"text": DRAFT, "score": -0.5, "token_scores": [-0.5]}],
            "situations": [SITUATION.to_dict()],
            "plan": [order.to_dict() for plan in PLAN for order in plan.orders],
            "checks": [],
            "confidence": 0.9,
            "model": {"name": "default", "digest": "ab12"},
            "doctrine": default_doctrine().digest,
            "timings": {},
            "priority": "紧急",
            **changes,
        }
        return store.save(Instruction(**fields), "cad").name

    return run


async def start(intake: LiveIntake, store: Store, export: Export | None = None) -> tuple[str, DispatchServer]:
    """A server that asks for tokens, behind its address."""
    review = ReviewService(ReviewDesk(store, default_doctrine(), ReviewConfig()), export, poll_s=0.02)
    config = ServerConfig("127.0.0.1:0", grace_s=1, authentication=AuthenticationConfig(required=True))
    server = DispatchServer(config, intake, review=review, find_token=Tokens(store.database).find)
    return await server.start(), server


@pytest.fixture
async def channel(intake: LiveIntake, store: Store) -> AsyncIterator[grpc.aio.Channel]:
    address, server = await start(intake, store)
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel
    await server.stop()


class Caller:
    """Somebody with a token."""

    def __init__(self, stub: Any, secret: str) -> None:
        self._stub = stub
        self._secret = secret

    async def __call__(self, method: str, **fields: Any) -> Any:
        request = getattr(messages, f"{method}Request")(**fields)
        return await getattr(self._stub, method)(request, metadata=self._metadata, timeout=PATIENCE_S)

    def stream(self, method: str, **fields: Any) -> Any:
        request = getattr(messages, f"{method}Request")(**fields)
        return getattr(self._stub, method)(request, metadata=self._metadata, timeout=PATIENCE_S)

    def watch(self, **fields: Any) -> Any:
        return self.stream("WatchInstructions", **fields)

    def at(self, channel: grpc.aio.Channel) -> "Caller":
        """The same person at another server."""
        return Caller(ReviewServiceStub(channel), self._secret)

    async def claim(self, name: str) -> str:
        """Holds it, and gives the etag."""
        return str((await self("ClaimInstruction", name=name)).instruction.etag)

    @property
    def _metadata(self) -> Any:
        return [("authorization", f"Bearer {self._secret}")]


@pytest.fixture
def caller(channel: grpc.aio.Channel, store: Store) -> Callable[..., Caller]:
    def make(name: str, *roles: str) -> Caller:
        scopes = frozenset[str]().union(*(ROLES[role] for role in roles))
        return Caller(ReviewServiceStub(channel), Tokens(store.database).create(name, scopes)[0])

    return make


@pytest.fixture
def li(caller: Any) -> Caller:
    return caller("li", "reviewer")  # type: ignore[no-any-return]


@pytest.fixture
def chief(caller: Any) -> Caller:
    return caller("chief", "supervisor")  # type: ignore[no-any-return]


@pytest.fixture
def cad(caller: Any) -> Caller:
    return caller("cad", "dispatcher")  # type: ignore[no-any-return]


async def refused(call: Any) -> tuple[str, str, list[str]]:
    """Status, reason and fields named of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info, bad = ErrorInfo(), BadRequest()
    for detail in rpc_status.from_call(caught.value).details:
        detail.Unpack(info)
        detail.Unpack(bad)
    return caught.value.code().name, info.reason, [violation.field for violation in bad.field_violations]


async def first(watching: Any, number: int) -> list[Any]:
    """The first decisions of a watch, which is then left."""
    found = []
    async for reply in watching:
        found.append(reply.decision)
        if len(found) == number:
            watching.cancel()
            return found
    raise AssertionError("the watch has ended")


async def test_an_instruction_is_listed_claimed_approved_and_told(li: Caller, cad: Caller, save: Save) -> None:
    name = save(incident_id="i-1")
    (listed,) = (await li("ListInstructions")).instructions
    assert (listed.name, listed.review_state, listed.releasable) == (name, "pending", False)
    claimed = (await li("ClaimInstruction", name=name)).instruction
    assert (claimed.claimed_by, claimed.review_state) == ("li", "claimed")
    assert claimed.lease_expires_at.ToDatetime() > claimed.claimed_at.ToDatetime()
    approved = (await li("ApproveInstruction", name=name, etag=claimed.etag)).instruction
    assert (approved.review_state, approved.final_text, approved.releasable) == ("approved", DRAFT, True)
    (decision,) = await first(cad.watch(), 1)
    assert (decision.cursor, decision.name, decision.incident_id, decision.action) == (1, name, "i-1", "approved")
    assert (decision.reviewer, decision.text) == ("li", DRAFT)
    assert {order.order.agency for order in decision.orders} >= {"消防"}
    assert {order.state for order in decision.orders} == {"released"}


async def test_two_reviewers_never_hold_one_item(li: Caller, chief: Caller, save: Save) -> None:
    name = save()
    await li.claim(name)
    assert await refused(chief("ClaimInstruction", name=name)) == ("FAILED_PRECONDITION", "LEASE_HELD", [])
    assert (await li("ReleaseInstruction", name=name)).instruction.review_state == "pending"
    etag = await chief.claim(name)
    call = li("ApproveInstruction", name=name, etag=etag)
    assert await refused(call) == ("FAILED_PRECONDITION", "STATE_CONFLICT", [])


async def test_another_etag_is_aborted(li: Caller, save: Save) -> None:
    name = save()
    await li.claim(name)
    for method in ("ApproveInstruction", "RejectInstruction", "ReturnInstruction"):
        call = li(method, name=name, etag="1", reason="x")
        assert await refused(call) == ("ABORTED", "ETAG_MISMATCH", [])
    call = li("ReviseInstruction", name=name, etag="1", text="派3艘冲锋舟至歙县")
    assert (await refused(call))[:2] == ("ABORTED", "ETAG_MISMATCH")


async def test_what_needs_a_reason_gets_one(li: Caller, chief: Caller, save: Save) -> None:
    error = Check("UNGROUNDED_NUMBER", "error", "3", "instruction").to_dict()
    name = save(checks=[error])
    etag = await li.claim(name)
    expected = ("INVALID_ARGUMENT", "REASON_REQUIRED", ["reason"])
    for method in ("ApproveInstruction", "RejectInstruction", "ReturnInstruction"):
        assert await refused(li(method, name=name, etag=etag, reason=" ")) == expected
    call = li("ReviseInstruction", name=name, etag=etag, text="派3艘冲锋舟至天堂村")
    assert await refused(call) == expected
    done = (await li("ApproveInstruction", name=name, etag=etag, reason="已回拨核实")).instruction
    assert await refused(chief("RecallInstruction", name=name, etag=done.etag)) == expected


async def test_a_revision_is_checked_before_and_released_with_its_orders(li: Caller, cad: Caller, save: Save) -> None:
    name = save()
    etag = await li.claim(name)
    text = "派3艘冲锋舟至歙县，到场后回报水位"
    told = await li("ReviseInstruction", name=name, text=text, validate_only=True)
    assert not told.HasField("instruction")
    (unread,) = [check for check in told.checks if check.code == "UNREAD_ORDER"]
    assert text[unread.start : unread.end] == "到场后回报水位"
    assert any(check.code == "UNGROUNDED_NUMBER" for check in told.checks) is False
    revised = (await li("ReviseInstruction", name=name, etag=etag, text=text)).instruction
    assert revised.final_text == "派3艘冲锋舟至歙县,到场后回报水位"
    (decision,) = await first(cad.watch(), 1)
    assert decision.text == revised.final_text
    orders = [(order.order.action, order.order.item, order.order.count) for order in decision.orders]
    assert orders == [("派", "冲锋舟", 3), ("任务", "到场后回报水位", 0)]


async def test_to_be_told_the_findings_about_a_text_is_to_read_the_report(
    li: Caller, chief: Caller, save: Save, store: Store
) -> None:
    name = save()
    await li("ReviseInstruction", name=name, text="派9艘冲锋舟至歙县", validate_only=True)
    await chief.claim(name)
    await chief("ReviseInstruction", name=name, text="派9艘冲锋舟至歙县", validate_only=True)
    events = Audit(store.database).events(subject=name, limit=9)
    assert [event.actor for event in events if event.action == "instruction.read"] == ["li"]


async def test_what_was_returned_is_decided_by_somebody_else(
    li: Caller, chief: Caller, cad: Caller, save: Save
) -> None:
    name = save()
    approved = (await li("ApproveInstruction", name=name, etag=await li.claim(name))).instruction
    back = (await chief("ReturnInstruction", name=name, etag=approved.etag, reason="地点不对")).instruction
    assert (back.review_state, back.final_text) == ("pending", "")
    call = li("ClaimInstruction", name=name)
    assert await refused(call) == ("FAILED_PRECONDITION", "STATE_CONFLICT", [])
    etag = await chief.claim(name)
    await chief("RejectInstruction", name=name, etag=etag, reason="重复")
    told = await first(cad.watch(), 3)
    assert [(decision.action, decision.text) for decision in told] == [
        ("approved", DRAFT), ("returned", ""), ("rejected", ""),
    ]  # fmt: skip
    assert {order.state for order in told[0].orders} == {"recalled"}


async def test_only_a_supervisor_undoes_what_others_have_decided(
    li: Caller, chief: Caller, caller: Any, save: Save
) -> None:
    name, wang = save(), caller("wang", "reviewer")
    done = (await li("ApproveInstruction", name=name, etag=await li.claim(name))).instruction
    lacking: tuple[str, str, list[str]] = ("PERMISSION_DENIED", "SCOPE_MISSING", [])
    assert await refused(wang("ReturnInstruction", name=name, etag=done.etag, reason="x")) == lacking
    assert await refused(wang("RecallInstruction", name=name, etag=done.etag, reason="x")) == lacking
    recalled = (await chief("RecallInstruction", name=name, etag=done.etag, reason="误报")).instruction
    assert recalled.review_state == "recalled"
    own = save()
    mine = (await li("RejectInstruction", name=own, etag=await li.claim(own), reason="重复")).instruction
    assert (
        await li("ReturnInstruction", name=own, etag=mine.etag, reason="看错了")
    ).instruction.review_state == "pending"


async def test_an_instruction_is_superseded_by_another_that_exists(chief: Caller, cad: Caller, save: Save) -> None:
    old, new = save(), save()
    fields = {"name": old, "etag": "1", "reason": "合并"}
    assert (await refused(chief("RecallInstruction", superseded_by=new_name(), **fields)))[1] == "NOT_FOUND"
    call = chief("RecallInstruction", superseded_by=old, **fields)
    assert await refused(call) == ("INVALID_ARGUMENT", "INVALID_FIELDS", ["superseded_by"])
    done = (await chief("RecallInstruction", superseded_by=new, **fields)).instruction
    assert done.review_state == "superseded"
    (decision,) = await first(cad.watch(), 1)
    assert (decision.action, decision.superseded_by, decision.text) == ("superseded", new, "")


async def test_what_no_model_has_read_is_not_approved(li: Caller, save: Save) -> None:
    check = Check("NO_MODEL", "warning", "no model", "instruction").to_dict()
    report = "歙县内涝,3人被困"
    name = save(report=report, instruction=report, situations=[], plan=[], candidates=[], checks=[check])
    etag = await li.claim(name)
    call = li("ApproveInstruction", name=name, etag=etag, reason="x")
    assert await refused(call) == ("FAILED_PRECONDITION", "STATE_CONFLICT", [])
    revised = await li("ReviseInstruction", name=name, etag=etag, text="派2艘冲锋舟至歙县", reason="按经验")
    assert revised.instruction.review_state == "revised"


async def test_a_watch_is_taken_up_where_it_was_left_by_another_server(
    intake: LiveIntake, store: Store, li: Caller, cad: Caller, save: Save
) -> None:
    names = [save() for _ in range(3)]
    for name in names:
        await li("RejectInstruction", name=name, etag=await li.claim(name), reason="重复")
    before = await first(cad.watch(), 2)
    address, server = await start(intake, store)
    async with grpc.aio.insecure_channel(address) as channel:
        after = await first(cad.at(channel).watch(after=before[-1].cursor), 1)
    await server.stop()
    assert [decision.name for decision in (*before, *after)] == names


async def test_a_watch_hears_of_what_is_decided_later(li: Caller, cad: Caller, save: Save) -> None:
    watching = cad.watch()
    hearing = asyncio.create_task(first(watching, 2))
    for text in ("派3艘冲锋舟至歙县", "派4艘冲锋舟至歙县"):
        name = save()
        await li("ReviseInstruction", name=name, etag=await li.claim(name), text=text, reason="按经验")
    assert [decision.text[1] for decision in await hearing] == ["3", "4"]


async def test_what_is_decided_while_a_watch_looks_comes_once(
    li: Caller, cad: Caller, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_cursor = ReviewDesk.last_cursor

    def look_early(self: ReviewDesk, reviewer: Reviewer) -> int:
        monkeypatch.setattr(ReviewDesk, "last_cursor", last_cursor)
        return last_cursor(self, reviewer) - 1

    names = [save() for _ in range(3)]
    for name in names[:2]:
        await li("RejectInstruction", name=name, etag=await li.claim(name), reason="重复")
    monkeypatch.setattr(ReviewDesk, "last_cursor", look_early)
    hearing = asyncio.create_task(first(cad.watch(), 3))
    await li("RejectInstruction", name=names[2], etag=await li.claim(names[2]), reason="重复")
    assert [decision.cursor for decision in await hearing] == [1, 2, 3]


async def test_an_agency_hears_of_its_own_orders_alone(li: Caller, cad: Caller, save: Save) -> None:
    texts = ["派3艘冲锋舟至歙县", "协调电力公司断电排险", "派3艘冲锋舟至歙县,协调电力公司断电排险"]
    for text in texts:
        name = save()
        await li("ReviseInstruction", name=name, etag=await li.claim(name), text=text, reason="按经验")
    told = await first(cad.watch(agency="电力"), 2)
    assert [decision.text for decision in told] == texts[1:]
    assert {order.order.agency for decision in told for order in decision.orders} == {"电力"}


async def test_no_draft_is_told_before_it_is_decided(li: Caller, cad: Caller, save: Save) -> None:
    name, other = save(), save(instruction="派9艘冲锋舟至歙县")
    await li.claim(name)
    await li("ReleaseInstruction", name=name)
    await li.claim(name)
    await li("RejectInstruction", name=other, etag=await li.claim(other), reason="重复")
    (decision,) = await first(cad.watch(), 1)
    assert (decision.name, decision.text) == (other, "")


async def test_a_stopping_server_ends_its_watches_at_once(intake: LiveIntake, store: Store, cad: Caller) -> None:
    address, server = await start(intake, store)
    async with grpc.aio.insecure_channel(address) as channel:
        ended = asyncio.create_task(refused(first(cad.at(channel).watch(), 1)))
        while not any(event.action == "decisions.watched" for event in Audit(store.database).events(limit=99)):
            await asyncio.sleep(0.01)
        await server.stop()
        assert await ended == ("UNAVAILABLE", "SHUTTING_DOWN", [])


async def test_pairs_are_exported_where_the_server_has_them(intake: LiveIntake, store: Store, chief: Caller) -> None:
    pair = {
        "report": "歙县内涝",
        "context": {"location": "歙县"},
        "instruction": DRAFT,
        "situations": [SITUATION.to_dict()],
        "provenance": {"action": "revised", "reviewers": 2, "instructions": ["instructions/0"]},
    }
    address, server = await start(intake, store, lambda: [pair, {"report": "b", "instruction": "c"}])
    async with grpc.aio.insecure_channel(address) as channel:
        found = [reply.pair async for reply in chief.at(channel).stream("ExportPairs")]
    await server.stop()
    assert [(item.report, item.instruction) for item in found] == [("歙县内涝", DRAFT), ("b", "c")]
    assert (found[0].context.location, found[0].situations[0].hazards) == ("歙县", ["flood"])
    assert found[0].provenance["reviewers"] == 2
    assert Audit(store.database).events(subject="pairs", limit=9)[0].actor == "chief"


async def test_a_server_without_pairs_says_so(chief: Caller) -> None:
    call = chief.stream("ExportPairs").read()
    assert await refused(call) == ("FAILED_PRECONDITION", "EXPORT_DISABLED", [])


async def test_the_states_of_orders_are_reported_back(li: Caller, chief: Caller, cad: Caller, save: Save) -> None:
    name = save()
    done = (await li("ApproveInstruction", name=name, etag=await li.claim(name))).instruction
    order = (await first(cad.watch(), 1))[0].orders[0]
    for state in ("issued", "issued", "acknowledged", "on_scene"):
        reply = await cad("ReportOrderStatus", order_id=order.id, state=state)
        assert reply.order.state == state
    call = cad("ReportOrderStatus", order_id=order.id, state="issued")
    assert await refused(call) == ("FAILED_PRECONDITION", "STATE_CONFLICT", [])
    await chief("RecallInstruction", name=name, etag=done.etag, reason="误报")
    call = cad("ReportOrderStatus", order_id=order.id, state="cancelled")
    assert await refused(call) == ("FAILED_PRECONDITION", "STATE_CONFLICT", [])
    call = cad("ReportOrderStatus", order_id=order.id, state="recalled")
    assert await refused(call) == ("INVALID_ARGUMENT", "INVALID_FIELDS", ["state"])
    assert (await refused(cad("ReportOrderStatus", order_id="0", state="issued")))[1] == "NOT_FOUND"


async def test_numbers_are_masked_by_role_and_reading_them_is_recorded(
    li: Caller, cad: Caller, caller: Any, save: Save, store: Store
) -> None:
    name, auditor = save(), caller("zhou", "auditor")
    masked = "歙县内涝,3人被困水中,电话138****5678"
    assert (await cad("GetInstruction", name=name)).instruction.report == masked
    assert (await li("ListInstructions")).instructions[0].report == masked
    for _ in range(3):
        assert "13812345678" in (await li("GetInstruction", name=name)).instruction.report
        assert "13812345678" in (await auditor("GetInstruction", name=name)).instruction.report
    events = (await auditor("ListAuditEvents", subject=name)).events
    assert [(event.seq, event.actor, event.action) for event in events if event.action == "instruction.read"] == [
        (events[-2].seq, "li", "instruction.read"),
        (events[-1].seq, "zhou", "instruction.read"),
    ]
    assert Audit(store.database).verify().faults == ()


async def test_who_may_not_read_numbers_cannot_find_them_out_by_a_search(cad: Caller, li: Caller, save: Save) -> None:
    name = save()
    assert await refused(cad("ListInstructions", text="138")) == ("PERMISSION_DENIED", "SCOPE_MISSING", [])
    assert [item.name for item in (await li("ListInstructions", text="13812345678")).instructions] == [name]
    assert not (await li("ListInstructions", text="1%8")).instructions


async def test_released_text_reaches_a_dispatch_system_by_its_watch_alone(li: Caller, cad: Caller, save: Save) -> None:
    name, text = save(), "派3艘冲锋舟至歙县,联系13912345678"
    await li("ReviseInstruction", name=name, etag=await li.claim(name), text=text, reason="按经验")
    reply = await cad("GetInstruction", name=name)
    assert reply.instruction.final_text == ""
    assert [decision.text for decision in reply.decisions] == [""]
    assert [decision.text for decision in (await li("GetInstruction", name=name)).decisions] == [text]
    assert [decision.text for decision in await first(cad.watch(), 1)] == [text]


async def test_a_list_leaves_out_what_is_long(li: Caller, save: Save) -> None:
    name = save(context={"location": "歙县", "issued": ["派1辆消防车至歙县"]})
    (listed,) = (await li("ListInstructions")).instructions
    whole = (await li("GetInstruction", name=name)).instruction
    assert (len(listed.candidates), list(listed.context.issued), listed.context.location) == (0, [], "歙县")
    assert (len(whole.candidates), list(whole.context.issued)) == (1, ["派1辆消防车至歙县"])


async def test_the_queue_is_filtered_and_paged(li: Caller, save: Save) -> None:
    urgent, usual = save(priority="特急"), [save(priority="一般") for _ in range(3)]
    fire = save(situations=[Situation(hazards=("wildfire",)).to_dict()], incident_id="i-9")
    listed = [item.name for item in (await li("ListInstructions")).instructions]
    assert listed == [urgent, fire, *usual]
    page = await li("ListInstructions", page_size=2)
    rest = await li("ListInstructions", page_size=9, page_token=page.next_page_token)
    assert [item.name for item in (*page.instructions, *rest.instructions)] == listed
    assert rest.next_page_token == ""
    await li.claim(urgent)
    for fields, expected in (
        ({"priority": "一般"}, usual),
        ({"hazard": "wildfire"}, [fire]),
        ({"incident_id": "i-9"}, [fire]),
        ({"states": ["claimed"]}, [urgent]),
        ({"states": ["claimed"], "claimed_by": "wang"}, []),
        ({"states": ["pending", "claimed"], "claimed_by": "li"}, [urgent]),
    ):
        assert [item.name for item in (await li("ListInstructions", **fields)).instructions] == expected


@pytest.mark.parametrize(
    ("method", "fields", "named"),
    [
        ("ListInstructions", {"page_size": 201}, "page_size"),
        ("ListInstructions", {"page_size": -1}, "page_size"),
        ("ListInstructions", {"page_token": "made up"}, "page_token"),
        ("ListInstructions", {"states": ["liked"]}, "states"),
        ("ListInstructions", {"priority": "high"}, "priority"),
        ("ListInstructions", {"hazard": "aliens"}, "hazard"),
        ("ListInstructions", {"incident_id": "\0"}, "incident_id"),
        ("ClaimInstruction", {"name": "n" * 257}, "name"),
        ("ReviseInstruction", {"text": "x" * 4001}, "text"),
        ("ReviseInstruction", {"text": " "}, "text"),
        ("ReviseInstruction", {"text": DRAFT}, "text"),
        ("RejectInstruction", {"reason": "x" * 501}, "reason"),
        ("RejectInstruction", {"reason": "\0"}, "reason"),
        ("ListAuditEvents", {"after": -1}, "after"),
        ("ListAuditEvents", {"page_size": 1001}, "page_size"),
        ("ReportOrderStatus", {"state": "lost"}, "state"),
    ],
)
async def test_what_is_wrong_with_a_request_is_named(
    caller: Any, save: Save, method: str, fields: dict[str, Any], named: str
) -> None:
    everybody = caller("all", "supervisor", "dispatcher")
    name = {} if method in ("ListInstructions", "ListAuditEvents", "ReportOrderStatus") else {"name": save()}
    assert await refused(everybody(method, **{**name, **fields})) == ("INVALID_ARGUMENT", "INVALID_FIELDS", [named])


async def test_a_watch_from_nowhere_is_refused(li: Caller, cad: Caller, save: Save) -> None:
    assert (await refused(first(cad.watch(after=-1), 1)))[2] == ["after"]
    assert (await refused(first(cad.watch(agency="消防队"), 1)))[2] == ["agency"]
    name = save()
    await li("RejectInstruction", name=name, etag=await li.claim(name), reason="重复")
    expected = ("INVALID_ARGUMENT", "INVALID_FIELDS", ["after"])
    assert await refused(first(cad.watch(after=2), 1)) == expected  # of a store before it was restored
    watching = cad.watch(after=1)
    await watching.initial_metadata()
    watching.cancel()


@pytest.mark.parametrize("method", ["GetInstruction", "ClaimInstruction", "ReleaseInstruction", "ApproveInstruction"])
@pytest.mark.parametrize("name", ["", "instructions/0", "0", "instructions/" + "0" * 32])
async def test_what_is_not_there_is_not_found(li: Caller, method: str, name: str) -> None:
    assert await refused(li(method, name=name)) == ("NOT_FOUND", "NOT_FOUND", [])


async def test_each_role_reaches_what_is_its_own_and_nothing_else(caller: Any, save: Save) -> None:
    name = save()
    methods = {method.rpartition("/")[2]: need for method, need in NEEDS.items() if "ReviewService" in method}
    for role, scopes in ROLES.items():
        somebody = caller(f"some {role}", role)
        for method, need in methods.items():
            fields = {"name": name} if "name" in getattr(messages, f"{method}Request").DESCRIPTOR.fields_by_name else {}
            if need in scopes:
                continue
            is_stream = method in ("WatchInstructions", "ExportPairs")
            call = somebody.stream(method).read() if is_stream else somebody(method, **fields)
            assert await refused(call) == ("PERMISSION_DENIED", "SCOPE_MISSING", []), (role, method)
    assert set(methods.values()) <= ALL_SCOPES


async def test_a_lease_that_has_expired_lets_another_in(intake: LiveIntake, store: Store, save: Save) -> None:
    desk = ReviewDesk(store, default_doctrine(), ReviewConfig(lease_s=0.01))
    server = DispatchServer(ServerConfig("127.0.0.1:0"), intake, review=ReviewService(desk))
    address, name = await server.start(), save()
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = ReviewServiceStub(channel)
        claimed = await stub.ClaimInstruction(messages.ClaimInstructionRequest(name=name))
        await asyncio.sleep(0.05)
        listed = (await stub.ListInstructions(messages.ListInstructionsRequest())).instructions
        assert [item.name for item in listed] == [claimed.instruction.name]
    await server.stop()


async def test_where_the_store_is_lost_nobody_is_told_that_a_step_was_not_taken(
    li: Caller, save: Save, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = save()
    etag = await li.claim(name)
    decide = Reviews.decide

    def lose_the_answer(self: Reviews, decision: Decision) -> Instruction:
        decide(self, decision)
        raise StoreUnavailable("lost while it committed")

    monkeypatch.setattr(Reviews, "decide", lose_the_answer)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await li("ApproveInstruction", name=name, etag=etag)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "may have been done all the same" in (caught.value.details() or "")
    assert (await li("GetInstruction", name=name)).instruction.review_state == "approved"


async def test_a_store_that_is_lost_says_so(li: Caller, save: Save, store: Store) -> None:
    name = save()
    await li.claim(name)
    store.close()
    call = li("ApproveInstruction", name=name, etag="2")
    assert (await refused(call))[0] == "UNAVAILABLE"
