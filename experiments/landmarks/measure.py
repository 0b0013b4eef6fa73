"""results.csv: landmark errors of networks and of MediaPipe on rendered people and, where given, on real clips.

python experiments/landmarks/measure.py --methods pfld=shipped mediapipe=FILE.task [--real FOLDER] [--out FILE.csv]
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from faceimit.data.landmark_module import Faces, LandmarkFaces, faces_of_clips
from faceimit.metrics.landmark import Calibration, LandmarkErrors, point_jitter
from faceimit.nets.pfld import TOLERANCE
from faceimit.robot.keypoints import Keypoints, MediaPipeBackend, PfldBackend
from faceimit.tracking.config import composed, plain
from faceimit.tracking.environment import environment
from faceimit.tracking.files import write_bytes
from faceimit.tracking.results import as_csv, rounded

HERE = Path(__file__).parent
LOOKS = 8  # at each still face
STILL = 8  # every so many faces are looked at again


@dataclass(frozen=True)
class Data:
    """Faces to measure on, and whether their jaw line is defined as ours."""

    name: str
    faces: Faces
    jaw: bool = True


def rendered(people: int, cache: str) -> Iterator[Data]:
    """Unseen people: facing the camera as in videos, and turned two and a half times as far."""
    module = LandmarkFaces(f"{cache}/rendered", {"train": 2, "val": 2, "test": people})
    faces = module.faces("test")
    for name, rows in (("rendered", ~faces.turned), ("rendered_turned", faces.turned)):
        yield Data(name, chosen(faces, rows))


def real(folder: str, cache: str) -> Iterator[Data]:
    """People of the validation and test split of data=real, every fifth frame."""
    from faceimit.data.videos import load_real

    names = plain(composed(["experiment=keyframe_multitask", "data=real"]))["data"]["names"]
    for split in ("val", "test"):
        faces = faces_of_clips(load_real(folder, names[split], 128, f"{cache}/real"), every=5)
        assert faces is not None
        yield Data(f"real_{split}", faces, jaw=False)


def chosen(faces: Faces, rows: np.ndarray) -> Faces:
    """Some of the faces."""
    return Faces(**{name: getattr(faces, name)[rows] for name in Faces.__dataclass_fields__})


class Method:
    """A backend that answers for batches of crops."""

    def __init__(self, spec: str) -> None:
        self.name, source = spec.split("=", 1)
        self.backend = MediaPipeBackend(source) if self.name.startswith("mediapipe") else PfldBackend(source)

    def __call__(self, crops: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, S, S, 3) uint8 -> points (N, 68, 2) px, NaN where there is no face, and confidence (N, 68)."""
        found: list[Keypoints] = []
        if isinstance(self.backend, PfldBackend):
            for start in range(0, len(crops), 64):
                found += self.backend.find_all(crops[start : start + 64])
        else:
            found += [self.backend.find(crop) for crop in crops]
        points, confidence = (np.stack([getattr(one, name) for one in found]) for name in ("points", "confidence"))
        return torch.from_numpy(points), torch.from_numpy(confidence)


def row(method: Method, data: Data) -> dict[str, float | str]:
    """All figures of a method on a set of faces; faces it does not find count as missed, not as errors."""
    points, confidence = method(data.faces.images)
    target, seen = torch.from_numpy(data.faces.landmarks).double(), torch.isfinite(points).all(dim=(1, 2))
    errors, calibration = LandmarkErrors(), Calibration()
    errors.update(points[seen], target[seen])
    side = data.faces.images.shape[1]
    distance = (points - target).norm(dim=-1)
    inner = slice(0 if data.jaw else 17, None)  # the confidence is about our points
    calibration.update(confidence[seen, inner], distance[seen, inner] < TOLERANCE * side)
    values = {name: float(value) for name, value in errors.compute().items()}
    if isinstance(method.backend, PfldBackend):
        values["calibration"] = float(calibration.compute())
        values |= {f"jitter_{sigma}": noise_jitter(method, data.faces.images, sigma) for sigma in (2, 4)}
        values["jitter_box"] = box_jitter(method, data.faces.images)
    return {"method": method.name, "data": data.name, "faces": len(target), "missed": int((~seen).sum()), **values}


def noise_jitter(method: Method, images: np.ndarray, sigma: float) -> float:
    """Jitter in percent under sensor noise of `sigma` grey levels."""
    random, still = np.random.default_rng(0), images[::STILL].astype(np.float32)
    looks = [still + random.normal(0, sigma, still.shape) for _ in range(LOOKS)]
    points = [method(np.clip(np.rint(look), 0, 255).astype(np.uint8))[0] for look in looks]
    return float(point_jitter(torch.stack(points)).mean())


def box_jitter(method: Method, images: np.ndarray) -> float:
    """Jitter in percent when the crop's box trembles by 0.5 % of its side in place and size, as no tracker should."""
    random, still, side = np.random.default_rng(0), images[::STILL], images.shape[1]
    back = []
    for _ in range(LOOKS):
        zoom, shift = 1 + random.normal(0, 0.005), random.normal(0, 0.005, 2) * side
        matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
        moved = [cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE) for image in still]
        back.append((method(np.stack(moved))[0] - torch.from_numpy(shift)) / zoom)
    return float(point_jitter(torch.stack(back)).mean())


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["pfld=shipped"], help="NAME=WEIGHTS, mediapipe=FILE.task")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--real", default=None)
    parser.add_argument("--cache", default=".cache")
    parser.add_argument("--out", type=Path, default=HERE / "results.csv")
    args = parser.parse_args()
    sets = [*rendered(args.people, args.cache), *(real(args.real, args.cache) if args.real else ())]
    about = environment(0)
    state = {"seed": "0", "commit": str(about["commit"]["id"])[:10], "torch": about["versions"]["torch"]}
    rows = []
    for spec in args.methods:
        method = Method(spec)
        for data in sets:
            rows.append(rounded(row(method, data)) | state)
            print(rows[-1], flush=True)
        method.backend.close()
    write_bytes(args.out, as_csv(rows).encode())


if __name__ == "__main__":
    main()
