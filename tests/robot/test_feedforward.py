import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.face.controls import INDEX, SPAN
from faceimit.robot.feedforward import FeedforwardPlanner
from faceimit.robot.profile import load_profile
from faceimit.robot.trajectory import RuckigPlanner

PROFILE = load_profile("ameca")
BROW = INDEX["Brow Inner Left"]


def goal(share=0.2):
    return PROFILE.clip(PROFILE.neutral + share * SPAN)


def played(planner, targets, rate=100.0, fps=25.0):
    """(N, 30) positions while a target comes every frame."""
    positions, shown = [], -1
    for tick in range(round(len(targets) / fps * rate)):
        now = tick / rate
        if int(now * fps + 1e-6) > shown:
            shown = int(now * fps + 1e-6)
            planner.retarget(targets[shown], now)
        positions.append(planner.step(now)[0])
    return np.array(positions)


def test_it_arrives_at_rest_without_leaving_the_range():
    planner = FeedforwardPlanner(PROFILE, horizon=0.1, lead=0.0)
    planner.retarget(goal(), 0.0)
    path = np.array([planner.step(t)[0, BROW] for t in np.arange(0, 1, 0.005)])
    way = (path - PROFILE.neutral[BROW]) / (goal() - PROFILE.neutral)[BROW]
    assert way[20] == pytest.approx(0.9, abs=0.03)
    assert way.max() < 1.02
    np.testing.assert_allclose(planner.step(1.0), np.stack([goal(), 0 * SPAN, 0 * SPAN]), atol=1e-6 * SPAN.max())


def test_the_motion_is_the_same_however_often_it_is_asked_for():
    often, once = FeedforwardPlanner(PROFILE), FeedforwardPlanner(PROFILE)
    for planner in (often, once):
        planner.retarget(goal(), 0.0)
    for now in np.arange(0, 0.08, 0.003):
        often.step(now)
    for planner in (often, once):
        planner.retarget(goal(-0.1), 0.08)
    np.testing.assert_allclose(often.step(0.1), once.step(0.1))


def test_velocity_and_acceleration_are_those_of_the_positions():
    planner, step = FeedforwardPlanner(PROFILE), 1e-4
    planner.retarget(goal(), 0.0)
    before, here, after = (planner.step(t) for t in (0.05 - step, 0.05, 0.05 + step))
    np.testing.assert_allclose((after[0] - before[0]) / (2 * step), here[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose((after[1] - before[1]) / (2 * step), here[2], rtol=1e-3, atol=1e-3)


def test_a_lead_is_the_plan_later_and_moves_at_once():
    plain, leading = FeedforwardPlanner(PROFILE, lead=0.0), FeedforwardPlanner(PROFILE, lead=0.03)
    for planner in (plain, leading):
        planner.retarget(goal(), 0.0)
    assert plain.step(0.0)[0, BROW] == pytest.approx(PROFILE.neutral[BROW])
    assert leading.step(0.0)[0, BROW] > PROFILE.neutral[BROW] + 1e-3
    np.testing.assert_allclose(leading.step(0.05), plain.step(0.08), rtol=1e-9, atol=1e-9)


def test_a_moving_target_is_followed_with_less_jerk_than_by_stopping_at_each():
    rng = np.random.default_rng(0)
    wave = 0.2 * np.sin(2 * np.pi * 1.5 * np.arange(50) / 25)[:, None] + 0.01 * rng.standard_normal((50, 30))
    targets = [PROFILE.clip(PROFILE.neutral + share * SPAN) for share in wave]
    jerk = [
        np.sqrt((np.diff(played(planner, targets) / SPAN, 3, axis=0) ** 2).mean())
        for planner in (FeedforwardPlanner(PROFILE, lead=0.0), RuckigPlanner(PROFILE))
    ]
    assert jerk[0] < 0.5 * jerk[1]


def test_arrive_stretches_and_the_past_does_not():
    soon, later = FeedforwardPlanner(PROFILE), FeedforwardPlanner(PROFILE)
    soon.retarget(goal(), 0.0, arrive=-1.0)
    later.retarget(goal(), 0.0, arrive=0.5)
    way = [(planner.step(0.15)[0] - PROFILE.neutral)[BROW] for planner in (soon, later)]
    assert way[1] < 0.4 * way[0]


def test_what_is_not_finite_is_refused_and_changes_nothing():
    planner = FeedforwardPlanner(PROFILE)
    planner.retarget(goal(), 0.0)
    assert planner.retarget(np.full(30, np.nan), 0.1) is False
    assert np.isfinite(planner.step(0.2)).all()
    with pytest.raises(InputError, match="finite pose"):
        planner.reset(np.full(30, np.inf), 0.0)
    with pytest.raises(InputError, match="horizon"):
        FeedforwardPlanner(PROFILE, horizon=0.0)


def test_targets_and_motion_stay_in_the_range_and_unused_controls_at_neutral():
    profile = load_profile("hobby_head")
    planner = FeedforwardPlanner(profile, lead=0.03)
    rng = np.random.default_rng(1)
    for k in range(200):
        planner.retarget(profile.neutral + 3 * SPAN * rng.standard_normal(30), k * 0.04)
        for now in (k * 0.04 + 0.01, k * 0.04 + 0.03):
            position = planner.step(now)[0]
            assert (position >= profile.low).all()
            assert (position <= profile.high).all()
            np.testing.assert_array_equal(position[~profile.mask], profile.neutral[~profile.mask])
