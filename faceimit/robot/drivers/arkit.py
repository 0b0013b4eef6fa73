"""The ARKit face that control values show: 52 coefficients and the head's angles, fast enough for every command."""

import numpy as np

from faceimit.face.retargeting import EFFORT_SQUARE, effort_terms, to_blendshapes, to_pose

HEAD = ("headYaw", "headPitch", "headRoll")
_ROUNDS = 20


class ArkitFace:
    """:func:`faceimit.face.retargeting.to_blendshapes` exactly, for one command after another.

    A minimum over [0, 1] is known once it is known which coefficients rest at 0 and which at 1: the others solve a
    linear system. From one command to the next few of them change, so that the sets of the command before lead there in
    one or two rounds (primal-dual active sets; Hintermueller, Ito and Kunisch 2002).
    """

    def __init__(self) -> None:
        self._shut = np.ones(len(EFFORT_SQUARE), dtype=bool)
        self._full = np.zeros(len(EFFORT_SQUARE), dtype=bool)

    def of(self, values: np.ndarray) -> np.ndarray:
        """(55,) coefficients in [0, 1] and yaw, pitch, roll in radians of values (30,) in their units."""
        linear = effort_terms(values)
        for _ in range(_ROUNDS):
            found = self._at(linear)
            slope = EFFORT_SQUARE @ found - linear
            shut = (self._shut & (slope >= 0)) | (~self._full & (found < 0))
            full = (self._full & (slope <= 0)) | (~self._shut & (found > 1))
            same = np.array_equal(shut, self._shut) and np.array_equal(full, self._full)
            self._shut, self._full = shut, full
            if same:
                break
        else:
            found = to_blendshapes(values).astype(np.float64)
        return np.concatenate([np.clip(found, 0.0, 1.0), to_pose(values)])

    def _at(self, linear: np.ndarray) -> np.ndarray:
        """(52,) solution with some coefficients at 0 and some at 1."""
        found = self._full.astype(np.float64)
        free = np.flatnonzero(~(self._shut | self._full))
        if free.size:
            right = linear[free] - EFFORT_SQUARE[np.ix_(free, self._full)].sum(axis=1)
            found[free] = np.linalg.solve(EFFORT_SQUARE[np.ix_(free, free)], right)
        return found
