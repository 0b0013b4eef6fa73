"""Pictures of a report: curves, bars, scores with their keyframes, contact sheets. Colours are told apart by the
colour-blind (Okabe and Ito), and lines by their dashes too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from faceimit.tracking.page import Figure, canvas, legend_above, svg
from faceimit.tracking.report_record import Curve
from faceimit.tracking.report_words import better, meaning
from faceimit.words import plural

INK, SOFT = "#22303c", "#b9c3cb"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES = ("-", "--", "-.", ":")
POINTS = 600  # of a drawn curve
TILE = 128  # pixels
ROW_HIGH, BAR_HIGH = 0.21, 0.11  # inches of a label and of each of its bars


def curve_figure(name: str, curves: Mapping[str, Curve], best: int | None = None) -> Figure:
    """A figure over the steps of one or several runs.

    Args:
        name: of the figure, as logged.
        curves: by run; one line each.
        best: step of the best checkpoint, if it is to be marked.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axis = canvas((4.7, 2.6))
    for place, (run, curve) in enumerate(curves.items()):
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
        _draw_curve(axis, curve, colour, dash, run if len(curves) > 1 else None)
    if best is not None:
        axis.axvline(best, color=INK, lw=0.9, ls=":", label="best checkpoint")
    spread = np.concatenate([curve.values for curve in curves.values()])
    if len(spread) and spread.min() > 0 and spread.max() / spread.min() > 100:
        axis.set_yscale("log")
    axis.set(xlabel="optimiser steps", ylabel=_short_unit(name))
    axis.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axis.set_title(name, fontsize=10, loc="left", color=INK)
    if len(curves) > 1 or best is not None:
        legend_above(figure, axis)
    words = meaning(name)
    way = {"lower": "; lower is better", "higher": "; higher is better", "": ""}[better(name)]
    caption = f"{words.axis[0].upper()}{words.axis[1:]}{way}." if words else ""
    return Figure(svg(figure), f"{name} over the training steps{_ends(curves)}", caption)


def bar_figure(
    labels: Sequence[str],
    series: Mapping[str, Sequence[float]],
    axis_label: str,
    alt: str,
    caption: str = "",
    line: tuple[float, str] | None = None,
) -> Figure:
    """Horizontal bars, the first label on top.

    Args:
        labels: of the groups of bars.
        series: of as many numbers as labels each, by name; NaN draws none.
        axis_label: with its unit.
        alt: what it shows, for who cannot see it.
        caption: under it.
        line: a value to mark, and what it is.
    """
    count, rows = len(series), np.arange(len(labels))[::-1]
    figure, axis = canvas((4.9, 0.9 + max(ROW_HIGH, BAR_HIGH * count) * len(labels)))
    for place, (name, values) in enumerate(series.items()):
        shift = (count - 1) / 2 - place
        colour = COLOURS[place % len(COLOURS)]
        axis.barh(rows + shift * 0.8 / count, np.asarray(values, float), 0.8 / count, color=colour, label=name)
    if line is not None:
        axis.axvline(line[0], color=INK, lw=1, ls=":", label=line[1])
    axis.set_yticks(rows, labels, fontsize=8)
    axis.set_ylim(-0.6, len(labels) - 0.4)
    axis.set_xlabel(axis_label)
    if count > 1 or line is not None:
        legend_above(figure, axis)
    return Figure(svg(figure), alt, caption)


@dataclass(frozen=True)
class ClipScore:
    """A test clip.

    Attributes:
        name: of the clip.
        fps: frames per second.
        score: (T,) predicted, NaN without a face.
        target: (T,) true.
        keyframes: found, frame numbers.
        true: keyframes of the truth.
        weak: true peaks too weak to count either way.
    """

    name: str
    fps: float
    score: np.ndarray
    target: np.ndarray
    keyframes: Sequence[int]
    true: Sequence[int]
    weak: Sequence[int] = ()

    @property
    def words(self) -> str:
        """How many keyframes there are and were found."""
        return f"{plural(len(self.keyframes), 'keyframe')} found, {len(self.true)} true"


def score_figure(clip: ClipScore) -> Figure:
    """True and predicted score over time, each with its keyframes."""
    figure, axis = canvas((5.4, 2.4))
    times = np.arange(len(clip.score)) / clip.fps
    axis.plot(times, clip.target, color=INK, lw=1.2, label="true score")
    axis.plot(times, clip.score, color=COLOURS[0], lw=1.2, ls="--", label="predicted score")
    for frames, values, mark, colour, label in (
        (clip.true, clip.target, "v", INK, "true keyframe"),
        (clip.keyframes, clip.score, "^", COLOURS[1], "keyframe found"),
    ):
        at = np.asarray(list(frames), dtype=int)
        axis.plot(times[at], np.asarray(values)[at], mark, color=colour, ms=6, label=label, ls="none", clip_on=False)
    axis.set(xlabel="seconds", ylabel="change of expression", ylim=(-0.03, 1.12), xlim=(0, max(times[-1], 1e-6)))
    legend_above(figure, axis)
    alt = f"true and predicted score of clip {clip.name}, {clip.words}"
    return Figure(svg(figure), alt, f"{clip.name}: {clip.words}.", wide=True)


def tile(image: np.ndarray, alt: str, caption: str, colour: str | None = None) -> Figure:
    """A small picture of a contact sheet.

    Args:
        image: (H, W, 3) uint8 RGB.
        alt: what it shows, for who cannot see it.
        caption: under it.
        colour: of its frame, "#rrggbb".
    """
    scale = TILE / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if colour is not None:
        rgb = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
        small = cv2.rectangle(np.ascontiguousarray(small), (1, 1), (size[0] - 2, size[1] - 2), rgb, 3)
    return Figure(jpeg(small), alt, caption)


def jpeg(image: np.ndarray, quality: int = 82) -> bytes:
    """(H, W, 3) uint8 RGB as a JPEG file."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def _draw_curve(axis: Any, curve: Curve, colour: str, dash: str, label: str | None) -> None:
    """A few points are dots on a line; many are drawn pale, with their running mean."""
    steps, values = _thinned(curve)
    if len(steps) <= 40:
        axis.plot(steps, values, color=colour, ls=dash, lw=1.4, marker="o", ms=3.5, label=label)
        return
    axis.plot(steps, values, color=colour, lw=0.7, alpha=0.3)
    axis.plot(steps, _running_mean(values, max(5, len(values) // 20)), color=colour, ls=dash, lw=1.6, label=label)


def _thinned(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """As many points as can be told apart, each the mean of a stretch."""
    stretch = max(1, len(curve.steps) // POINTS)
    whole = len(curve.steps) // stretch * stretch
    return curve.steps[:whole:stretch], curve.values[:whole].reshape(-1, stretch).mean(axis=1)


def _running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Centred, over fewer values at both ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    low = np.maximum(np.arange(len(values)) - width // 2, 0)
    high = np.minimum(np.arange(len(values)) + width // 2 + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def _ends(curves: Mapping[str, Curve]) -> str:
    """From what value to what value, for who cannot see it."""
    parts = [f"{run} from {c.values[0]:.4g} to {c.values[-1]:.4g}" for run, c in curves.items() if len(c.values)]
    return f": {'; '.join(parts)}" if parts else ""


def _short_unit(name: str) -> str:
    words = meaning(name)
    return words.unit if words else ""
