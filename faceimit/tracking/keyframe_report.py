"""What is known of a video after keyframe detection, as JSON, as a plot of the score and as a contact sheet."""

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

INK, LINE, MARK, SHADE = "#22303c", "#2a9d8f", "#e76f51", "#d9dee3"
ROW_S = 20.0  # seconds a row of the plot shows, unless that makes too many rows
MAX_ROWS = 6
DENSE_S = 60.0  # a row of more seconds than this shows stretches instead of frames
STRETCHES = 500
TILE = 160  # pixels
COLUMNS = 6
MAX_TILES = 48


@dataclass(frozen=True)
class Detection:
    """Scores and keyframes of one video.

    Attributes:
        video: path as given.
        method: who scored.
        fps: nominal frames per second.
        scores: (T,) float32 in [0, 1], NaN where there is no face.
        times: (T,) seconds since the first frame.
        boxes: (T, 3) x, y and side of the crop in pixels of the picture, NaN where there is no face.
        keyframes: sorted 0-based frame numbers.
        note: what was wrong with the file, or None.
    """

    video: str
    method: str
    fps: float
    scores: np.ndarray
    times: np.ndarray
    boxes: np.ndarray
    keyframes: tuple[int, ...]
    note: str | None = None

    @property
    def valid(self) -> np.ndarray:
        """(T,) bool: a face was found."""
        return np.isfinite(self.boxes[:, 0])


def as_json(found: Detection) -> bytes:
    """UTF-8 JSON; a score that is not known is null."""
    content = {
        "video": found.video,
        "fps": round(found.fps, 6),
        "frames": len(found.scores),
        "method": found.method,
        "scores": [round(score, 5) if math.isfinite(score) else None for score in found.scores.tolist()],
        "keyframes": list(found.keyframes),
        "valid": found.valid.tolist(),
        "times": [round(seconds, 4) for seconds in found.times.tolist()],
    }
    return (json.dumps(content, allow_nan=False) + "\n").encode()


def score_plot(found: Detection) -> bytes:
    """PNG: score over time in rows, keyframes marked, spans without a face shaded."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MultipleLocator

    end = float(found.times[-1]) + 1.0 / found.fps
    rows = min(MAX_ROWS, max(1, math.ceil(end / ROW_S)))
    span = end / rows
    figure = Figure(figsize=(12.0, 1.1 + 1.7 * rows), layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    for row, axis in enumerate(axes):
        part = slice(*np.searchsorted(found.times, (row * span, (row + 1) * span)))
        _shade_gaps(axis, found, part)
        _draw_scores(axis, found, part, dense=span > DENSE_S)
        _draw_keyframes(axis, found, part, dense=span > DENSE_S)
        axis.set(xlim=(row * span, (row + 1) * span), ylim=(-0.03, 1.08), yticks=(0.0, 0.5, 1.0))
        axis.spines[["top", "right"]].set_visible(False)
        if end >= 120.0:
            axis.xaxis.set_major_locator(MultipleLocator(_round_step(span)))
            axis.xaxis.set_major_formatter(lambda seconds, _: clock(seconds, long=True).removesuffix(".0"))
    axes[-1].set_xlabel("time (min:s)" if end >= 120.0 else "time (s)")
    figure.supylabel("change of expression", fontsize=10)
    axes[0].set_title(_title(found), loc="left", fontsize=11, color=INK)
    named = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(named.values(), named.keys(), loc="outside upper right", ncols=4, frameon=False, fontsize=9)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()


def contact_sheet(found: Detection, pictures: Mapping[int, np.ndarray]) -> bytes:
    """PNG: the keyframes' face crops with their time, frame number and score.

    Args:
        found: what was detected.
        pictures: frame number -> (TILE, TILE, 3) uint8 RGB, for the frames of :func:`shown_keyframes`.
    """
    from PIL import Image, ImageDraw

    shown = shown_keyframes(found)
    columns = max(4, min(COLUMNS, len(shown)))
    gap, head, foot = 12, 44, 36
    rows = max(1, math.ceil(len(shown) / columns))
    size = (columns * (TILE + gap) + gap, head + rows * (TILE + foot + gap))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    of = f", {len(shown)} of them evenly chosen" if len(shown) < len(found.keyframes) else ""
    _text(draw, (gap, 14), _title(found) + of, 15, INK, size[0] - 2 * gap)
    for i, frame in enumerate(shown):
        x, y = gap + i % columns * (TILE + gap), head + i // columns * (TILE + foot + gap)
        sheet.paste(Image.fromarray(pictures[frame]), (x, y))
        _text(draw, (x, y + TILE + 3), clock(found.times[frame], long=found.times[-1] >= 120.0), 13, INK)
        _score_bar(draw, x, y + TILE + 22, float(found.scores[frame]))
        _text(draw, (x + TILE, y + TILE + 3), f"#{frame}", 13, "#7a8794", anchor="ra")
    if not shown:
        _text(draw, (gap, head + TILE // 2), "no keyframe: the expression hardly changes", 15, "#7a8794")
    picture = io.BytesIO()
    sheet.save(picture, format="PNG")
    return picture.getvalue()


def shown_keyframes(found: Detection) -> tuple[int, ...]:
    """The keyframes on the contact sheet: all, or as many as stay readable, evenly chosen."""
    count = len(found.keyframes)
    if count <= MAX_TILES:
        return found.keyframes
    return tuple(found.keyframes[i] for i in np.linspace(0, count - 1, MAX_TILES).round().astype(int))


def clock(seconds: float, long: bool) -> str:
    """``3.48 s``, or ``12:03.5`` in a long video."""
    if not long:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(float(seconds), 1), 60.0)
    return f"{int(minutes)}:{rest:04.1f}"


def spans(flags: np.ndarray) -> list[tuple[int, int]]:
    """Runs of True in (T,) bool as (start, stop) frame numbers."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _shade_gaps(axis, found: Detection, part: slice) -> None:
    times = np.append(found.times, found.times[-1] + 1.0 / found.fps)[part.start : part.stop + 1]
    for start, stop in spans(~found.valid[part]):
        axis.axvspan(times[start], times[stop], color=SHADE, lw=0, label="no face")


def _draw_scores(axis, found: Detection, part: slice, dense: bool) -> None:
    """The score; where a row holds more frames than can be told apart, the highest and the mean of each stretch."""
    times, scores = found.times[part], found.scores[part]
    if dense:
        stretch = max(1, len(times) // STRETCHES)
        whole = len(times) // stretch * stretch
        times, parts = times[:whole:stretch], scores[:whole].reshape(-1, stretch)
        known = np.isfinite(parts)
        highest = np.where(known.any(axis=1), np.where(known, parts, 0.0).max(axis=1), np.nan)
        axis.fill_between(times, highest, color=LINE, alpha=0.25, lw=0, label="highest score")
        scores = np.where(known, parts, 0.0).sum(axis=1) / np.where(known.any(axis=1), known.sum(axis=1), np.nan)
    else:
        axis.fill_between(times, scores, color=LINE, alpha=0.15, lw=0)
    axis.plot(times, scores, color=LINE, lw=1.3, label="mean score" if dense else "score")


def _draw_keyframes(axis, found: Detection, part: slice, dense: bool) -> None:
    frames = [frame for frame in found.keyframes if part.start <= frame < part.stop]
    if not frames:
        return
    times, scores = found.times[frames], found.scores[frames]
    if dense:
        axis.plot(times, np.full(len(times), 1.05), "|", color=MARK, ms=7, mew=0.8, label="keyframe", clip_on=False)
        return
    axis.vlines(times, 0.0, scores, color=MARK, lw=0.8, alpha=0.6)
    axis.plot(times, scores, "o", color=MARK, ms=4.5, label="keyframe", clip_on=False)


def _round_step(span: float) -> float:
    """Seconds between ticks: about twelve a row, at whole seconds or minutes people count in."""
    return next((step for step in (2, 5, 10, 15, 30, 60, 120, 300, 600, 1800) if span / step <= 12), 3600)


def _title(found: Detection) -> str:
    count = len(found.keyframes)
    return f"{Path(found.video).name}: {count} keyframe{'' if count == 1 else 's'} by {found.method}"


def _score_bar(draw, x: int, y: int, score: float) -> None:
    draw.rectangle((x, y, x + TILE - 1, y + 4), fill=SHADE)
    if math.isfinite(score):
        draw.rectangle((x, y, x + max(1, round(score * TILE)) - 1, y + 4), fill=MARK)


def _text(draw, at: tuple[int, int], text: str, size: int, colour: str, room: int = 0, anchor: str = "la") -> None:
    """Write a line, cut to ``room`` pixels if that is given."""
    from matplotlib import font_manager
    from PIL import ImageFont

    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)
    while room and font.getlength(text) > room and len(text) > 4:
        text = text[:-2].rstrip(". ") + "…"
    draw.text(at, text, font=font, fill=colour, anchor=anchor)
