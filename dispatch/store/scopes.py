"""What a token may be good for, and the roles that people know these scopes by."""

from collections.abc import Iterable, Mapping

ALL_SCOPES: frozenset[str] = frozenset({"generate", "review", "supervise", "audit", "watch", "export", "admin", "read"})

ROLES: Mapping[str, frozenset[str]] = {
    "dispatcher": frozenset({"generate", "read", "watch"}),
    "reviewer": frozenset({"review", "read"}),
    "supervisor": frozenset({"review", "supervise", "read", "audit", "export"}),
    "auditor": frozenset({"read", "audit"}),
    "operator": frozenset({"admin", "read"}),
}
"""Named sets of scopes, for whoever makes tokens."""


def scopes_of(roles: Iterable[str], scopes: Iterable[str]) -> frozenset[str]:
    """The scopes of roles, and those named beside them. Raises ValueError for an unknown one, and for none at all."""
    roles, named = list(roles), set(scopes)
    if unknown := sorted(set(roles) - set(ROLES)):
        raise ValueError(f"there is no role {unknown[0]!r}; the roles are {', '.join(ROLES)}")
    if unknown := sorted(named - ALL_SCOPES):
        raise ValueError(f"there is no scope {unknown[0]!r}; the scopes are {', '.join(sorted(ALL_SCOPES))}")
    if not roles and not named:
        raise ValueError("a token needs a role or a scope")
    return frozenset(named.union(*(ROLES[role] for role in roles)))
