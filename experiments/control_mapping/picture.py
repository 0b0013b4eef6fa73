"""Ten keyframes of people, the controls the network reads off them, and the robot that shows them: expressions.png.

python experiments/control_mapping/picture.py [--weights FILE]
"""

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from faceimit.data.synthetic import camera, scene
from faceimit.data.synthetic.expressions import EXPRESSIONS, coefficients
from faceimit.data.synthetic.identity import draw_identity
from faceimit.data.synthetic.render import SUPERSAMPLING, Drive, FaceRenderer, draw, frame_camera
from faceimit.data.synthetic.robot import RobotRenderer
from faceimit.face.controls import NAMES, PARTS, normalised
from faceimit.face.retargeting import to_controls
from faceimit.metrics.control import centred_cosine, shares
from faceimit.nets.mapper import load_mapper
from faceimit.tracking.files import write_bytes

OUT = Path(__file__).parent / "expressions.png"
# Name, coefficients, head pose (yaw, pitch, roll in degrees).
SHOWN: tuple[tuple[str, dict[str, float], tuple[float, float, float]], ...] = (
    ("joy", EXPRESSIONS["joy"], (0, 0, 0)),
    ("anger", EXPRESSIONS["anger"], (0, -6, 0)),
    ("surprise", EXPRESSIONS["surprise"], (0, 4, 0)),
    ("sadness", EXPRESSIONS["sadness"], (0, -8, 6)),
    ("disgust", EXPRESSIONS["disgust"], (10, 0, 0)),
    ("fear", EXPRESSIONS["fear"], (-8, 5, 0)),
    ("kiss", EXPRESSIONS["kiss"], (0, 0, -8)),
    ("doubt", EXPRESSIONS["doubt"], (0, 0, 5)),
    ("laugh", EXPRESSIONS["laugh"], (12, 6, 0)),
    ("wink", {"eyeBlinkLeft": 0.9, "cheekSquintLeft": 0.6, "mouthSmileLeft": 0.6, "mouthSmileRight": 0.2}, (-10, 0, 4)),
)
FIRST = 60_900_000  # seed of the first person: none of any split
PICTURE = 256  # pixels a side in the figure; the network sees its own size
COLOURS = {"brow": "#8c564b", "eyelid": "#1f77b4", "gaze": "#17becf", "jaw": "#d62728"}
COLOURS |= {"lip": "#e76f51", "nose": "#bcbd22", "head": "#2a9d8f", "neck": "#7f7f7f"}


def person(seed: int, weights: dict[str, float], degrees: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A person with an expression: picture (S, S, 3) uint8 RGB and the retargeted controls (30,)."""
    shapes, pose = coefficients(weights)[None], np.radians(np.array([degrees], dtype=np.float64))
    rng, still = np.random.default_rng(seed), np.zeros((1, 3))
    drive = Drive(shapes, pose, still, still, np.array([[1.0, 0.0, 0.0]]))
    renderer = FaceRenderer(draw_identity(seed), PICTURE)
    light = scene.draw_light(rng, np.ones(1))
    rest = Drive(0 * shapes, pose, still, still, drive.crop)
    renderer.bake(rest, light.rows[0])
    view = frame_camera(renderer, drive, rest, 70.0)
    background = scene.draw_background(rng, PICTURE * SUPERSAMPLING)
    frame, _ = next(iter(draw(renderer, drive, view, light, background, flow=False)))
    return camera.to_uint8(frame.image), to_controls(shapes, pose)[0]


def bars(axis: Any, values: np.ndarray, target: np.ndarray) -> None:
    """Deviations from neutral (30,), the network's as bars and the retargeted ones as ticks, coloured by part."""
    order = [i for part in PARTS.values() for i in part]
    colours = [COLOURS[part] for part, at in PARTS.items() for _ in at]
    places = np.arange(len(order))
    axis.bar(places, normalised(values)[order], 0.8, color=colours)
    axis.plot(places, normalised(target)[order], "_", color="#22303c", markersize=6, markeredgewidth=1.4)
    axis.axhline(0, color="#22303c", linewidth=0.6)
    axis.set_ylim(-0.85, 0.85)
    axis.set_xlim(-0.8, len(order) - 0.2)
    axis.set_xticks([])
    axis.set_yticks([-0.5, 0, 0.5], ["-50 %", "0", "+50 %"], fontsize=6)
    axis.spines[["top", "right", "bottom"]].set_visible(False)


def main() -> None:
    """Render, predict, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="shipped")
    net = load_mapper(parser.parse_args().weights)
    faces = [person(FIRST + i, weights, degrees) for i, (_, weights, degrees) in enumerate(SHOWN)]
    pictures = np.stack([picture for picture, _ in faces])
    target = np.stack([values for _, values in faces])
    with torch.inference_mode():
        found = net.values(torch.from_numpy(pictures).permute(0, 3, 1, 2)).double().numpy()
    robots = RobotRenderer(PICTURE).render(found)
    write_bytes(OUT, png(pictures, found, target, robots))
    alike = centred_cosine(torch.from_numpy(found), torch.from_numpy(target), shares(torch.from_numpy(target)).mean(0))
    for (name, *_), cosine in zip(SHOWN, alike, strict=True):
        print(f"{name:10} mean-centred cosine {cosine:.3f}")


def png(pictures: np.ndarray, found: np.ndarray, target: np.ndarray, robots: np.ndarray) -> bytes:
    """The figure: two expressions a row, each a person, bars and the robot."""
    figure = Figure(figsize=(13, 10.6), layout="constrained", dpi=100)
    grid = figure.subplots(len(SHOWN) // 2, 6, width_ratios=[1, 1.35, 1] * 2)
    for k, (name, _, _) in enumerate(SHOWN):
        left, middle, right = grid[k // 2, 3 * (k % 2) : 3 * (k % 2) + 3]
        left.imshow(pictures[k])
        left.set_ylabel(name, fontsize=10)
        bars(middle, found[k], target[k])
        right.imshow(robots[k])
        for axis in (left, right):
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
    for column, title in enumerate(("person", "predicted controls", "robot showing them") * 2):
        grid[0, column].set_title(title, fontsize=10)
    from matplotlib.patches import Patch

    legend = [Patch(color=colour, label=part) for part, colour in COLOURS.items()]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend), frameon=False, fontsize=9)
    caption = f"Deviation of the {len(NAMES)} controls from neutral, share of the range: "
    figure.suptitle(caption + "bars from the picture, dashes from the person's true blendshapes", fontsize=11)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


if __name__ == "__main__":
    main()
