"""What is remembered of tokens: enough to spare the store, and not long."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from dispatch.server.known_tokens import KnownTokens
from dispatch.store import StoreUnavailable, Token
from dispatch.store.records import utc_now

LONG_S = 3600.0
TOKEN = Token(id="1", principal="cad", scopes=("read",), created_at=utc_now(), expires_at=None, revoked_at=None)


class Finder:
    """Stands for the store: finds `answer`, or raises it, when `held` lets it."""

    def __init__(self) -> None:
        self.answer: Token | Exception | None = TOKEN
        self.asked: list[str] = []
        self.held = threading.Event()
        self.held.set()

    def __call__(self, secret: str) -> Token | None:
        self.asked.append(secret)
        self.held.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def finder() -> Iterator[Finder]:
    finder = Finder()
    yield finder
    finder.held.set()


async def test_a_token_that_is_fresh_is_not_looked_up_again(finder: Finder) -> None:
    tokens = KnownTokens(finder, fresh_s=LONG_S, patience_s=LONG_S, outage_s=LONG_S)
    assert [await tokens.find("a"), await tokens.find("a"), await tokens.find("b")] == [TOKEN] * 3
    assert finder.asked == ["a", "b"]


async def test_a_token_that_is_not_fresh_is_looked_up_and_forgotten_when_it_has_gone(finder: Finder) -> None:
    tokens = KnownTokens(finder, fresh_s=0.0, patience_s=LONG_S, outage_s=LONG_S)
    assert await tokens.find("a") == TOKEN
    assert tokens.knows("a")
    finder.answer = None
    assert await tokens.find("a") is None
    assert not tokens.knows("a")


async def test_an_unknown_token_is_remembered_by_nobody(finder: Finder) -> None:
    finder.answer = None
    tokens = KnownTokens(finder, fresh_s=LONG_S, patience_s=LONG_S, outage_s=LONG_S)
    assert [await tokens.find("a"), await tokens.find("a")] == [None, None]
    assert finder.asked == ["a", "a"]


async def test_a_fresh_token_ends_when_it_expires(finder: Finder, monkeypatch: pytest.MonkeyPatch) -> None:
    now = utc_now()
    finder.answer = Token(**{**TOKEN.__dict__, "expires_at": now + timedelta(days=1)})
    tokens = KnownTokens(finder, fresh_s=LONG_S, patience_s=LONG_S, outage_s=LONG_S)
    assert await tokens.find("a") == finder.answer
    monkeypatch.setattr("dispatch.server.known_tokens.utc_now", lambda: now + timedelta(days=1))
    assert await tokens.find("a") is None


async def test_calls_that_come_together_ask_once_and_leave_the_loop_free(finder: Finder) -> None:
    finder.held.clear()
    tokens = KnownTokens(finder, fresh_s=0.0, patience_s=LONG_S, outage_s=LONG_S)
    waiting = [asyncio.create_task(tokens.find("a")) for _ in range(9)]
    while not finder.asked:
        await asyncio.sleep(0.001)  # it could not return while the store held the loop
    assert [tokens.knows("a"), tokens.knows("b")] == [True, False]
    finder.held.set()
    assert await asyncio.gather(*waiting) == [TOKEN] * 9
    assert finder.asked == ["a"]


async def test_a_store_that_hangs_is_not_waited_for_for_ever(finder: Finder) -> None:
    finder.held.clear()
    tokens = KnownTokens(finder, fresh_s=0.0, patience_s=0.01, outage_s=LONG_S)
    with pytest.raises(StoreUnavailable):
        await tokens.find("a")


async def test_while_the_store_is_away_those_who_were_let_in_still_are(finder: Finder) -> None:
    tokens = KnownTokens(finder, fresh_s=0.0, patience_s=LONG_S, outage_s=LONG_S)
    assert await tokens.find("a") == TOKEN
    finder.answer = StoreUnavailable("away")
    assert await tokens.find("a") == TOKEN
    with pytest.raises(StoreUnavailable):
        await tokens.find("b")


async def test_an_outage_ends_what_is_known(finder: Finder) -> None:
    tokens = KnownTokens(finder, fresh_s=0.0, patience_s=LONG_S, outage_s=0.0)
    assert await tokens.find("a") == TOKEN
    finder.answer = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        await tokens.find("a")
