"""Which face of a video is meant: faces seen frame by frame are joined to tracks, the most prominent track is kept.

A face continues a track if it is near the place where the track's face was last seen, of about its size, and there was
no cut since; the longer ago that is, the further it may have moved. So a face that is hidden for a while, or shown
again after another shot of the same scene, stays one track, and another person's face does not join it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from faceimit.data.crop import CropBox, box_from_landmarks
from faceimit.data.faces import Thumbs, prominence, same_face, same_scene, thumbs
from faceimit.face.landmarks import FROM_MEDIAPIPE

REACH = 0.6  # crop sides a face may have moved between two frames and still be the same
REACH_S = 1.0  # crop sides more a second it was not seen
FURTHEST = 2.0
GROWTH = 1.67  # ratio of sizes beyond which it is another face


@dataclass(frozen=True, eq=False)
class SeenFace:
    """What an annotator says about one face in one frame.

    Attributes:
        landmarks: (478, 3) float32, x and y as fractions of width and height, numbered as MediaPipe's face mesh.
        blendshapes: (52,) float32 in [0, 1], order of :data:`faceimit.face.blendshapes.BLENDSHAPES`.
        matrix: (4, 4) float32, facial transformation in camera space (:mod:`faceimit.face.pose`), translation in cm.
    """

    landmarks: np.ndarray
    blendshapes: np.ndarray
    matrix: np.ndarray

    def box(self, width: int, height: int) -> CropBox:
        """Crop box of the face in a picture of this size."""
        points = self.landmarks[list(FROM_MEDIAPIPE), :2].astype(np.float64) * (width, height) - 0.5
        return box_from_landmarks(points)


def most_prominent(faces: Sequence[SeenFace], image: np.ndarray) -> SeenFace | None:
    """The face that a single picture (H, W, 3) is about; None without any."""
    height, width = image.shape[:2]
    return max(faces, key=lambda face: prominence(face.box(width, height), image), default=None)


@dataclass(eq=False)
class Track:
    """One face through a video.

    Attributes:
        faces: by frame number.
        boxes: by frame number, pixels of the picture.
        strength: sum over the frames of size and centrality, in shares of the picture's shorter side.
    """

    faces: dict[int, SeenFace] = field(default_factory=dict)
    boxes: dict[int, CropBox] = field(default_factory=dict)
    strength: float = 0.0
    last_s: float = 0.0
    _last: CropBox | None = None
    _thumbs: Thumbs | None = None

    def distance(self, box: CropBox, seen: Thumbs, time_s: float) -> float:
        """Crop sides between a face and where this one was last seen; infinite if it cannot be the same."""
        assert self._last is not None
        assert self._thumbs is not None
        last = self._last
        away = float(np.hypot(box.x - last.x, box.y - last.y)) / last.side
        reach = min(FURTHEST, REACH + REACH_S * (time_s - self.last_s))
        alike = 1.0 / GROWTH < box.side / last.side < GROWTH
        return away if away < reach and alike and same_scene(self._thumbs, seen) else float("inf")

    def add(self, index: int, time_s: float, face: SeenFace, box: CropBox, image: np.ndarray, seen: Thumbs) -> None:
        """The face in the next frame it is seen in."""
        # half precision, as the store keeps it: an hour of video is 250 MB
        self.faces[index] = replace(face, landmarks=face.landmarks.astype(np.float16))
        self.boxes[index] = box
        self.strength += prominence(box, image) / min(image.shape[:2])
        self.last_s, self._last, self._thumbs = time_s, box, seen


class Tracks:
    """All faces of a video, fed frame by frame.

    Attributes:
        counts: faces in each frame so far.
    """

    def __init__(self) -> None:
        self.counts: list[int] = []
        self._tracks: list[Track] = []

    def push(self, time_s: float, image: np.ndarray, faces: list[SeenFace]) -> None:
        """Faces of the next picture (H, W, 3) uint8 RGB, found at this time; one found twice counts once."""
        index = len(self.counts)
        height, width = image.shape[:2]
        found: list[tuple[SeenFace, CropBox]] = []
        for face in faces:
            box = face.box(width, height)
            if not any(same_face(box, other) for _, other in found):
                found.append((face, box))
        self.counts.append(len(found))
        seen = [thumbs(image, box) for _, box in found]
        for number, track in self._pairs(found, seen, time_s):
            face, box = found[number]
            track.add(index, time_s, face, box, image, seen[number])

    def chosen(self) -> Track:
        """The track of most frames, size and centrality together; an empty one if no face was seen."""
        return max(self._tracks, key=lambda track: track.strength, default=Track())

    def _pairs(
        self, found: list[tuple[SeenFace, CropBox]], seen: list[Thumbs], time_s: float
    ) -> list[tuple[int, Track]]:
        """Faces with the tracks they continue, the nearest first; new tracks for the rest."""
        options = sorted(
            (track.distance(box, seen[number], time_s), -track.strength, number, place)
            for number, (_, box) in enumerate(found)
            for place, track in enumerate(self._tracks)
        )
        pairs: dict[int, Track] = {}
        for away, _, number, place in options:
            track = self._tracks[place]
            if np.isfinite(away) and number not in pairs and not any(track is other for other in pairs.values()):
                pairs[number] = track
        for number in range(len(found)):
            if number not in pairs:
                self._tracks.append(Track())
                pairs[number] = self._tracks[-1]
        return list(pairs.items())
