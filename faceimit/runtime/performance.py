"""A rendered performance to try a robot on: ten seconds of a face that shows expressions, made on first use."""

import os
from collections.abc import Callable
from pathlib import Path

from faceimit.data.synthetic.version import RENDERER_VERSION
from faceimit.data.video import write_video

SECONDS, FPS, SIZE = 10, 30.0, 256
SEED, PERSON = 13, 13  # a lively face that looks into the camera, nothing in front of it


def performance(
    folder: Path | None = None,
    seconds: float = SECONDS,
    size: int = SIZE,
    fps: float = FPS,
    say: Callable[[str], None] = lambda *_: None,
) -> Path:
    """The video, rendered if it is not there yet; ``XDG_CACHE_HOME`` moves it.

    Args:
        folder: where it is kept; None: the user's cache.
        seconds: its length.
        size: side of its pictures, pixels.
        fps: pictures a second.
        say: is told what takes so long, if it does.

    Raises:
        InputError: the folder cannot be written.
    """
    base = folder or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "faceimit"
    path = base / f"performance-{RENDERER_VERSION}-{SEED}-{PERSON}-{seconds:g}s-{size}-{fps:g}fps.mp4"
    if not path.is_file():
        say(f"rendering a performance of {seconds:g} s to {path}, once; half a minute")
        from faceimit.data.synthetic.generate import render_clip

        clip = render_clip(SEED, PERSON, frames=round(seconds * fps), size=size, fps=fps, clean=True)
        write_video(path, clip.frames, fps)
    return path
