"""ExplainInstruction over the wire: evidence for who may see it, matrices as asked for, and no reply too large."""

import io
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status
from PIL import Image

from dispatch.domain import Context, Count, Situation, default_doctrine, make_plans, render_instruction
from dispatch.engine import BundleEngine, Registry, TorchEngine
from dispatch.model import load_bundle
from dispatch.server import DispatchServer, ServerConfig, explaining
from dispatch.server.authentication import AuthenticationConfig
from dispatch.server.explaining import Explaining
from dispatch.store import ROLES, Audit, Instruction, Store, Tokens
from dispatch.v1 import dispatch_service_pb2 as messages
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from dispatch.v1.types_pb2 import Decoding
from dispatch.workflow import LiveIntake, ReviewDesk, ServingMode
from dispatch.workflow.explain import View, explain_stored
from dispatch.workflow.live import NO_MODEL

PATIENCE_S = 60.0
SITUATION = Situation(location="歙县", hazards=("flood",), people={"trapped": Count(3, 3)})
PLANS = make_plans([SITUATION], Context())
Kind = messages.AttentionKind


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> BundleEngine:
    return TorchEngine(load_bundle(tiny_bundle))


@pytest.fixture
def registry(engine: BundleEngine) -> Iterator[Registry]:
    registry = Registry(lambda path: engine)
    registry.add(engine)
    yield registry
    registry.close(0)


@pytest.fixture
def row(store: Store) -> Instruction:
    return save(store)


def save(store: Store, **changes: Any) -> Instruction:
    fields: dict[str, Any] = {
        "report": "歙县内涝,3人被困,电话13812345678",
        "context": {"location": "", "issued": []},
        "decoding": {},
        "instruction": render_instruction(PLANS),
        "candidates": [],
        "situations": [SITUATION.to_dict()],
        "plan": [order.to_dict() for plan in PLANS for order in plan.orders],
        "checks": [],
        "confidence": 0.9,
        "model": {"name": "other", "digest": "ab12"},
        "doctrine": default_doctrine().digest,
        "timings": {},
    }
    return store.save(Instruction(**fields | changes), "cad")


@pytest.fixture
async def ask(intake: LiveIntake, store: Store) -> AsyncIterator[Callable[..., Any]]:
    """Calls as somebody of a role."""
    desk = ReviewDesk(store, default_doctrine())
    config = ServerConfig("127.0.0.1:0", grace_s=1, authentication=AuthenticationConfig(required=True))
    server = DispatchServer(config, intake, explaining=Explaining(intake, desk), find_token=Tokens(store.database).find)
    async with grpc.aio.insecure_channel(await server.start()) as channel:
        stub = DispatchServiceStub(channel)

        async def call(role: str, **fields: Any) -> Any:
            secret = Tokens(store.database).create(role, ROLES[role])[0]
            request = messages.ExplainInstructionRequest(**fields)
            metadata = [("authorization", f"Bearer {secret}")]
            return await stub.ExplainInstruction(request, metadata=metadata, timeout=PATIENCE_S)

        yield call
    await server.stop()


async def refused(call: Any) -> tuple[str, str, list[str]]:
    """Status, reason and fields named of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info, bad = ErrorInfo(), BadRequest()
    for detail in rpc_status.from_call(caught.value).details:
        detail.Unpack(info)
        detail.Unpack(bad)
    return caught.value.code().name, info.reason, [violation.field for violation in bad.field_violations]


async def test_a_stored_instruction_is_explained(ask: Any, engine: BundleEngine, row: Instruction) -> None:
    reply = await ask("reviewer", name=row.name)
    expected = explain_stored(engine, row)
    assert (reply.name, reply.instruction, reply.wrote_it) == (row.name, row.instruction, False)
    assert reply.model.digest == engine.identity.digest
    assert [token.text for token in reply.source] == [token.text for token in expected.source]
    assert [token.score for token in reply.target] == pytest.approx([token.score for token in expected.target])
    assert not reply.source[0].HasField("score")
    found = {each.path: each for each in reply.alignments}
    assert list(found) == [each.path for each in expected.alignments]
    (span,) = found["situations[0].people.trapped"].spans
    assert row.report[span.start : span.end] == "3人"
    (matrix,) = reply.attention
    weights = np.array(matrix.ten_thousandths).reshape(len(reply.target), len(reply.source)) / 10_000
    np.testing.assert_allclose(weights, expected.matrix(), atol=5.1e-5)
    assert (reply.encoder_layers, reply.decoder_layers, reply.heads, reply.picture) == (1, 1, 2, b"")


async def test_the_matrices_are_those_asked_for(ask: Any, engine: BundleEngine, row: Instruction) -> None:
    views = [
        messages.AttentionView(kind=Kind.ATTENTION_KIND_ENCODER, layer=1, head=2),
        messages.AttentionView(kind=Kind.ATTENTION_KIND_DECODER, head=1),
    ]
    reply = await ask("reviewer", name=row.name, views=views, picture=True)
    expected = explain_stored(engine, row)
    assert [matrix.view for matrix in reply.attention] == views
    for matrix, view in zip(reply.attention, (View("encoder", 1, 2), View("decoder", 0, 1)), strict=True):
        weights = np.array(matrix.ten_thousandths) / 10_000
        np.testing.assert_allclose(weights, expected.matrix(view).ravel(), atol=5.1e-5)
    with Image.open(io.BytesIO(reply.picture)) as image:
        assert image.format == "PNG"


async def test_telephone_numbers_are_masked_by_role_and_reading_them_is_an_event(
    ask: Any, store: Store, row: Instruction
) -> None:
    masked = "".join(token.text for token in (await ask("dispatcher", name=row.name)).source)
    assert "138****5678" in masked
    assert not reads_of(store, row)
    shown = "".join(token.text for token in (await ask("reviewer", name=row.name)).source)
    assert "13812345678" in shown
    assert reads_of(store, row) == ["reviewer"]


def reads_of(store: Store, row: Instruction) -> list[str]:
    events = Audit(store.database).events(subject=row.name, limit=100)
    return [event.actor for event in events if event.action == "instruction.read"]


async def test_a_report_is_explained_and_not_stored(ask: Any, stored_names: Callable[[], list[str]]) -> None:
    request = messages.GenerateInstructionRequest(report="山区公路积雪", decoding=Decoding(max_tokens=5))
    reply = await ask("dispatcher", request=request)
    assert (reply.name, reply.wrote_it) == ("", True)
    assert reply.attention
    assert stored_names() == []


async def test_a_report_takes_the_right_to_have_one_answered(ask: Any) -> None:
    request = messages.GenerateInstructionRequest(report="山区公路积雪")
    assert await refused(ask("reviewer", request=request)) == ("PERMISSION_DENIED", "SCOPE_MISSING", [])


async def test_in_pass_through_no_model_reads_a_report(ask: Any, serving: ServingMode) -> None:
    serving.set("pass-through", "a drill", "chief")
    request = messages.GenerateInstructionRequest(report="山区公路积雪")
    assert await refused(ask("dispatcher", request=request)) == ("FAILED_PRECONDITION", "NOTHING_TO_EXPLAIN", [])


async def test_what_no_model_has_read_cannot_be_explained(ask: Any, store: Store) -> None:
    name = save(store, model=NO_MODEL, situations=[], plan=[]).name
    assert await refused(ask("reviewer", name=name)) == ("FAILED_PRECONDITION", "NOTHING_TO_EXPLAIN", [])


async def test_a_name_that_is_not_stored_is_not_found(ask: Any) -> None:
    assert await refused(ask("reviewer", name=f"instructions/{'0' * 32}")) == ("NOT_FOUND", "NOT_FOUND", [])


VIEW = messages.AttentionView


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, ["name"]),
        ({"name": "x" * 257}, ["name"]),
        ({"request": messages.GenerateInstructionRequest()}, ["request.report"]),
        ({"views": [VIEW(layer=2)]}, ["views[0].layer"]),
        ({"views": [VIEW(), VIEW(head=-1)]}, ["views[1].head"]),
        ({"views": [VIEW(kind=9)]}, ["views[0].kind"]),  # type: ignore[arg-type] # of a later version
        ({"views": [VIEW()] * 65}, ["views"]),
        ({"views": [VIEW()] * 17, "picture": True}, ["views"]),
    ],
)
async def test_every_field_that_is_wrong_is_named(
    ask: Any, row: Instruction, fields: dict[str, Any], wrong: list[str]
) -> None:
    subject = {} if not fields or fields.keys() & {"name", "request"} else {"name": row.name}
    assert await refused(ask("supervisor" if "request" not in fields else "dispatcher", **subject, **fields)) == (
        "INVALID_ARGUMENT",
        "INVALID_FIELDS",
        wrong,
    )


async def test_more_weights_than_a_reply_may_hold_are_refused(
    ask: Any, row: Instruction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "MAX_WEIGHTS", 3000)
    assert await ask("reviewer", name=row.name)
    assert await refused(ask("reviewer", name=row.name, views=[VIEW()] * 3)) == (
        "INVALID_ARGUMENT",
        "INVALID_FIELDS",
        ["views"],
    )


async def test_a_picture_that_a_reply_cannot_hold_is_refused(
    ask: Any, row: Instruction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "MAX_PICTURE", 1000)
    assert await refused(ask("reviewer", name=row.name, picture=True)) == (
        "INVALID_ARGUMENT",
        "INVALID_FIELDS",
        ["picture"],
    )


async def test_who_would_wait_long_is_told_to_come_back(
    ask: Any, row: Instruction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "MAX_WAITING", 0)
    assert await refused(ask("reviewer", name=row.name)) == ("RESOURCE_EXHAUSTED", "OVERLOADED", [])


async def test_the_model_that_wrote_it_is_asked_where_it_is_loaded(
    ask: Any, store: Store, engine: BundleEngine
) -> None:
    row = save(store, model=engine.identity.to_dict())
    assert (await ask("reviewer", name=row.name)).wrote_it
