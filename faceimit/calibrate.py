"""``faceimit-calibrate``: fit a robot's alpha and offset for each control from a few poses."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from faceimit.errors import InputError
from faceimit.robot.calibration import Fit, Pose, as_content, calibrate
from faceimit.robot.keypoints import BACKENDS
from faceimit.robot.measures import MEASURED
from faceimit.robot.poses import read_poses
from faceimit.robot.profile import RobotProfile, load_profile, profile_path
from faceimit.tracking.cli import CommandParser, run_command
from faceimit.tracking.outputs import check_new, check_outputs, write_output
from faceimit.words import plural

DESCRIPTION = """\
Fit value = alpha * measure + offset for each control that the poses move, by robust least squares.

--poses is JSON or CSV. JSON: {"poses": [{"image": "jaw.png", "values": {"Jaw Pitch": 0.4}}, ...]}, or with "landmarks":
[[x, y], ...] (68 points, 70 with irises), or "image": "clip.mp4" and "frame": 12. CSV: a column for each control, and
x0, y0, ..., x67, y67, or image and frame. Values are a control's, or an actuator's in its own unit. Three poses a
control are the least, eight are good; a quarter may be wrong. --example FILE writes poses of a rendered face."""
EXAMPLE = """\
  faceimit-calibrate --example poses.json
  faceimit-calibrate --robot hobby_head --poses poses.json --out hobby.yaml"""
NEEDED = ("robot", "poses", "out")
FINDING = ("backend", "model")  # how faces are found in pictures


def main() -> None:
    """The command ``faceimit-calibrate``."""
    sys.exit(run_command(run))


def run(arguments: Sequence[str]) -> None:
    """Read poses, fit, write the calibration file.

    Raises:
        InputError: bad arguments, poses that cannot be used, a file that cannot be written.
    """
    args = _parser().parse_args(arguments)
    if args.example is not None:
        unused = [f"--{name}" for name in (*NEEDED, *FINDING) if getattr(args, name) is not None]
        if unused:
            raise InputError(f"--example only writes poses: leave {', '.join(unused)} out")
        check_outputs({"--example": args.example})
        check_new("--example", args.example)
        write_output(args.example, example_poses().encode())
        print(f"{args.example}: poses of a rendered face; fit them with --robot NAME --poses {args.example} --out FILE")
        return
    missing = [f"--{name}" for name in NEEDED if getattr(args, name) is None]
    if missing:
        raise InputError(f"missing {', '.join(missing)}; see faceimit-calibrate --help")
    inputs = [args.poses, args.model, profile_path(args.robot)]
    check_outputs({"--out": args.out}, inputs, {"--out": (".yaml", ".yml")})
    profile = load_profile(args.robot)
    poses = _poses(args, profile)
    fits, constant = calibrate(profile, poses)
    write_output(args.out, yaml.safe_dump(as_content(profile, fits), sort_keys=False).encode())
    print(table(fits))
    for why, names in unfitted(profile, fits, constant).items():
        print(f"left as they were, for {why}: {', '.join(names)}")
    print(f"{plural(len(fits), 'control')} from {plural(len(poses), 'pose')}: {args.out}")


def table(fits: Sequence[Fit]) -> str:
    """Alpha, offset and residuals of each control, in its unit."""
    lines = [f"{'control':26} {'alpha':>9} {'offset':>8} {'poses':>5} {'median':>7} {'largest':>7}  outliers"]
    for fit in fits:
        largest, outliers = np.abs(fit.residuals).max(), ", ".join(fit.outliers) or "none"
        numbers = f"{fit.line.alpha:9.3f} {fit.line.offset:8.3f} {len(fit.poses):5d} {fit.typical:7.3f} {largest:7.3f}"
        lines.append(f"{fit.name:26} {numbers}  {outliers}")
    return "\n".join(lines)


def unfitted(profile: RobotProfile, fits: Sequence[Fit], constant: Sequence[str]) -> dict[str, list[str]]:
    """The robot's other controls by why they were not fitted."""
    rest = [name for name in profile.driven if name not in {*constant, *(fit.name for fit in fits)}]
    reasons = {
        "their values hardly vary": list(constant),
        "no pose names them": [name for name in rest if name in MEASURED],
        "landmarks do not tell them": [name for name in rest if name not in MEASURED],
    }
    return {why: names for why, names in reasons.items() if names}


def _poses(args: argparse.Namespace, profile: RobotProfile) -> list[Pose]:
    """The poses, their faces found as the options say, which are refused where no picture needs them."""
    pictures: list[Path] = []

    def find(path: Path, frame: int) -> np.ndarray:
        pictures.append(path)
        return find_landmarks(path, frame, args.backend or BACKENDS[0], args.model)

    poses = read_poses(args.poses, profile, find)
    given = [f"--{name}" for name in FINDING if getattr(args, name) is not None]
    if given and not pictures:
        raise InputError(f"{', '.join(given)} is for poses with pictures but {args.poses} has none, leave it out")
    return poses


def find_landmarks(path: Path, frame: int, backend: str, model: Path | None = None) -> np.ndarray:
    """(68, 2) landmarks, in pixels of its crop, of the face in a picture or in a frame of a video.

    Raises:
        InputError: the file cannot be read, has no such frame, or shows no face.
    """
    from faceimit.data.crop import crop_face
    from faceimit.data.faces import make_detector
    from faceimit.robot.keypoints import make_backend

    image = _picture(path, frame)
    detector = make_detector()
    faces = detector.find(image, fine=True)
    detector.close()
    if not faces:
        raise InputError(f"no face found in {path}, give a picture in which one looks towards the camera")
    crop = crop_face(image, max(faces, key=lambda face: face.box.side).box, 128)
    own = {} if model is None else {"weights" if backend == "pfld" else "model": model}
    with make_backend(backend, **own) as keypoints:
        found = keypoints.find(crop)
    if not found.found:
        raise InputError(f"no landmarks found in {path}, give a clearer picture")
    return found.points


def _picture(path: Path, frame: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a picture file, or of a frame of a video."""
    from faceimit.data.video import read_frames

    with read_frames(path) as video:
        images = [shown.image for shown in video.pick([frame])]
    if not images:
        raise InputError(f"{path} has no frame {frame}, count from 0")
    return images[0]


def example_poses() -> str:
    """Poses of a rendered face as JSON: brows, lids, jaw and corners moved one after the other."""
    import json

    from faceimit.data.synthetic.example_poses import example_poses

    return json.dumps({"poses": example_poses()}, indent=1) + "\n"


def _parser() -> CommandParser:
    parser = CommandParser(DESCRIPTION, EXAMPLE, prog="faceimit-calibrate")
    parser.add_argument("--robot", metavar="NAME", help="a profile of conf/robot, or a .yaml file")
    parser.add_argument("--poses", type=Path, metavar="FILE", help="JSON or CSV, see above")
    parser.add_argument("--out", type=Path, metavar="FILE", help="calibration file to write (.yaml)")
    parser.add_argument("--backend", choices=BACKENDS, help=f"finds landmarks (default: {BACKENDS[0]})")
    parser.add_argument("--model", type=Path, metavar="FILE", help="weights of that backend (default: its own)")
    parser.add_argument("--example", type=Path, metavar="FILE", help="only write example poses to FILE")
    return parser


if __name__ == "__main__":
    main()
