"""What a request must satisfy: every field that is wrong is named, all of them at once."""

from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from dispatch.domain import PRIORITIES, Count, Situation, default_doctrine
from dispatch.server.validation import find_violations
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest


def violated(**fields: Any) -> list[str]:
    request = GenerateInstructionRequest(**({"report": "3人被困"} | fields))
    return [violation.field for violation in find_violations(request)]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"report": "困" * 4000},
        {"report": "😊" * 4000},
        {"request_id": "Aa0._:-" * 18},
        {"incident_id": "2024-06-01:17"},
        {"model": "default"},
        {"priority": "特急"},
        {"context": {"location": "路" * 200, "issued": ["派" * 500] * 50}},
        {"decoding": {"strategy": 2, "beam_size": 16, "num_candidates": 16, "prefix": "派" * 500}},
        {"decoding": {"required_phrases": ["派" * 100] * 8, "banned_phrases": ["车"] * 32, "min_tokens": 5}},
        {"decoding": {"strategy": 3, "num_candidates": 4, "temperature": 0.5, "top_k": 0, "seed": -1}},
    ],
)
def test_sound_requests_are_accepted(fields: dict[str, Any]) -> None:
    assert violated(**fields) == []


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"report": ""}, ["report"]),
        ({"report": " \n\t　"}, ["report"]),
        ({"report": "\u200b\ufeff "}, ["report"]),
        ({"report": " " * 4001}, ["report"]),
        ({"report": "困" * 4001}, ["report"]),
        ({"report": "3人\0被困"}, ["report"]),
        ({"request_id": "a" * 129}, ["request_id"]),
        ({"request_id": "a b"}, ["request_id"]),
        ({"request_id": "编号"}, ["request_id"]),
        ({"request_id": "a\n"}, ["request_id"]),
        ({"incident_id": "a/b"}, ["incident_id"]),
        ({"model": "m" * 129}, ["model"]),
        ({"priority": "urgent"}, ["priority"]),
        ({"context": {"location": "路" * 201}}, ["context.location"]),
        ({"context": {"location": "\0"}}, ["context.location"]),
        ({"context": {"issued": ["派"] * 51}}, ["context.issued"]),
        ({"context": {"issued": ["派", "派" * 501, "\0"]}}, ["context.issued[1]", "context.issued[2]"]),
        ({"decoding": {"prefix": "派" * 501}}, ["decoding.prefix"]),
        ({"decoding": {"strategy": 9}}, ["decoding.strategy"]),
        ({"decoding": {"required_phrases": ["派"] * 9}}, ["decoding.required_phrases"]),
        ({"decoding": {"required_phrases": ["派", "派" * 101]}}, ["decoding.required_phrases[1]"]),
        ({"decoding": {"required_phrases": [" "]}}, ["decoding.required_phrases"]),
        ({"decoding": {"banned_phrases": ["派"] * 33}}, ["decoding.banned_phrases"]),
        ({"decoding": {"banned_phrases": ["派\0"]}}, ["decoding.banned_phrases[0]"]),
        (
            {"decoding": {"banned_phrases": ["冲锋舟"], "required_phrases": ["2艘冲锋舟"], "prefix": "派冲锋舟"}},
            ["decoding.required_phrases", "decoding.prefix"],
        ),
        ({"decoding": {"min_tokens": 9, "max_tokens": 8}}, ["decoding.min_tokens"]),
        ({"decoding": {"strategy": 2, "beam_size": 0}}, ["decoding.beam_size", "decoding.num_candidates"]),
        ({"decoding": {"num_candidates": 2}}, ["decoding.num_candidates"]),
        ({"decoding": {"temperature": float("nan")}}, ["decoding.temperature"]),
        ({"decoding": {"top_p": 0.0, "max_tokens": 0}}, ["decoding.top_p", "decoding.max_tokens"]),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], names: list[str]) -> None:
    assert violated(**fields) == names


def test_the_priorities_are_named_in_doctrines_order() -> None:
    (violation,) = find_violations(GenerateInstructionRequest(report="3人被困", priority="urgent"))
    assert violation.description == f"must be empty or one of {', '.join(PRIORITIES)}"
    assert PRIORITIES[0] == default_doctrine().priority(Situation(people={"buried": Count(1, 1)}))


async def test_a_caller_learns_of_every_field_at_once(stub: Any, engine: Any) -> None:
    request = GenerateInstructionRequest(report="", request_id="a b", priority="other")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GenerateInstruction(request)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    info, bad_request = details(caught.value)
    assert (info.reason, info.domain) == ("INVALID_FIELDS", "dispatch")
    assert [item.field for item in bad_request.field_violations] == ["report", "request_id", "priority"]
    assert all(item.description for item in bad_request.field_violations)
    assert engine.requests == []


async def test_many_violations_still_fit_into_one_status(stub: Any) -> None:
    request = GenerateInstructionRequest(report="3人被困")
    request.context.issued.extend(["派" * 501] * 60)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GenerateInstruction(request)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    _, bad_request = details(caught.value)
    assert "context.issued" in [item.field for item in bad_request.field_violations]


def details(error: grpc.aio.AioRpcError) -> tuple[ErrorInfo, BadRequest]:
    status = rpc_status.from_call(error)
    assert status is not None
    info, bad_request = ErrorInfo(), BadRequest()
    assert [status.details[0].Unpack(info), status.details[1].Unpack(bad_request)] == [True, True]
    return info, bad_request


def test_a_text_that_grows_when_it_is_normalised_is_refused_and_units_are_not() -> None:
    assert violated(report="\ufdfa" * 4000) == ["report"]
    assert violated(report="㎡" * 4000, context={"location": "\ufdfa" * 200}) == ["context.location"]
