"""The virtual robot's pictures as a table of pairs like a real robot's, to look at with ``faceimit-inspect``.

``python -m faceimit.data.synthetic.robot_table --out pairs.parquet --sequences 20``
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from faceimit.data.synthetic.generate import first_identity
from faceimit.data.synthetic.robot_pairs import ROBOT, SPLITS, pair_frames


def robot_rows(sequences: int, frames: int, size: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """Pictures (S, S, 3) uint8, controls (30,) and the sequence's name, of the robot alone."""
    for i in range(sequences):
        made = pair_frames(first_identity(SPLITS, "train", seed) + i, frames, size)
        for row in np.flatnonzero(made.domain == ROBOT):
            yield made.images[row], made.controls[row].astype(np.float64), f"virtual_{seed}_{i:05d}"


def main() -> None:
    """Write the table that the arguments ask for."""
    from faceimit.data.pairs import write_pairs

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="parquet file to write")
    parser.add_argument("--sequences", type=int, default=20)
    parser.add_argument("--frames", type=int, default=24, help="of a sequence")
    parser.add_argument("--size", type=int, default=128, help="side of a picture in pixels")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    count = write_pairs(given.out, robot_rows(given.sequences, given.frames, given.size, given.seed))
    print(f"{count} pairs in {given.out}")


if __name__ == "__main__":
    main()
