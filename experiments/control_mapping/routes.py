"""Routes from pictures to 30 control values that are compared with the mapping network."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from faceimit.data.annotators.landmarker import Landmarker
from faceimit.data.synthetic.robot_pairs import rest_pictures, sequence_seeds
from faceimit.errors import InputError
from faceimit.face.controls import HIGH, LOW, NEUTRAL
from faceimit.face.pose import pose_from_rotation
from faceimit.face.retargeting import to_controls
from faceimit.nets.mapper import load_mapper
from faceimit.robot.geometric import GeometricMapper
from faceimit.robot.personal import bias
from faceimit.robot.profile import load_profile

Rows = Mapping[str, np.ndarray]  # arrays of faceimit.data.virtual_pairs.PairRows
Route = Callable[[Rows], np.ndarray]  # rows -> (N, 30) values in the table's units
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


def network(weights: str) -> Route:
    """Our mapping network."""
    net = load_mapper(weights)

    def route(rows: Rows) -> np.ndarray:
        with torch.inference_mode():
            pictures = torch.from_numpy(rows["images"]).permute(0, 3, 1, 2)
            return np.concatenate([net.values(part).double().numpy() for part in pictures.split(32)])

    return route


def own_neutral(weights: str, seed: int) -> Route:
    """Our mapping network less what it reads from the same person at rest, as ``faceimit-deploy --calibrate`` does.

    The resting face is seen in other light, before another background. Rows are of the test split.
    """
    read = network(weights)

    def route(rows: Rows) -> np.ndarray:
        values = read(rows)
        seeds = sequence_seeds("test", int(rows["sequence"].max()) + 1, seed)
        for sequence in np.unique(rows["sequence"]):
            mine = rows["sequence"] == sequence
            rest = read({"images": rest_pictures(seeds[sequence], size=rows["images"].shape[1])})
            values[mine] = np.clip(values[mine] - bias(rest, NEUTRAL), LOW, HIGH)
        return values

    return route


def constant_known(weights: str) -> Route:
    """Our mapping network less its mean error on each sequence, which nobody can know: what a constant accounts for."""
    read = network(weights)

    def route(rows: Rows) -> np.ndarray:
        values = read(rows)
        for sequence in np.unique(rows["sequence"]):
            mine = rows["sequence"] == sequence
            values[mine] -= (values[mine] - rows["controls"][mine]).mean(axis=0)
        return values

    return route


def neutral() -> Route:
    """The robot that never moves."""
    return lambda rows: np.tile(NEUTRAL, (len(rows["images"]), 1))


def ridge(train: Rows, val: Rows) -> Route:
    """Linear in the 68 exact landmarks, its penalty chosen on validation."""
    x, y = _points(train), train["controls"].astype(np.float64)
    mean, scale, centre = x.mean(0), x.std(0) + 1e-9, y.mean(0)
    left, spread, right = np.linalg.svd((x - mean) / scale, full_matrices=False)

    def fitted(penalty: float) -> Route:
        weights = right.T @ ((spread / (spread**2 + penalty * len(x)))[:, None] * (left.T @ (y - centre)))
        return lambda rows: (_points(rows) - mean) / scale @ weights + centre

    spans = y.std(0) + 1e-9
    errors = [np.abs((fitted(p)(val) - val["controls"]) / spans).mean() for p in RIDGES]
    return fitted(RIDGES[int(np.argmin(errors))])


def _points(rows: Rows) -> np.ndarray:
    """(N, 136) landmarks as shares of the side."""
    return rows["landmarks"].reshape(len(rows["landmarks"]), -1).astype(np.float64) / rows["images"].shape[1]


def geometric() -> Route:
    """Alpha and offset of the profile of the virtual robot on the exact landmarks, sequence by sequence."""
    profile = load_profile("virtual")

    def route(rows: Rows) -> np.ndarray:
        found = np.tile(NEUTRAL, (len(rows["images"]), 1))
        for at in by_sequence(rows):
            try:
                found[at] = GeometricMapper(profile).controls(rows["landmarks"][at], fps=10.0)
            except InputError:  # a sequence without a single frame that can be measured stays neutral
                continue
        return found

    return route


def mediapipe(model: str | None) -> Route:
    """MediaPipe's blendshapes and pose through the retargeting matrix; neutral where it sees no face.

    Raises:
        InputError: MediaPipe or its model file is missing.
    """
    landmarker = Landmarker(None if model is None else Path(model))

    def route(rows: Rows) -> np.ndarray:
        found = np.tile(NEUTRAL, (len(rows["images"]), 1))
        for at in by_sequence(rows):
            landmarker.start()
            for frame, i in enumerate(at):
                faces = landmarker.look(rows["images"][i], frame / 10.0)
                if faces:
                    pose = pose_from_rotation(np.asarray(faces[0].matrix, dtype=np.float64)[:3, :3])
                    found[i] = to_controls(faces[0].blendshapes, pose)
        landmarker.close()
        return found

    return route


def by_sequence(rows: Rows) -> list[np.ndarray]:
    """Row numbers of each sequence and domain, in order of time."""
    key = rows["sequence"] * 2 + rows["domain"]
    return [np.flatnonzero(key == one) for one in np.unique(key)]
