"""The servo model, one property at a time."""

import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.robot.profile import load_profile
from faceimit.robot.servo import ServoModel, ServoParameters

PROFILE = load_profile("ameca")
SPAN = PROFILE.high - PROFILE.low
IDEAL = ServoParameters(0.0, 0.0, 0.0, 8, 0.0, 1e3, 1e4, 0.0, 0.0)


def one(**changes: float) -> ServoParameters:
    """An ideal servo but for what is said."""
    return ServoParameters(**{**vars(IDEAL), **changes})


def track(model: ServoModel, seconds: float, step: float = 0.002) -> tuple[np.ndarray, np.ndarray]:
    times = np.arange(step, seconds, step)
    return times, np.stack([model.position(t) for t in times])


def test_an_ideal_servo_is_where_it_is_told():
    model = ServoModel(PROFILE, parameters=IDEAL)
    goal = PROFILE.low + 0.4 * SPAN
    model.command(goal, 0.0)
    _, positions = track(model, 0.02)
    np.testing.assert_allclose(positions[-1] / SPAN, goal / SPAN, rtol=0, atol=1e-9)


def test_dead_time_delays_the_onset_by_itself():
    model = ServoModel(PROFILE, seed=3, parameters=one(dead_time=0.045, spread=0.3))
    model.command(PROFILE.low, 0.0)
    times, positions = track(model, 0.1)
    onset = times[np.argmax(np.abs(positions - PROFILE.neutral) > 1e-6, axis=0)]
    moves = PROFILE.neutral != PROFILE.low
    np.testing.assert_allclose(onset[moves], model.dead_time[moves], atol=0.0025)
    assert model.dead_time.min() >= 0.03
    assert model.dead_time.max() <= 0.06


def test_rate_and_acceleration_are_limited_and_the_step_does_not_overshoot():
    model = ServoModel(PROFILE, parameters=one(rate=1.0, acceleration=1.0))
    model.reset(PROFILE.low, 0.0)
    model.command(PROFILE.high, 0.0)
    _, positions = track(model, 2.0)
    speed = np.diff(positions, axis=0, prepend=PROFILE.low[None]) / 0.002
    assert (speed <= PROFILE.velocity * (1 + 1e-9)).all()
    np.testing.assert_allclose(speed.max(axis=0), PROFILE.velocity, rtol=1e-6)
    assert (np.abs(np.diff(speed, axis=0)) / 0.002 <= PROFILE.acceleration * (1 + 1e-6)).all()
    np.testing.assert_allclose(positions[-1], PROFILE.high, atol=1e-6)
    assert (positions <= PROFILE.high).all()


def test_lag_takes_its_time_constant():
    model = ServoModel(PROFILE, parameters=one(lag=0.05))
    model.reset(PROFILE.low, 0.0)
    model.command(PROFILE.high, 0.0)
    times, positions = track(model, 0.4)
    share = (positions - PROFILE.low) / SPAN
    at = int(np.argmin(np.abs(times - 0.05)))
    np.testing.assert_allclose(share[at], 1 - np.exp(-1), atol=0.03)


def test_backlash_makes_a_loop_as_wide_as_the_play():
    model = ServoModel(PROFILE, parameters=one(backlash=0.02))
    middle = PROFILE.low + 0.5 * SPAN
    model.reset(middle, 0.0)
    up, down, t = {}, {}, 0.0
    wave = np.concatenate([np.linspace(0, 0.2, 50), np.linspace(0.2, -0.2, 101), np.linspace(-0.2, 0.2, 101)])
    for k, offset in enumerate(wave):
        t += 0.01
        model.command(middle + offset * SPAN, t)
        (down if 50 <= k < 151 else up)[round(float(offset), 3)] = model.position(t + 0.009)
    loop = (down[0.1] - up[0.1]) / SPAN
    np.testing.assert_allclose(loop, 0.02, atol=1e-6)
    peak = model.position(t + 0.1)
    model.command(middle + 0.2 * SPAN - 0.01 * SPAN, t + 0.1)
    np.testing.assert_allclose(model.position(t + 0.2), peak)  # a reversal within the play moves nothing


def test_resolution_rounds():
    model = ServoModel(PROFILE, parameters=one(resolution=0.1))
    model.command(PROFILE.low + 0.34 * SPAN, 0.0)
    np.testing.assert_allclose(model.position(0.1), PROFILE.low + 0.3 * SPAN, atol=1e-6)


def test_commands_beyond_the_range_saturate_and_bad_ones_are_ignored():
    model = ServoModel(PROFILE, parameters=IDEAL)
    model.command(PROFILE.high + SPAN, 0.0)
    np.testing.assert_allclose(model.position(0.1), PROFILE.high, atol=1e-6)
    model.command(np.full(30, np.nan), 0.1)
    np.testing.assert_allclose(model.position(0.2), PROFILE.high, atol=1e-6)


def test_commands_faster_than_the_cycle_wait_and_the_last_is_never_lost():
    model = ServoModel(PROFILE, parameters=one(cycle=0.02, queue=4))
    for k in range(20):
        model.command(PROFILE.low + k / 19 * SPAN, k * 0.005)
    assert model.overrun > 0
    assert (model.position(0.1) < PROFILE.high - 0.01 * SPAN).all()  # still catching up
    np.testing.assert_allclose(model.position(0.3), PROFILE.high, atol=1e-6)


def test_the_same_seed_is_the_same_robot_however_often_it_is_asked():
    models = [ServoModel(PROFILE, seed) for seed in (1, 1, 2)]
    random = np.random.default_rng(0)
    for k in range(30):
        values = random.uniform(PROFILE.low, PROFILE.high)
        for model in models:
            model.command(values, k * 0.033)
        for extra in range(10):
            models[1].position(k * 0.033 + extra * 0.003)
    ends = [model.position(1.0) for model in models]
    np.testing.assert_array_equal(ends[0], ends[1])
    assert np.abs(ends[0] - ends[2]).max() > 0


def test_a_clock_that_steps_back_changes_nothing():
    model = ServoModel(PROFILE)
    model.command(PROFILE.high, 0.0)
    before = model.position(0.2)
    np.testing.assert_array_equal(model.position(-5.0), before)
    np.testing.assert_array_equal(model.position(float("nan")), before)


def test_a_pose_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="finite pose"):
        ServoModel(PROFILE).reset(np.full(30, np.nan), 0.0)
