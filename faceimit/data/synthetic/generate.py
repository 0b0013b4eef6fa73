"""Clips of rendered faces: one clip from its seed, and a cached corpus made by several processes."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from faceimit.data.clipfile import save_clip
from faceimit.data.synthetic import camera, motion, scene
from faceimit.data.synthetic.identity import draw_identity
from faceimit.data.synthetic.pool import render_all
from faceimit.data.synthetic.render import SUPERSAMPLING, Drive, FaceRenderer, draw, frame_camera
from faceimit.data.synthetic.version import RENDERER_VERSION
from faceimit.errors import InputError
from faceimit.face.records import Annotation, Clip

# First identity of each split; splits are this far apart, so they never share a person.
SPLITS: dict[str, int] = {"train": 0, "val": 10_000_000, "test": 20_000_000}
_CLIPS_A_SEED, _SEEDS = 100_000, 100
_SPLIT_WIDTH = _CLIPS_A_SEED * _SEEDS
_BEYOND = 10**15  # of larger seeds: more than 2^32 seeds of a split need


@dataclass(frozen=True)
class Settings:
    """Everything a cached corpus depends on, apart from the clip's number."""

    split: str
    seed: int
    frames: int
    size: int
    flow: bool
    clean: bool
    fps: float | None = None
    turn: float = 1.0
    version: int = RENDERER_VERSION

    @property
    def key(self) -> str:
        """Folder name: the readable settings and a hash of all of them."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:10]
        flags = "".join(("-flow" if self.flow else "", "-clean" if self.clean else ""))
        flags += ("" if self.fps is None else f"-fps{self.fps:g}") + ("" if self.turn == 1 else f"-turn{self.turn:g}")
        return f"s{self.seed}-t{self.frames}-p{self.size}{flags}-{digest}"


def render_clip(
    seed: int,
    identity: int,
    frames: int = 100,
    size: int = 128,
    fps: float | None = None,
    flow: bool = False,
    clean: bool = False,
    turn: float = 1.0,
) -> Clip:
    """Render one clip.

    Args:
        seed: of motion, light, background and camera.
        identity: seed of the person.
        frames: length of the clip.
        size: side of the crops in pixels.
        fps: frame rate, or None to draw one.
        flow: also exact backward flow (T, 2, S, S) float16 in pixels and occlusion (T, S, S).
        clean: no sensor, optics or codec degradation.
        turn: factor on the head's yaw, pitch and roll; 1 is how people face a camera (yaw within about 25 degrees).
    """
    rng = np.random.default_rng([seed, identity, 2])
    person = draw_identity(identity)
    fps = motion.draw_fps(rng) if fps is None else float(fps)
    moves = motion.draw_motion(rng, frames, fps)
    occluder = scene.draw_occluder(rng) if rng.random() < 0.12 else None
    path = scene.draw_occluder_path(rng, frames, fps) if occluder is not None else None
    crop = camera.draw_crop(rng, frames, fps)
    drive = Drive(moves.blendshapes, turn * moves.pose, moves.translation, moves.body, crop, path)
    light = scene.draw_light(rng, camera.draw_light_gain(rng, frames, fps))
    background = scene.draw_background(rng, size * SUPERSAMPLING)
    how = camera.NONE if clean else camera.draw_degradation(rng)
    renderer = FaceRenderer(person, size, occluder)
    distance = float(rng.uniform(45, 110))
    rest = _rest(drive)
    view = frame_camera(renderer, drive, rest, distance)
    renderer.bake(rest, light.rows[0])
    drawn = list(draw(renderer, drive, view, light, background, flow))
    annotation = Annotation(
        drive.blendshapes.astype(np.float32),
        drive.pose.astype(np.float32),
        np.ones(frames, dtype=bool),
        np.stack([points for _, points in drawn]).astype(np.float32),
    )
    return Clip(
        name=f"rendered_{identity:08d}_{seed}",
        identity=f"rendered_{identity:08d}",
        fps=fps,
        frames=camera.degrade(np.stack([frame.image for frame, _ in drawn]), how, fps),
        annotation=annotation,
        flow=np.stack([frame.flow for frame, _ in drawn]).astype(np.float16) if flow else None,
        occluded=np.stack([frame.occluded for frame, _ in drawn]) if flow else None,
    )


def _rest(drive: Drive) -> Drive:
    """One neutral frame at the clip's mean pose and place: what the crop is framed on."""
    pose, translation, body = (track.mean(0, keepdims=True) for track in (drive.pose, drive.translation, drive.body))
    return Drive(np.zeros((1, 52)), pose, translation, body, crop=np.array([[1.0, 0.0, 0.0]]))


def clip_seeds(split: str, seed: int, index: int) -> tuple[int, int]:
    """(clip seed, identity) of clip ``index``; identities of different splits never meet."""
    if not 0 <= index < _CLIPS_A_SEED:
        raise InputError(f"expected at most {_CLIPS_A_SEED} clips of a split but got number {index}, use fewer")
    return seed, first_identity(SPLITS, split, seed) + index


def first_identity(splits: Mapping[str, int], split: str, seed: int) -> int:
    """Where the people of a split and a seed begin, :data:`_CLIPS_A_SEED` of them; no two of these ever meet.

    Args:
        splits: first of each split, multiples of as many people as a hundred seeds have.
        split: one of them.
        seed: in [0, 2^32); seeds from 100 on lie far beyond all others.

    Raises:
        InputError: another split or seed.
    """
    if split not in splits:
        raise InputError(f"unknown split {split!r}; choose one of {', '.join(splits)}")
    if not 0 <= seed < 2**32:
        raise InputError(f"expected a seed from 0 to {2**32 - 1} but got {seed}, try 0")
    first = splits[split] if seed < _SEEDS else (1 + splits[split] // _SPLIT_WIDTH) * _BEYOND
    return first + seed * _CLIPS_A_SEED


def prepare(
    root: str | Path,
    split: str,
    clips: int,
    seed: int,
    frames: int = 100,
    size: int = 128,
    flow: bool = False,
    workers: int | None = None,
    progress: bool = True,
    clean: bool = False,
    fps: float | None = None,
    turn: float = 1.0,
) -> list[Path]:
    """Paths of ``clips`` rendered clips under ``root``, rendering those that are not there yet.

    The folder's name holds all settings; clip i is the same whatever ``clips`` and ``workers`` are, so a corpus can
    grow and an interrupted one goes on. Files appear whole or not at all.

    Args:
        root: cache folder.
        split: ``train``, ``val`` or ``test``; identities are disjoint between them.
        clips: how many.
        seed: of the corpus, in [0, 100).
        frames: as in :func:`render_clip`, like the next two.
        size: side of the crops in pixels.
        flow: with exact flow and occlusion.
        workers: processes; None takes all cores, 0 renders in this process.
        progress: show a progress bar.
        clean: no sensor, optics or codec degradation.
        fps: frame rate, None draws one a clip; a low one gives few frames that differ much.
        turn: as in :func:`render_clip`.
    """
    settings = Settings(split, seed, frames, size, flow, clean, fps, turn)
    folder = Path(root) / settings.key / split
    paths = [folder / f"{i:05d}.npz" for i in range(clips)]
    clip_seeds(split, seed, max(clips - 1, 0))
    missing = [i for i, path in enumerate(paths) if not path.exists()]
    if missing:
        workers = (os.cpu_count() or 1) if workers is None else workers
        jobs = [(settings, i, paths[i]) for i in missing]
        done = len(paths) - len(missing)
        render_all(render_to_file, jobs, workers, _warm_up, f"rendering {split} faces", done, progress)
    return paths


def _warm_up() -> None:
    render_clip(0, 0, frames=2, size=32, flow=True)


def render_to_file(settings: Settings, index: int, path: Path) -> None:
    """Render clip ``index`` of a corpus to ``path``."""
    seed, identity = clip_seeds(settings.split, settings.seed, index)
    size = (settings.frames, settings.size)
    clip = render_clip(seed, identity, *size, settings.fps, settings.flow, settings.clean, settings.turn)
    save_clip(path, clip)
