import numpy as np
import pytest

from faceimit.data.checks.records import Track, robot_controls
from faceimit.data.checks.values import distributions, grains, grid_step, noise_level, still_jitter
from faceimit.face import controls


def test_distributions_name_what_is_stuck_outside_or_missing():
    generator = np.random.default_rng(0)
    values = controls.LOW + generator.random((2000, 30)) * controls.SPAN
    values[:, controls.INDEX["Jaw Yaw"]] = 0.5
    values[3, controls.INDEX["Head Yaw"]] = 31.0
    values[4:7, controls.INDEX["Nose Wrinkle"]] = np.nan
    values[:, controls.INDEX["Jaw Pitch"]] *= 0.5
    found = {one.name: one for one in distributions(values, robot_controls())}
    assert [name for name, one in found.items() if one.stuck] == ["Jaw Yaw"]
    assert [name for name, one in found.items() if one.outside] == ["Head Yaw"]
    assert found["Nose Wrinkle"].missing == 3
    assert found["Jaw Pitch"].coverage == 0.5
    assert found["Neck Pitch"].coverage == 1.0
    assert found["Neck Pitch"].histogram.sum() == 2000


@pytest.mark.parametrize("step", [1 / 255, 0.001, 0.05])
def test_the_step_of_a_grid_is_found(step):
    values = np.round(np.random.default_rng(1).random(3000) / step) * step
    assert grid_step(values, 1.0) == pytest.approx(step, rel=1e-3)


def test_continuous_values_have_no_step():
    assert grid_step(np.random.default_rng(1).random(3000), 1.0) == 0.0
    assert grid_step(np.full(100, 0.3), 1.0) == 0.0


def test_noise_is_told_from_motion():
    generator = np.random.default_rng(2)
    course = np.sin(np.arange(2000)[:, None] / np.array([20.0, 35.0]))
    noisy = course + generator.normal(0, 1, (2000, 2)) * [0.02, 0.0]
    assert noise_level([noisy])[0] == pytest.approx(0.02, rel=0.1)
    assert noise_level([noisy])[1] < 1e-3
    assert np.isnan(noise_level([noisy[:5]])).all()


def test_jitter_is_measured_where_nothing_moves():
    generator = np.random.default_rng(3)
    course = np.clip(np.arange(400) - 300, 0, 40)[:, None] / 40.0
    noisy = course + generator.normal(0, 0.01, (400, 1))
    assert still_jitter([(noisy, 25.0)])[0] == pytest.approx(0.01, rel=0.2)


def test_grains_leave_out_invalid_frames():
    values = np.tile(controls.NEUTRAL, (40, 1))
    values[20] = 1e6
    valid = np.arange(40) != 20
    found = grains([Track("a", "", 25.0, values, valid)], robot_controls())
    assert all(one.distinct == 1 and one.noise == 0.0 for one in found)
