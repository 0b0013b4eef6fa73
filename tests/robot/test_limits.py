"""The safety filter: no command, clock or stream gets a limit broken."""

import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.robot.kinematics import beyond
from faceimit.robot.limits import SafetyFilter
from faceimit.robot.profile import RobotProfile, load_profile
from faceimit.robot.trajectory import RuckigPlanner

PROFILE = load_profile("ameca")
SPAN = PROFILE.high - PROFILE.low


def fuzzed(random: np.random.Generator, robots: int, whole: bool) -> np.ndarray:
    """Commands for so many robots: at rest, jumping, drifting, huge, at the ends, not finite."""
    shape = (3, robots, 30) if whole else (robots, 30)
    commands = PROFILE.low + SPAN * random.uniform(-0.2, 1.2, shape)
    if whole:
        commands[1] = PROFILE.velocity * random.normal(size=(robots, 30))
        commands[2] = PROFILE.acceleration * random.normal(size=(robots, 30))
    kind = random.integers(0, 8, robots)
    commands[..., kind == 1, :] = random.choice([-1e300, 1e300, 1e9, -1e9])
    place = (..., np.flatnonzero(kind == 2), random.integers(0, 30))
    commands[place] = random.choice([np.nan, np.inf, -np.inf])
    return commands


def fuzz(ticks: int, robots: int, seed: int, profile: RobotProfile = PROFILE) -> dict[str, int]:
    """Ticks x robots of fuzzed commands under a jittered, stopping and jumping clock; what was sent beyond limits."""
    random = np.random.default_rng(seed)
    limiter, now, moved = SafetyFilter(profile, soft_start=0.1), 100.0, 0.0
    limiter.start(random.uniform(profile.low, profile.high, (robots, 30)), now)
    times, sent, commands = [0.0], [limiter.state.position], fuzzed(random, robots, whole=False)
    seen = now
    for tick in range(ticks):
        now += random.choice([0.01, 0.02, 0.04]) * random.uniform(0.2, 1.8)
        if random.random() < 0.03:
            now += random.choice([-50.0, -0.01, 0.3, 0.0])
        clock = np.nan if random.random() < 0.005 else now
        if random.random() < 0.4:
            commands = fuzzed(random, robots, whole=random.random() < 0.5)
        seen = now if tick % 300 > 60 else seen
        if tick % 500 == 250:
            limiter.stop()
        if tick % 500 == 270:
            limiter.release()
        safe = limiter.filter(commands, clock, seen)
        assert np.isfinite(safe.values).all()
        if safe.step == 0:
            np.testing.assert_array_equal(safe.values, sent[-1])
            continue
        moved += safe.step
        times.append(moved)
        sent.append(safe.values)
    return beyond(np.array(times), np.array(sent), profile)


def test_a_hundred_thousand_fuzzed_commands_break_no_limit():
    assert set(fuzz(500, 200, 0).values()) == {0}


def test_fuzzed_commands_of_one_robot_break_no_limit():
    assert set(fuzz(400, 1, 1, load_profile("hobby_head")).values()) == {0}


@pytest.mark.slow
def test_a_million_fuzzed_commands_break_no_limit():
    assert set(fuzz(5000, 200, 2).values()) == {0}


def test_the_count_of_violations_sees_violations():
    times = np.arange(50) * 0.02
    jump = np.tile(PROFILE.neutral, (50, 1))
    jump[25:] = PROFILE.low
    counted = beyond(times, jump, PROFILE)
    assert min(counted["velocity"], counted["acceleration"], counted["jerk"]) > 0
    assert beyond(times, jump + 2 * SPAN, PROFILE)["position"] == jump.size


def driven(limiter: SafetyFilter, command: np.ndarray, start: float, seconds: float, fresh: bool = True) -> list:
    times = start + np.arange(1, round(seconds / 0.02) + 1) * 0.02
    return [limiter.filter(command, t, t if fresh else start) for t in times]


def ready(**options: float) -> SafetyFilter:
    limiter = SafetyFilter(PROFILE, soft_start=0.0, **options)
    limiter.start(None, 0.0)
    return limiter


@pytest.mark.parametrize("period", [0.01, 0.02])
def test_a_planners_motion_goes_through_unchanged(period: float):
    random, planner, limiter, now = np.random.default_rng(0), RuckigPlanner(PROFILE), ready(), 0.0
    planner.reset(PROFILE.neutral, now)
    errors = []
    for tick in range(800):
        now += period * random.uniform(0.9, 1.1)
        if tick % 12 == 0:
            planner.retarget(PROFILE.neutral + random.uniform(-1, 1, 30) * SPAN * random.choice([0.03, 0.2, 1]), now)
        motion = planner.step(now)
        errors.append(np.abs(limiter.filter(motion, now, now).values - motion[0]) / SPAN)
    assert (np.array(errors) > 1e-9).mean() < 0.003
    assert np.mean(errors) < 1e-4


def test_values_alone_are_followed_with_little_lag():
    limiter, now = ready(), 0.0
    errors = []
    for tick in range(300):
        now = tick * 0.02
        swing = 0.2 * SPAN * np.sin(2 * np.pi * 0.5 * now)
        wave = PROFILE.neutral + swing * (PROFILE.low < PROFILE.neutral - 0.2 * SPAN)
        wave = np.clip(wave, PROFILE.low, PROFILE.high)
        errors.append(np.abs(limiter.filter(wave, now, now).values - wave) / SPAN)
    assert np.median(errors[50:]) < 0.002
    assert np.max(errors[50:]) < 0.05


def test_a_step_is_reached_as_quickly_as_the_limits_allow_and_not_overshot():
    planner, limiter = RuckigPlanner(PROFILE), ready()
    planner.reset(PROFILE.neutral, 0.0)
    goal = PROFILE.low + 0.7 * SPAN
    planner.retarget(goal, 0.0)
    values = np.stack([safe.values for safe in driven(limiter, goal, 0.0, 1.5)])
    late = np.abs(values - goal) > 0.01 * SPAN
    assert 0.02 * late.sum(axis=0).max() < planner.arrival() + 0.08
    sign = np.sign(goal - PROFILE.neutral)
    assert ((values - goal) * sign <= 1e-6 * SPAN).all()


def test_commands_beyond_the_range_end_at_its_end():
    limiter = ready()
    last = driven(limiter, PROFILE.high + SPAN, 0.0, 2.0)[-1]
    np.testing.assert_allclose(last.values, PROFILE.high, atol=1e-6)
    assert limiter.prevented.range > 0
    assert last.changed.all()


def test_a_command_that_is_not_finite_is_refused_and_then_counts_as_no_input():
    limiter = ready()
    goal = PROFILE.low + 0.7 * SPAN
    driven(limiter, goal, 0.0, 1.5)
    bad = goal.copy()
    bad[3] = np.nan
    safe = limiter.filter(bad, 1.52, 1.52)
    assert (safe.mode, safe.held) == ("refused", True)
    np.testing.assert_allclose(safe.values, goal, atol=1e-6)
    modes = [s.mode for s in driven(limiter, bad, 1.52, 1.5)]
    assert modes[3:].count("refused") < 8
    assert modes[-1] == "ease"
    np.testing.assert_allclose(limiter.state.position, PROFILE.neutral, atol=1e-3 * SPAN.min())
    assert limiter.prevented.non_finite == 76


def test_stale_input_holds_at_150_ms_and_is_at_neutral_by_one_second():
    limiter = ready()
    goal = PROFILE.low + 0.7 * SPAN
    driven(limiter, goal, 0.0, 1.5)
    stale = driven(limiter, goal, 1.5, 1.1, fresh=False)
    modes = [safe.mode for safe in stale]
    assert modes[:7] == ["live"] * 7
    assert modes[8:14] == ["hold"] * 6
    np.testing.assert_allclose(stale[13].values, goal, atol=1e-3)
    assert modes[15:] == ["ease"] * len(modes[15:])
    np.testing.assert_allclose((stale[52].values - PROFILE.neutral) / SPAN, 0, atol=0.02)  # 1.06 s
    back = driven(limiter, goal, 2.6, 1.0)
    assert back[0].mode == "live"
    np.testing.assert_allclose(back[-1].values, goal, atol=1e-6)


def test_an_input_time_in_the_future_does_not_hide_a_dead_input():
    limiter = ready()
    modes = [limiter.filter(PROFILE.neutral, k * 0.02, 1e6).mode for k in range(1, 60)]
    assert modes[0] == "live"
    assert modes[-1] == "ease"


def test_a_dead_input_under_a_clock_that_stands_still_or_runs_back_moves_nothing():
    limiter = ready()
    driven(limiter, PROFILE.low, 0.0, 0.1)
    before = limiter.state.position
    for now in (0.1, 0.05, float("nan"), float("inf")):
        safe = limiter.filter(PROFILE.high, now, 0.1)
        assert safe.step == 0
        np.testing.assert_array_equal(safe.values, before)
    assert limiter.prevented.clock == 3
    assert limiter.filter(PROFILE.high, 0.07, 0.07).step == pytest.approx(0.02)


def test_after_a_pause_the_robot_starts_from_rest_and_does_not_jump():
    limiter = ready()
    driven(limiter, PROFILE.low, 0.0, 0.1)
    here = limiter.state.position
    safe = limiter.filter(PROFILE.high, 30.0, 30.0)
    assert safe.step <= 0.05
    assert (np.abs(safe.values - here) < 0.05 * SPAN).all()
    assert limiter.prevented.late == 1


def test_the_start_is_soft():
    limiter, quick = SafetyFilter(PROFILE), ready()
    limiter.start(PROFILE.low, 0.0)
    quick.start(PROFILE.low, 0.0)
    soft = np.stack([safe.values for safe in driven(limiter, PROFILE.high, 0.0, 1.5)])
    hard = np.stack([safe.values for safe in driven(quick, PROFILE.high, 0.0, 1.5)])
    assert (np.abs(soft[0] - PROFILE.low) < 1e-3 * SPAN).all()
    face = SPAN == 1
    assert np.diff(soft, axis=0)[:, face].max() < 0.55 * np.diff(hard, axis=0)[:, face].max()
    np.testing.assert_allclose(soft[-1], PROFILE.high, atol=1e-3 * SPAN.min())
    with pytest.raises(InputError, match="finite pose"):
        limiter.start(np.full(30, np.nan), 0.0)


def test_an_emergency_stop_stops_within_limits_and_stays_until_released():
    limiter = ready()
    moving = driven(limiter, PROFILE.low, 0.0, 0.16)
    limiter.stop()
    stopping = driven(limiter, PROFILE.high, 0.16, 1.0)
    assert {safe.mode for safe in stopping} == {"stopped"}
    values = np.stack([safe.values for safe in [*moving, *stopping]])
    assert set(beyond(np.arange(len(values)) * 0.02, values, PROFILE).values()) == {0}
    np.testing.assert_allclose(values[8 + 16], values[-1])  # at rest after 0.3 s
    limiter.start(None, 1.2)
    assert driven(limiter, PROFILE.high, 1.2, 0.5)[-1].mode == "stopped"
    limiter.release()
    after = driven(limiter, PROFILE.high, 1.7, 2.0)
    assert after[0].mode == "live"
    np.testing.assert_allclose(after[-1].values, PROFILE.high, atol=1e-3 * SPAN.min())


@pytest.mark.parametrize("stopped", [False, True])
def test_the_way_out_ends_at_rest_at_neutral_or_where_it_was_stopped(stopped: bool):
    limiter = ready()
    moving = driven(limiter, PROFILE.low, 0.0, 0.16)
    if stopped:
        limiter.stop()
    out = list(limiter.neutral_steps(0.16, period=0.02))
    values = np.stack([safe.values for safe in moving] + [safe.values for _, safe in out])
    assert set(beyond(np.arange(len(values)) * 0.02, values, PROFILE).values()) == {0}
    assert 1.2 < out[-1][0] < 3.0 or stopped
    np.testing.assert_allclose(limiter.state.velocity, 0, atol=1e-6)
    if not stopped:
        np.testing.assert_allclose(values[-1], PROFILE.neutral, atol=1e-6)


def test_a_dry_run_sends_nothing_and_says_what_it_would():
    limiter = SafetyFilter(PROFILE, dry_run=True)
    safes = driven(limiter, PROFILE.low, 0.0, 1.5)
    assert not any(safe.send for safe in safes)
    assert not np.allclose(safes[-1].values, PROFILE.neutral)


def test_a_command_of_another_shape_is_refused_by_name():
    with pytest.raises(InputError, match="command of shape"):
        ready().filter(np.zeros(29), 0.02, 0.02)
