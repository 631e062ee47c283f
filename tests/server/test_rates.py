"""Token buckets, and who counts as one client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.server.rates import TokenBuckets, address_of


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    buckets = TokenBuckets(rate_per_s=2, burst=3, clock=clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b") == 0
    clock.now = 0.5
    assert [buckets.take("a") for _ in range(2)] == [0, 0.5]
    clock.now = 100
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


@given(st.floats(0.01, 1000), st.integers(1, 50), st.lists(st.floats(0, 10), min_size=1, max_size=200))
def test_no_one_gets_more_than_burst_and_rate_allow(rate: float, burst: int, pauses: list[float]) -> None:
    clock = Clock()
    buckets = TokenBuckets(rate, burst, clock)
    taken = 0
    for pause in pauses:
        clock.now += pause
        wait_s = buckets.take("a")
        taken += wait_s == 0
        assert 0 <= wait_s <= 1 / rate + 1e-6
        assert taken <= burst + clock.now * rate + 1e-6


def test_clients_who_left_are_forgotten() -> None:
    clock = Clock()
    buckets = TokenBuckets(rate_per_s=1, burst=1, clock=clock)
    for number in range(10_000):
        clock.now += 1
        buckets.take(str(number))
    assert len(buckets._full_at) < 2000


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_bucket_that_gives_nothing_is_refused(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="bucket"):
        TokenBuckets(rate, burst)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:5000", "192.0.2.1"),
        ("ipv6:%5B2001:db8:1:2:3::4%5D:5000", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:ffff::1]:5001", "2001:db8:1:2::/64"),
        ("ipv6:%5B::ffff:192.0.2.1%5D:5000", "192.0.2.1"),
        ("ipv6:%5Bfe80::1%25eth0%5D:5000", "fe80::/64"),
        ("unix:/run/x", "unix:/run/x"),
        ("ipv4:nonsense", "ipv4:nonsense"),
    ],
)
def test_a_client_is_where_it_calls_from(peer: str, address: str) -> None:
    assert address_of(peer) == address
