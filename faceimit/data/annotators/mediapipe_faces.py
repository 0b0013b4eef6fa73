"""The annotator that comes with faceimit: MediaPipe's FaceLandmarker v2."""

import os

import numpy as np

from faceimit.data.annotators.landmarker import Landmarker
from faceimit.data.annotators.protocol import MEDIAPIPE, FrameAnnotator
from faceimit.data.annotators.tracks import SeenFace
from faceimit.data.corpora.listing import Source
from faceimit.data.store import StoredClip
from faceimit.data.video import VideoInfo

# Raised whenever our part (choice of tracks, slots) changes what comes out.
REVISION = 1


class MediaPipeAnnotator(FrameAnnotator):
    """52 blendshapes, facial transformation and 478 points of the most prominent face.

    Args:
        model: ``face_landmarker*.task``; None: the cached or fetched one.

    Raises:
        InputError: MediaPipe is not installed, no model file, or a file that is none.
    """

    name = MEDIAPIPE

    def __init__(self, model: str | os.PathLike[str] | None = None) -> None:
        self._landmarker = Landmarker(model)
        self.version = f"{self._landmarker.version}-{REVISION}"
        self.model_sha256 = self._landmarker.model_sha256

    def start(self, info: VideoInfo) -> None:
        self._landmarker.start()

    def look(self, image: np.ndarray, time_s: float) -> list[SeenFace]:
        return self._landmarker.look(image, time_s)

    def annotate(self, source: Source) -> StoredClip:
        try:
            return super().annotate(source)
        finally:
            self._landmarker.close()

    def close(self) -> None:
        self._landmarker.close()
