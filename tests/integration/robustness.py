"""Whether a server stands what nobody should send: mutated messages of every method, and hostile texts in every field.

Example:
    python -m tests.integration.robustness --messages 100000 --strings 20000 --out robustness

A `dispatch serve` process of its own, with TLS, tokens and a network that writes noise, is asked over many calls at
once, with tokens and without. Exit status 1, and every fault in words, where a call ended with INTERNAL, UNKNOWN or
another status that blames the server, or not at all; where somebody without a token got past; where an answer has no
row or a row no answer; where the log tells of an error nobody expected, the process is gone or has grown, the audit
chain does not verify, or health does not answer in time. The same seed sends the same.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from dispatch.store import Audit, Store
from dispatch.v1 import admin_service_pb2 as admin
from dispatch.v1 import dispatch_service_pb2 as dispatching
from dispatch.v1 import review_service_pb2 as reviewing
from dispatch.v1 import types_pb2
from tests.client.real_server import RealServer, real_server
from tests.integration import wire
from tests.integration.hostile_texts import TEXTS
from tests.tiny_bundle import save_tiny_bundle

TIMEOUT_S = 120.0
HEALTH_S = 5.0
"""What health may take beside all of this on a busy machine."""
GROWTH_MB = 300
"""What the server may grow by after its first calls."""
CUT_OFF = "cut off"
_REFUSALS = ("UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "UNAVAILABLE", CUT_OFF)
"""Of whoever has no valid token: unknown ones are looked up so many times a second and no more."""
_AT_ONCE = 24
_FAULTS = ("INTERNAL", "UNKNOWN", "DATA_LOSS")
_BLAMES_THE_SERVER = frozenset({*_FAULTS, "DEADLINE_EXCEEDED", "CANCELLED", "no end"})
"""Not UNAVAILABLE, which a store may well be on a machine that is this busy."""
_UNEXPECTED = (
    "internal error",
    "Unexpected",
    '"exception"',
    '"level": "critical"',
    *map('"code": "{}"'.format, _FAULTS),
)
"""In the server's log, which tells of each call that ended so, also where its client was cut off."""
_HEALTH, _REFLECTION = "/grpc.health.v1.Health/", "/grpc.reflection."
_WATCH = "/dispatch.v1.ReviewService/WatchInstructions"
_WATCHED_S = 1.0
"""Of a watch, which has no end of its own."""
_FILES = (
    health_pb2,
    reflection_pb2,
    *(import_module(f"dispatch.v1.{name}_pb2") for name in ("admin_service", "dispatch_service", "review_service")),
)
METHODS: Mapping[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method
    for file in _FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


@dataclass(frozen=True)
class Call:
    """What is sent: of a method that takes one message, that alone. ``kind`` says what was done to it."""

    method: str
    messages: Sequence[bytes]
    token: str
    kind: str


@dataclass
class Findings:
    """What has come of it so far."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Calls by method and status; items of a bulk call as `item`."""
    names: set[str] = field(default_factory=set)
    """Of the instructions that were answered."""
    faults: list[str] = field(default_factory=list)
    slowest: list[tuple[float, str]] = field(default_factory=list)
    health_s: float = 0.0
    """The longest that health has taken."""
    first_mb: float = 0.0
    most_mb: float = 0.0


def seeds() -> dict[str, list[bytes]]:
    """Some valid messages of each method. Few tokens are written, so that most answers come quickly."""
    request = dispatching.GenerateInstructionRequest(
        request_id="r-1",
        incident_id="i-1",
        report="山区公路积雪3米,断电,50人被困",
        context=types_pb2.Context(location="A7公路", issued=["派2台除雪车至A7公路", "医疗队随行"]),
        decoding=types_pb2.Decoding(max_tokens=3, min_tokens=1, prefix="派"),
        priority="紧急",
    )
    searched = dispatching.GenerateInstructionRequest(report="B村塌方,3人被埋", model="tiny")
    searched.decoding.MergeFrom(
        types_pb2.Decoding(
            strategy=types_pb2.DECODING_STRATEGY_BEAM,
            beam_size=2,
            num_candidates=2,
            length_penalty=0.5,
            max_tokens=3,
            required_phrases=["回拨"],
            banned_phrases=["派"],
        )
    )
    drawn = dispatching.GenerateInstructionRequest(report="救命", model="stable")
    drawn.decoding.MergeFrom(
        types_pb2.Decoding(
            strategy=types_pb2.DECODING_STRATEGY_SAMPLE, seed=7, temperature=0.5, top_k=5, top_p=0.9, max_tokens=3
        )
    )
    requests = (request, searched, drawn)
    asked = reflection_pb2.ServerReflectionRequest
    by_method: dict[str, list[Any]] = {
        "GenerateInstruction": [*requests],
        "StreamInstruction": [dispatching.StreamInstructionRequest(request=one) for one in requests],
        "TranslateReports": [dispatching.TranslateReportsRequest(item_id="a", request=one) for one in requests],
        "ExplainInstruction": [
            dispatching.ExplainInstructionRequest(name=f"instructions/{'0' * 32}"),
            dispatching.ExplainInstructionRequest(request=request),
        ],
        "ListModels": [dispatching.ListModelsRequest()],
        "SetServingMode": [
            admin.SetServingModeRequest(mode=mode, reason="a test") for mode in ("assist", "pass-through")
        ],
        "LoadModel": [
            admin.LoadModelRequest(path="other", label="canary", share=0.5),
            admin.LoadModelRequest(path="tiny"),
        ],
        "SetModelLabel": [
            admin.SetModelLabelRequest(label="canary", model="other", share=0.5),
            admin.SetModelLabelRequest(label="stable", model="tiny"),
            admin.SetModelLabelRequest(label="canary"),
        ],
        **_seeds_of_review(),
        "Check": [health_pb2.HealthCheckRequest(service="dispatch.v1.DispatchService")],
        "Watch": [health_pb2.HealthCheckRequest(service="dispatch.model")],
        "List": [health_pb2.HealthListRequest()],
        "ServerReflectionInfo": [
            asked(list_services="*"),
            asked(file_by_filename="dispatch/v1/types.proto"),
            asked(file_containing_symbol="dispatch.v1.DispatchService"),
            asked(all_extension_numbers_of_type="google.protobuf.FieldOptions"),
        ],
    }
    return {
        path: [message.SerializeToString() for message in by_method[method.name]] for path, method in METHODS.items()
    }


def _seeds_of_review() -> dict[str, list[Any]]:
    """About an instruction that is not there, most of them: what could be decided would soon be."""
    step: dict[str, Any] = {"name": f"instructions/{'0' * 32}", "etag": "2", "reason": "a test"}
    name = {"name": step["name"]}
    listed = reviewing.ListInstructionsRequest
    return {
        "ListInstructions": [
            listed(),
            listed(states=["pending", "claimed"], priority="紧急", hazard="flood", text="救"),
        ],
        "GetInstruction": [reviewing.GetInstructionRequest(**name)],
        "ClaimInstruction": [reviewing.ClaimInstructionRequest(**name)],
        "ReleaseInstruction": [reviewing.ReleaseInstructionRequest(**name)],
        "ApproveInstruction": [reviewing.ApproveInstructionRequest(**step)],
        "ReviseInstruction": [
            reviewing.ReviseInstructionRequest(text="派3台除雪车至A7公路", validate_only=only, **step)
            for only in (False, True)
        ],
        "RejectInstruction": [reviewing.RejectInstructionRequest(**step)],
        "ReturnInstruction": [reviewing.ReturnInstructionRequest(**step)],
        "RecallInstruction": [reviewing.RecallInstructionRequest(superseded_by=by, **step) for by in ("", "x")],
        "ListAuditEvents": [reviewing.ListAuditEventsRequest(subject="serving-mode", actor="admin", page_size=9)],
        "ExportPairs": [reviewing.ExportPairsRequest()],
        "WatchInstructions": [reviewing.WatchInstructionsRequest(agency=agency) for agency in ("", "消防")],
        "ReportOrderStatus": [reviewing.ReportOrderStatusRequest(order_id="0", state="issued")],
    }


def mutated_calls(count: int, random: Random, tokens: Sequence[str]) -> Iterator[Call]:
    """Calls that send so many mutated messages. Most go to the methods that take the most."""
    valid = seeds()
    weighed = [path for path in METHODS for _ in range(1 if path.startswith((_HEALTH, _REFLECTION)) else 4)]
    sent = 0
    while sent < count:
        method = random.choice(weighed)
        kinds, messages = [], []
        for _ in range(random.randrange(1, 20) if METHODS[method].client_streaming else 1):
            kind = random.choice(list(wire.MUTATIONS))
            message = wire.MUTATIONS[kind](random.choice(valid[method]), random)
            if random.random() < 0.2:
                message = wire.flip_bits(message, random)
            kinds.append(kind)
            messages.append(message)
        if random.random() < 0.01:
            messages = []  # the call ends before its request
        sent += max(1, len(messages))
        yield Call(method, messages, random.choice(tokens), ", ".join(dict.fromkeys(kinds)))


def hostile_calls(count: int, random: Random, tokens: Sequence[str]) -> Iterator[Call]:
    """Calls with a hostile text each, all fields in turn."""
    valid = seeds()
    places = [(path, *known) for path, method in METHODS.items() for known in wire.text_fields(method.input_type)]
    for number in range(count):
        method, name, field_path = places[number % len(places)]
        kind = random.choice(list(TEXTS))
        if kind == "a megabyte" and random.random() < 0.8:
            kind = "among words"
        message = random.choice(valid[method]) + wire.field(field_path, TEXTS[kind](random))
        yield Call(method, [message], random.choice(tokens), f"{kind} in {name}")


class Attack:
    """Makes calls, many at once, and notes what comes of them."""

    def __init__(self, channel: grpc.aio.Channel, findings: Findings, tokens: Mapping[str, str]) -> None:
        self._channel = channel
        self._findings = findings
        self._tokens = tokens

    async def run(self, calls: Iterator[Call]) -> None:
        async with asyncio.TaskGroup() as workers:
            for _ in range(_AT_ONCE):
                workers.create_task(self._work(calls))

    async def _work(self, calls: Iterator[Call]) -> None:
        for call in calls:
            began = time.monotonic()
            status = await self._make(call)
            self._judge(call, status, time.monotonic() - began)

    async def _make(self, call: Call) -> str:
        try:
            async with asyncio.timeout(2 * TIMEOUT_S):
                async for reply in self._replies(call):
                    self._take(call, reply)
                    if call.method == f"{_HEALTH}Watch":
                        break
        except grpc.aio.AioRpcError as error:
            if call.method == _WATCH and error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                return "OK"
            if (error.details() or "").startswith("Internal error from Core"):
                return CUT_OFF  # by a refusal, while the client still sent: gRPC's own words for it, not the server's
            return error.code().name
        except TimeoutError:
            return "no end"
        return "OK"

    async def _replies(self, call: Call) -> AsyncIterator[bytes]:
        described = METHODS[call.method]
        make: Any = self._channel.stream_stream if described.server_streaming else self._channel.stream_unary
        metadata = [("authorization", f"Bearer {self._tokens.get(call.token, call.token)}")] if call.token else []
        timeout_s = _WATCHED_S if call.method == _WATCH else TIMEOUT_S
        under_way = make(call.method)(iter(call.messages), metadata=metadata, timeout=timeout_s)
        try:
            if described.server_streaming:
                async for reply in under_way:
                    yield reply
            else:
                yield await under_way
        finally:
            under_way.cancel()

    def _take(self, call: Call, reply: bytes) -> None:
        """Notes the instruction that a reply holds, and how an item of a bulk call ended."""
        match METHODS[call.method].name:
            case "GenerateInstruction":
                self._findings.names.add(dispatching.GenerateInstructionResponse.FromString(reply).name)
            case "StreamInstruction":
                stage = dispatching.StreamInstructionResponse.FromString(reply)
                if stage.HasField("instruction"):
                    self._findings.names.add(stage.instruction.name)
            case "TranslateReports":
                item = dispatching.TranslateReportsResponse.FromString(reply)
                if item.HasField("instruction"):
                    self._findings.names.add(item.instruction.name)
                self._judge(replace(call, method="item"), _code(item.status), 0.0)

    def _judge(self, call: Call, status: str, seconds: float) -> None:
        found = self._findings
        found.outcomes[call.method.rpartition("/")[2], status] += 1
        what = f"{call.method} by {call.token or 'nobody'}: {call.kind}"
        found.slowest = sorted([*found.slowest, (seconds, what)], reverse=True)[:10]
        is_open = call.method == "item" or call.method.startswith(_HEALTH)
        if status in _BLAMES_THE_SERVER:
            sent = [f"{message[:300].hex()} ({len(message)} bytes)" for message in call.messages[:20]]
            found.faults.append(f"{status} of {what}: {sent}")
        elif call.token not in self._tokens and not is_open and status not in _REFUSALS:
            found.faults.append(f"{status} of {what}: there was no valid token")


def _code(status: Status) -> str:
    return next(code.name for code in grpc.StatusCode if code.value[0] == status.code)


async def watch(channel: grpc.aio.Channel, pid: int, findings: Findings, every_s: float = 0.5) -> None:
    """Asks for health and looks at the memory again and again."""
    check: Any = channel.unary_unary(f"{_HEALTH}Check")
    while True:
        began = time.monotonic()
        try:
            await check(b"", timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            findings.faults.append(f"health: {error.code().name}")
        findings.health_s = max(findings.health_s, time.monotonic() - began)
        findings.most_mb = max(findings.most_mb, resident_mb(pid))
        await asyncio.sleep(every_s)


def resident_mb(pid: int) -> float:
    """The memory of a process; 0 where there is none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0)


async def attack(served: RealServer, messages: int, strings: int, seed: int, progress: bool) -> Findings:
    """Sends all of it."""
    findings = Findings()
    random = Random(seed)
    tokens = [*served.tokens, "admin", "admin", "dispatcher", "", "wrong"]
    credentials = grpc.ssl_channel_credentials(served.authority.read_bytes())
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    async with (
        grpc.aio.secure_channel(served.address, credentials, options) as channel,
        grpc.aio.secure_channel(served.address, credentials, options) as other,
    ):
        attack = Attack(channel, findings, served.tokens)
        await attack.run(mutated_calls(min(messages, 200), random, tokens))  # the first calls load what is loaded once
        findings.first_mb = resident_mb(served.pid)
        watching = [asyncio.create_task(watch(other, served.pid, findings))]
        if progress:
            watching.append(asyncio.create_task(tell(findings)))
        await attack.run(mutated_calls(max(0, messages - 200), random, tokens))
        await attack.run(hostile_calls(strings, random, tokens))
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    return findings


async def tell(findings: Findings, every_s: float = 10.0) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(every_s)
        counted = f"{sum(findings.outcomes.values()):,} calls and items, {len(findings.names):,} answers"
        print(
            f"{time.monotonic() - began:.0f} s: {counted}, {len(findings.faults)} faults, {findings.most_mb:.0f} MB",
            flush=True,
        )


def judge(served: RealServer, findings: Findings) -> list[str]:
    """Everything that is not as it should be, in words."""
    faults = list(findings.faults)
    if not resident_mb(served.pid):
        faults.append("the server is gone")
    if findings.most_mb - findings.first_mb > GROWTH_MB:
        faults.append(f"the server grew from {findings.first_mb:.0f} to {findings.most_mb:.0f} MB")
    if findings.health_s > HEALTH_S:
        faults.append(f"health took {findings.health_s:.1f} s")
    for line in served.log.read_text(encoding="utf-8").splitlines():
        if any(word in line for word in _UNEXPECTED):
            faults.append(f"log: {line[:1500]}")
    with closing(Store.open(served.database)) as store:
        rows = store.list_recent(10_000_000)
        stored = {row.name for row in rows}
        if lost := findings.names - stored:
            faults.append(f"{len(lost)} answers have no row, such as {min(lost)}")
        if unanswered := stored - findings.names:
            faults.append(f"{len(unanswered)} rows were never answered, such as {min(unanswered)}")
        faults += [f"audit: {fault.message}" for fault in Audit(store.database).verify().faults]
    return faults


def run(messages: int, strings: int, seed: int, folder: Path, progress: bool = False) -> tuple[Findings, list[str]]:
    """What came of it, and all faults."""
    for number, name in enumerate(("tiny", "other")):
        save_tiny_bundle(folder / "models" / name, number)
    settings = {"DISPATCH_RATE_PER_S": "0", "DISPATCH_LOG_LEVEL": "warning"}
    with real_server(folder / "models" / "tiny", folder, settings) as served:
        findings = asyncio.run(attack(served, messages, strings, seed, progress))
        return findings, judge(served, findings)


def report(findings: Findings) -> dict[str, Any]:
    outcomes: dict[str, dict[str, int]] = {}
    for (method, status), count in sorted(findings.outcomes.items()):
        outcomes.setdefault(method, {})[status] = count
    return {
        "outcomes": outcomes,
        "answers": len(findings.names),
        "first_mb": round(findings.first_mb),
        "most_mb": round(findings.most_mb),
        "longest_health_s": round(findings.health_s, 3),
        "slowest": [f"{seconds:.2f} s {what}" for seconds, what in findings.slowest],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--strings", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder for the figures, the faults and the server's log")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        findings, faults = run(options.messages, options.strings, options.seed, folder, progress=True)
    print(json.dumps(report(findings), indent=1, ensure_ascii=False))
    for fault in faults[:50]:
        print(fault, file=sys.stderr)
    if options.out:
        (options.out / "figures.json").write_text(json.dumps(report(findings), indent=1) + "\n", encoding="utf-8")
        (options.out / "faults.txt").write_text("".join(f"{fault}\n" for fault in faults), encoding="utf-8")
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
