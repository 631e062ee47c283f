"""Who calls, and what they may do: bearer tokens and their scopes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Literal

import grpc

from dispatch.server.errors import Context, Failure, abort, failure_of, lacks_scope
from dispatch.server.interception import Continuation, Handler, surround
from dispatch.server.known_tokens import FindToken, KnownTokens
from dispatch.server.rates import TokenBuckets, address_of, rate_limited
from dispatch.store import ALL_SCOPES as ALL_SCOPES
from dispatch.store import Token

Need = Literal["generate", "review", "supervise", "audit", "watch", "export", "admin", "read", "token", "nothing"]
"""A scope; "token" is any valid token, "nothing" not even that."""

NEEDS: Mapping[str, Need] = {
    "/dispatch.v1.DispatchService/GenerateInstruction": "generate",
    "/dispatch.v1.DispatchService/StreamInstruction": "generate",
    "/dispatch.v1.DispatchService/TranslateReports": "generate",
    "/dispatch.v1.DispatchService/ExplainInstruction": "read",
    "/dispatch.v1.DispatchService/ListModels": "read",
    "/dispatch.v1.ReviewService/ListInstructions": "read",
    "/dispatch.v1.ReviewService/GetInstruction": "read",
    "/dispatch.v1.ReviewService/ClaimInstruction": "review",
    "/dispatch.v1.ReviewService/ReleaseInstruction": "review",
    "/dispatch.v1.ReviewService/ApproveInstruction": "review",
    "/dispatch.v1.ReviewService/ReviseInstruction": "review",
    "/dispatch.v1.ReviewService/RejectInstruction": "review",
    "/dispatch.v1.ReviewService/ReturnInstruction": "review",
    "/dispatch.v1.ReviewService/RecallInstruction": "supervise",
    "/dispatch.v1.ReviewService/ListAuditEvents": "audit",
    "/dispatch.v1.ReviewService/ExportPairs": "export",
    "/dispatch.v1.ReviewService/WatchInstructions": "watch",
    "/dispatch.v1.ReviewService/ReportOrderStatus": "watch",
    "/dispatch.v1.AdminService/SetServingMode": "admin",
    "/dispatch.v1.AdminService/LoadModel": "admin",
    "/dispatch.v1.AdminService/SetModelLabel": "admin",
    "/grpc.health.v1.Health/Check": "nothing",
    "/grpc.health.v1.Health/List": "nothing",
    "/grpc.health.v1.Health/Watch": "nothing",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": "token",
}
"""What each method asks of its caller. One that is missing here is refused to everybody."""

_LOOK_AGAIN_S = 0.1
_UNAUTHENTICATED = Failure(
    grpc.StatusCode.UNAUTHENTICATED,
    "UNAUTHENTICATED",
    "the call needs a valid token in its metadata, authorization: Bearer …; this one has none",
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """Who makes the call that is being handled."""

    name: str
    """The principal of the token; empty where nobody is asked who they are."""
    scopes: frozenset[str]
    authenticated: bool


ANYBODY = Caller("", ALL_SCOPES, False)
"""Every caller of a server that asks for no tokens."""

_caller: ContextVar[Caller] = ContextVar("caller", default=ANYBODY)


def current_caller() -> Caller:
    """The caller of the call that this task handles. Threads do not inherit it: ask before handing work to one."""
    return _caller.get()


@dataclass(frozen=True)
class AuthenticationConfig:
    """Whether callers must show a token, and how long what is known of one may be used again."""

    required: bool = False
    fresh_s: float = 2.0
    """How long a valid token is not looked up again: a revoked one lets nobody in after that."""
    patience_s: float = 2.0
    """How long a call waits for the store to say whether its token is valid."""
    outage_s: float = 900.0
    """How long a token that was found valid still is where the store cannot be asked."""
    strangers_per_s: float = 20.0
    """How many tokens never seen before are looked up for one address."""
    strangers_burst: int = 200


class Authentication(grpc.aio.ServerInterceptor):
    """Lets a call in by the token in its metadata, `authorization: Bearer SECRET`, if that has the method's scope.

    A call ends when its token does: that is looked at again while the call lasts.
    """

    def __init__(self, find: FindToken, config: AuthenticationConfig) -> None:
        self._config = config
        self._tokens = KnownTokens(find, config.fresh_s, config.patience_s, config.outage_s)
        self._strangers = TokenBuckets(config.strangers_per_s, config.strangers_burst)
        self._log_lines = TokenBuckets(rate_per_s=1.0, burst=10)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        need = NEEDS.get(method)
        if handler is None or need == "nothing":
            return handler
        return surround(handler, partial(self._admitted, method, need))

    def close(self) -> None:
        """Looks up no more tokens."""
        self._tokens.close()

    @asynccontextmanager
    async def _admitted(self, method: str, need: Need | None, context: Context) -> AsyncIterator[None]:
        secret = _secret(context)
        token = await self._identify(method, secret, context)
        if need is None or (need != "token" and need not in token.scopes):
            self._log(context, method, f"{token.principal} lacks the scope")
            await abort(context, lacks_scope(need or ""))
        _caller.set(Caller(token.principal, frozenset(token.scopes), True))
        try:
            async with asyncio.timeout(None) as limit, self._watching(secret, limit):
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            self._log(context, method, f"the token of {token.principal} is no longer valid")
            await abort(context, _UNAUTHENTICATED)

    @asynccontextmanager
    async def _watching(self, secret: str, limit: asyncio.Timeout) -> AsyncIterator[None]:
        """Sets off the timeout when the token is no longer valid. Most calls end before anybody has to look."""
        watching: list[asyncio.Task[None]] = []

        def look() -> None:
            watching.append(asyncio.create_task(self._watch(secret, limit)))

        soon = asyncio.get_running_loop().call_later(self._config.fresh_s, look)
        try:
            yield
        finally:
            soon.cancel()
            for task in watching:
                task.cancel()

    async def _identify(self, method: str, secret: str, context: Context) -> Token:
        """The valid token with a secret; the call ends where there is none."""
        if not secret:
            self._log(context, method, "no token")
            await abort(context, _UNAUTHENTICATED)
        if not self._tokens.knows(secret) and (wait_s := self._strangers.take(address_of(context.peer()))):
            self._log(context, method, "too many unknown tokens")
            await abort(context, rate_limited("too many tokens that are not known", wait_s))
        try:
            token = await self._tokens.find(secret)
        except Exception as error:
            await abort(context, failure_of(error))
        if token is None:
            self._log(context, method, "a token that is unknown, expired or revoked")
            await abort(context, _UNAUTHENTICATED)
        return token

    async def _watch(self, secret: str, limit: asyncio.Timeout) -> None:
        """Looks at the token again and again; returns when it is no longer valid."""
        while await self._is_valid(secret):
            await asyncio.sleep(max(self._config.fresh_s, _LOOK_AGAIN_S))
        limit.reschedule(asyncio.get_running_loop().time())

    async def _is_valid(self, secret: str) -> bool:
        try:
            return await self._tokens.find(secret) is not None
        except Exception as error:  # nobody can tell, for longer than an outage may last
            failure_of(error)
            return False

    def _log(self, context: Context, method: str, why: str) -> None:
        """Some refusals of each address: all of them would let a caller fill the disk."""
        address = address_of(context.peer())
        if not self._log_lines.take(address):
            logger.warning("refused %s to %s: %s", method, address, why)


def _secret(context: Context) -> str:
    """The token that the call shows; empty where it shows none, or two."""
    given = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    if len(given) != 1:
        return ""
    scheme, _, secret = str(given[0]).partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""
