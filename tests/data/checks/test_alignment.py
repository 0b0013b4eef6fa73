import numpy as np
import pytest

from faceimit.data.checks.alignment import align


def moving(seed, frames=160):
    """Labels (T, 2) that jump now and then, and pictures that show them `late` frames later."""
    generator = np.random.default_rng(seed)
    steps = generator.normal(size=(frames, 2)) * (generator.random((frames, 1)) < 0.15)
    steps = np.apply_along_axis(np.convolve, 0, steps, [0.25, 0.5, 0.25], mode="same")
    return np.cumsum(steps, axis=0)


def pictures_of(labels, noise=0.0):
    """A dark bar on a gradient whose place and brightness follow the labels."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:24, :24]
    grey = [100 + 3 * columns * np.tanh(a) + 40 * np.exp(-((rows - 12 - 4 * np.tanh(b)) ** 2) / 8) for a, b in labels]
    return np.array(grey) + generator.normal(0, noise, size=(len(labels), 24, 24))


@pytest.mark.parametrize("late", [-3, 0, 2])
def test_a_known_offset_is_found(late):
    labels = moving(1)
    shown = np.roll(labels, late, axis=0)
    found = align(pictures_of(shown, 0.5), labels, np.ones(160, bool), 25.0)
    assert found.offset == pytest.approx(late, abs=0.3)
    assert found.confident


def test_half_a_frame_is_found():
    dense = moving(2, 200)
    fine = np.stack([np.interp(np.arange(400) / 2, np.arange(200), column) for column in dense.T], axis=1)
    labels, shown = fine[1::2], fine[0::2]  # the picture shows what was half a frame before
    found = align(pictures_of(shown), labels, np.ones(200, bool), 25.0)
    assert found.offset == pytest.approx(0.5, abs=0.25)


def test_an_offset_survives_a_gap_without_a_face():
    labels, valid = moving(3), np.ones(160, bool)
    valid[50:70] = False
    found = align(pictures_of(np.roll(labels, 2, axis=0)), labels, valid, 25.0)
    assert found.offset == pytest.approx(2, abs=0.3)


def test_nothing_is_claimed_where_nothing_moves():
    still = np.zeros((80, 2))
    found = align(pictures_of(still), still, np.ones(80, bool), 25.0)
    assert np.isnan(found.offset)
    assert not found.confident


def test_streams_that_have_nothing_to_do_with_each_other_are_not_believed():
    believed = 0
    for seed in range(12):
        shown = pictures_of(moving(seed), 0.5)
        believed += align(shown, moving(seed + 100), np.ones(160, bool), 25.0).confident
    assert believed <= 1
