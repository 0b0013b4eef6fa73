"""From pictures to what is known of the face: crop, score, keyframes, and the robot's controls that show it.

Controls are read from a crop when a mode asks for them, or before the next picture comes if there is time
(:meth:`Perception.read_ahead`), so that no command waits for a keyframe's. The crops of the last frames are kept, since
a keyframe is known only some frames later.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from faceimit.data.crop import CropBox, crop_face
from faceimit.data.faces import FaceDetector, FaceTracker
from faceimit.keyframes.online import OnlineSearch
from faceimit.keyframes.search import SearchParams
from faceimit.robot.personal import PersonalNeutral
from faceimit.runtime.handover import WhenIdle
from faceimit.runtime.readers import Reader
from faceimit.runtime.sources import Picture
from faceimit.runtime.timing import Timer

STAGES = ("track", "crop", "score", "search", "read")


class ScoreStream(Protocol):
    """Scores of crops, one for each over time, later by the look-ahead."""

    def push(self, crop: np.ndarray | None, missing: int = 0) -> list[float]:
        """Scores known by now, oldest first; NaN for no face; after so many frames that are missing."""
        ...

    def finish(self) -> list[float]:
        """Scores still owed at the end."""
        ...


class Model(Protocol):
    """What of a bundle (:mod:`faceimit.bundle`) the loop needs."""

    crop_size: int
    look_ahead: int
    search: SearchParams

    def score_stream(self, fps: float) -> ScoreStream:
        """A new stream of this frame rate."""
        ...


@dataclass(frozen=True)
class Percept:
    """What one picture brought.

    Attributes:
        number: 0-based, of the pictures looked at.
        captured: seconds on the run's clock.
        time_s: as of :class:`faceimit.runtime.sources.Picture`.
        box: of the face in the picture, None without a face.
        scores: (number, score) of the frames whose score became known; NaN without a face.
        keyframes: numbers of the frames that turned out to be keyframes.
    """

    number: int
    captured: float
    time_s: float
    box: CropBox | None
    scores: tuple[tuple[int, float], ...] = ()
    keyframes: tuple[int, ...] = ()


@dataclass
class Kept:
    """What is kept of a frame while somebody may still ask for it."""

    captured: float
    crop: np.ndarray | None
    controls: np.ndarray | None = None


class Perception:
    """Feed pictures in order, each to :meth:`see` and then to :meth:`judge`.

    Args:
        model: scores and what belongs to them.
        reader: controls of crops.
        detector: finds faces.
        fps: of the pictures.
        timer: with :data:`STAGES`.
        search: keyframe search; None: the model's.
        look_ahead_ms: how long a keyframe may take to be known after its score is.
        beside: where faces are looked for, after the picture was judged, when the processor is free: a look takes 5 to
            150 ms; None: at once, while the picture is seen.
        personal: the bias of readings of this person, found on the first ones; None: readings are taken as they are.

    Attributes:
        frames: pictures looked at.
        faces: of these, with a face.
        keyframes: found so far.
        refused: readings that were not finite.
    """

    def __init__(
        self,
        model: Model,
        reader: Reader,
        detector: FaceDetector,
        fps: float,
        timer: Timer,
        search: SearchParams | None = None,
        look_ahead_ms: float = 200.0,
        beside: WhenIdle | None = None,
        personal: PersonalNeutral | None = None,
    ) -> None:
        self.model, self.fps = model, fps
        self._reader, self._timer, self._personal = reader, timer, personal
        self._tracker, self._beside, self._index = FaceTracker(detector, fps, beside), beside, -1
        self._stream = model.score_stream(fps)
        self._search = OnlineSearch(fps, search or model.search, look_ahead_ms)
        self._kept: OrderedDict[int, Kept] = OrderedDict()
        self._keep = 4 * (self._search.look_ahead + model.look_ahead) + 8
        self._scored = self._missing = 0
        self.frames = self.faces = self.keyframes = self.refused = 0

    def see(self, picture: Picture) -> Percept:
        """Find the face in the next picture; its controls can be asked for from now on."""
        with self._timer.stage("track"):
            box = self._tracker.push(picture.image, picture.time_s)
        with self._timer.stage("crop"):
            crop = None if box is None else crop_face(picture.image, box, self.model.crop_size)
        number = self.frames
        self.frames += 1
        self.faces += crop is not None
        self._remember(number, Kept(picture.captured, crop))
        if self._personal is not None and self._personal.offset is None:
            self.controls(number)
        self._missing, self._index = max(0, picture.index - self._index - 1), picture.index
        return Percept(number, picture.captured, picture.time_s, box)

    def judge(self, percept: Percept) -> Percept:
        """Score the picture seen last, which takes most of the time, and search for keyframes."""
        with self._timer.stage("score"):
            scores = self._stream.push(self.crop(percept.number), self._missing)
        with self._timer.stage("search"):
            numbered, keyframes = self._found(scores)
        if self._beside is not None:
            self._beside.go()
        return replace(percept, scores=numbered, keyframes=keyframes)

    def finish(self) -> tuple[tuple[tuple[int, float], ...], tuple[int, ...]]:
        """The pictures have ended: scores still owed, and the keyframes decided by them and by the end."""
        numbered, keyframes = self._found(self._stream.finish())
        last = tuple(self._search.finish())
        self.keyframes += len(last)
        return numbered, keyframes + last

    def controls(self, number: int) -> np.ndarray | None:
        """(30,) that show the face of a recent frame; None without a face or where the reading failed."""
        kept = self._kept.get(number)
        if kept is None or kept.crop is None:
            return None
        if kept.controls is None:
            with self._timer.stage("read"):
                values = np.asarray(self._reader(kept.crop, kept.captured), dtype=np.float64)
            self.refused += not np.isfinite(values).all()
            kept.controls = values if self._personal is None else self._personal.push(values, kept.captured)
        return kept.controls if np.isfinite(kept.controls).all() else None

    def read_ahead(self) -> None:
        """Read the controls of the last frame while there is time: if it proves a keyframe later, nobody waits."""
        self.controls(self.frames - 1)

    def captured(self, number: int) -> float | None:
        """When a recent frame was captured, None if it is forgotten."""
        kept = self._kept.get(number)
        return None if kept is None else kept.captured

    def crop(self, number: int) -> np.ndarray | None:
        """Crop of a recent frame."""
        kept = self._kept.get(number)
        return None if kept is None else kept.crop

    def _found(self, scores: list[float]) -> tuple[tuple[tuple[int, float], ...], tuple[int, ...]]:
        numbered = tuple(enumerate(scores, start=self._scored))
        self._scored += len(scores)
        keyframes = tuple(frame for score in scores for frame in self._search.push(score))
        self.keyframes += len(keyframes)
        return numbered, keyframes

    def _remember(self, number: int, kept: Kept) -> None:
        self._kept[number] = kept
        while len(self._kept) > self._keep:
            self._kept.popitem(last=False)
