"""Pictures with exact control values: sequences of the virtual robot, and of people with retargeted controls.

A sequence is made from its seed alone and stored in one file, so that a corpus can grow and an interrupted one goes on.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from faceimit.data.synthetic import camera, rig, robot_rig, scene
from faceimit.data.synthetic.generate import first_identity
from faceimit.data.synthetic.identity import draw_identity
from faceimit.data.synthetic.pool import render_all
from faceimit.data.synthetic.render import SUPERSAMPLING, Drive, FaceRenderer, draw, frame_camera
from faceimit.data.synthetic.robot import RobotRenderer
from faceimit.data.synthetic.robot_motion import FPS, Kind, draw_controls, draw_performance
from faceimit.data.whole import written_whole
from faceimit.errors import InputError
from faceimit.face.retargeting import to_controls

# Part of the cache key: raise it whenever rendered pairs change.
PAIRS_VERSION = 5
ROBOT, HUMAN = 0, 1
# Moments that take longer to render than a process takes to start.
WORTH_A_PROCESS = 300
# First seed of each split: splits are this far apart, so they share neither movements nor people nor scenes.
SPLITS: dict[str, int] = {"train": 40_000_000, "val": 50_000_000, "test": 60_000_000}
# Of five sequences in a row; imitation has as many pictures of a person as of the robot.
_KINDS: tuple[Kind, ...] = ("free", "imitation", "rollout", "free", "imitation")


@dataclass(frozen=True)
class PairSequence:
    """Pictures and controls of one sequence.

    Attributes:
        images: (N, S, S, 3) uint8 RGB.
        controls: (N, 30) float32, table order and units.
        landmarks: (N, 68, 2) float32, exact, in pixels; NaN where an annotation defines a point otherwise.
        gaze_known: (N,) bool, False where the eyes are shut.
        domain: (N,) int64, :data:`ROBOT` or :data:`HUMAN`.
        moment: (N,) int64, frame of the sequence; a person and the robot at the same moment show the same expression.
    """

    images: np.ndarray
    controls: np.ndarray
    landmarks: np.ndarray
    gaze_known: np.ndarray
    domain: np.ndarray
    moment: np.ndarray


@dataclass(frozen=True)
class Settings:
    """Everything a cached sequence depends on, apart from its split and number."""

    seed: int
    frames: int
    size: int
    version: int = PAIRS_VERSION

    @property
    def key(self) -> str:
        """Folder name: the readable settings and a hash of all of them."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:10]
        return f"s{self.seed}-t{self.frames}-p{self.size}-{digest}"


def pair_frames(seed: int, frames: int = 24, size: int = 128, kind: Kind | None = None) -> PairSequence:
    """One sequence: of the robot alone, or (``imitation``) of a person and the robot doing the same.

    Args:
        seed: of everything; the person's identity too.
        frames: moments; ``imitation`` has two pictures of each.
        size: side of the pictures in pixels.
        kind: of movement (:mod:`robot_motion`); None: the kinds take turns over the seeds.
    """
    rng = np.random.default_rng([seed, 5])
    kind = _KINDS[seed % len(_KINDS)] if kind is None else kind
    moment = np.arange(frames)
    if kind != "imitation":
        values = draw_controls(rng, frames, kind)
        known = robot_rig.gaze_known(values)
        images, points = _robot(rng, values, size)
        return PairSequence(images, values.astype(np.float32), points, known, 0 * moment, moment)
    shapes, pose = draw_performance(rng, frames)
    values = to_controls(shapes, pose)
    shown = (_robot(rng, values, size), _human(rng, seed, shapes, pose, size))
    return PairSequence(
        np.concatenate([images for images, _ in shown]),
        np.concatenate([values, values]).astype(np.float32),
        np.concatenate([points for _, points in shown]),
        np.concatenate([robot_rig.gaze_known(values), eyes_open(shapes)]),
        np.repeat([ROBOT, HUMAN], frames),
        np.concatenate([moment, moment]),
    )


def rest_pictures(seed: int, frames: int = 8, size: int = 128) -> np.ndarray:
    """The person of an ``imitation`` sequence with a face at rest, hardly moving the head, in a scene of its own.

    Args:
        seed: of the sequence.
        frames: pictures, at moments apart.
        size: side of the pictures in pixels.

    Returns:
        (frames, S, S, 3) uint8 RGB.
    """
    rng = np.random.default_rng([seed, 7])
    pose = rng.normal(0.0, 0.03, (frames, 3))  # rad: nobody holds quite still
    return _human(rng, seed, np.zeros((frames, 52)), pose, size)[0]


def sequence_seeds(split: str, count: int, seed: int = 0) -> list[int]:
    """Seeds of the sequences of a split in their order.

    Raises:
        InputError: an unknown split, a seed of 100 or more.
    """
    first = _first_seed(split, count, seed)
    return [first + i for i in range(count)]


def _robot(rng: np.random.Generator, values: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (T, S, S, 3) uint8 and landmarks (T, 68, 2) of controls (T, 30) in a random scene."""
    gain = camera.draw_light_gain(rng, len(values), FPS)
    light = scene.draw_light(rng, gain)
    background = scene.draw_background(rng, size * SUPERSAMPLING)
    crop = (rng.uniform(0.95, 1.06), *rng.uniform(-0.025, 0.025, 2))
    pictures, points = RobotRenderer(size, light.rows, background, crop).draw(values, gain)
    return camera.degrade(pictures, _mild(rng), FPS), points


def _mild(rng: np.random.Generator) -> camera.Degradation:
    """What a working robot's camera does: noise, a little blur, JPEG; no broken video."""
    how = camera.draw_degradation(rng)
    codec = "jpeg" if how.codec == "h264" else how.codec
    quality = max(how.quality, 0.4)
    return replace(how, shrink=max(how.shrink, 0.7), blur=min(how.blur, 0.5), codec=codec, quality=quality)


def _human(
    rng: np.random.Generator, identity: int, shapes: np.ndarray, pose: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (T, S, S, 3) uint8 and landmarks (T, 68, 2) of a person, framed on the face at its mean pose."""
    frames = len(shapes)
    still = np.zeros((frames, 3))
    crop = camera.draw_crop(rng, frames, FPS)
    drive = Drive(shapes, pose, still, still, crop)
    light = scene.draw_light(rng, camera.draw_light_gain(rng, frames, FPS))
    background = scene.draw_background(rng, size * SUPERSAMPLING)
    renderer = FaceRenderer(draw_identity(identity), size)
    mean = pose.mean(0, keepdims=True)
    rest = Drive(np.zeros((1, 52)), mean, still[:1], still[:1], np.array([[1.0, 0.0, 0.0]]))
    view = frame_camera(renderer, drive, rest, float(rng.uniform(45, 110)))
    renderer.bake(rest, light.rows[0])
    drawn = list(draw(renderer, drive, view, light, background, flow=False))
    pictures = camera.degrade(np.stack([frame.image for frame, _ in drawn]), _mild(rng), FPS)
    return pictures, np.stack([points for _, points in drawn])


def eyes_open(shapes: np.ndarray) -> np.ndarray:
    """(T,) bool: whether an eye of a person with coefficients (T, 52) is open far enough to tell where it looks."""
    gaps = []
    for side in (-1, 1):
        upper, lower = rig.lid_opening(shapes, side)
        gaps.append(rig.UPPER_LID * upper + rig.LOWER_LID * lower)
    return np.maximum(*gaps) > robot_rig.SHUT


def save_sequence(path: Path, sequence: PairSequence) -> None:
    """Write a sequence to ``path`` (.npz), whole or not at all."""
    with written_whole(path) as unfinished, unfinished.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **vars(sequence))


def load_sequence(path: Path) -> PairSequence:
    """Read what :func:`save_sequence` wrote.

    Raises:
        InputError: the file is missing, truncated or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return PairSequence(**{name: stored[name] for name in PairSequence.__dataclass_fields__})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no whole sequence of pairs ({error}); delete it and make it again") from error


def prepare(
    root: str | Path,
    sequences: Mapping[str, int],
    settings: Settings,
    workers: int | None = None,
    progress: bool = True,
) -> dict[str, list[Path]]:
    """Paths of each split's sequences under ``root``, rendering those that are not there yet.

    Args:
        root: cache folder.
        sequences: how many of each split.
        settings: of each.
        workers: processes; None takes all cores, 0 renders in this process. Few frames never start processes.
        progress: show a progress bar.

    Raises:
        InputError: an unknown split, a seed of 100 or more.
    """
    paths: dict[str, list[Path]] = {}
    missing: dict[Path, int] = {}
    for split, count in sequences.items():
        seeds = sequence_seeds(split, count, settings.seed)
        paths[split] = [Path(root) / settings.key / split / f"{i:05d}.npz" for i in range(count)]
        missing |= {path: number for path, number in zip(paths[split], seeds, strict=True) if not path.exists()}
    if missing:
        workers = (os.cpu_count() or 1) if workers is None else workers
        workers = min(workers, len(missing) * settings.frames // WORTH_A_PROCESS)
        jobs = [(settings, seed, path) for path, seed in missing.items()]
        render_all(
            render_to_file,
            jobs,
            0 if workers < 2 else workers,
            _warm_up,
            "rendering the virtual robot",
            progress=progress,
        )
    return paths


def _first_seed(split: str, count: int, seed: int) -> int:
    if count > 100_000:
        raise InputError(f"expected at most 100000 sequences of a split but got {count}, use fewer")
    return first_identity(SPLITS, split, seed)


def _warm_up() -> None:
    pair_frames(0, frames=2, size=32, kind="imitation")


def render_to_file(settings: Settings, seed: int, path: Path) -> None:
    """Render the sequence of a seed to ``path``."""
    save_sequence(path, pair_frames(seed, settings.frames, settings.size))
