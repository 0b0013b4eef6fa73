"""MediaPipe's FaceLandmarker v2 on the frames of a video: 52 blendshapes, head pose and 478 points of several faces.

In video mode faces are followed from frame to frame. With a single slot MediaPipe also smooths the points over time,
which delays and flattens the movements that are to be measured; with several it does not, so several are always used.
"""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from faceimit.data.annotators.model import checksum, model_file
from faceimit.data.annotators.tracks import SeenFace
from faceimit.data.quiet import without_chatter
from faceimit.errors import InputError
from faceimit.face.blendshapes import from_mediapipe

SLOTS = 4  # faces followed at a time
BLENDSHAPE_NET = "face_blendshapes.tflite"


class Landmarker:
    """FaceLandmarker in video mode; :meth:`start` before each video.

    Args:
        model: ``face_landmarker*.task``; None: the cached or fetched one (:func:`model_file`).

    Raises:
        InputError: MediaPipe is not installed, no model file, or a file that is none.
    """

    def __init__(self, model: str | os.PathLike[str] | None = None) -> None:
        try:
            import mediapipe
            from mediapipe.tasks import python as tasks
        except ImportError as error:
            raise InputError("MediaPipe is not installed: pip install 'faceimit[annotate]'") from error
        self.model = model_file(model)
        self.model_sha256 = checksum(self.model)
        _check(self.model)
        self.version = str(mediapipe.__version__)
        self._tasks, self._image, self._rgb = tasks, mediapipe.Image, mediapipe.ImageFormat.SRGB
        self._content = self.model.read_bytes()
        self._graph: Any = None
        self._last_ms = -1

    def start(self) -> None:
        """Begin a new video: no face is known."""
        self.close()
        options = self._tasks.vision.FaceLandmarkerOptions(
            base_options=self._tasks.BaseOptions(model_asset_buffer=self._content),
            running_mode=self._tasks.vision.RunningMode.VIDEO,
            num_faces=SLOTS,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        try:
            with without_chatter():
                self._graph = self._tasks.vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise _no_model(self.model) from error
        self._last_ms = -1

    def look(self, image: np.ndarray, time_s: float) -> list[SeenFace]:
        """Faces in the next picture (H, W, 3) uint8 RGB, shown at this time; MediaPipe's order."""
        # Its clock counts whole milliseconds and must never stand still.
        self._last_ms = max(self._last_ms + 1, round(1000.0 * time_s))
        picture = self._image(image_format=self._rgb, data=np.ascontiguousarray(image))
        answer = self._graph.detect_for_video(picture, self._last_ms)
        return [
            SeenFace(_points(mesh), _coefficients(shapes), np.asarray(matrix, dtype=np.float32))
            for mesh, shapes, matrix in zip(
                answer.face_landmarks, answer.face_blendshapes, answer.facial_transformation_matrixes, strict=True
            )
        ]

    def close(self) -> None:
        """Let go of MediaPipe's threads, which its own destructor is too late for at the end of the program."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None


def _check(model: Path) -> None:
    """Find out before the first video that a file is no model: it is a zip archive of networks."""
    try:
        with zipfile.ZipFile(model) as bundle:
            names = bundle.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise _no_model(model) from error
    if BLENDSHAPE_NET not in names:
        raise _no_model(model)


def _no_model(model: Path) -> InputError:
    return InputError(f"{model} is no FaceLandmarker model with blendshapes: give a face_landmarker .task file")


def _points(mesh: Any) -> np.ndarray:
    return np.array([(point.x, point.y, point.z) for point in mesh], dtype=np.float32)


def _coefficients(shapes: Any) -> np.ndarray:
    values = np.array([[shape.score for shape in shapes]], dtype=np.float32)
    return from_mediapipe(values, [shape.category_name for shape in shapes])[0]
