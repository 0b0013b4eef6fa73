"""Draws pipeline.png: a rendered clip on its way to keyframes.

python experiments/pipeline/draw.py
"""

from pathlib import Path

import cv2
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from faceimit.data import targets
from faceimit.data.synthetic.generate import render_clip
from faceimit.face.records import Clip
from faceimit.keyframes.search import SearchParams, find_keyframes

IDENTITY, SEED, FRAMES, FPS = 20_000_116, 16, 60, 25.0
INK, ACCENT = "#264653", "#e76f51"
SHOWN = 8
C_REF = 0.35


def main() -> None:
    """Render, score, draw."""
    clip = render_clip(SEED, IDENTITY, FRAMES, 128, FPS, flow=True, clean=True)
    assert clip.flow is not None
    score = score_of(clip)
    keyframes = find_keyframes(score, FPS, SearchParams())
    shown = columns(keyframes)

    figure = plt.figure(figsize=(11, 4.6), dpi=110)
    grid = figure.add_gridspec(3, SHOWN, height_ratios=[1, 1, 1.1], hspace=0.06, wspace=0.06, left=0.14, right=0.99)
    for column, frame in enumerate(shown):
        picture(figure.add_subplot(grid[0, column]), clip.frames[frame], frame in keyframes)
        picture(figure.add_subplot(grid[1, column]), coloured(clip.flow[frame].astype(np.float32)), False)
    curve(figure.add_subplot(grid[2, :]), score, keyframes, shown)
    labels = [
        ("video", "face crops, one\nstable box a track"),
        ("optical flow", "FastFlowNet, learnt\nwithout labels (SSIM)"),
        ("score", "ResNet-50 and\nflow features"),
    ]
    for (name, what), top in zip(labels, (0.80, 0.56, 0.29), strict=True):
        figure.text(0.005, top, name, weight="bold", color=INK, size=11)
        figure.text(0.005, top - 0.025, what, va="top", color="#555555", size=8.5)
    figure.savefig(Path(__file__).with_name("pipeline.png"), bbox_inches="tight", facecolor="white")


def score_of(clip: Clip) -> np.ndarray:
    """Target scores (T,)."""
    change = targets.change(clip.annotation.blendshapes, clip.annotation.pose, FPS, clip.annotation.valid)
    return targets.score(change, C_REF)


def columns(keyframes: tuple[int, ...]) -> np.ndarray:
    """Frames to show: evenly spaced, the nearest to each keyframe replaced by it."""
    shown = np.linspace(2, FRAMES - 3, SHOWN).round().astype(int)
    for keyframe in keyframes:
        shown[np.argmin(np.abs(shown - keyframe))] = keyframe
    return np.sort(shown)


def picture(axes: plt.Axes, image: np.ndarray, marked: bool) -> None:
    """One picture, framed when it is a keyframe."""
    axes.imshow(image)
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(color=ACCENT, linewidth=3) if marked else side.set_visible(False)


def curve(axes: plt.Axes, score: np.ndarray, keyframes: tuple[int, ...], shown: np.ndarray) -> None:
    """The score with its keyframes, and where the pictures above were taken."""
    axes.plot(score, color=INK, linewidth=1.8)
    axes.fill_between(range(len(score)), score, color=INK, alpha=0.08)
    axes.vlines(shown, 0, 1.1, color="#bbbbbb", linewidth=0.7, linestyle=":")
    axes.plot(keyframes, score[list(keyframes)], "o", color=ACCENT, markersize=8)
    for keyframe in keyframes:
        axes.annotate(f"keyframe {keyframe}", (keyframe, score[keyframe]), (0, 8), textcoords="offset points",
                      ha="center", color=ACCENT, size=8)  # fmt: skip
    axes.set(xlim=(0, len(score) - 1), ylim=(0, 1.3), yticks=[0, 1])
    axes.tick_params(colors="#555555", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def coloured(flow: np.ndarray) -> np.ndarray:
    """Flow (2, S, S) px as colour: direction is hue, length saturation. Returns (S, S, 3) uint8."""
    length, angle = cv2.cartToPolar(flow[0], flow[1], angleInDegrees=True)
    saturation = np.clip(length / max(0.5, float(length.max())), 0, 1)
    hsv = np.stack([angle / 2, 255 * saturation, np.full_like(angle, 255)], axis=-1)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


if __name__ == "__main__":
    main()
