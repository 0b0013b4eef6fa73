"""A contact sheet of what the robot shows: ``python -m faceimit.data.synthetic.robot_sheet --out sheet.png``."""

import argparse
from pathlib import Path

import numpy as np

from faceimit.data.synthetic.expressions import EXPRESSIONS, coefficients
from faceimit.data.synthetic.robot import RobotRenderer
from faceimit.face import controls
from faceimit.face.highlevel import NAMES as MOUTHS
from faceimit.face.highlevel import rollout
from faceimit.face.retargeting import to_controls

# Titles and (coefficients, yaw, pitch, roll in degrees) shown below them.
POSES: dict[str, tuple[dict[str, float], tuple[float, float, float]]] = {
    "neutral": ({}, (0, 0, 0)),
    **{name: (EXPRESSIONS[name], (0, 0, 0)) for name in ("smile", "joy", "laugh", "anger", "surprise", "sadness")},
    **{name: (EXPRESSIONS[name], (0, 0, 0)) for name in ("disgust", "fear", "kiss", "press", "doubt", "wink")},
    "blink": ({"eyeBlink": 1.0}, (0, 0, 0)),
    "gaze left": ({"eyeLookOutLeft": 0.9, "eyeLookInRight": 0.9}, (0, 0, 0)),
    "gaze up": ({"eyeLookUp": 1.0}, (0, 0, 0)),
    "turn left": ({}, (28, 0, 0)),
    "look down": ({}, (0, -28, 0)),
    "tilt": ({}, (0, 0, 18)),
    "neck back": ({}, (0, 38, 0)),
}


def expression_sheet(size: int) -> tuple[list[str], np.ndarray]:
    """Titles and tiles (N, S, S, 3) uint8 of :data:`POSES` and of the 12 high-level mouths."""
    shapes = np.stack([coefficients(weights) for weights, _ in POSES.values()])
    pose = np.radians([angles for _, angles in POSES.values()])
    values = np.concatenate([to_controls(shapes, pose), rollout(np.eye(len(MOUTHS)))])
    return [*POSES, *(name.removeprefix("Mouth ") for name in MOUTHS)], RobotRenderer(size).render(values)


def control_sheet(size: int) -> tuple[list[str], np.ndarray]:
    """Titles and tiles (60, S, S, 3) uint8: each control alone at the lower and the upper end of its range."""
    values = np.repeat(controls.NEUTRAL[None], 2 * len(controls.NAMES), axis=0)
    titles = []
    for i, control in enumerate(controls.CONTROLS):
        values[2 * i, i], values[2 * i + 1, i] = control.low, control.high
        titles += [f"{control.name} {end:g}" for end in (control.low, control.high)]
    return titles, RobotRenderer(size).render(values)


def main() -> None:
    """Draw the sheet that the arguments ask for."""
    from PIL import Image, ImageDraw

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    parser.add_argument("--size", type=int, default=128, help="side of a tile in pixels")
    parser.add_argument("--columns", type=int, default=8, help="tiles in a row")
    parser.add_argument("--controls", action="store_true", help="each control alone at both ends, not expressions")
    arguments = parser.parse_args()
    titles, tiles = (control_sheet if arguments.controls else expression_sheet)(arguments.size)
    side, columns = arguments.size, arguments.columns
    rows = -(-len(tiles) // columns)
    picture = Image.new("RGB", (columns * side, rows * (side + 13)), "white")
    pen = ImageDraw.Draw(picture)
    for k, (title, tile) in enumerate(zip(titles, tiles, strict=True)):
        x, y = k % columns * side, k // columns * (side + 13)
        pen.text((x + 2, y), title, fill="black")
        picture.paste(Image.fromarray(tile), (x, y + 13))
    picture.save(arguments.out, optimize=True)


if __name__ == "__main__":
    main()
