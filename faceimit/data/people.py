"""Clips of people as pictures with the controls that show the same on the robot."""

from collections.abc import Sequence

import numpy as np

from faceimit.data.labels import landmarked_frames
from faceimit.data.synthetic.robot_pairs import HUMAN, PairSequence, eyes_open
from faceimit.face.landmarks import GROUPS
from faceimit.face.records import Clip
from faceimit.face.retargeting import to_controls


def people_rows(clip: Clip, every: int = 1, unknown: Sequence[str] = ()) -> PairSequence:
    """The valid frames of an annotated clip with landmarks, blendshapes and head pose retargeted to controls.

    Args:
        clip: face crops of a person; rendered, or real and annotated.
        every: keep one frame of so many.
        unknown: groups of points (:data:`faceimit.face.landmarks.GROUPS`) that the annotation defines differently;
            they become NaN.

    Raises:
        InputError: the clip has no landmarks.
    """
    annotation = clip.annotation
    rows, landmarks = landmarked_frames(clip, every)
    for group in unknown:
        landmarks[:, list(GROUPS[group])] = np.nan
    shapes = annotation.blendshapes[rows]
    return PairSequence(
        clip.frames[rows],
        to_controls(shapes, annotation.pose[rows]).astype(np.float32),
        landmarks,
        eyes_open(shapes),
        np.full(len(rows), HUMAN),
        rows,
    )
