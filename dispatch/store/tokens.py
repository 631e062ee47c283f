"""Principals and their bearer tokens, of which the store keeps digests alone."""

import hashlib
import secrets
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, select

from dispatch.store.database import Database
from dispatch.store.errors import NotFound
from dispatch.store.records import check_text, utc_now
from dispatch.store.rows import TABLES
from dispatch.store.schema import PrincipalRow, TokenRow
from dispatch.store.transaction import Transaction

PRINCIPALS, TOKENS = TABLES[PrincipalRow.__tablename__], TABLES[TokenRow.__tablename__]


@dataclass(frozen=True, kw_only=True)
class Token:
    """What is known of a bearer token; the token itself is known to its holder alone."""

    id: str
    principal: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_valid(self, moment: datetime) -> bool:
        """Whether it lets somebody in at a moment."""
        return self.revoked_at is None and (self.expires_at is None or moment < self.expires_at)


class Tokens:
    """The tokens of a database. Every method raises StoreError where the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, principal: str, scopes: Collection[str], *, expires_at: datetime | None = None, actor: str = ""
    ) -> tuple[str, Token]:
        """A new token for a principal, who is made where it is new; the secret is told here and never again.

        Raises ValueError for a principal without a name or one that cannot be stored.
        """
        check_text("principal", principal)
        if not principal.strip():
            raise ValueError("a principal needs a name")
        secret = secrets.token_urlsafe(32)
        values = {
            "id": uuid.uuid4().hex,
            "principal": principal,
            "digest": _digest(secret),
            "scopes": sorted(set(scopes)),
            "expires_at": expires_at,
        }

        def work(transaction: Transaction) -> Token:
            if transaction.find(PRINCIPALS, principal) is None:
                transaction.insert(PRINCIPALS, {"name": principal, "created_at": transaction.now})
            row = transaction.insert(TOKENS, {**values, "created_at": transaction.now})
            transaction.record("token.created", actor, f"principals/{principal}", {"token": row["id"]})
            return _token(row)

        return secret, self._database.write("store the token", work)

    def find(self, secret: str) -> Token | None:
        """The token with a secret if it is valid now."""
        return self._find(TOKENS.c.digest == _digest(secret))

    def find_by_id(self, token_id: str) -> Token | None:
        """The token with an id if it is valid now."""
        return self._find(TOKENS.c.id == token_id)

    def list(self) -> list[Token]:
        """All tokens, by principal and age."""
        query = select(TOKENS).order_by(TOKENS.c.principal, TOKENS.c.created_at, TOKENS.c.id)
        with self._database.reading() as connection:
            return [_token(row._mapping) for row in connection.execute(query)]

    def revoke(self, token_id: str, *, actor: str = "") -> Token:
        """Make a token invalid from now on; a second time changes nothing. Raises NotFound."""

        def work(transaction: Transaction) -> Token:
            row = transaction.find(TOKENS, token_id)
            if row is None:
                raise NotFound(f"token {token_id}")
            if row["revoked_at"] is None:
                row = transaction.update(TOKENS, row, {"revoked_at": transaction.now})
                transaction.record("token.revoked", actor, f"principals/{row['principal']}", {"token": token_id})
            return _token(row)

        return self._database.write("revoke the token", work)

    def _find(self, condition: ColumnElement[bool]) -> Token | None:
        with self._database.reading() as connection:
            row = connection.execute(select(TOKENS).where(condition)).one_or_none()
        token = None if row is None else _token(row._mapping)
        return token if token is not None and token.is_valid(utc_now()) else None


def _digest(secret: str) -> str:
    """Of 256 random bits, so that no salt and no slow hash is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _token(row: Mapping[str, Any] | RowMapping) -> Token:
    same = ("id", "principal", "created_at", "expires_at", "revoked_at")
    return Token(scopes=tuple(row["scopes"]), **{name: row[name] for name in same})
