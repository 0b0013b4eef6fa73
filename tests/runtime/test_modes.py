"""The hybrid mode: movement passes, tremor does not."""

import numpy as np
import pytest

from faceimit.face.controls import INDEX, NEUTRAL, PARTS, SPAN
from faceimit.runtime.modes import Hybrid, activity
from faceimit.runtime.perception import Percept
from faceimit.runtime.simulation import SOMEWHERE

JAW, BROW = INDEX["Jaw Pitch"], INDEX["Brow Inner Left"]


class Seen:
    """Controls frame by frame; NaN rows without any."""

    def __init__(self, values):
        self.values = values

    def controls(self, number):
        return self.values[number] if np.isfinite(self.values[number]).all() else None

    def captured(self, number):
        return None


def followed(values, fps=30.0, faces=None, **options):
    """(T, 30) targets, NaN where none was given."""
    mode, targets = Hybrid(**options), []
    for t in range(len(values)):
        box = SOMEWHERE if faces is None or faces[t] else None
        percept = Percept(t, t / fps, t / fps, box)
        targets.append(mode.push(percept, Seen(values)))
    return targets


def shares(targets):
    return np.stack([(target.values - NEUTRAL) / SPAN for target in targets])


def test_tremor_is_held_back_and_movement_is_not():
    rng = np.random.default_rng(0)
    still = NEUTRAL + 0.01 * SPAN * rng.standard_normal((90, 30))
    rest = shares(followed(still))[30:]
    assert rest.std(axis=0).mean() < 0.75 * 0.01
    ramp = np.clip((np.arange(60) - 30) / 6, 0, 1)[:, None] * 0.4
    moving = shares(followed(NEUTRAL + ramp * SPAN))
    assert np.abs(moving[36] - ramp[36]).max() < 0.06
    assert np.abs(moving[45] - ramp[45]).max() < 0.01


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
def test_how_far_behind_it_is_does_not_hang_on_the_frame_rate(fps):
    times = np.arange(0, 2, 1 / fps)
    values = NEUTRAL + 0.5 * SPAN * np.clip(times - 1, 0, 1)[:, None]
    behind = 0.5 * (times[-1] - 1) - shares(followed(values, fps))[-1]
    assert 0 < behind.mean() / 0.5 < 0.03  # seconds


def test_a_part_moves_as_one_and_others_stay_held():
    speed = np.zeros(30)
    speed[JAW] = 2.0
    found = activity(speed)
    assert found[JAW] == pytest.approx(2.0 / np.sqrt(len(PARTS["jaw"])))
    assert found[BROW] == 0.0


def test_a_face_that_appears_is_shown_as_it_is():
    values = np.full((40, 30), np.nan)
    values[:10], values[30:] = NEUTRAL, NEUTRAL + 0.2 * SPAN
    faces = np.isfinite(values).all(axis=1)
    targets = followed(values, faces=faces)
    assert [target is None for target in targets] == list(~faces)
    np.testing.assert_allclose(targets[30].values, values[30])
