"""Tiny video files of every kind a user may bring, written with PyAV."""

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BASE = Fraction(1, 1000)


def numbered(count: int, width: int = 64, height: int = 48) -> np.ndarray:
    """(T, H, W, 3) uint8 RGB: grey level 20 + 10 t, red upper left quarter, so that number and side up can be read."""
    images = np.empty((count, height, width, 3), dtype=np.uint8)
    images[:] = (20 + 10 * np.arange(count) % 200)[:, None, None, None]
    images[:, : height // 2, : width // 2] = (200, 0, 0)
    return images


def number_of(image: np.ndarray) -> int:
    """Which picture of :func:`numbered` this is (up to 20)."""
    return round((float(image[-8:, -8:].mean()) - 20) / 10)


def write(
    path: Path,
    images: Iterable[np.ndarray],
    times_ms: Sequence[int] | None = None,
    fps: int = 25,
    faststart: bool = False,
    aspect: Fraction | None = None,
    sound: bool = False,
) -> Path:
    """Write a video; ``times_ms`` makes its rate variable."""
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "10", "preset": "veryfast", "g": "10", "bf": "0"}
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if times_ms is not None:
            stream.codec_context.time_base = BASE
        for i, image in enumerate(images):
            if i == 0:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[i], BASE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """A file with sound alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turn(path: Path, degrees: int) -> Path:
    """Write into an .mp4 what a phone held on its side does: show me turned clockwise by 90, 180 or 270 degrees."""
    a, b = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 44
    content[start : start + 20] = struct.pack(">5i", a << 16, b << 16, 0, -b << 16, a << 16)
    path.write_bytes(content)
    return path


def cut(path: Path, part: float) -> Path:
    """Keep only the first ``part`` of a file's bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    return path
