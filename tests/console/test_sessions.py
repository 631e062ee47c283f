from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatch.console.sessions import NoConsoleScope, Sessions
from dispatch.store import Store, Tokens


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'dispatch.db'}")
    yield store
    store.close()


@pytest.fixture
def tokens(store: Store) -> Tokens:
    return Tokens(store.database)


@pytest.fixture
def sessions(tokens: Tokens) -> Sessions:
    return Sessions(tokens, lifetime_s=3600)


def test_a_token_opens_a_session_that_its_cookie_finds(tokens: Tokens, sessions: Sessions) -> None:
    secret, token = tokens.create("王敏", ["review", "read"])
    opened = sessions.open(secret, "en")
    assert opened is not None
    cookie, session = opened
    assert (session.name, session.scopes, session.language) == ("王敏", frozenset({"review", "read"}), "en")
    assert session.token_id == token.id
    assert sessions.find(cookie) is session
    assert sessions.is_open(session)


def test_each_sign_in_has_a_cookie_of_its_own_that_is_kept_nowhere(tokens: Tokens, sessions: Sessions) -> None:
    secret, _ = tokens.create("王敏", ["review"])
    first, second = sessions.open(secret, "zh"), sessions.open(secret, "zh")
    assert first is not None
    assert second is not None
    assert first[0] != second[0]
    assert first[0] not in repr(vars(sessions))


@pytest.mark.parametrize("cookie", ["", "made-up", "\ud800"])
def test_a_cookie_that_was_not_given_finds_nothing(sessions: Sessions, cookie: str) -> None:
    assert sessions.find(cookie) is None


def test_an_unknown_secret_opens_nothing(sessions: Sessions) -> None:
    assert sessions.open("made-up", "zh") is None


def test_a_token_for_programs_opens_nothing(tokens: Tokens, sessions: Sessions) -> None:
    secret, _ = tokens.create("cad", ["generate", "read", "watch", "admin", "export"])
    with pytest.raises(NoConsoleScope):
        sessions.open(secret, "zh")


def test_a_session_ends_with_its_token(tokens: Tokens, sessions: Sessions) -> None:
    secret, token = tokens.create("王敏", ["review"])
    opened = sessions.open(secret, "zh")
    assert opened is not None
    cookie, session = opened
    tokens.revoke(token.id)
    assert not sessions.is_open(session)
    assert sessions.find(cookie) is None


def test_who_signs_out_is_out(tokens: Tokens, sessions: Sessions) -> None:
    secret, _ = tokens.create("王敏", ["review"])
    opened = sessions.open(secret, "zh")
    assert opened is not None
    cookie, session = opened
    sessions.close(session)
    sessions.close(session)
    assert sessions.find(cookie) is None
    assert not sessions.is_open(session)


def test_a_session_does_not_last_longer_than_it_may(tokens: Tokens) -> None:
    sessions = Sessions(tokens, lifetime_s=0.0)
    secret, _ = tokens.create("王敏", ["review"])
    opened = sessions.open(secret, "zh")
    assert opened is not None
    assert sessions.find(opened[0]) is None
    assert not sessions.is_open(opened[1])


def test_a_token_is_found_by_its_id_while_it_is_valid(tokens: Tokens) -> None:
    _, token = tokens.create("王敏", ["review"])
    assert tokens.find_by_id(token.id) == token
    tokens.revoke(token.id)
    assert tokens.find_by_id(token.id) is None
    assert tokens.find_by_id("made-up") is None
