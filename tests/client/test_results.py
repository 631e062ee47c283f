"""Replies as values, and as the JSON that the command line prints."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from dispatch.client import AsyncClient, Client, Count, Model, ModelIdentity
from dispatch.v1 import types_pb2
from dispatch.v1.admin_service_pb2 import LoadModelResponse, SetModelLabelResponse, SetServingModeResponse
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionResponse, ListModelsResponse

MODEL = types_pb2.Model(
    identity=types_pb2.ModelIdentity(name="default", digest="ab12"), labels=["stable"], engine="ctranslate2 int8"
)
LOADED = Model(ModelIdentity("default", "ab12"), ("stable",), 0.0, "ctranslate2 int8")


def test_a_reply_without_situations_has_an_empty_one(server: Any, reply: GenerateInstructionResponse) -> None:
    server.lines = [reply]
    with Client(server.address) as client:
        answer = client.generate("3人被困")
    assert answer.situation is None
    told = answer.to_dict()
    assert (told["situation"], told["situations"], told["plan"], told["checks"]) == ({}, [], [], [])


def test_due_at_is_none_where_no_review_is_scheduled(server: Any, reply: GenerateInstructionResponse) -> None:
    server.lines = [reply, GenerateInstructionResponse(due_at=Timestamp(seconds=1_717_200_000, nanos=5_000_000))]
    with Client(server.address) as client:
        first, second = client.generate("3人被困"), client.generate("3人被困")
    assert (first.due_at, first.to_dict()["due_at"]) == (None, None)
    assert second.due_at == datetime(2024, 6, 1, 0, 0, 0, 5000, UTC)
    assert second.to_dict()["due_at"] == "2024-06-01T00:00:00.005000Z"


def test_labels_of_a_later_version_are_passed_on(server: Any) -> None:
    situation = types_pb2.Situation(kind="drill", hazards=["meteor"], people={"lost": types_pb2.Count(min=0)})
    server.lines = [GenerateInstructionResponse(situations=[situation])]
    with Client(server.address) as client:
        read = client.generate("3人被困").situation
    assert read is not None
    assert (read.kind, read.hazards, read.people) == ("drill", ("meteor",), {"lost": Count(0, None)})
    assert read.to_dict()["people"] == {"lost": {"min": 0, "max": None}}


def test_models_and_modes_are_asked_for_and_changed(server: Any) -> None:
    server.lines = [
        ListModelsResponse(models=[MODEL], serving_mode="assist"),
        SetServingModeResponse(mode="pass-through"),
        LoadModelResponse(model=MODEL),
        SetModelLabelResponse(models=[MODEL]),
    ]
    with Client(server.address) as client:
        served = client.list_models()
        assert (served.models, served.serving_mode) == ((LOADED,), "assist")
        assert client.set_serving_mode("pass-through", "it errs") == "pass-through"
        assert client.load_model("bundles/new", "canary", 0.1) == LOADED
        assert client.set_model_label("stable", "new") == (LOADED,)
    assert served.to_dict()["models"][0]["identity"] == {"name": "default", "digest": "ab12"}
    _, mode, load, label = server.requests
    assert (mode.mode, mode.reason) == ("pass-through", "it errs")
    assert (load.path, load.label, load.share) == ("bundles/new", "canary", 0.1)
    assert (label.label, label.model, label.share) == ("stable", "new", 0.0)


async def test_the_async_client_changes_them_too(server: Any) -> None:
    server.lines = [
        ListModelsResponse(models=[MODEL], serving_mode="assist"),
        SetServingModeResponse(mode="assist"),
        LoadModelResponse(model=MODEL),
        SetModelLabelResponse(models=[MODEL]),
    ]
    async with AsyncClient(server.address) as client:
        assert (await client.list_models()).models == (LOADED,)
        assert await client.set_serving_mode("assist", "mended") == "assist"
        assert await client.load_model("bundles/new") == LOADED
        assert await client.set_model_label("shadow") == (LOADED,)
    assert server.requests[3].model == ""
