import numpy as np
import pytest

from faceimit.data.film import add_noise, relight


def test_relight_keeps_order_and_depends_on_its_generator_alone():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    new = relight(ramp, 0.4, 0.15, np.random.default_rng(3))
    assert (np.diff(new.astype(int), axis=1) >= 0).all()
    assert not np.array_equal(new, ramp)
    assert np.array_equal(new, relight(ramp, 0.4, 0.15, np.random.default_rng(3)))
    assert np.array_equal(relight(ramp, 0.0, 0.0, np.random.default_rng(3)), ramp)


def test_noise_is_as_strong_as_asked():
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    noise = add_noise(grey, 5.0, np.random.default_rng(0)).astype(float) - 128
    assert noise.std() == pytest.approx(5.0, rel=0.05)
    assert np.array_equal(add_noise(grey, 0.3, np.random.default_rng(0)), grey)
