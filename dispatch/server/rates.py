"""How much each client has used of what it may, and from where a client calls."""

import math
import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from urllib.parse import unquote

import grpc

from dispatch.server.errors import Failure

_PURGE_AT = 1024  # clients in memory before those are looked for who have not been heard of for a while


class TokenBuckets:
    """A bucket for each client: it holds `burst` tokens at most and gains `rate_per_s`. For one thread."""

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        if rate_per_s <= 0 or burst < 1:
            raise ValueError(f"a bucket needs a rate above 0 and room for 1, not {rate_per_s:g} and {burst}")
        self._gap_s = 1 / rate_per_s
        self._room_s = (burst - 1) * self._gap_s
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._purge_at = _PURGE_AT

    def take(self, client: str) -> float:
        """Takes one token, and returns 0; or the seconds until there is one, and takes none."""
        now = self._clock()
        full_at = max(self._full_at.get(client, now), now)
        missing_s = full_at - now - self._room_s
        if missing_s > 0:
            return missing_s
        self._full_at[client] = full_at + self._gap_s
        if len(self._full_at) >= self._purge_at:
            self._full_at = {name: moment for name, moment in self._full_at.items() if moment > now}
            self._purge_at = max(_PURGE_AT, 2 * len(self._full_at))
        return 0.0


@lru_cache(1024)  # a connection calls often
def address_of(peer: str) -> str:
    """Where a peer, as gRPC names it, calls from: without the port, and of IPv6 the /64 that one customer is given."""
    kind, _, place = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return peer
    host = unquote(place).rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return peer
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, 64), strict=False))


def rate_limited(message: str, wait_s: float) -> Failure:
    """The refusal of a client that asks for more than it may; trying again helps after `wait_s`."""
    retry_after_s = max(1, math.ceil(wait_s))
    return Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", message, retry_after_s=retry_after_s)
