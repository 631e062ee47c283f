"""What lies between decoding and reply is learnt from those that are finished, and fades where nobody is."""

import pytest

from dispatch.workflow.finishing import Finishing


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_takes_longer_is_expected_to_take_longer() -> None:
    clock = Clock()
    finishing = Finishing(clock)
    assert finishing.seconds == 0
    for _ in range(30):
        finishing.note(clock.now - 2.0)
    assert finishing.seconds == pytest.approx(2.0, abs=0.01)


def test_one_slow_moment_does_not_refuse_for_ever() -> None:
    clock = Clock()
    finishing = Finishing(clock)
    for _ in range(30):
        finishing.note(clock.now - 8.0)
    clock.now += 60
    assert finishing.seconds < 0.2
