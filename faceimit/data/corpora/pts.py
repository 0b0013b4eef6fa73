"""Landmark files (.pts) of the 300 faces family: 68 points a file, one file a frame, counted from 1 as Matlab does."""

import codecs
import os
import re
from pathlib import Path

import numpy as np

from faceimit.data.corpora.listing import Problem, entries
from faceimit.errors import InputError

POINTS = 68
_COMMENT = re.compile(r"(#|//|%).*")
_COUNT = re.compile(r"n_points\s*[:=]?\s*(\S+)", re.IGNORECASE)


def parse_pts(text: str) -> np.ndarray:
    """The points of a .pts file, whatever its spacing, line ends, comments and place of the braces.

    Args:
        text: such as ``version: 1  n_points: 68 { 10.5 20.5 ... }``, pixel coordinates counted from 1; NaN is allowed.

    Returns:
        (68, 2) float64 x, y in pixels counted from 0; NaN where the file says so.

    Raises:
        InputError: no points, another number of points, or something that is no number.
    """
    text = "\n".join(_COMMENT.sub("", line) for line in text.splitlines())
    header, brace, body = text.partition("{")
    if not brace:
        raise InputError("expected points between braces but there are none" if text.strip() else "it is empty")
    body, closed, _ = body.partition("}")
    words = re.split(r"[\s,;]+", body.strip()) if body.strip() else []
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        raise InputError(f"expected coordinates but got {error.args[0].rpartition(': ')[2]}") from error
    if len(values) != 2 * POINTS:
        cut = "" if closed else ", and the closing brace is missing"
        raise InputError(f"expected {POINTS} points but got {len(values) / 2:g}{cut}")
    declared = _COUNT.search(header)
    if declared and declared[1] != str(POINTS):
        raise InputError(f"it says n_points: {declared[1]} but holds {POINTS} points")
    values[~np.isfinite(values)] = np.nan
    return values.reshape(POINTS, 2) - 1.0


def read_pts(path: str | os.PathLike[str]) -> np.ndarray:
    """The points of a file: :func:`parse_pts`, with the file's name in its errors."""
    try:
        return parse_pts(_text(Path(path)))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_landmarks(folder: str | os.PathLike[str], frames: int) -> tuple[np.ndarray, np.ndarray, list[Problem]]:
    """Landmarks of each frame of a video from a folder of ``NNNNNN.pts`` (frame numbers from 1).

    Args:
        folder: of the .pts files.
        frames: of the video.

    Returns:
        (T, 68, 2) float32 x, y in pixels counted from 0, NaN where unknown; (T,) bool, whether all 68 points of a frame
        are known: not so for a frame without a file; and a problem for each file that cannot be used.
    """
    points = np.full((frames, POINTS, 2), np.nan, dtype=np.float32)
    problems: list[Problem] = []
    for name in entries(Path(folder))[1]:
        path = Path(folder) / name
        if path.suffix.lower() != ".pts":
            continue
        try:
            index = _frame_number(path.stem) - 1
            if not 0 <= index < frames:
                raise InputError(f"frame {index + 1} is not in the video, which has frames 1 to {frames}")
            points[index] = parse_pts(_text(path))
            if np.isnan(points[index]).any():
                raise InputError("a point is not a number, the frame counts as invalid")
        except InputError as error:
            problems.append(Problem(path, str(error)))
    valid = np.asarray(np.isfinite(points).all(axis=(1, 2)))
    return points, valid, problems


def _text(path: Path) -> str:
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig", errors="replace")


def _frame_number(stem: str) -> int:
    if not stem.isascii() or not stem.isdigit():
        raise InputError(f"expected a frame number as file name but got {stem}")
    return int(stem)
