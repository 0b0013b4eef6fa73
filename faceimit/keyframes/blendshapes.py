"""The annotator as a method of its own: MediaPipe's blendshapes and head pose on face crops, scored as the truth is.

The score is the target's own definition (:mod:`faceimit.data.targets`) with a fixed c_ref, and its keyframes are found
with the search that defines the true ones: on the clean video that a corpus was annotated from this is the truth
itself, up to the crop. Crops are enlarged to 256 pixels; it looks 200 ms ahead and keeps no more than that.
"""

import os

import cv2
import numpy as np

from faceimit.data import targets
from faceimit.data.annotators.landmarker import Landmarker
from faceimit.data.annotators.tracks import most_prominent
from faceimit.face.pose import pose_from_rotation
from faceimit.keyframes.methods import BLENDSHAPES_METHOD
from faceimit.keyframes.search import TRUE_PARAMS, SearchParams
from faceimit.keyframes.stream import ChunkedScorer

# About the 95th percentile of the change over talking faces; fixed, so that a still face has no keyframes.
C_REF = 0.40


class BlendshapeScorer:
    """A :class:`faceimit.keyframes.stream.StreamingScorer`; no score either where MediaPipe finds no face in a crop.

    Args:
        model: ``face_landmarker*.task``; None: the cached or fetched one.
        c_ref: change that scores 1.
        params: the search.

    Attributes:
        looks, found: crops looked at, and those with a face in them, since it was made.

    Raises:
        InputError: MediaPipe is not installed, or no model file.
    """

    name = BLENDSHAPES_METHOD
    size = 256

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        c_ref: float = C_REF,
        params: SearchParams = TRUE_PARAMS,
    ) -> None:
        self.params, self._c_ref = params, c_ref
        self._landmarker = Landmarker(model)
        self.looks = self.found = 0

    def start(self, fps: float) -> None:
        self._fps, self._frame = fps, 0
        self._landmarker.start()
        reach = len(targets.gaussian_kernel(targets.SIGMA_MS / 1000.0 * fps)) // 2
        # The first frame of a stretch repeats the second one's change: one frame more than the kernel reaches.
        self._states = ChunkedScorer(self.name, self.size, self.params, self._score, reach + 1, reach + 1, chunk=1)
        self._states.start(fps)

    def push(self, crop: np.ndarray | None) -> list[float]:
        time_s = self._frame / self._fps
        self._frame += 1
        return self._states.push(None if crop is None else self._look(crop, time_s))

    def finish(self) -> list[float]:
        self.close()
        return self._states.finish()

    def close(self) -> None:
        """Let go of MediaPipe, also in the midst of a stream."""
        self._landmarker.close()

    def _look(self, crop: np.ndarray, time_s: float) -> np.ndarray | None:
        """(55,) blendshapes, yaw, pitch and roll, or None."""
        image = crop if crop.shape[0] == self.size else cv2.resize(crop, (self.size, self.size))
        faces = self._landmarker.look(image, time_s)
        self.looks += 1
        face = most_prominent(faces, image)
        if face is None:
            return None
        self.found += 1
        return np.concatenate([face.blendshapes, pose_from_rotation(face.matrix)])

    def _score(self, states: np.ndarray, fps: float) -> np.ndarray:
        """Scores (T,) of states (T, 55)."""
        return targets.score(targets.change(states[:, :-3], states[:, -3:], fps), self._c_ref)
