"""A frame of a rendered person at every level of every degradation.

    python experiments/robustness/picture.py

Writes levels.png beside this file.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from faceimit.data.degradations import DEGRADATIONS, LEVELS, degrade
from faceimit.data.synthetic.generate import clip_seeds, render_clip
from faceimit.tracking.files import write_bytes

HERE = Path(__file__).parent
TURNS = (2.0, 3.0, 4.0)  # as in run.py
SHOWN = 12  # frame of the clip
EDGE = 16  # pixels of a line of text


def labelled(picture: np.ndarray, text: str) -> np.ndarray:
    """The picture with a line of text above it."""
    line = np.full((EDGE, picture.shape[1], 3), 255, dtype=np.uint8)
    cv2.putText(line, text, (3, EDGE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (40, 48, 60), 1, cv2.LINE_AA)
    return np.concatenate([line, picture])


def sheet(person: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB: a column a degradation, a row a level, the first row clean."""
    seed, identity = clip_seeds("test", 0, person)
    clips = {turn: render_clip(seed, identity, SHOWN + 1, 128, turn=turn).frames for turn in (1.0, *TURNS)}
    rows = [[labelled(clips[1.0][SHOWN], f"{name.replace('_', ' ')}") for name in (*DEGRADATIONS, "extreme pose")]]
    for level in LEVELS:
        spoilt = [
            labelled(degrade(clips[1.0], name, level)[SHOWN], f"{how.values[level - 1]:g}")
            for name, how in DEGRADATIONS.items()
        ]
        turn = TURNS[level - 1]
        rows.append([*spoilt, labelled(clips[turn][SHOWN], f"heads turn {turn:g} times as far")])
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def main() -> None:
    """Render, spoil, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--person", type=int, default=2, help="number of the test person")
    found, data = cv2.imencode(".png", cv2.cvtColor(sheet(parser.parse_args().person), cv2.COLOR_RGB2BGR))
    assert found
    write_bytes(HERE / "levels.png", data.tobytes())
    print(HERE / "levels.png")


if __name__ == "__main__":
    main()
