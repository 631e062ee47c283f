"""`dispatch token`: a secret is told once, and a token ends when somebody says so."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.store import Audit, Store, Tokens


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def principal_of(secret: str) -> str | None:
    with closing(Store.open("sqlite:///dispatch.db")) as store:
        token = Tokens(store.database).find(secret)
    return token.principal if token else None


def test_the_secret_stands_alone_on_standard_output(dispatch: Any) -> None:
    result = dispatch("token", "create", "cad", "--role", "dispatcher")
    (secret,) = result.stdout.split()
    assert principal_of(secret) == "cad"
    assert "for generate, read, watch, until" in result.stderr
    assert secret not in result.stderr


def test_a_token_has_the_scopes_and_the_end_that_were_asked_for(dispatch: Any) -> None:
    made = dispatch.json("token", "create", "zhang", "--role", "reviewer", "--scope", "admin", "--days", "7", "--json")
    assert made["scopes"] == ["admin", "read", "review"]
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=6.9) < left <= timedelta(days=7)
    forever = dispatch.json("token", "create", "cad", "--scope", "generate", "--days", "0", "--json")
    assert forever["expires_at"] is None


@pytest.mark.parametrize("options", [(), ("--role", "king"), ("--scope", "all"), ("--role", "auditor", "--days", "-1")])
def test_wrong_usage_makes_no_token(dispatch: Any, options: tuple[str, ...]) -> None:
    assert dispatch("token", "create", "cad", *options).exit_code == 2
    assert dispatch.json("token", "list", "--json") == []


def test_a_revoked_token_is_listed_as_such_and_finds_nobody(dispatch: Any) -> None:
    made = dispatch.json("token", "create", "cad", "--role", "operator", "--json")
    assert dispatch("token", "revoke", made["id"], "--by", "duty").exit_code == 0
    assert principal_of(made["secret"]) is None
    (listed,) = dispatch.json("token", "list", "--json")
    assert (listed["id"], listed["state"]) == (made["id"], "revoked")
    assert "secret" not in listed
    assert "revoked" in dispatch("token", "list").stdout
    with closing(Store.open("sqlite:///dispatch.db")) as store:
        events = Audit(store.database).events(limit=9)
    assert [(event.action, event.actor) for event in events] == [("token.created", ""), ("token.revoked", "duty")]


def test_an_unknown_token_cannot_be_revoked(dispatch: Any) -> None:
    result = dispatch("token", "revoke", "0")
    assert (result.exit_code, "token 0 is not in the store" in result.stderr) == (1, True)
