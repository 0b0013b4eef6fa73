"""Errors of the mapping network and of the simpler routes, control by control: results.csv and summary.csv.

    python experiments/control_mapping/compare.py [--model face_landmarker.task] [--real FOLDER]

The virtual robot and the people are rendered on first use (conf/data/ameca_virtual.yaml with the numbers below), the
same as experiment=control_mapping trains on. Real people (conf/data/real.yaml) are measured against MediaPipe's own
answers, so the routes that start from those have no row there.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from routes import Route, Rows, constant_known, geometric, mediapipe, network, neutral, own_neutral, ridge

from faceimit.data.virtual_pairs import VirtualPairs
from faceimit.errors import InputError
from faceimit.face.controls import CONTROLS, NAMES, PARTS
from faceimit.metrics.control import ControlErrors
from faceimit.tracking.environment import environment
from faceimit.tracking.files import write_text
from faceimit.tracking.results import as_csv, rounded

HERE = Path(__file__).parent
UNSEEN = [f"liveportrait_{name}" for name in ("d20", "s32")]
UNSEEN += [f"vexpress_{name}" for name in ("3", "5", "7", "10", "11", "12", "13", "15", "17", "l2", "l3", "l4")]
OURS = "mapper"
OF_PICTURES = (OURS, "neutral")  # routes that need nothing of MediaPipe's, whose answers are the truth of real people


def measured(route: Route, rows: Rows) -> tuple[np.ndarray, dict[str, float]]:
    """Normalised error of each control (30,) and the figures over all of them."""
    values, target = torch.from_numpy(np.array(route(rows))), torch.from_numpy(rows["controls"])
    known = torch.ones(values.shape, dtype=torch.bool)
    known[:, list(PARTS["gaze"])] = torch.from_numpy(rows["gaze_known"])[:, None]
    errors = ControlErrors()
    errors.update(values, target, known)
    return errors.by_control().numpy(), {name: float(value) for name, value in errors.compute().items()}


def routes(data: VirtualPairs, weights: str, model: str | None) -> tuple[dict[str, Route], dict[str, str]]:
    """Routes by name, and why others are missing."""
    train, val = data.part("train").arrays, data.rows("val").arrays
    makers: dict[str, Callable[[], Route]] = {
        OURS: lambda: network(weights),
        "neutral": neutral,
        "ridge_landmarks": lambda: ridge(train, val),
        "geometric": geometric,
        "mediapipe_retargeted": lambda: mediapipe(model),
    }
    found, skipped = {}, {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except InputError as error:
            skipped[name] = str(error)
            print(f"{name} skipped: {error}")
    return found, skipped


def main() -> None:
    """Measure every route on every set and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="shipped", help="of the mapping network: shipped or a .safetensors file")
    parser.add_argument("--model", help="MediaPipe's face_landmarker.task; without one its row is skipped")
    parser.add_argument("--real", help="folder of annotated real clips; without one their rows are missing")
    parser.add_argument("--names", nargs="+", default=UNSEEN, help="real clips to measure on, unseen in training")
    parser.add_argument("--cache", type=Path, default=Path(".cache/virtual"), help="folder of the rendered pairs")
    parser.add_argument("--train", type=int, default=480, help="training sequences")
    parser.add_argument("--frames", type=int, default=12, help="moments of a sequence")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    counts = {"train": arguments.train, "val": 30, "test": 60}
    real = {"real": arguments.real, "real_names": {"test": arguments.names}, "real_cache": ".cache/real"}
    data = VirtualPairs(str(arguments.cache), counts, arguments.frames, seed=arguments.seed, **real)
    found, skipped = routes(data, arguments.weights, arguments.model)

    stamp = environment(arguments.seed)
    stamp = {"seed": stamp["seed"], "commit": stamp["commit"]["id"] or "", "torch": stamp["versions"]["torch"]}
    table = [{"control": control.name, "part": control.part} for control in CONTROLS]
    summary = []
    for name in data.test_sets:
        rows = data.part(f"test/{name}").arrays
        own = {}
        if name in ("human", "real"):
            own["mapper_constant_known"] = constant_known(arguments.weights)
        if name == "human":
            own["mapper_own_neutral"] = own_neutral(arguments.weights, arguments.seed)
        shown = {route: found[route] for route in OF_PICTURES} if name == "real" else found
        for route, predict in (shown | own).items():
            errors, figures = measured(predict, rows)
            for line, error in zip(table, errors, strict=True):
                line[f"{route}_{name}"] = float(error)
            summary.append({"route": route, "set": name, "frames": float(len(rows["domain"]))} | figures)
            print(f"{name:6} {route:22}" + "  ".join(f"{k} {v:.4f}" for k, v in figures.items()), flush=True)
    table.sort(key=lambda line: -line[f"{OURS}_robot"])
    assert {line["control"] for line in table} == set(NAMES)
    lines = [rounded(line) | {"skipped": "", **stamp} for line in summary]
    lines += [dict.fromkeys(lines[0], "") | {"route": name, "skipped": why, **stamp} for name, why in skipped.items()]
    write_text(HERE / "results.csv", as_csv([rounded(line) for line in table]))
    write_text(HERE / "summary.csv", as_csv(lines))


if __name__ == "__main__":
    main()
