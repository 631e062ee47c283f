import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.engine.pace import Pace, Tail

batches = st.lists(st.tuples(st.integers(1, 10_000), st.floats(1e-4, 100)), min_size=1, max_size=40)


def learnt(*measured: tuple[int, float]) -> Pace:
    pace = Pace()
    for tokens, seconds in measured:
        pace.note(tokens, seconds)
    return pace


def test_expects_nothing_before_it_has_measured_anything() -> None:
    assert not Pace().is_known
    assert Pace().seconds(1000, 3) == 0


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(1e-6, 0.01), st.integers(0, 10_000), st.integers(1, 9))
def test_learns_what_a_batch_takes_and_what_a_token_takes(
    of_batch: float, of_token: float, tokens: int, number: int
) -> None:
    pace = learnt(*((size, of_batch + of_token * size) for size in (10, 100, 1000, 4000) * 3))
    assert pace.seconds(tokens, number) == pytest.approx(of_batch * number + of_token * tokens, rel=1e-3, abs=1e-6)


def test_batches_that_are_all_alike_tell_what_a_batch_takes() -> None:
    assert learnt((100, 2.0), (101, 2.0)).seconds(400, 4) == pytest.approx(8)


def test_follows_an_engine_that_becomes_slower() -> None:
    quick, slow = [(size, size / 1000) for size in (50, 500)], [(size, size / 100) for size in (50, 500)]
    assert learnt(*quick * 50, *slow * 50).seconds(500) == pytest.approx(5, rel=0.02)


@settings(deadline=None)
@given(batches, st.integers(0, 10_000), st.integers(0, 100))
def test_more_never_takes_less_and_nothing_takes_less_than_no_time(
    measured: list[tuple[int, float]], tokens: int, number: int
) -> None:
    pace = learnt(*measured)
    assert 0 <= pace.seconds(tokens, number) <= pace.seconds(tokens + 1, number) <= pace.seconds(tokens + 1, number + 1)


def test_a_tail_lies_above_most_of_what_it_has_seen_and_comes_down_again() -> None:
    tail = Tail()
    for _ in range(50):
        for seconds in (1.0, 1.0, 1.0, 1.0, 2.0):
            tail.note(seconds)
    assert 1.4 < tail.value < 2.0
    for _ in range(1500):
        tail.note(1.0)
    assert tail.value == pytest.approx(1.0, abs=0.01)
