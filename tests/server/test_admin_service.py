"""AdminService, over a real connection, with real bundles and a real store behind it."""

import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch.engine import Engine, Registry, TorchEngine
from dispatch.model import load_bundle, update_document
from dispatch.server import admin_service
from dispatch.server.admin_service import AdminService, find_folder, to_list_models
from dispatch.server.authentication import ALL_SCOPES, Caller
from dispatch.store import Audit, Store
from dispatch.v1.admin_service_pb2 import LoadModelRequest, SetModelLabelRequest, SetServingModeRequest
from dispatch.v1.admin_service_pb2_grpc import AdminServiceStub, add_AdminServiceServicer_to_server
from dispatch.workflow.serving import ServingMode
from tests.engine.fakes import EchoEngine

DETAILS = {"ErrorInfo": ErrorInfo, "BadRequest": BadRequest, "RetryInfo": RetryInfo}


def open_torch(path: Path) -> Engine:
    return TorchEngine(load_bundle(path))


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """Two sound bundles, whose digests differ, and one that is not whole."""
    folder = tmp_path_factory.mktemp("admin") / "models"
    for name in ("one", "two"):
        shutil.copytree(tiny_bundle, folder / name)
        update_document(folder / name, "MODEL_CARD.md", f"# {name}\n")
    shutil.copytree(tiny_bundle, folder / "broken")
    (folder / "broken" / "model.safetensors").write_bytes(b"nothing")
    return folder


@pytest.fixture
def models_dir(bundles: Path, tmp_path: Path) -> Path:
    """A copy of them, to do with as a test likes."""
    return Path(shutil.copytree(bundles, tmp_path / "models"))


@pytest.fixture
def registry() -> Iterator[Registry]:
    registry = Registry(open_torch)
    registry.add(EchoEngine("served"))
    yield registry
    registry.close(0)


@pytest.fixture
def audit(store: Store) -> Audit:
    return Audit(store.database)


@pytest.fixture
def serving(audit: Audit) -> ServingMode:
    return ServingMode(audit)


@pytest.fixture(autouse=True)
def caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has authenticated as far as the service knows."""
    monkeypatch.setattr(admin_service, "current_caller", lambda: Caller("operator", ALL_SCOPES, True))


@pytest.fixture
def service(registry: Registry, serving: ServingMode, audit: Audit, models_dir: Path) -> AdminService:
    return AdminService(registry, serving, audit, models_dir)


@pytest.fixture
async def admin(service: AdminService) -> AsyncIterator[Any]:
    server = grpc.aio.server()
    add_AdminServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield AdminServiceStub(channel)
    await server.stop(None)
    await service.close()


async def refused(call: Any) -> tuple[grpc.StatusCode, str, list[str]]:
    """Status, reason and the fields named of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status: Status = rpc_status.from_call(caught.value)
    details = {}
    for detail in status.details:
        name = detail.TypeName().rpartition(".")[2]
        details[name] = DETAILS[name]()
        detail.Unpack(details[name])
    fields = [violation.field for violation in details.get("BadRequest", BadRequest()).field_violations]
    return caught.value.code(), details["ErrorInfo"].reason, fields


def recorded(audit: Audit) -> list[tuple[str, str]]:
    return [(event.actor, event.action) for event in audit.events(limit=99)]


async def test_the_kill_switch_is_thrown_and_recorded(admin: Any, serving: ServingMode, audit: Audit) -> None:
    reply = await admin.SetServingMode(SetServingModeRequest(mode="pass-through", reason="invents places"))
    assert (reply.mode, serving.mode) == ("pass-through", "pass-through")
    (event,) = audit.events(limit=9)
    assert (event.actor, event.details) == ("operator", {"mode": "pass-through", "reason": "invents places"})


async def test_a_mode_that_is_none_is_refused(admin: Any, audit: Audit) -> None:
    call = admin.SetServingMode(SetServingModeRequest(mode="off", reason="x" * 501))
    assert await refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS", ["mode", "reason"])
    assert recorded(audit) == []


async def test_the_kill_switch_does_not_wait_for_a_model_that_is_being_loaded(
    admin: Any, registry: Registry, serving: ServingMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(path: Path) -> Engine:
        begun.set()
        assert go.wait(60)
        return open_torch(path)

    monkeypatch.setattr(registry, "_open_engine", slow)
    loading = admin.LoadModel(LoadModelRequest(path="one"))
    while not begun.is_set():
        await admin.SetServingMode(SetServingModeRequest(mode="assist"))
    await admin.SetServingMode(SetServingModeRequest(mode="pass-through"))
    assert serving.mode == "pass-through"
    go.set()
    await loading


async def test_a_model_is_loaded_labelled_and_recorded(
    admin: Any, registry: Registry, audit: Audit, models_dir: Path
) -> None:
    reply = await admin.LoadModel(LoadModelRequest(path="one", label="canary", share=0.5))
    digest = load_bundle(models_dir / "one").identity.digest
    assert (reply.model.identity.name, reply.model.identity.digest) == ("tiny", digest)
    assert (list(reply.model.labels), reply.model.share, reply.model.engine) == (["canary"], 0.5, "torch")
    assert registry.route("canary", "").identity.digest == digest
    (event,) = audit.events(limit=9)
    assert (event.actor, event.action, event.subject) == ("operator", "model.loaded", f"models/{digest}")
    details = {"name": "tiny", "label": "canary", "share": 0.5, "path": str(models_dir / "one")}
    assert event.details == details


async def test_without_a_label_a_model_becomes_stable(admin: Any, registry: Registry, models_dir: Path) -> None:
    reply = await admin.LoadModel(LoadModelRequest(path=str(models_dir / "two")))
    assert list(reply.model.labels) == ["stable"]
    assert registry.route("", "").identity.digest == reply.model.identity.digest


async def test_a_bad_bundle_leaves_the_old_one_serving(admin: Any, registry: Registry, audit: Audit) -> None:
    before = registry.models()
    call = admin.LoadModel(LoadModelRequest(path="broken"))
    assert await refused(call) == (grpc.StatusCode.FAILED_PRECONDITION, "BAD_BUNDLE", [])
    call = admin.LoadModel(LoadModelRequest(path="nowhere"))
    assert await refused(call) == (grpc.StatusCode.FAILED_PRECONDITION, "BAD_BUNDLE", [])
    assert registry.models() == before
    assert recorded(audit) == []


@pytest.mark.parametrize("path", ["", ".", "..", "../../etc", "/etc", "one/../..", "a\0b", "x" * 900, "y" * 1001])
async def test_a_path_that_leads_elsewhere_is_refused(admin: Any, path: str) -> None:
    call = admin.LoadModel(LoadModelRequest(path=path))
    assert await refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS", ["path"])


async def test_a_link_that_leads_elsewhere_is_refused(admin: Any, models_dir: Path, tiny_bundle: Path) -> None:
    (models_dir / "link").symlink_to(tiny_bundle)
    (models_dir / "round").symlink_to(models_dir / "round")
    (models_dir / "one" / "secret").symlink_to("/etc/hostname")
    for path in ("link", "round", "one"):
        call = admin.LoadModel(LoadModelRequest(path=path))
        assert await refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS", ["path"])


async def test_a_link_to_another_bundle_below_the_folder_is_followed(admin: Any, models_dir: Path) -> None:
    (models_dir / "current").symlink_to("one")
    reply = await admin.LoadModel(LoadModelRequest(path="current"))
    assert reply.model.identity.digest == load_bundle(models_dir / "one").identity.digest


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.from_regex(r"(\.\./|/|one|two|\.){1,9}"))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_path_leads_out_of_the_folder(models_dir: Path, path: str) -> None:
    try:
        found = find_folder(models_dir, path)
    except ValueError:
        return
    assert models_dir.resolve() in found.parents


async def test_without_a_folder_to_load_from_nothing_is_loaded(
    registry: Registry, serving: ServingMode, audit: Audit
) -> None:
    server, service = grpc.aio.server(), AdminService(registry, serving, audit)
    add_AdminServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = AdminServiceStub(channel).LoadModel(LoadModelRequest(path="one"))
        assert await refused(call) == (grpc.StatusCode.FAILED_PRECONDITION, "LOADING_DISABLED", [])
    await server.stop(None)
    await service.close()


@pytest.mark.parametrize(
    ("label", "share", "field"),
    [("best", 0.0, "label"), ("canary", 0.0, "share"), ("shadow", 1.1, "share"), ("stable", 0.5, "share")],
)
async def test_a_label_or_share_that_makes_no_sense_is_refused(
    admin: Any, label: str, share: float, field: str
) -> None:
    expected = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS", [field])
    assert await refused(admin.LoadModel(LoadModelRequest(path="one", label=label, share=share))) == expected
    request = SetModelLabelRequest(label=label, model="served", share=share)
    assert await refused(admin.SetModelLabel(request)) == expected


async def test_a_canary_is_promoted_and_taken_away(admin: Any, registry: Registry, audit: Audit) -> None:
    first = await admin.LoadModel(LoadModelRequest(path="one", label="canary", share=0.5))
    reply = await admin.SetModelLabel(SetModelLabelRequest(label="stable", model=first.model.identity.digest))
    assert list(reply.models[0].labels) == ["stable"]
    assert reply.models[0].identity == first.model.identity
    await admin.LoadModel(LoadModelRequest(path="two", label="shadow", share=1))
    reply = await admin.SetModelLabel(SetModelLabelRequest(label="shadow"))
    assert [list(model.labels) for model in reply.models if model.labels] == [["stable"]]
    actions = ["model.loaded", "model.labelled", "model.loaded", "model.label-removed"]
    assert recorded(audit) == [("operator", action) for action in actions]


async def test_an_unknown_model_gets_no_label(admin: Any, audit: Audit) -> None:
    call = admin.SetModelLabel(SetModelLabelRequest(label="stable", model="nobody"))
    assert await refused(call) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_MODEL", [])
    assert recorded(audit) == []


async def test_the_stable_model_gets_no_other_label(admin: Any, audit: Audit) -> None:
    call = admin.SetModelLabel(SetModelLabelRequest(label="canary", model="served", share=0.5))
    assert await refused(call) == (grpc.StatusCode.FAILED_PRECONDITION, "LABEL_CONFLICT", [])
    call = admin.SetModelLabel(SetModelLabelRequest(label="stable"))
    assert await refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS", ["model"])
    assert recorded(audit) == []


async def test_a_change_that_cannot_be_recorded_is_not_made(admin: Any, registry: Registry, store: Store) -> None:
    before = registry.models()
    store.close()
    for call in (
        admin.LoadModel(LoadModelRequest(path="one")),
        admin.SetModelLabel(SetModelLabelRequest(label="stable", model="served")),
    ):
        assert await refused(call) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", [])
    assert registry.models() == before


def test_the_models_are_listed_with_the_mode(registry: Registry, models_dir: Path) -> None:
    registry.load(models_dir / "one", "canary", 0.25)
    reply = to_list_models(registry.models(), "pass-through")
    assert [(list(model.labels), model.share) for model in reply.models] == [(["stable"], 0), (["canary"], 0.25)]
    assert [model.engine for model in reply.models] == ["EchoEngine", "torch"]
    assert reply.serving_mode == "pass-through"


async def test_what_is_said_of_a_path_fits_into_an_answer(admin: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await admin.LoadModel(LoadModelRequest(path="/".join("😀" * 400)))
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await admin.SetModelLabel(SetModelLabelRequest(label="canary", model="😀" * 1000, share=1))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("share", [0.5, float("nan"), float("inf")])
async def test_a_label_that_is_taken_away_has_no_share(admin: Any, share: float) -> None:
    await admin.LoadModel(LoadModelRequest(path="one", label="canary", share=0.5))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await admin.SetModelLabel(SetModelLabelRequest(label="canary", share=share))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
