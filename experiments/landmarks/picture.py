"""landmarks.png: points of the shipped network on rendered people it has not seen, coloured by confidence.

python experiments/landmarks/picture.py
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from faceimit.data.clipfile import load_clip
from faceimit.data.landmark_module import LandmarkFaces
from faceimit.robot.keypoints import PfldBackend

HERE = Path(__file__).parent


def examples(cache: str, people: int, shown: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Crops and exact points of every so many people, the first half facing the camera, the others turned."""
    module = LandmarkFaces(f"{cache}/rendered", {"train": 2, "val": 2, "test": people})
    paths = [group[i * len(group) // (shown // 2)] for group in module.paths("test") for i in range(shown // 2)]
    clips = [load_clip(path) for path in paths]
    return [(clip.frames[3], clip.annotation.landmarks[3]) for clip in clips]


def with_a_hand_over(crop: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The crop with a flat patch over the mouth."""
    low, high = points[48:].min(axis=0) - 5, points[48:].max(axis=0) + 5
    covered = crop.copy()
    cv2.rectangle(covered, *(tuple(np.rint(corner).astype(int).tolist()) for corner in (low, high)), (90, 110, 150), -1)
    return covered


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", default=".cache")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--shown", type=int, default=12)
    parser.add_argument("--weights", default="shipped")
    parser.add_argument("--out", type=Path, default=HERE / "landmarks.png")
    args = parser.parse_args()
    from matplotlib.figure import Figure

    faces = examples(args.cache, args.people, args.shown)
    faces[-2:] = [(with_a_hand_over(*face), face[1]) for face in faces[-2:]]
    figure = Figure(figsize=(9, 3.15))
    with PfldBackend(args.weights) as backend:
        for place, (crop, truth) in enumerate(faces):
            axes = figure.add_axes((place % 6 / 6, 0.5 - place // 6 / 2, 1 / 6, 0.5))
            found = backend.find(crop)
            axes.imshow(crop)
            axes.plot(*truth.T, "o", color="white", markersize=3, markeredgewidth=0.4, markerfacecolor="none")
            axes.scatter(*found.points.T, c=found.confidence, cmap="RdYlGn", vmin=0, vmax=1, s=3)
            axes.set(xlim=(-0.5, 127.5), ylim=(127.5, -0.5))
            axes.set_axis_off()
    figure.savefig(args.out, dpi=110)
    print(args.out)


if __name__ == "__main__":
    main()
