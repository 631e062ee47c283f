"""Who is let in: on every method, and no longer than their token is valid."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from dispatch.server import DispatchServer, ServerConfig
from dispatch.server.authentication import (
    ALL_SCOPES,
    ANYBODY,
    NEEDS,
    Authentication,
    AuthenticationConfig,
    Caller,
    current_caller,
)
from dispatch.server.messages import MessageGuard
from dispatch.store import ROLES, Store, StoreUnavailable, Token, Tokens, scopes_of
from dispatch.store.records import utc_now
from dispatch.workflow import LiveIntake
from tests.server.every_method import GUARDED, HEALTH, METHODS, PATIENCE_S, EveryMethod, call, details, outcome, serving

EAGER = AuthenticationConfig(required=True, fresh_s=0.0)
TRANSLATE = "/dispatch.v1.DispatchService/TranslateReports"
GENERATE = "/dispatch.v1.DispatchService/GenerateInstruction"


@pytest.fixture
def tokens(store: Store) -> Tokens:
    return Tokens(store.database)


@pytest.fixture
def handler() -> EveryMethod:
    return EveryMethod()


@pytest.fixture
async def channel(handler: EveryMethod, tokens: Tokens) -> AsyncIterator[grpc.aio.Channel]:
    """To a server that asks for tokens and has every method."""
    authentication = Authentication(tokens.find, EAGER)
    async with serving(handler, [authentication]) as address, grpc.aio.insecure_channel(address) as channel:
        yield channel
    authentication.close()


def expired(tokens: Tokens) -> str:
    return tokens.create("cad", ALL_SCOPES, expires_at=utc_now())[0]


def revoked(tokens: Tokens) -> str:
    secret, token = tokens.create("cad", ALL_SCOPES)
    tokens.revoke(token.id)
    return secret


def test_every_method_of_the_protos_says_what_it_needs() -> None:
    assert set(METHODS) - set(NEEDS) == set()
    assert {method for method, need in NEEDS.items() if need == "nothing"} == HEALTH
    assert set(NEEDS.values()) <= ALL_SCOPES | {"token", "nothing"}


def test_every_role_is_made_of_scopes() -> None:
    assert set(ROLES) == {"dispatcher", "reviewer", "supervisor", "auditor", "operator"}
    assert all(scopes and scopes <= ALL_SCOPES for scopes in ROLES.values())
    assert scopes_of(["auditor"], ["generate"]) == {"read", "audit", "generate"}


@pytest.mark.parametrize(
    "make_secret",
    [lambda tokens: "", lambda tokens: "made-up", expired, revoked],
    ids=["no token", "unknown token", "expired token", "revoked token"],
)
async def test_without_a_valid_token_every_method_refuses(
    channel: grpc.aio.Channel, tokens: Tokens, handler: EveryMethod, make_secret: Callable[[Tokens], str]
) -> None:
    secret = make_secret(tokens)
    assert {method: await outcome(channel, method, secret) for method in GUARDED} == dict.fromkeys(
        GUARDED, "UNAUTHENTICATED UNAUTHENTICATED"
    )
    assert handler.reached == []


async def test_a_token_without_the_scope_is_refused_on_every_method(
    channel: grpc.aio.Channel, tokens: Tokens, handler: EveryMethod
) -> None:
    for scope in ALL_SCOPES:
        secret, _ = tokens.create("cad", ALL_SCOPES - {scope})
        needing = [method for method in GUARDED if NEEDS[method] == scope]
        outcomes = {method: await outcome(channel, method, secret) for method in needing}
        assert outcomes == dict.fromkeys(needing, "PERMISSION_DENIED SCOPE_MISSING")
    assert handler.reached == []


async def test_the_refusal_names_the_scope(channel: grpc.aio.Channel, tokens: Tokens) -> None:
    secret, _ = tokens.create("cad", ["read"])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, GENERATE, secret=secret)
    assert details(caught.value)[0].metadata["scope"] == "generate"


async def test_a_token_with_the_scope_alone_is_enough_and_names_the_caller(
    channel: grpc.aio.Channel, tokens: Tokens, handler: EveryMethod
) -> None:
    secrets = {scope: tokens.create(f"with {scope}", [scope])[0] for scope in ALL_SCOPES}
    for method in GUARDED:
        need = NEEDS[method] if NEEDS[method] != "token" else "read"
        assert await outcome(channel, method, secrets[need]) == "OK"
        assert handler.reached.pop() == (method, Caller(f"with {need}", frozenset({need}), True))


async def test_health_asks_nobody_who_they_are(channel: grpc.aio.Channel) -> None:
    assert {await outcome(channel, method) for method in HEALTH} == {"OK"}


@pytest.mark.parametrize(
    "metadata",
    [
        [("authorization", "Basic SECRET")],
        [("authorization", "SECRET")],
        [("token", "Bearer SECRET")],
        [("authorization", "Bearer SECRET"), ("authorization", "Bearer other")],
    ],
)
async def test_a_token_stands_in_one_place_in_one_form(
    channel: grpc.aio.Channel, tokens: Tokens, metadata: list[tuple[str, str]]
) -> None:
    secret, _ = tokens.create("cad", ALL_SCOPES)
    shown = [(key, value.replace("SECRET", secret)) for key, value in metadata]
    stub: Any = channel.unary_unary(GENERATE)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub(b"", metadata=shown)
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert await stub(b"", metadata=[("authorization", f"bearer  {secret} ")]) == b""


async def test_a_token_that_is_revoked_is_refused_at_the_next_look(channel: grpc.aio.Channel, tokens: Tokens) -> None:
    secret, token = tokens.create("cad", ALL_SCOPES)
    assert await outcome(channel, GENERATE, secret) == "OK"
    tokens.revoke(token.id)
    assert await outcome(channel, GENERATE, secret) == "UNAUTHENTICATED UNAUTHENTICATED"


async def test_a_stream_ends_when_its_token_is_revoked(
    channel: grpc.aio.Channel, tokens: Tokens, handler: EveryMethod
) -> None:
    secret, token = tokens.create("cad", ALL_SCOPES)
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def last() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    handler.before = last
    under_way = asyncio.create_task(outcome(channel, TRANSLATE, secret))
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    tokens.revoke(token.id)
    assert await under_way == "UNAUTHENTICATED UNAUTHENTICATED"
    assert ended.is_set()


async def test_a_method_that_the_table_lacks_is_refused_to_everybody(
    channel: grpc.aio.Channel, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, _ = tokens.create("cad", ALL_SCOPES)
    monkeypatch.setattr(
        "dispatch.server.authentication.NEEDS", {method: need for method, need in NEEDS.items() if method != GENERATE}
    )
    assert await outcome(channel, GENERATE, secret) == "PERMISSION_DENIED SCOPE_MISSING"


async def test_a_refused_message_is_not_even_parsed(tokens: Tokens, handler: EveryMethod) -> None:
    authentication = Authentication(tokens.find, EAGER)
    async with (
        serving(handler, [authentication, MessageGuard()]) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        assert await outcome(channel, GENERATE) == "UNAUTHENTICATED UNAUTHENTICATED"
    authentication.close()
    assert handler.parsed == []


async def test_a_store_that_cannot_be_asked_is_no_reason_to_let_anybody_in(handler: EveryMethod) -> None:
    def find(secret: str) -> Token | None:
        raise StoreUnavailable("away")

    authentication = Authentication(find, EAGER)
    async with serving(handler, [authentication]) as address, grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, GENERATE, secret="x")
    authentication.close()
    info, retry = details(caught.value)
    assert (caught.value.code(), info.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert retry.retry_delay.ToTimedelta() > timedelta(0)
    assert handler.reached == []


async def test_who_guesses_tokens_is_slowed_down_and_does_not_lock_out_the_others(
    tokens: Tokens, handler: EveryMethod
) -> None:
    secret, _ = tokens.create("cad", ALL_SCOPES)
    authentication = Authentication(
        tokens.find, AuthenticationConfig(required=True, fresh_s=0.0, strangers_per_s=0.001, strangers_burst=3)
    )
    async with serving(handler, [authentication]) as address, grpc.aio.insecure_channel(address) as channel:
        assert await outcome(channel, GENERATE, secret) == "OK"
        outcomes = [await outcome(channel, GENERATE, f"guess {number}") for number in range(3)]
        assert await outcome(channel, GENERATE, secret) == "OK"
    authentication.close()
    assert outcomes == ["UNAUTHENTICATED UNAUTHENTICATED"] * 2 + ["RESOURCE_EXHAUSTED RATE_LIMITED"]


async def test_the_server_guards_every_method_that_it_has(intake: LiveIntake, tokens: Tokens) -> None:
    secret, _ = tokens.create("cad", ALL_SCOPES)
    config = ServerConfig("127.0.0.1:0", grace_s=0.05, authentication=EAGER)
    server = DispatchServer(config, intake, find_token=tokens.find)
    address = await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        ask = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        replies = reflection.ServerReflectionInfo(ask, metadata=[("authorization", f"Bearer {secret}")])
        (listed,) = [reply async for reply in replies]
        names = {service.name for service in listed.list_services_response.service}
        methods = [method for method in GUARDED if method.split("/")[1] in names]
        assert GENERATE in methods
        outcomes = {method: await outcome(channel, method) for method in methods}
        assert outcomes == dict.fromkeys(methods, "UNAUTHENTICATED UNAUTHENTICATED")
    await server.stop()


def test_a_server_that_asks_for_tokens_must_be_told_which_are_valid(intake: LiveIntake) -> None:
    with pytest.raises(ValueError, match="tokens"):
        DispatchServer(ServerConfig(authentication=EAGER), intake)


def test_where_nobody_is_asked_everybody_may_do_everything() -> None:
    assert current_caller() == ANYBODY == Caller("", ALL_SCOPES, False)
