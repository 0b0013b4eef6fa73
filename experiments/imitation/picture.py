"""All modes side by side: a video, some of its frames, and the tracks of a few controls."""

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from imitate import OURS, WAYS, Shown, imitate
from matplotlib.figure import Figure
from performances import Performance
from PIL import Image

from faceimit.data.synthetic.robot import RobotRenderer
from faceimit.data.video import write_video
from faceimit.face.controls import INDEX
from faceimit.robot.profile import RobotProfile
from faceimit.tracking.files import write_bytes

SIZE, FPS, START_S, SHEET, COLOURS_KEPT = 128, 12.5, 2.0, 8, 40
PERSON = "the person's expression"
TRACKS = ("Jaw Pitch", "Lip Corner Raise Left", "Eyelid Upper Left", "Brow Inner Left")
COLOURS = {"streaming": "#8d99ae", "keyframes, apex": "#e9c46a", OURS: "#e76f51"}


def draw(performance: Performance, profile: RobotProfile, folder: Path) -> None:
    """Write modes.mp4, modes.png (some frames of it, columns are moments) and tracks.png."""
    shown = [imitate(performance, way, profile)[0] for way in WAYS]
    times = np.arange(START_S, (len(performance.truth) - 1) / performance.fps, 1 / FPS)
    rows = panels(performance, shown, times)
    folder.mkdir(parents=True, exist_ok=True)
    write_video(folder / "modes.mp4", [_tiled([row[t] for row in rows]) for t in range(len(times))], FPS)
    chosen = np.linspace(0, len(times) - 1, SHEET).round().astype(int)
    sheet = np.concatenate([np.concatenate([row[t] for t in chosen], axis=1) for row in rows])
    write_bytes(folder / "modes.png", small_png(sheet))
    write_bytes(folder / "tracks.png", tracks(performance, shown))


def panels(performance: Performance, shown: Sequence[Shown], times: np.ndarray) -> list[np.ndarray]:
    """(N, S, S, 3) uint8 of the person's expression on the robot's face, and of what each way showed; labelled."""
    frames = np.arange(len(performance.truth)) / performance.fps
    person = np.stack([np.interp(times, frames, column) for column in performance.truth.T], axis=1)
    renderer = RobotRenderer(SIZE)
    series = [(PERSON, person), *((one.way, one.at(times)) for one in shown)]
    return [np.stack([_labelled(image, name) for image in renderer.render(values)]) for name, values in series]


def small_png(image: np.ndarray) -> bytes:
    """PNG of (H, W, 3) uint8 in few colours, a third of the size."""
    stream = io.BytesIO()
    Image.fromarray(image).quantize(COLOURS_KEPT, dither=Image.Dither.NONE).save(stream, format="png", optimize=True)
    return stream.getvalue()


def _labelled(image: np.ndarray, text: str) -> np.ndarray:
    result = np.ascontiguousarray(image)
    cv2.putText(result, text, (3, SIZE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.3, (255, 255, 255), 1, cv2.LINE_AA)
    return result


def _tiled(images: Sequence[np.ndarray], columns: int = 4) -> np.ndarray:
    """One picture of several of one size; the last row is filled up with black."""
    black = [np.zeros_like(images[0])] * (-len(images) % columns)
    rows = [[*images, *black][start : start + columns] for start in range(0, len(images), columns)]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def tracks(performance: Performance, shown: Sequence[Shown]) -> bytes:
    """PNG: a few controls over time, the person's and what the robot showed."""
    figure = Figure(figsize=(9, 1.7 * len(TRACKS)))
    axes = figure.subplots(len(TRACKS), 1, sharex=True)
    for axis, name in zip(axes, TRACKS, strict=True):
        frames = np.arange(len(performance.truth)) / performance.fps
        axis.plot(frames, performance.truth[:, INDEX[name]], color="#22303c", linewidth=1.6, label="person")
        for one in shown:
            if one.way in COLOURS:
                axis.plot(one.times, one.values[:, INDEX[name]], color=COLOURS[one.way], linewidth=1.1, label=one.way)
        axis.set_ylabel(name, fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(ncols=4, fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    axes[-1].set_xlabel("seconds")
    axes[-1].set_xlim(START_S, len(performance.truth) / performance.fps)
    figure.tight_layout()
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=90)
    return stream.getvalue()
