"""A plug-in annotator for drawn pictures (tests.faces), cheap and deterministic, and what files make it fail."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from faceimit.data.annotators.protocol import FrameAnnotator
from faceimit.data.annotators.tracks import SeenFace
from faceimit.data.store import Store
from faceimit.face.blendshapes import INDEX
from tests import video_files
from tests.faces import FACE, picture

SPEC = "tests.square_annotator:Squares"
LOG = "FACEIMIT_TEST_LOG"  # names a file that every look at a video is noted in
PAUSE = "FACEIMIT_TEST_PAUSE"  # seconds a frame takes


def seen_face(x: float, y: float, side: float, width: int, height: int, opening: float = 0.0) -> SeenFace:
    """A face centred at (x, y) whose height is ``side`` pixels."""
    angles = np.linspace(0, 2 * np.pi, 478, endpoint=False)
    points = np.zeros((478, 3), dtype=np.float32)
    points[:, 0] = (x + 0.5 + side / 2 * np.cos(angles)) / width
    points[:, 1] = (y + 0.5 + side / 2 * np.sin(angles)) / height
    blendshapes = np.zeros(52, dtype=np.float32)
    blendshapes[INDEX["jawOpen"]] = opening
    return SeenFace(points, blendshapes, np.eye(4, dtype=np.float32))


class Squares(FrameAnnotator):
    """Finds the square of :func:`tests.faces.picture`; ``jawOpen`` is its brightness."""

    name, version = "squares", "1"

    def __init__(self, model: Path | None = None) -> None:
        self.model_sha256 = "" if model is None else model.read_text()

    def start(self, info):
        if LOG in os.environ:
            with open(os.environ[LOG], "a") as log:
                log.write(f"{info.path.stem}\n")
        if "crash" in info.path.name:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "boom" in info.path.name:
            raise ZeroDivisionError("a library fails")

    def look(self, image, time_s):
        time.sleep(float(os.environ.get(PAUSE, "0")))
        mask = abs(image.astype(int) - FACE).sum(axis=-1) < 90
        if mask.sum() < 20:
            return []
        rows, columns = np.nonzero(mask)
        height, width = mask.shape
        opening = float(image[mask].mean()) / 255.0
        return [seen_face(columns.mean(), rows.mean(), float(np.sqrt(mask.sum())), width, height, opening)]


class Newer(Squares):
    """Another version of it."""

    version = "2"


def videos(folder: Path, names: str = "a b c d e", frames: int = 6) -> Path:
    """Tiny videos of a moving square, named by the words of ``names``."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names.split()):
        images = [picture(60 + t, 60, side=24 + 2 * number) for t in range(frames)]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        video_files.write(folder / f"{name}.mp4", images)
    return folder


def content(store: Path) -> dict[str, bytes]:
    """The packed files of a store by name."""
    Store(store).check()
    return {path.name: path.read_bytes() for path in store.glob("clips-*.parquet")}


class Bright:
    """In place of MediaPipe's :class:`Landmarker`: the mouth is as open as the picture is bright; a small face beside.

    No face in a black picture.
    """

    def __init__(self, model=None) -> None:
        self.sizes: set[tuple[int, ...]] = set()
        self.started = False

    def start(self) -> None:
        self.started = True

    def look(self, image: np.ndarray, time_s: float) -> list[SeenFace]:
        assert self.started
        self.sizes.add(image.shape)
        opening = float(image.mean()) / 255.0
        faces = [seen_face(40, 40, 30, 256, 256), seen_face(128, 128, 150, 256, 256, opening)]
        return faces if opening > 0 else []

    def close(self) -> None:
        self.started = False
