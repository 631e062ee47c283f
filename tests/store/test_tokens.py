"""Bearer tokens: only their digests are kept, and they end when they expire or are revoked."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from dispatch.store import Audit, NotFound, Store, Tokens
from dispatch.store.records import utc_now


@pytest.fixture
def tokens(store: Store) -> Tokens:
    return Tokens(store.database)


def test_a_secret_finds_its_token_and_is_not_in_the_store(
    tokens: Tokens, execute: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    secret, token = tokens.create("cad", ["read", "generate", "read"], actor="admin")
    assert tokens.find(secret) == token
    assert (token.principal, token.scopes) == ("cad", ("generate", "read"))
    assert tokens.find("") is None
    assert tokens.find(secret + "x") is None
    assert tokens.find("\ud800") is None
    assert secret not in str([execute(f"SELECT * FROM {table}") for table in ("tokens", "principals", "audit_events")])


def test_an_expired_or_revoked_token_lets_nobody_in(store: Store, tokens: Tokens) -> None:
    expired, _ = tokens.create("cad", ["read"], expires_at=utc_now())
    lasting, token = tokens.create("cad", ["read"], expires_at=utc_now() + timedelta(hours=1))
    assert tokens.find(expired) is None
    assert tokens.find(lasting) == token
    revoked = tokens.revoke(token.id, actor="admin")
    assert tokens.revoke(token.id) == revoked
    assert tokens.find(lasting) is None
    assert len(tokens.list()) == 2
    with pytest.raises(NotFound):
        tokens.revoke("0")
    actions = [event.action for event in Audit(store.database).events(limit=9)]
    assert actions == ["token.created", "token.created", "token.revoked"]
    assert Audit(store.database).verify().faults == ()


@pytest.mark.parametrize("principal", ["", " ", "a\0b", "\ud800"])
def test_a_principal_has_a_name(tokens: Tokens, principal: str) -> None:
    with pytest.raises(ValueError, match="principal"):
        tokens.create(principal, ["read"])
    assert tokens.list() == []
