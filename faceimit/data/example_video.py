"""A rendered talking face as a video file, to try the commands on.

``python -m faceimit.data.example_video talk.mp4``
"""

import sys
from pathlib import Path
from typing import NoReturn

from faceimit.data.synthetic.generate import render_clip
from faceimit.data.video import write_video
from faceimit.errors import InputError

SECONDS, FPS, SIZE = 6, 25.0, 256


def write_example(path: Path, seconds: float = SECONDS, size: int = SIZE, seed: int = 4) -> None:
    """Render and write ``seconds`` of a face at 25 frames per second.

    Raises:
        InputError: the file cannot be written.
    """
    clip = render_clip(seed, identity=seed, frames=round(seconds * FPS), size=size, fps=FPS, clean=True)
    write_video(path, clip.frames, FPS)


def main() -> None:
    """Write the video named on the command line."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        _refuse("give one file name: python -m faceimit.data.example_video talk.mp4")
    try:
        write_example(Path(sys.argv[1]))
    except InputError as error:
        _refuse(str(error))


def _refuse(sentence: str) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
