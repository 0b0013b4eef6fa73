"""Planners: limits by dense sampling, continuity, arrival times, groups, refusals."""

import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.face.controls import INDEX, PARTS
from faceimit.robot.kinematics import beyond
from faceimit.robot.profile import load_profile
from faceimit.robot.trajectory import GROUPS, RuckigPlanner, make_planner

PROFILE = load_profile("ameca")
SPAN = PROFILE.high - PROFILE.low
LIMITS = np.stack([PROFILE.velocity, PROFILE.acceleration])


def retargets(count: int, seed: int) -> dict[str, int]:
    """What random retargets, of all sizes and haste, break at them and between them: counts."""
    random = np.random.default_rng(seed)
    planner, now, broken = RuckigPlanner(PROFILE), 0.0, np.zeros(4, dtype=int)
    last = planner.step(now)[None]
    while count > 0:
        chunk = min(count, 5000)
        moves = random.choice([0.02, 0.2, 1.0], (chunk, 1)) * random.normal(size=(chunk, 30)) * SPAN
        moves[random.random((chunk, 30)) < 0.3] = random.choice([-9e9, 9e9])
        after, hurry, is_due = (
            random.exponential(0.04, chunk),
            random.uniform(-0.1, 1, chunk),
            random.random(chunk) < 0.5,
        )
        states = [last[-1]]
        for move, seconds, arrive, due in zip(moves, after.tolist(), hurry.tolist(), is_due.tolist(), strict=True):
            assert planner.retarget(states[-1][0] + move, now, now + arrive if due else None)
            now += seconds
            states.append(planner.step(now))
        last = np.stack(states)
        broken += _broken(last, after[:, None])
        count -= chunk
    assert planner.kept <= 1
    return dict(zip(("position", "velocity", "acceleration", "jerk"), broken.tolist(), strict=True))


def _broken(states: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Violations by order in states (T + 1, 3, 30), each so many seconds (T, 1) after the last."""
    position, velocity, acceleration = states.swapaxes(0, 1)
    outside = np.maximum(PROFILE.low - position, position - PROFILE.high) > 0
    gained, most = np.abs(np.diff(acceleration, axis=0)), PROFILE.jerk * after * (1 + 1e-6) + 1e-7 * LIMITS[1]
    excess = [outside, np.abs(velocity) > LIMITS[0] * (1 + 1e-9), np.abs(acceleration) > LIMITS[1] * (1 + 1e-9)]
    travelled = np.abs(np.diff(position, axis=0)) > LIMITS[0] * after + 1e-7 * SPAN
    return np.array([*(int(e.sum()) for e in excess), int((gained > most).sum() + travelled.sum())])


def test_forty_thousand_random_retargets_break_no_limit():
    assert set(retargets(40_000, 0).values()) == {0}


@pytest.mark.slow
def test_a_million_random_retargets_break_no_limit():
    assert set(retargets(1_000_000, 1).values()) == {0}


def test_dense_samples_of_retargeted_motion_keep_range_and_limits():
    random = np.random.default_rng(2)
    planner, times, positions = RuckigPlanner(PROFILE), [], []
    for k in range(6000):
        now = k * 0.002
        if k % 37 == 0:
            planner.retarget(random.choice([PROFILE.low, PROFILE.high, random.uniform(PROFILE.low, PROFILE.high)]), now)
        times.append(now)
        positions.append(planner.step(now)[0])
    assert set(beyond(np.array(times), np.array(positions), PROFILE).values()) == {0}


def test_no_limit_is_left_unused():
    planner = RuckigPlanner(PROFILE)
    planner.reset(PROFILE.low, 0.0)
    planner.retarget(PROFILE.high, 0.0)
    states = np.stack([planner.step(t) for t in np.linspace(0, 2, 2001)])
    used, slowest = np.abs(states[:, 1:]).max(axis=0), INDEX["Neck Roll"]
    np.testing.assert_allclose(used[:, slowest], LIMITS[:, slowest], rtol=1e-3)


@pytest.mark.parametrize("name", ["ruckig", "minimum_jerk", "cubic"])
def test_a_retarget_moves_at_once_and_joins_smoothly(name: str):
    planner = make_planner(name, PROFILE)
    planner.reset(PROFILE.low, 1.0)
    planner.retarget(PROFILE.high, 1.0)
    assert (planner.step(1.005)[0] > PROFILE.low).all()
    before = planner.step(1.08)
    planner.retarget(PROFILE.neutral, 1.08)
    after = planner.step(1.08)
    orders = 2 if name == "cubic" else 3
    np.testing.assert_allclose(after[:orders], before[:orders], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(planner.step(4.0)[0], PROFILE.neutral, atol=1e-9)
    np.testing.assert_allclose(planner.step(4.0)[1:], 0.0, atol=1e-6)


@pytest.mark.parametrize("name", ["ruckig", "minimum_jerk", "cubic"])
def test_everything_arrives_when_the_next_keyframe_does(name: str):
    planner = make_planner(name, PROFILE)
    planner.retarget(PROFILE.low + 0.37 * SPAN, 0.0, arrive=1.5)
    early, there = np.abs(planner.step(1.4)[0] - PROFILE.low - 0.37 * SPAN), planner.step(1.5)[0]
    assert (early > 1e-5 * SPAN).all()
    np.testing.assert_allclose((there - PROFILE.low) / SPAN, 0.37, atol=1e-9)


def test_out_of_reach_goes_on_as_fast_as_the_limits_allow():
    hurried, quickest = RuckigPlanner(PROFILE), RuckigPlanner(PROFILE)
    for planner, arrive in ((hurried, 0.05), (quickest, None)):
        planner.reset(PROFILE.low, 0.0)
        planner.retarget(PROFILE.high, 0.0, arrive)
    np.testing.assert_allclose(hurried.step(0.05), quickest.step(0.05))
    way = (hurried.step(0.05)[0] - PROFILE.low) / SPAN
    for group in GROUPS:
        members = [i for part in group for i in PARTS[part]]
        assert (way[members] > 0).all()
    assert hurried.arrival() > 0.5


def test_parts_arrive_as_one_and_do_not_wait_for_the_neck():
    planner = RuckigPlanner(PROFILE)
    planner.reset(PROFILE.low, 0.0)
    target = PROFILE.low + SPAN * np.random.default_rng(0).uniform(0.2, 1.0, 30)
    planner.retarget(target, 0.0)
    times = np.linspace(0, 2, 20001)
    moving = np.stack([np.abs(planner.step(t)[1]) > 1e-7 * PROFILE.velocity for t in times])
    ends = times[len(times) - 1 - np.argmax(moving[::-1], axis=0)]
    for indices in PARTS.values():
        assert np.ptp(ends[list(indices)]) < 5e-3
    assert ends[list(PARTS["lip"])].max() < 0.6 * ends[list(PARTS["neck"])].max()


@pytest.mark.parametrize("name", ["ruckig", "minimum_jerk", "cubic"])
def test_a_target_that_is_not_finite_changes_nothing(name: str):
    planner = make_planner(name, PROFILE)
    planner.retarget(PROFILE.high, 0.0)
    before = planner.step(0.5)
    for bad in (np.nan, np.inf):
        target = PROFILE.neutral.copy()
        target[4] = bad
        assert not planner.retarget(target, 0.1)
    np.testing.assert_array_equal(planner.step(0.5), before)
    with pytest.raises(InputError, match="finite pose"):
        planner.reset(target, 0.0)


def test_a_clock_that_steps_back_does_not_undo_motion():
    planner = RuckigPlanner(PROFILE)
    planner.retarget(PROFILE.low, 10.0)
    here = planner.step(10.1)
    planner.retarget(PROFILE.high, 10.1)
    np.testing.assert_allclose(planner.step(3.0), here)
    planner.retarget(PROFILE.low, 3.0)
    assert (np.abs(planner.step(3.0)[0] - here[0]) < 1e-9 * SPAN).all()


def test_controls_a_robot_lacks_stay_at_neutral():
    profile = load_profile("hobby_head")
    planner = RuckigPlanner(profile)
    planner.retarget(profile.high, 0.0)
    lacking = ~profile.mask
    np.testing.assert_allclose(planner.step(0.2)[0][lacking], profile.neutral[lacking])


def test_an_unknown_planner_lists_the_known():
    with pytest.raises(InputError, match="ruckig, feedforward, minimum_jerk, cubic"):
        make_planner("spline", PROFILE)
