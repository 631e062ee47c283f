"""Who calls, and what they may do: bearer tokens, scopes and roles."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Scope = Literal["generate", "review", "admin", "read"]

ALL_SCOPES: frozenset[str] = frozenset({"generate", "review", "admin", "read"})

ROLES: Mapping[str, frozenset[str]] = {
    "dispatcher": frozenset({"generate", "read"}),
    "reviewer": frozenset({"review", "read"}),
    "supervisor": frozenset({"generate", "review", "read"}),
    "auditor": frozenset({"read"}),
    "operator": frozenset({"admin", "read"}),
}
"""Named sets of scopes, for whoever makes tokens."""


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
