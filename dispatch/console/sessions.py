"""Who is signed in: sessions kept here alone, each opened by one of the service's own tokens and ending with it."""

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from threading import Lock

from dispatch.store import Token, Tokens

MAY_SIGN_IN = frozenset({"review", "supervise", "audit"})
"""A token needs one of these scopes: programs have no business in the console."""


class NoConsoleScope(ValueError):
    """The token is valid, and lets its holder do nothing that the console is for."""


@dataclass
class Session:
    """One sign-in of one browser."""

    key: str
    """Digest of what the browser's cookie holds: the cookie itself is kept nowhere."""
    token_id: str
    name: str
    """The principal."""
    scopes: frozenset[str]
    language: str
    ends_at: float
    """A moment of time.monotonic()."""
    notice: str = ""
    """What the next page tells, such as that a decision was stored."""
    filters: dict[str, str] = field(default_factory=dict)
    """Of the queue as it was last seen."""


class Sessions:
    """All sessions of a console. Threads may share it; a restart of the server ends all of them."""

    def __init__(self, tokens: Tokens, lifetime_s: float) -> None:
        self._tokens = tokens
        self._lifetime_s = lifetime_s
        self._sessions: dict[str, Session] = {}
        self._lock = Lock()

    def open(self, secret: str, language: str) -> tuple[str, Session] | None:
        """The cookie and the session of a new sign-in; None where the secret is no valid token's.

        The cookie is always a new one, whatever the browser came with. Raises NoConsoleScope, and StoreError where the
        store cannot be asked.
        """
        token = self._tokens.find(secret)
        if token is None:
            return None
        if not MAY_SIGN_IN.intersection(token.scopes):
            raise NoConsoleScope(token.principal)
        cookie = secrets.token_urlsafe(32)
        session = Session(
            _digest(cookie),
            token.id,
            token.principal,
            frozenset(token.scopes),
            language,
            time.monotonic() + self._lifetime_s,
        )
        with self._lock:
            now = time.monotonic()
            self._sessions = {key: known for key, known in self._sessions.items() if known.ends_at > now}
            self._sessions[session.key] = session
        return cookie, session

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie, if it has not ended; the store is not asked."""
        session = self._sessions.get(_digest(cookie)) if cookie else None
        return session if session is not None and session.ends_at > time.monotonic() else None

    def is_open(self, session: Session) -> bool:
        """Whether a session goes on: neither signed out nor over, and its token valid now. Asks the store.

        Raises StoreError where that cannot be asked.
        """
        known = self._sessions.get(session.key)
        if known is None or known.ends_at <= time.monotonic():
            return False
        token: Token | None = self._tokens.find_by_id(session.token_id)
        if token is None:
            self.close(session)
        return token is not None

    def close(self, session: Session) -> None:
        """Sign out; a second time does nothing."""
        with self._lock:
            self._sessions.pop(session.key, None)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
