"""Find a face in a stream of pictures and keep one stable crop box on it.

Detector by default: dlib's frontal HOG detector (package ``dlib-bin``; King, "Max-Margin Object Detection", 2015).
Its weights are compiled into the package, so nothing is downloaded, and it takes 5 ms for a face on one core.
:class:`MediaPipeDetector` is more exact and also finds turned faces, but needs a model file.
"""

import itertools
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from faceimit.data.crop import CropBox, box_from_landmarks, crop_face, from_crop
from faceimit.data.quiet import without_chatter
from faceimit.errors import InputError
from faceimit.face.landmarks import FROM_MEDIAPIPE

Thumbs = tuple[np.ndarray, np.ndarray]
SAME_SCENE = 0.5  # a cut: both the crop and the whole picture correlate less than this with those before


@dataclass(frozen=True)
class Face:
    """A detected face: the crop box for it and how sure the detector is (its own scale, larger is surer)."""

    box: CropBox
    confidence: float


class FaceDetector(Protocol):
    """What :class:`FaceTracker` needs of a detector. Pictures are (H, W, 3) uint8 RGB."""

    def find(self, image: np.ndarray, fine: bool = False) -> list[Face]:
        """All faces of a whole picture, roughly placed; ``fine`` may take longer to find small ones too."""
        ...

    def locate(self, image: np.ndarray, near: CropBox, zoom: float = 1.0) -> Face | None:
        """The face in and around a known crop box, exactly placed.

        ``zoom`` (about 0.9 to 1.1) varies the scale it is looked at, so that the mean over several zooms is finer
        than the detector's grid.
        """
        ...

    def close(self) -> None:
        """Let go of what the detector holds; it is not used afterwards."""
        ...


class DlibDetector:
    """Frontal faces, up to about 45 degrees of yaw.

    Their height (brow to chin) must be 1/9 of the picture's longer side or more, 1/18 in a fine search.
    """

    # From dlib's box (mean of width and height = 1) to the crop convention: median over 951 frames of 27 clips with
    # neutral mouth and less than 15 degrees of yaw and pitch, against landmarks; spread 8 % in side, 4 % in place.
    SIDE = 1.46
    DOWN = 0.08
    PICTURE = 640  # longer side, in pixels, of the picture looked through for new faces; twice that in a fine search
    AROUND = 1.5  # side of the surroundings looked at, in crop sides
    FACE = 160.0  # crop side, in pixels, at which a known face is looked at; dlib's smallest window is 80 / 1.46
    FOUND = 0.0  # least confidence of a new face
    KNOWN = -0.3  # least confidence where a face is known to be

    def __init__(self) -> None:
        import dlib

        self._detector = dlib.get_frontal_face_detector()

    def find(self, image: np.ndarray, fine: bool = False) -> list[Face]:
        scale = self.PICTURE * (2.0 if fine else 1.0) / max(image.shape[:2])
        how = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
        faces = self._run(cv2.resize(image, None, fx=scale, fy=scale, interpolation=how), least=self.FOUND)
        return [Face(_scaled(face.box, 1.0 / scale), face.confidence) for face in faces]

    def locate(self, image: np.ndarray, near: CropBox, zoom: float = 1.0) -> Face | None:
        around = near.moved(scale=self.AROUND)
        size = round(self.FACE * self.AROUND * zoom)
        faces = self._run(crop_face(image, around, size), least=self.KNOWN)
        faces = [Face(_out_of(face.box, around, size), face.confidence) for face in faces]
        faces = [face for face in faces if same_face(face.box, near)]
        return max(faces, key=lambda face: face.confidence) if faces else None

    def close(self) -> None:
        pass

    def _run(self, image: np.ndarray, least: float) -> list[Face]:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        found, confidences, _ = self._detector.run(grey, 0, least)
        return [Face(self._box(rectangle), float(c)) for rectangle, c in zip(found, confidences, strict=True)]

    def _box(self, rectangle: object) -> CropBox:
        left, top, right, bottom = (getattr(rectangle, side)() for side in ("left", "top", "right", "bottom"))
        width = (right - left + bottom - top) / 2.0 + 1.0
        return CropBox((left + right) / 2.0, (top + bottom) / 2.0 + self.DOWN * width, self.SIDE * width)


class MediaPipeDetector:
    """Faces by MediaPipe's FaceLandmarker; crops placed on the landmarks themselves.

    Args:
        model_file: ``face_landmarker*.task`` (Google, Apache-2.0).

    Raises:
        InputError: mediapipe is not installed, or the file is missing or no such model.
    """

    AROUND = 1.7
    SIZE = 256

    def __init__(self, model_file: str | os.PathLike[str]) -> None:
        if not Path(model_file).is_file():
            raise InputError(f"face model {model_file} does not exist: give a face_landmarker .task file")
        try:
            import mediapipe
            from mediapipe.tasks import python as tasks
        except ImportError as error:
            raise InputError("MediaPipe is not installed: pip install 'faceimit[annotate]'") from error
        options = tasks.vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_buffer=Path(model_file).read_bytes()), num_faces=4
        )
        try:
            with without_chatter():
                self._landmarker = tasks.vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{model_file} is no FaceLandmarker model: give a face_landmarker .task file") from error
        self._image = mediapipe.Image
        self._rgb = mediapipe.ImageFormat.SRGB

    def find(self, image: np.ndarray, fine: bool = False) -> list[Face]:
        answer = self._landmarker.detect(self._image(image_format=self._rgb, data=np.ascontiguousarray(image)))
        size = np.array([image.shape[1], image.shape[0]])
        meshes = [np.array([(p.x, p.y) for p in mesh]) * size - 0.5 for mesh in answer.face_landmarks]
        return [Face(box_from_landmarks(mesh[list(FROM_MEDIAPIPE)]), 1.0) for mesh in meshes]

    def locate(self, image: np.ndarray, near: CropBox, zoom: float = 1.0) -> Face | None:
        around = near.moved(scale=self.AROUND)
        size = round(self.SIZE * zoom)
        faces = self.find(crop_face(image, around, size))
        faces = [Face(_out_of(face.box, around, size), face.confidence) for face in faces]
        faces = [face for face in faces if same_face(face.box, near)]
        return min(faces, key=lambda face: _distance(face.box, near)) if faces else None

    def close(self) -> None:
        # Not left to the end of the program, which MediaPipe's own destructor does not survive.
        self._landmarker.close()


class AtOnce(Executor):
    """Does what it is given before it comes back."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future that is done; what `fn` raises is raised here."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class FaceTracker:
    """One face, one calm crop box: feed every picture in order, get its box, or None where there is no face.

    The box follows the mean of the last detections through a dead zone and a slow low-pass, so that it does not
    tremble with the detector nor jump between two consecutive boxes; a face that moves far pulls it faster. A cut in
    the video ends the track with at least one None before the next one starts. Causal: only the past is used.

    Args:
        detector: finds faces.
        fps: of the pictures (> 0).
        beside: looks there, one look at a time, and takes the answer up with a later picture; None: looks at once.
    """

    EVERY_S = 0.16  # between detections of a face that sits still
    SEARCH_S = 0.16  # between looks through the whole picture while there is no face
    FINE_EVERY = 4  # of so many of these the first looks for small faces too
    HOLD_S = 0.25  # a face not found for longer is lost
    MEMORY = 5  # detections averaged for the place
    SIZE_MEMORY = 12  # detections averaged for the size
    DEAD_PLACE = 0.03  # of the side
    DEAD_SIZE = 0.05
    SLOW_S = 0.6  # time constant of following
    FASTEST = 2.0  # sides a second: the box never moves faster, it rather lets the face get out of its middle
    FAR = 0.1  # of the side: beyond this the face counts as moving and is looked at in every frame
    REACH = 1.0  # sides a face may have moved since it was last seen and still be the same
    ZOOMS = (1.0, 0.92, 1.08, 0.96, 1.04)
    CONFIRM = 3  # of len(ZOOMS) looks must agree that a new face is one

    def __init__(self, detector: FaceDetector, fps: float = 25.0, beside: Executor | None = None) -> None:
        if not fps > 0:
            raise ValueError(f"expected fps > 0 but got {fps}")
        self._detector, self._beside = detector, beside or AtOnce()
        self._usual = self._step = 1.0 / fps
        self._time: float | None = None
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next picture may hold another face, or start a new video."""
        self._box: CropBox | None = None
        self._places: deque[CropBox] = deque(maxlen=self.MEMORY)
        self._sizes: deque[float] = deque(maxlen=self.SIZE_MEMORY)
        self._since_look = self._since_face = float("inf")
        self._thumbs: Thumbs | None = None
        self._searches = 0
        self._zooms = itertools.cycle(self.ZOOMS)
        self._missed = False
        self._asked: tuple[Callable[..., Any], Future[Any]] | None = None

    def push(self, image: np.ndarray, time_s: float | None = None) -> CropBox | None:
        """Box of the face in the next picture (H, W, 3) uint8 RGB, or None.

        Args:
            image: as above.
            time_s: when it was taken, where pictures may be missing; None: 1/fps after the last.
        """
        self._step = self._passed(time_s)
        self._since_look += self._step
        self._since_face += self._step
        if self._box is None:
            return self._search(image)
        if self._is_cut(image):
            self.reset()
            return None
        self._take_up()
        if self._asked is None and (self._since_look > self.EVERY_S - 1e-6 or self._restless()):
            self._since_look = 0.0
            self._ask(self._look, image, self._box, next(self._zooms))
            self._take_up()
        if self._missed and self._since_face > self.HOLD_S:
            self.reset()
            return None
        self._box = self._follow(self._box)
        return self._box

    def _passed(self, time_s: float | None) -> float:
        """Seconds since the last picture; the usual ones at the start, and where the clock stands or went back."""
        before, self._time = self._time, time_s
        passed = 0.0 if time_s is None or before is None else time_s - before
        return passed if 0.0 < passed < float("inf") else self._usual

    def _ask(self, look: Callable[..., Any], *given: Any) -> None:
        self._asked = look, self._beside.submit(look, *given)

    def _done(self, look: Callable[..., Any]) -> Future[Any] | None:
        """The look that was asked for, once; None if it was another one, or is not done."""
        if self._asked is None or self._asked[0] != look or not self._asked[1].done():
            return None
        future, self._asked = self._asked[1], None
        return future

    def _search(self, image: np.ndarray) -> CropBox | None:
        if self._asked is None:
            if self._since_look < self.SEARCH_S - 1e-6:
                return None
            self._since_look = 0.0
            self._searches += 1
            self._ask(self._detector.find, image, self._searches % self.FINE_EVERY == 1)
        found = self._done(self._detector.find)
        if found is not None and found.result():
            self._since_look = 0.0
            self._ask(self._confirm, image, found.result())
        confirmed = self._done(self._confirm)
        return None if confirmed is None or not confirmed.result() else self._start(confirmed.result(), image)

    def _confirm(self, image: np.ndarray, faces: list[Face]) -> list[CropBox]:
        """Boxes of the most prominent face on which several looks agree; none if there is no such face."""
        for face in sorted(faces, key=lambda face: prominence(face.box, image), reverse=True):
            looks = [self._detector.locate(image, face.box, zoom) for zoom in self.ZOOMS]
            boxes = [look.box for look in looks if look is not None]
            if len(boxes) >= self.CONFIRM:
                return boxes
        return []

    def _start(self, boxes: list[CropBox], image: np.ndarray) -> CropBox:
        self._places.extend(boxes)
        self._sizes.extend(box.side for box in boxes)
        self._since_face = self._since_look
        self._box = self._target()
        self._thumbs = thumbs(image, self._box)
        return self._box

    def _look(self, image: np.ndarray, box: CropBox, zoom: float) -> Face | None:
        """The face near where it was, or, after a quick move, the same face somewhere else in the picture."""
        face = self._detector.locate(image, box, zoom)
        if face is not None:
            return face
        faces = [face for face in self._detector.find(image) if 0.6 < face.box.side / box.side < 1.67]
        faces = [face for face in faces if _distance(face.box, box) < self.REACH * box.side]
        if not faces:
            return None
        nearest = min(faces, key=lambda face: _distance(face.box, box))
        return self._detector.locate(image, nearest.box, zoom)

    def _take_up(self) -> None:
        """What the last look has found, if it is done."""
        assert self._box is not None
        look = self._done(self._look)
        if look is None:
            return
        face = look.result()
        self._missed = face is None
        if face is None:
            return
        self._since_face = self._since_look
        if _distance(face.box, self._target()) > self.FAR * self._box.side:
            # On the move: where it was does not help to say where it is.
            self._places.clear()
        self._places.append(face.box)
        self._sizes.append(face.box.side)

    def _restless(self) -> bool:
        """Whether to look in every frame: the face was just missed, or is on the move."""
        assert self._box is not None
        return self._missed or _distance(self._places[-1], self._box) > self.FAR * self._box.side

    def _target(self) -> CropBox:
        x, y = np.mean([(box.x, box.y) for box in self._places], axis=0)
        return CropBox(float(x), float(y), float(np.mean(self._sizes)))

    def _follow(self, box: CropBox) -> CropBox:
        """One step of the dead zone and low-pass towards the target."""
        target = self._target()
        away = np.array([target.x - box.x, target.y - box.y]) / box.side
        distance = float(np.hypot(*away))
        excess = max(0.0, distance - self.DEAD_PLACE)
        pull = (1.0 - np.exp(-self._step / self.SLOW_S * (1.0 + excess / 0.05))) * excess / max(distance, 1e-9)
        pull = min(pull, self.FASTEST * self._step / max(distance, 1e-9))
        growth = target.side / box.side - 1.0
        growth = np.sign(growth) * max(0.0, abs(growth) - self.DEAD_SIZE)
        scale = 1.0 + growth * (1.0 - np.exp(-self._step / self.SLOW_S))
        dx, dy = away * pull * box.side
        return box.moved(float(dx), float(dy), float(scale))

    def _is_cut(self, image: np.ndarray) -> bool:
        """A cheap check between detections: neither crop nor picture has much in common with those before.

        A quick turn of the head changes the crop as much as a cut does, but not the picture around it.
        """
        assert self._box is not None
        before, self._thumbs = self._thumbs, thumbs(image, self._box)
        return before is not None and not same_scene(before, self._thumbs)


def make_detector(name: str = "dlib") -> FaceDetector:
    """``dlib``, or the path of a MediaPipe ``.task`` file.

    Raises:
        InputError: neither, or the package is not installed.
    """
    if name == "dlib":
        try:
            return DlibDetector()
        except ImportError as error:
            raise InputError("the face detector dlib is not installed: pip install dlib-bin") from error
    if name.endswith(".task"):
        return MediaPipeDetector(name)
    raise InputError(f"unknown face detector {name!r}: give 'dlib' or the path of a MediaPipe .task file")


def _scaled(box: CropBox, scale: float) -> CropBox:
    return CropBox((box.x + 0.5) * scale - 0.5, (box.y + 0.5) * scale - 0.5, box.side * scale)


def _out_of(box: CropBox, around: CropBox, size: int) -> CropBox:
    """A box found in the crop ``around`` of ``size`` pixels, in pixels of the picture."""
    x, y = from_crop(np.array([box.x, box.y]), around, size)
    return CropBox(float(x), float(y), box.side * around.side / size)


def _distance(a: CropBox, b: CropBox) -> float:
    return float(np.hypot(a.x - b.x, a.y - b.y))


def same_face(box: CropBox, near: CropBox) -> bool:
    """Whether two boxes in a picture lie on one face."""
    return _distance(box, near) < 0.4 * near.side and 0.6 < box.side / near.side < 1.67


def prominence(box: CropBox, image: np.ndarray) -> float:
    """In pixels: large faces first, central ones before those at the edge."""
    height, width = image.shape[:2]
    off_centre = np.hypot(box.x / width - 0.5, box.y / height - 0.5)
    return float(box.side * (1.0 - 0.5 * off_centre))


def same_scene(before: Thumbs, now: Thumbs) -> bool:
    """Whether there is no cut between two pictures: the crop or the whole picture still looks alike."""
    return max(float((a * b).mean()) for a, b in zip(before, now, strict=True)) >= SAME_SCENE


def thumbs(image: np.ndarray, box: CropBox) -> Thumbs:
    """Small normalised copies of the crop and of the whole picture, each (16, 16) float32."""
    height, width = image.shape[:2]
    half = box.side / 2.0
    left, top = int(np.clip(box.x - half, 0, width - 2)), int(np.clip(box.y - half, 0, height - 2))
    right, bottom = int(np.clip(box.x + half, left + 2, width)), int(np.clip(box.y + half, top + 2, height))
    return _thumb(image[top:bottom, left:right]), _thumb(image[::4, ::4])


def _thumb(image: np.ndarray) -> np.ndarray:
    """(16, 16) float32, mean 0 and standard deviation 1: light and contrast taken out."""
    grey = cv2.cvtColor(cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    thumb = grey.astype(np.float32)
    return (thumb - thumb.mean()) / (thumb.std() + 1.0)
