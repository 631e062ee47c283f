"""Who holds a token, as the store knows it, without asking it for every call."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dispatch.store import StoreError, StoreUnavailable, Token
from dispatch.store.records import utc_now

FindToken = Callable[[str], Token | None]
"""The valid token with a secret, as `Tokens.find`; may block, and raises StoreError where the store cannot be asked."""

_THREADS = 2  # that ask the store


@dataclass(frozen=True)
class _Known:
    token: Token
    asked_at: float


@dataclass(frozen=True)
class _Question:
    answer: asyncio.Future[Token | None]
    asked_at: float


class KnownTokens:
    """Tokens that were found valid, each for a few seconds. Used in one event loop, which the store never blocks.

    A token that was revoked lets nobody in once `fresh_s` and the store's own time, at most `patience_s`, have passed;
    one that expires, from that moment on. Where the store cannot be asked, who was let in within the last `outage_s` is
    let in still: a control room goes on while its database is away.
    """

    def __init__(self, find: FindToken, fresh_s: float, patience_s: float, outage_s: float) -> None:
        self._find = find
        self._fresh_s = fresh_s
        self._patience_s = patience_s
        self._outage_s = outage_s
        self._known: dict[bytes, _Known] = {}
        self._questions: dict[bytes, _Question] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="tokens")

    def knows(self, secret: str) -> bool:
        """Whether the secret was a valid token's when it was last asked for, or is being asked for: a client who comes
        back with many calls at once is no stranger, and the store is asked but once."""
        key = _key(secret)
        return key in self._known or key in self._questions

    async def find(self, secret: str) -> Token | None:
        """The valid token with a secret. Raises StoreUnavailable where nobody can tell."""
        key = _key(secret)
        known = self._known.get(key)
        if known is None or time.monotonic() >= known.asked_at + self._fresh_s:
            known = await self._ask(key, secret, known)
        return known.token if known is not None and known.token.is_valid(utc_now()) else None

    def close(self) -> None:
        """Asks the store no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, key: bytes, secret: str, known: _Known | None) -> _Known | None:
        question = self._question(key, secret)
        left_s = question.asked_at + self._patience_s - time.monotonic()
        try:
            async with asyncio.timeout(max(left_s, 0.0)):  # not wait_for: see HealthMonitor
                token = await asyncio.shield(question.answer)
        except (StoreError, TimeoutError) as error:
            if known is not None and question.asked_at < known.asked_at + self._outage_s:
                return known
            raise StoreUnavailable("the tokens cannot be read") from error
        if token is None:
            self._known.pop(key, None)
            return None
        self._known[key] = _Known(token, question.asked_at)
        return self._known[key]

    def _question(self, key: bytes, secret: str) -> _Question:
        """One for all calls that wait for the same answer."""
        question = self._questions.get(key)
        if question is None:
            answer = asyncio.get_running_loop().run_in_executor(self._threads, self._find, secret)
            self._questions[key] = question = _Question(answer, time.monotonic())
            answer.add_done_callback(lambda done: self._answered(key, done))
        return question

    def _answered(self, key: bytes, done: asyncio.Future[Token | None]) -> None:
        del self._questions[key]
        if not done.cancelled():
            done.exception()  # looked at, even where all who waited have left


def _key(secret: str) -> bytes:
    """Not the secret itself, so that no dump of the memory shows more of it than the calls do."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
