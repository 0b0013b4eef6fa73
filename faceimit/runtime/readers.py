"""From a face crop to the robot's controls, in three ways behind one interface.

* ``mapping``: the bundle's network, crop -> 30 controls.
* ``geometric``: the bundle's 68 landmarks and distances between them, fitted to a robot by ``faceimit-calibrate``.
* ``blendshapes``: MediaPipe's 52 blendshapes and head pose, and the documented matrix of
  :mod:`faceimit.face.retargeting`. It needs MediaPipe (extra ``annotate``) and no network of the bundle.
"""

from typing import Any, Protocol

import numpy as np

from faceimit.errors import InputError
from faceimit.face.controls import did_you_mean
from faceimit.face.pose import pose_from_rotation
from faceimit.face.retargeting import to_controls
from faceimit.robot.geometric import GeometricMapper
from faceimit.robot.profile import RobotProfile

READERS = ("mapping", "geometric", "blendshapes")


class Reader(Protocol):
    """Controls of a crop.

    Attributes:
        name: one of :data:`READERS`.
    """

    name: str

    def __call__(self, crop: np.ndarray, captured: float) -> np.ndarray:
        """(30,) in table units of a crop (S, S, 3) uint8 RGB captured at this time in seconds; may hold NaN."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


def make_reader(bundle: Any, profile: RobotProfile, name: str | None = None, model: str | None = None) -> Reader:
    """A reader by its name.

    Args:
        bundle: loaded (:class:`faceimit.bundle.load.Bundle`).
        profile: of the robot.
        name: one of :data:`READERS`; None: the bundle's mapping network where it has one, else geometry.
        model: ``face_landmarker*.task`` for ``blendshapes``; None: the cached or fetched one.

    Raises:
        InputError: an unknown name, a bundle or profile without what it takes, no MediaPipe, a `model` nobody needs.
    """
    if name is None:
        name = "mapping" if bundle.has_controls else "geometric"
    if name not in READERS:
        raise InputError(f"unknown controls {name!r}{did_you_mean(name, READERS)}, choose one of {', '.join(READERS)}")
    if name == "blendshapes":
        return BlendshapeReader(profile, model)
    if model is not None:
        raise InputError(f"model {model} is for controls by blendshapes, not by {name}: give both or neither")
    if name == "mapping":
        return MappingReader(bundle, profile)
    return GeometricReader(bundle, profile)


class MappingReader:
    """Controls by the bundle's mapping network.

    Raises:
        InputError: the bundle has none.
    """

    name = "mapping"

    def __init__(self, bundle: "Mapping", profile: RobotProfile) -> None:
        if not bundle.has_controls:
            raise InputError("the bundle has no mapping network: export it with --mapping, or choose other controls")
        self._bundle, self._profile = bundle, profile

    def __call__(self, crop: np.ndarray, captured: float) -> np.ndarray:
        """As :class:`Reader`."""
        values = self._bundle.controls(crop)
        return self._profile.clip(values) if np.isfinite(values).all() else values

    def close(self) -> None:
        """As :class:`Reader`."""


class GeometricReader:
    """Controls from the bundle's landmarks by geometry.

    Raises:
        InputError: the bundle has no landmarks, or the profile no geometry.
    """

    name = "geometric"

    def __init__(self, bundle: "Landmarks", profile: RobotProfile) -> None:
        if not bundle.has_landmarks:
            raise InputError("the bundle has no landmarks for controls by geometry: export it with --landmarks")
        if not profile.geometric:
            raise InputError(
                f"profile {profile.name} says of no control how to read it from landmarks: add geometric entries, fit "
                "them with faceimit-calibrate, or export the bundle with --mapping"
            )
        self._bundle, self._mapper = bundle, GeometricMapper(profile)
        self._before: float | None = None

    def __call__(self, crop: np.ndarray, captured: float) -> np.ndarray:
        """As :class:`Reader`."""
        points, confidence = self._bundle.landmarks(crop)
        seconds = 0.0 if self._before is None else max(0.0, captured - self._before)
        self._before = captured
        side = crop.shape[0]
        return self._mapper.push(points, confidence, None, seconds, (side, side)).values

    def close(self) -> None:
        """As :class:`Reader`."""


class BlendshapeReader:
    """Controls by MediaPipe's blendshapes and head pose; NaN where it sees no face in the crop.

    Args:
        profile: of the robot.
        model: ``face_landmarker*.task``; None: the cached or fetched one.

    Raises:
        InputError: MediaPipe is not installed, or there is no model file.
    """

    name = "blendshapes"
    SIDE = 256  # pixels MediaPipe looks at

    def __init__(self, profile: RobotProfile, model: str | None = None) -> None:
        from faceimit.data.annotators.landmarker import Landmarker

        self._profile, self._landmarker = profile, Landmarker(model)
        self._landmarker.start()

    def __call__(self, crop: np.ndarray, captured: float) -> np.ndarray:
        """As :class:`Reader`."""
        import cv2

        from faceimit.data.annotators.tracks import most_prominent

        image = crop if crop.shape[0] == self.SIDE else cv2.resize(crop, (self.SIDE, self.SIDE))
        face = most_prominent(self._landmarker.look(image, captured), image)
        if face is None:
            return np.full(len(self._profile.neutral), np.nan)
        values = to_controls(face.blendshapes.astype(np.float64), pose_from_rotation(face.matrix))
        return self._profile.clip(values)

    def close(self) -> None:
        """As :class:`Reader`."""
        self._landmarker.close()


class Mapping(Protocol):
    """A bundle that may have a mapping network."""

    has_controls: bool

    def controls(self, crop: np.ndarray) -> np.ndarray:
        """(30,) in table units."""
        ...


class Landmarks(Protocol):
    """A bundle that may have a landmark network."""

    has_landmarks: bool

    def landmarks(self, crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(68, 2) pixels of the crop, (68,) confidence."""
        ...
