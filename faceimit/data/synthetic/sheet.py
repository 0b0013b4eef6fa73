"""A contact sheet of named expressions by identities: ``python -m faceimit.data.synthetic.sheet --out sheet.png``."""

import argparse
from pathlib import Path

import numpy as np

from faceimit.data.synthetic import camera, scene
from faceimit.data.synthetic.expressions import EXPRESSIONS, coefficients
from faceimit.data.synthetic.identity import draw_identity
from faceimit.data.synthetic.render import SUPERSAMPLING, Drive, FaceRenderer, draw, frame_camera

# Column titles and the coefficients shown below them.
COLUMNS: dict[str, dict[str, float]] = {
    "neutral": {},
    **{name: EXPRESSIONS[name] for name in ("joy", "anger", "surprise", "sadness", "disgust", "fear")},
    "blink": {"eyeBlink": 0.7, "eyeLookDown": 0.6, "eyeSquint": 0.35},
    "gaze left": {"eyeLookOutLeft": 0.9, "eyeLookInRight": 0.9},
    "gaze up": {"eyeLookUp": 1.0},
    "jawOpen": {"jawOpen": 0.9},
    "pucker": {"mouthPucker": 1.0},
}


def sheet(identities: list[int], columns: dict[str, dict[str, float]], size: int) -> np.ndarray:
    """RGB uint8 picture, a row an identity, a column a set of coefficients, tiles of ``size`` pixels."""
    return np.concatenate([_row(identity, columns, size) for identity in identities])


def _row(identity: int, columns: dict[str, dict[str, float]], size: int) -> np.ndarray:
    rng = np.random.default_rng([identity, 3])
    shapes = np.stack([coefficients(weights) for weights in columns.values()])
    count, still = len(shapes), np.zeros((len(shapes), 3))
    pose = still + rng.normal(0, 1, 3) * np.radians([7, 4, 2])
    drive = Drive(shapes, pose, still, still, np.tile([1.0, 0.0, 0.0], (count, 1)))
    rest = Drive(shapes[:1] * 0, pose[:1], still[:1], still[:1], drive.crop[:1])
    renderer = FaceRenderer(draw_identity(identity), size)
    light = scene.draw_light(rng, np.ones(count))
    renderer.bake(rest, light.rows[0])
    background = scene.draw_background(rng, size * SUPERSAMPLING)
    view = frame_camera(renderer, drive, rest, 70.0)
    frames = [frame.image for frame, _ in draw(renderer, drive, view, light, background, flow=False)]
    return camera.to_uint8(np.concatenate(frames, axis=1))


def main() -> None:
    """Draw the sheet that the arguments ask for."""
    from PIL import Image, ImageDraw

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    parser.add_argument("--size", type=int, default=112, help="side of a tile in pixels")
    parser.add_argument("--identities", type=int, nargs="+", default=[0, 2, 5, 9, 11])
    parser.add_argument("--colours", type=int, default=256, help="palette size; fewer make a smaller file")
    arguments = parser.parse_args()
    tiles = sheet(arguments.identities, COLUMNS, arguments.size)
    picture = Image.new("RGB", (tiles.shape[1], tiles.shape[0] + 14), "white")
    picture.paste(Image.fromarray(tiles), (0, 14))
    pen = ImageDraw.Draw(picture)
    for k, title in enumerate(COLUMNS):
        pen.text((k * arguments.size + 4, 1), title, fill="black")
    picture.quantize(arguments.colours, dither=Image.Dither.NONE).save(arguments.out, optimize=True)


if __name__ == "__main__":
    main()
