import pytest

from training.schedule import Schedule


def test_warm_up_is_linear_and_reaches_the_peak() -> None:
    schedule = Schedule(peak_lr=0.002, warmup_steps=100)
    assert schedule.at(1) == pytest.approx(0.002 / 100)
    assert schedule.at(50) == pytest.approx(0.001)
    assert schedule.at(100) == pytest.approx(0.002)


def test_after_warm_up_the_rate_falls_with_the_root_of_the_step() -> None:
    schedule = Schedule(peak_lr=0.002, warmup_steps=100)
    assert schedule.at(400) == pytest.approx(0.001)
    assert schedule.at(10_000) == pytest.approx(0.0002)


def test_it_has_the_shape_of_the_paper() -> None:
    # Vaswani et al. 2017, equation 3, with d_model 512 and 4000 steps of warm-up.
    schedule = Schedule(peak_lr=512**-0.5 * 4000**-0.5, warmup_steps=4000)
    for step in (1, 1000, 4000, 4001, 100_000):
        assert schedule.at(step) == pytest.approx(512**-0.5 * min(step**-0.5, step * 4000**-1.5))


def test_cooldown_falls_linearly_from_the_rate_reached_to_just_above_zero() -> None:
    schedule = Schedule(peak_lr=1.0, warmup_steps=10, cooldown_steps=4, max_steps=44)
    start = (10 / 40) ** 0.5
    assert [schedule.at(step) for step in range(40, 45)] == pytest.approx([start * k / 5 for k in (5, 4, 3, 2, 1)])


def test_without_warm_up_the_first_step_has_the_peak() -> None:
    assert Schedule(peak_lr=0.5, warmup_steps=0).at(1) == 0.5
