"""Keypoints of a face crop behind one interface: our PFLD, or MediaPipe's FaceLandmarker.

No filter over time is applied here: it would delay what is to be imitated. On still faces PFLD's points tremble by
about 0.12 % of the inter-ocular distance (experiments/landmarks).
"""

import os
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from faceimit.errors import InputError
from faceimit.face.landmarks import COUNT, FROM_MEDIAPIPE

BACKENDS = ("pfld", "mediapipe")
STEP_S = 0.04  # MediaPipe's video mode wants a clock; crops come about as often


@dataclass(frozen=True)
class Keypoints:
    """The 68 points of one crop.

    Attributes:
        points: (68, 2) float64, x and y in pixels of the crop, the centre of the first pixel is (0, 0); NaN where
            unknown.
        confidence: (68,) float64 in [0, 1]; 0 where a point is NaN.
    """

    points: np.ndarray
    confidence: np.ndarray

    @property
    def found(self) -> bool:
        """Whether there is a face at all."""
        return bool(np.isfinite(self.points).all(axis=1).any())


def no_keypoints() -> Keypoints:
    """What a crop without a face has."""
    return Keypoints(np.full((COUNT, 2), np.nan), np.zeros(COUNT))


class KeypointBackend(Protocol):
    """Finds the points of face crops, one after the other; a context manager or closed by hand."""

    name: str

    def find(self, crop: np.ndarray | None) -> Keypoints:
        """Points of a crop (S, S, 3) uint8 RGB; None, where the tracker has no face, gives :func:`no_keypoints`."""
        ...

    def close(self) -> None:
        """Let go of what the backend holds; it is not used afterwards."""
        ...


class PfldBackend:
    """Our landmark network; each point's confidence is the probability that it is right to 4 % of inter-ocular.

    Args:
        weights: "shipped" or a .safetensors file of :func:`faceimit.nets.pfld.pack_pfld`.
        device: of torch.

    Raises:
        InputError: weights that cannot be read or are of another network, a device that is not there.
    """

    name = "pfld"

    def __init__(self, weights: str | os.PathLike[str] = "shipped", device: str = "cpu") -> None:
        import torch

        from faceimit.nets.pfld import load_pfld

        net = load_pfld(os.fspath(weights)).to(memory_format=torch.channels_last)
        try:
            self._net, self._device = net.to(device), device
        except (RuntimeError, AssertionError) as error:
            raise InputError(f"device {device!r} is not available here, use device='cpu'") from error

    def find(self, crop: np.ndarray | None) -> Keypoints:
        """As :class:`KeypointBackend`."""
        if crop is None:
            return no_keypoints()
        return self.find_all(checked_crop(crop)[None])[0]

    def find_all(self, crops: np.ndarray) -> list[Keypoints]:
        """Points of several crops at once: (N, S, S, 3) uint8 RGB."""
        import torch

        from faceimit.nets.pfld import confidence

        with torch.inference_mode():
            output = self._net(torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).to(self._device))
            sure = confidence(output.scale, crops.shape[1])
        points, sure = output.points.double().cpu().numpy(), sure.double().cpu().numpy()
        return [Keypoints(p, c) for p, c in zip(points, sure, strict=True)]

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> "PfldBackend":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MediaPipeBackend:
    """MediaPipe's points nearest in meaning to our 68 (:data:`faceimit.face.landmarks.FROM_MEDIAPIPE`).

    MediaPipe says nothing of single points: the confidence is 1 where it has a face and 0 where it has none. Its jaw
    line is another one than ours.

    Args:
        model: ``face_landmarker*.task``; None: the cached or fetched one.

    Raises:
        InputError: MediaPipe is not installed, no model file, or a file that is none.
    """

    name = "mediapipe"

    def __init__(self, model: str | os.PathLike[str] | None = None) -> None:
        from faceimit.data.annotators.landmarker import Landmarker

        self._landmarker = Landmarker(model)
        self._landmarker.start()
        self._looks = 0

    def find(self, crop: np.ndarray | None) -> Keypoints:
        """As :class:`KeypointBackend`; of several faces the one nearest to the middle."""
        self._looks += 1
        if crop is None:
            return no_keypoints()
        side = checked_crop(crop).shape[0]
        faces = self._landmarker.look(crop, self._looks * STEP_S)
        meshes = [face.landmarks[list(FROM_MEDIAPIPE), :2].astype(np.float64) * side - 0.5 for face in faces]
        if not meshes:
            return no_keypoints()
        nearest = min(meshes, key=lambda mesh: float(np.abs(mesh.mean(axis=0) - side / 2).max()))
        return Keypoints(nearest, np.ones(COUNT))

    def close(self) -> None:
        """Let go of MediaPipe's threads."""
        self._landmarker.close()

    def __enter__(self) -> "MediaPipeBackend":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def make_backend(name: str, **settings: Any) -> PfldBackend | MediaPipeBackend:
    """A backend by its name, one of :data:`BACKENDS`, with its settings.

    Raises:
        InputError: an unknown name, or whatever the backend refuses.
    """
    if name not in BACKENDS:
        raise InputError(f"expected a keypoint backend of {', '.join(BACKENDS)} but got {name!r}, try pfld")
    return PfldBackend(**settings) if name == "pfld" else MediaPipeBackend(**settings)


def checked_crop(crop: np.ndarray) -> np.ndarray:
    """The crop, if it is one.

    Raises:
        InputError: not a square uint8 RGB picture.
    """
    if crop.ndim != 3 or crop.shape[0] != crop.shape[1] or crop.shape[2] != 3 or crop.dtype != np.uint8:
        raise InputError(
            f"expected a face crop (S, S, 3) uint8 RGB but got {crop.shape} {crop.dtype}, try faceimit.data.crop"
        )
    return crop
