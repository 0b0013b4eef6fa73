from dataclasses import replace

import numpy as np
import pytest

from faceimit.data.people import people_rows
from faceimit.data.synthetic.generate import render_clip
from faceimit.data.synthetic.robot_pairs import HUMAN
from faceimit.errors import InputError
from faceimit.face.blendshapes import BLENDSHAPES
from faceimit.face.landmarks import GROUPS
from faceimit.face.retargeting import to_controls


@pytest.fixture(scope="module")
def clip():
    return render_clip(3, 7, frames=9, size=48)


def test_rows_are_the_valid_frames_with_their_controls(clip):
    valid = np.ones(9, dtype=bool)
    valid[[0, 4]] = False
    rows = people_rows(replace(clip, annotation=replace(clip.annotation, valid=valid)), every=2)
    assert rows.moment.tolist() == [1, 3, 6, 8]
    np.testing.assert_array_equal(rows.images, clip.frames[rows.moment])
    true = to_controls(clip.annotation.blendshapes[rows.moment], clip.annotation.pose[rows.moment])
    np.testing.assert_allclose(rows.controls, true, rtol=1e-6)
    assert (rows.domain == HUMAN).all()
    assert rows.controls.dtype == rows.landmarks.dtype == np.float32


def test_points_that_mean_something_else_are_unknown(clip):
    rows = people_rows(clip, unknown=("jaw",))
    unknown = np.isnan(rows.landmarks).all(axis=(0, 2))
    assert np.flatnonzero(unknown).tolist() == sorted(GROUPS["jaw"])
    np.testing.assert_array_equal(rows.landmarks[:, ~unknown], clip.annotation.landmarks[:, ~unknown])


def test_the_gaze_of_shut_eyes_is_not_known(clip):
    shapes = np.zeros((9, 52), dtype=np.float32)
    shapes[3:, [BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")]] = 1.0
    rows = people_rows(replace(clip, annotation=replace(clip.annotation, blendshapes=shapes)))
    assert rows.gaze_known.tolist() == [True] * 3 + [False] * 6


def test_clips_without_landmarks_are_refused(clip):
    with pytest.raises(InputError, match="has no landmarks"):
        people_rows(replace(clip, annotation=replace(clip.annotation, landmarks=None)))
