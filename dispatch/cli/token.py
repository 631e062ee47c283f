"""`dispatch token …`: who may call the server."""

from contextlib import closing
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dispatch.cli.options import DatabaseOption, JsonOption
from dispatch.cli.output import note, print_json, print_result, print_table, values_as_usage
from dispatch.settings import load_settings

if TYPE_CHECKING:
    from dispatch.store import Token

app = typer.Typer(help="Bearer tokens: who may call the server.", no_args_is_help=True)

ActorOption = Annotated[str, typer.Option("--by", metavar="WHO", help="Who does it, for the audit trail.")]


@app.command()
def create(
    principal: Annotated[str, typer.Argument(metavar="NAME", help="The person or program that will call.")],
    role: Annotated[
        list[str] | None,
        typer.Option(help="dispatcher, reviewer, supervisor, auditor or operator; repeatable."),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="generate, review, supervise, audit, watch, export, admin or read; repeatable."),
    ] = None,
    days: Annotated[int, typer.Option(min=0, max=36_500, help="How long it is valid; 0: until it is revoked.")] = 90,
    actor: ActorOption = "",
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print its secret, once: the store keeps a digest alone.

    Example: `dispatch token create cad --role dispatcher --days 90`
    """
    from dispatch.store import Store, Tokens, scopes_of
    from dispatch.store.records import utc_now

    with values_as_usage():
        scopes = scopes_of(role or [], scope or [])
    expires_at = utc_now() + timedelta(days=days) if days else None
    with closing(Store.open(database_url or load_settings().database_url)) as store, values_as_usage():
        secret, token = Tokens(store.database).create(principal, scopes, expires_at=expires_at, actor=actor)
    if as_json:
        print_json({"secret": secret, **_as_json(token)})
        return
    print_result(secret)
    until = f"until {_day(expires_at)}" if expires_at else "until it is revoked"
    note(f"token {token.id} of {principal} for {', '.join(token.scopes)}, {until}; it is not shown again")


@app.command("list")
def list_tokens(database_url: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Print all tokens, those that have ended too; the secrets are in no store.

    Example: `dispatch token list`
    """
    from rich.table import Table

    from dispatch.store import Store, Tokens

    with closing(Store.open(database_url or load_settings().database_url)) as store:
        tokens = Tokens(store.database).list()
    if as_json:
        print_json([_as_json(token) for token in tokens])
        return
    table = Table("id", "principal", "scopes", "made", "ends", "state")
    for token in tokens:
        ends = _day(token.expires_at) if token.expires_at else "never"
        table.add_row(token.id, token.principal, ", ".join(token.scopes), _day(token.created_at), ends, _state(token))
    print_table(table)


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="What `dispatch token list` shows, not the secret.")],
    actor: ActorOption = "",
    database_url: DatabaseOption = None,
) -> None:
    """Make a token invalid; a running server lets it in for a few seconds more at most (docs/security.md).

    Example: `dispatch token revoke 0f2a… --by duty`
    """
    from dispatch.store import Store, Tokens

    with closing(Store.open(database_url or load_settings().database_url)) as store:
        token = Tokens(store.database).revoke(token_id, actor=actor)
    note(f"token {token.id} of {token.principal} is revoked")


def _as_json(token: "Token") -> dict[str, Any]:
    moments = {name: _iso(getattr(token, name)) for name in ("created_at", "expires_at", "revoked_at")}
    return asdict(token) | moments | {"scopes": list(token.scopes), "state": _state(token)}


def _state(token: "Token") -> str:
    from dispatch.store.records import utc_now

    if token.revoked_at is not None:
        return "revoked"
    return "valid" if token.is_valid(utc_now()) else "expired"


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
