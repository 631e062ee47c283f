"""How many files the process may have open: each connection is one, and so is the store's."""

import resource


def raise_limit() -> None:
    """Takes what the system permits. The usual 1024 would let a thousand idle connections shut everybody out."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
