"""Cut-outs of rendered heads and hands, and backgrounds: the layers that known motion is given to.

Only single still pictures are rendered here: nothing of the renderer's own motion or flow is used.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceimit.errors import unwritable

STILLS = 3  # pictures of each person


@dataclass(frozen=True)
class Layers:
    """Layers of N pictures, all uint8.

    Attributes:
        heads: (N, S, S, 4) RGBA, head and shoulders.
        hands: (N, S, S, 4) RGBA, a hand or an object; all transparent where there is none.
        backgrounds: (N, S, S, 3) RGB.
    """

    heads: np.ndarray
    hands: np.ndarray
    backgrounds: np.ndarray


def render_layers(identity: int, seed: int, size: int) -> Layers:
    """A few stills of one person in random poses and expressions."""
    from faceimit.data.synthetic import camera, motion, scene
    from faceimit.data.synthetic.identity import draw_identity
    from faceimit.data.synthetic.render import SUPERSAMPLING, Drive, FaceRenderer, draw, frame_camera, tone_curve

    rng = np.random.default_rng([seed, identity, 3])
    moves = motion.draw_motion(rng, 100, 25.0)
    chosen = np.sort(rng.choice(100, STILLS, replace=False))
    occluder = scene.draw_occluder(rng)
    path = scene.draw_occluder_path(rng, 100, 25.0)
    spot = path[np.argmin(np.abs(path[:, :2] - [0, -5]).sum(axis=1))]
    crop = camera.draw_crop(rng, 100, 25.0)[chosen]
    face, pose, place, body = (t[chosen] for t in (moves.blendshapes, moves.pose, moves.translation, moves.body))
    present = np.tile(spot, (STILLS, 1)) + rng.normal(0, 1, (STILLS, 6)) * [3, 3, 1, 0.3, 0.3, 0.3]
    absent = present + np.array([500, 0, 0, 0, 0, 0])
    light = scene.draw_light(rng, np.ones(STILLS))
    renderer = FaceRenderer(draw_identity(identity), size, occluder)
    still = [track.mean(0, keepdims=True) for track in (pose, place, body)]
    rest = Drive(np.zeros((1, 52)), still[0], still[1], still[2], crop=np.array([[1.0, 0.0, 0.0]]))
    distance = float(rng.uniform(45, 110))
    view = frame_camera(renderer, Drive(face, pose, place, body, crop, absent), rest, distance)

    def pictures(where: np.ndarray, level: float) -> np.ndarray:
        side = int(1.6 * size * SUPERSAMPLING)
        plain = np.full((side, side, 3), level, np.float32)
        frames = draw(renderer, Drive(face, pose, place, body, crop, where), view, light, plain, flow=False)
        return np.stack([frame.image for frame, _ in frames])

    dark, bright, covered = pictures(absent, 0.0), pictures(absent, 1.0), pictures(present, 0.0)
    curve = tone_curve()
    white = float(np.interp(1.0, np.linspace(0, 2, len(curve)), curve))
    alpha = np.clip(1 - (bright - dark).mean(-1, keepdims=True) / white, 0, 1)
    colour = dark / np.maximum(alpha, 0.05)
    hand = (np.abs(covered - dark).max(-1, keepdims=True) > 0.004).astype(np.float32)
    scenes = [background(scene.draw_background(rng, size), size, curve) for _ in range(STILLS)]
    return Layers(
        _bytes(np.concatenate([colour, alpha], -1)),
        _bytes(np.concatenate([covered, hand], -1)),
        _bytes(np.stack(scenes)),
    )


def background(picture: np.ndarray, size: int, curve: np.ndarray) -> np.ndarray:
    """Middle of a linear-light background (H, W, 3) as display values (size, size, 3)."""
    start = (picture.shape[0] - size) // 2
    middle = picture[start : start + size, start : start + size]
    return np.interp(middle, np.linspace(0, 2, len(curve)), curve)


def _bytes(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)


def prepare_layers(root: str | Path, people: int, seed: int, size: int = 128, first: int = 0) -> Layers:
    """Layers of `people` rendered persons, cached in `root`; `first` is the identity of the first.

    Raises:
        InputError: the cache cannot be written.
    """
    path = layers_path(root, people, seed, size, first)
    if not path.exists():
        parts = [render_layers(first + i, seed, size) for i in range(people)]
        names = ("heads", "hands", "backgrounds")
        _save(path, {name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
    with np.load(path, allow_pickle=False) as stored:
        return Layers(stored["heads"], stored["hands"], stored["backgrounds"])


def layers_path(root: str | Path, people: int, seed: int, size: int, first: int) -> Path:
    """Where :func:`prepare_layers` keeps them."""
    from faceimit.data.synthetic.generate import RENDERER_VERSION

    return Path(root) / f"layers-v{RENDERER_VERSION}-s{seed}-p{size}-i{first}-n{people}.npz"


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error
