import numpy as np
import pytest

from faceimit.metrics.motion import lag, rms_jerk, smoothness, spectral_arc_length, visible

RATE = 200.0
TIME = np.arange(0, 6, 1 / RATE)


def wave(frequency, phase=0.0, amplitude=1.0):
    return (amplitude * np.sin(2 * np.pi * frequency * TIME + phase))[:, None]


def walk(seed, channels=5):
    """Band-limited random motion."""
    rng = np.random.default_rng(seed)
    return visible(rng.standard_normal((len(TIME), channels)).cumsum(axis=0), RATE, 4.0)


def test_jerk_of_a_sine_is_its_third_derivative():
    for frequency in (1.0, 2.0, 4.0):
        expected = (2 * np.pi * frequency) ** 3 * 0.3 / np.sqrt(2)
        assert rms_jerk(wave(frequency, np.pi / 2, amplitude=0.3), RATE) == pytest.approx(expected, rel=0.05)


def test_jerk_pools_channels_and_does_not_see_the_steps_of_a_resolution():
    moving, still = wave(1.0), np.zeros((len(TIME), 1))
    assert rms_jerk(np.hstack([moving, still]), RATE) == pytest.approx(rms_jerk(moving, RATE) / np.sqrt(2))
    rounded = np.round(moving * 512) / 512
    assert rms_jerk(rounded, RATE) == pytest.approx(rms_jerk(moving, RATE), rel=0.1)
    assert rms_jerk(rounded, RATE, cutoff=RATE) > 20 * rms_jerk(moving, RATE)


def test_spectral_arc_length_of_one_minimum_jerk_movement_is_the_published_value():
    s = np.arange(0, 1, 0.01)
    speed = 30 * s**2 - 60 * s**3 + 30 * s**4
    assert spectral_arc_length(speed, 100.0) == pytest.approx(-1.41, abs=0.02)


def test_spectral_arc_length_falls_with_every_hesitation_and_not_with_size():
    s = np.arange(0, 1, 0.01)
    once = 30 * s**2 - 60 * s**3 + 30 * s**4
    thrice = np.concatenate([once[::3]] * 3)[:100]
    assert spectral_arc_length(thrice, 100.0) < spectral_arc_length(once, 100.0) - 0.5
    assert spectral_arc_length(5 * once, 100.0) == pytest.approx(spectral_arc_length(once, 100.0))
    assert np.isnan(spectral_arc_length(np.zeros(100), 100.0))


def test_smoothness_of_tremor_is_worse():
    calm = walk(0)
    trembling = calm + 0.02 * np.abs(calm).max() * wave(7.0)
    assert smoothness(trembling, RATE) < smoothness(calm, RATE)
    assert np.isnan(smoothness(np.zeros((len(TIME), 2)), RATE))


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.1033, 0.45, -0.1])
def test_lag_of_a_delayed_motion_is_the_delay(seconds):
    reference = walk(1)
    delayed = np.stack([np.interp(TIME - seconds, TIME, channel) for channel in reference.T], axis=1)
    found = lag(reference, delayed, RATE)
    assert found.seconds == pytest.approx(seconds, abs=0.001)
    assert found.correlation == pytest.approx(1.0, abs=1e-3)


def test_lag_does_not_mind_gain_and_offset_and_says_nothing_of_rest():
    reference = walk(2)
    later = 0.3 * np.roll(reference, 20, axis=0) + 4.0
    assert lag(reference, later, RATE).seconds == pytest.approx(0.1, abs=0.003)
    assert np.isnan(lag(reference, np.full_like(reference, 0.1), RATE).seconds)


def test_lag_of_a_first_order_lag_is_about_its_time_constant():
    reference, tau = walk(3), 0.05
    shown, state = np.empty_like(reference), reference[0]
    for t, values in enumerate(reference):
        state = state + (1 - np.exp(-1 / RATE / tau)) * (values - state)
        shown[t] = state
    assert lag(reference, shown, RATE).seconds == pytest.approx(tau, abs=0.01)
