"""Augmentation of single faces: pictures change as cameras, trackers and hands change them, landmarks follow."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import cv2
import numpy as np

from faceimit.data.film import add_noise, relight
from faceimit.face.landmarks import GROUPS, MIRROR
from faceimit.face.pose import pose_from_rotation, rotation_from_pose
from faceimit.ranges import Share, Weight


@dataclass(frozen=True)
class Face:
    """One face.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        landmarks: (68, 2) float32, pixels of the crop; also beyond its border.
        pose: (3,) float32 yaw, pitch, roll in radians.
        covered: (68,) bool, points hidden by the augmentation.
    """

    image: np.ndarray
    landmarks: np.ndarray
    pose: np.ndarray
    covered: np.ndarray


@dataclass(frozen=True)
class FaceStrength:
    """How far the augmentation goes; all zero leaves a face as it is.

    Attributes:
        flip: probability of mirroring.
        rotation: standard deviation in degrees; beyond 2.5 of them there is nothing.
        scale: largest factor of zoom is exp(scale).
        shift: fraction of the side, either way: a tracker's box is not exact.
        light: largest factor of gain and gamma is exp(light).
        colour: largest factor of the gain of each colour channel is exp(colour).
        grey: probability of losing the colours.
        shade: largest fall of the light across the picture.
        noise: largest standard deviation of the sensor noise, in grey levels of 255.
        blur: probability of a blur, of motion or focus.
        coarse: probability of a camera of half to nearly full resolution.
        occlusion: probability of something in front of the face.
        jpeg: probability of compression.
    """

    flip: Share = 0.5
    rotation: Weight = 8.0
    scale: Weight = 0.12
    shift: Weight = 0.06
    light: Weight = 0.4
    colour: Weight = 0.15
    grey: Share = 0.1
    shade: Share = 0.5
    noise: Weight = 6.0
    blur: Share = 0.15
    coarse: Share = 0.1
    occlusion: Share = 0.25
    jpeg: Share = 0.15


Augmentation = Annotated[Mapping[str, float], FaceStrength]


def augment_face(face: Face, donor: np.ndarray, strength: FaceStrength, generator: np.random.Generator) -> Face:
    """A new face.

    Args:
        face: what to alter.
        donor: (S, S, 3) uint8, another picture, whose texture may cover a part of the face.
        strength: how far to go.
        generator: source of randomness.
    """
    if generator.random() < strength.flip:
        face = mirrored_face(face)
    face = placed(face, strength, generator)
    if generator.random() < strength.occlusion:
        face = covered(face, donor, generator)
    return replace(face, image=filmed(face.image, strength, generator))


def mirrored_face(face: Face) -> Face:
    """Left and right swapped: picture, points and their names, yaw and roll."""
    points = face.landmarks[list(MIRROR)].copy()
    points[:, 0] = face.image.shape[1] - 1 - points[:, 0]
    signs = np.array([-1, 1, -1], dtype=np.float32)
    return Face(np.ascontiguousarray(face.image[:, ::-1]), points, face.pose * signs, face.covered[list(MIRROR)])


def placed(face: Face, strength: FaceStrength, generator: np.random.Generator) -> Face:
    """Turned in the picture's plane, zoomed and shifted; the edge is repeated beyond the border as in a crop."""
    side = face.image.shape[0]
    angle = strength.rotation * float(np.clip(generator.normal(), -2.5, 2.5))  # counter-clockwise
    zoom = float(np.exp(generator.uniform(-strength.scale, strength.scale)))
    centre = (side - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), angle, zoom)
    matrix[:, 2] += generator.uniform(-strength.shift, strength.shift, size=2) * side
    how = cv2.INTER_AREA if zoom < 0.7 else cv2.INTER_LINEAR
    image = cv2.warpAffine(face.image, matrix, (side, side), flags=how, borderMode=cv2.BORDER_REPLICATE)
    points = (face.landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    turn = rotation_from_pose(np.array([0.0, 0.0, np.radians(angle)])) @ rotation_from_pose(face.pose)
    return Face(image, points, pose_from_rotation(turn).astype(np.float32), face.covered)


def covered(face: Face, donor: np.ndarray, generator: np.random.Generator) -> Face:
    """Something flat or textured in front of a part of the face; the points behind it are marked."""
    side = face.image.shape[0]
    mask = cv2.fillPoly(np.zeros((side, side), np.uint8), [_outline(face.landmarks, side, generator)], 255)
    if mask.all():
        return face
    edge = cv2.GaussianBlur(mask, (0, 0), generator.uniform(0.4, 1.2))[..., None].astype(np.float32) / 255
    image = face.image + edge * (_texture(donor, generator).astype(np.float32) - face.image)
    at = np.rint(face.landmarks).astype(int)
    inside = ((at >= 0) & (at < side)).all(axis=1)
    at = np.clip(at, 0, side - 1)
    hidden = inside & (mask[at[:, 1], at[:, 0]] > 0)
    return Face(image.astype(np.uint8), face.landmarks, face.pose, face.covered | hidden)


def _outline(landmarks: np.ndarray, side: int, generator: np.random.Generator) -> np.ndarray:
    """(K, 2) int32 corners of a blob, box or bar, often over a part of the face."""
    if generator.random() < 0.5:
        part = landmarks[list(GROUPS[str(generator.choice(list(GROUPS)))])]
        centre = part.mean(axis=0)
        radii = np.ptp(part, axis=0) * generator.uniform(0.3, 0.9, size=2) + generator.uniform(2, 8)
    else:
        centre = generator.uniform(0.1, 0.9, size=2) * side
        radii = np.exp(generator.uniform(np.log(0.04), np.log(0.3), size=2)) * side
    corners = int(generator.choice([4, 4, 7, 12, 24]))
    angles = (
        np.sort(np.arange(corners) + generator.uniform(-0.35, 0.35, corners) * (corners != 4)) * 2 * np.pi / corners
    )
    reach = generator.uniform(0.75, 1.25, corners)[:, None] if corners != 4 else np.sqrt(2.0)
    points = reach * radii * np.stack([np.cos(angles + np.pi / 4), np.sin(angles + np.pi / 4)], axis=1)
    turn = generator.normal(0, 0.4)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.rint(centre + points @ rotation.T).astype(np.int32)


def _texture(donor: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(S, S, 3) uint8: a flat colour, grain on it, or a magnified piece of another picture."""
    side, kind = donor.shape[0], generator.random()
    if kind < 0.6:
        matrix = cv2.getRotationMatrix2D(
            tuple(generator.uniform(0.2, 0.8, 2) * side), generator.uniform(0, 360), generator.uniform(1.0, 4.0)
        )
        return cv2.warpAffine(donor, matrix, (side, side), borderMode=cv2.BORDER_REFLECT)
    flat = np.full(donor.shape, generator.integers(0, 256, size=3), dtype=np.uint8)
    return flat if kind < 0.8 else add_noise(flat, generator.uniform(4, 40), generator)


def filmed(image: np.ndarray, strength: FaceStrength, generator: np.random.Generator) -> np.ndarray:
    """What light, lens, sensor and codec make of a picture: (S, S, 3) uint8 RGB -> the same."""
    image = _lit(image, strength, generator)
    image = _through_lens(image, strength, generator)
    image = add_noise(image, strength.noise * generator.random() ** 2, generator)
    if generator.random() < strength.jpeg:
        quality = int(generator.integers(25, 90))
        packed = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.ascontiguousarray(np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))[..., ::-1])
    return image


def _lit(image: np.ndarray, strength: FaceStrength, generator: np.random.Generator) -> np.ndarray:
    image = relight(image, strength.light, strength.colour, generator)
    if generator.random() < strength.grey:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    fall = strength.shade * generator.random() ** 2
    if fall > 0.05:
        angle, axis = generator.uniform(0, 2 * np.pi), np.linspace(-0.7, 0.7, image.shape[0], dtype=np.float32)
        ramp = np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]
        image = np.clip(image * (1 + fall * ramp)[..., None], 0, 255).astype(np.uint8)
    return image


def _through_lens(image: np.ndarray, strength: FaceStrength, generator: np.random.Generator) -> np.ndarray:
    side = image.shape[0]
    if generator.random() < strength.coarse:
        small = int(side * generator.uniform(0.4, 0.9))
        image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)
    if generator.random() < strength.blur:
        if generator.random() < 0.5:
            return cv2.GaussianBlur(image, (0, 0), generator.uniform(0.3, 1.5))
        return cv2.filter2D(image, -1, _streak(generator), borderType=cv2.BORDER_REPLICATE)
    return image


def _streak(generator: np.random.Generator) -> np.ndarray:
    """(7, 7) float32 kernel of a short straight motion, centred so that nothing shifts."""
    reach, angle = generator.uniform(0.5, 2.5), generator.uniform(0, np.pi)
    steps = np.linspace(-reach, reach, 33)
    kernel = np.zeros((7, 7), dtype=np.float32)
    for x, y in np.stack([steps * np.cos(angle), steps * np.sin(angle)], axis=1) + 3:
        column, row = int(x), int(y)
        fx, fy = x - column, y - row
        kernel[row, column] += (1 - fx) * (1 - fy)
        kernel[row, column + 1] += fx * (1 - fy)
        kernel[row + 1, column] += (1 - fx) * fy
        kernel[row + 1, column + 1] += fx * fy
    return kernel / kernel.sum()
