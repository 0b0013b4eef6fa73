"""EPE of our flow beside Farneback's and DIS's on rendered faces of unseen people: results.csv and a picture.

    python experiments/flow_pretraining/compare.py --cache .cache/flow --clips 12

The classical methods choose their settings on the validation people, each frame gap for itself.
"""

import argparse
import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from faceimit.data.clipfile import load_clip
from faceimit.data.synthetic.generate import RENDERER_VERSION, prepare
from faceimit.metrics.classical_flow import dis, farneback, flow_of_pairs
from faceimit.metrics.flow import EndPointError
from faceimit.metrics.flow_chain import chained_flow
from faceimit.nets.fastflownet import FastFlowNet, load_flow_weights

GAPS = (1, 2, 4)
HERE = Path(__file__).parent
Method = Callable[[np.ndarray, np.ndarray], np.ndarray]  # two (N, S, S, 3) uint8 -> (N, 2, S, S) px
Truth = dict[str, np.ndarray | torch.Tensor]


def pairs(paths: list[Path], gap: int, every: int) -> Iterator[Truth]:
    """Frame pairs of each clip with exact flow and the pixels that count."""
    for path in paths:
        clip = load_clip(path, with_flow=True)
        assert clip.flow is not None
        assert clip.occluded is not None
        flow, visible = chained_flow(
            torch.from_numpy(clip.flow.astype(np.float32)), torch.from_numpy(clip.occluded), gap
        )
        yield {
            "previous": clip.frames[:-gap][::every],
            "current": clip.frames[gap:][::every],
            "flow": flow[::every],
            "visible": visible[::every],
        }


def classical() -> dict[str, dict[str, Method]]:
    """Settings that Farneback and DIS may choose from."""
    fb = {f"window {w}, poly {n}": farneback(w, n, s) for w in (9, 13, 17, 21, 27, 35) for n, s in ((5, 1.1), (7, 1.5))}
    search = {f"{p}, blur {b}": dis(p, b) for p in ("fast", "medium") for b in (0.0, 0.7, 1.2, 2.0, 3.0)}
    bind = {"farneback": fb, "dis": search}
    return {
        name: {k: (lambda a, b, m=m: flow_of_pairs(m, a, b)) for k, m in some.items()} for name, some in bind.items()
    }


def network(weights: str) -> Method:
    """Our network as a method."""
    net = load_flow_weights(FastFlowNet(), weights).eval().to(memory_format=torch.channels_last)

    def flow(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
        out = []
        with torch.inference_mode():
            for start in range(0, len(previous), 16):
                a, b = (
                    torch.from_numpy(x[start : start + 16]).permute(0, 3, 1, 2).float() / 255
                    for x in (previous, current)
                )
                out.append(net.full(net(a, b), (a.shape[-2], a.shape[-1])))
        return torch.cat(out).numpy()

    return flow


def still(previous: np.ndarray, _: np.ndarray) -> np.ndarray:
    """Nothing moves."""
    return np.zeros((len(previous), 2, *previous.shape[1:3]), np.float32)


def errors(method: Method, data: list[Truth]) -> dict[str, float]:
    """EPE in px over all visible pixels and over those that move more than half a pixel."""
    total, moving = EndPointError(), EndPointError()
    for item in data:
        flow = torch.from_numpy(method(item["previous"], item["current"]))
        total.update(flow, item["flow"], item["visible"])
        moving.update(flow, item["flow"], item["visible"] & (item["flow"].norm(dim=1) > 0.5))
    return {"all": float(total.compute()), "moving": float(moving.compute())}


def best_setting(settings: dict[str, Method], data: list[Truth]) -> str:
    """The setting of least EPE."""
    return min(settings, key=lambda name: errors(settings[name], data)["all"])


def rows(args: argparse.Namespace) -> list[dict[str, object]]:
    """One row a method, gap and kind of clip."""
    out = []
    ours = {name: network(path) for name, path in (pair.split("=", 1) for pair in args.net)}
    for clean in (False, True):
        kind = "noise-free" if clean else "noisy"
        common = {"frames": args.frames, "size": 128, "flow": True, "clean": clean}
        tuning = prepare(args.cache, "val", args.clips, args.seed, **common)
        testing = prepare(args.cache, args.split, args.clips, args.seed, **common)
        for gap in GAPS:
            held = list(pairs(tuning, gap, args.every * 2))
            data = list(pairs(testing, gap, args.every))
            methods = {"still": ("", still)} | {name: (args.weights_note, method) for name, method in ours.items()}
            for name, settings in classical().items():
                chosen = best_setting(settings, held)
                methods[name] = (chosen, settings[chosen])
            for name, (setting, method) in methods.items():
                row = {"method": name, "clips": kind, "gap": gap, "setting": setting} | errors(method, data)
                out.append(row)
                print(row, flush=True)
    return out


def save(table: list[dict[str, object]], path: Path, extra: dict[str, object]) -> None:
    """CSV, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*table[0], *extra], lineterminator="\n")
        writer.writeheader()
        for row in table:
            numbers = {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()}
            writer.writerow(numbers | extra)
    os.replace(temporary, path)


def ratio_table(table: list[dict[str, object]], name: str = "ours") -> str:
    """Markdown: EPE of each method, and ours over the better classical one."""
    cells: dict[tuple, dict] = defaultdict(dict)
    for row in table:
        for pixels in ("all", "moving"):
            cells[(row["clips"], row["gap"], pixels)][row["method"]] = row[pixels]
    methods = list(dict.fromkeys(row["method"] for row in table))
    lines = [
        f"| clips | gap | pixels | {' | '.join(methods)} | {name} / best classical |",
        "|---" * (len(methods) + 4) + "|",
    ]
    for (clips, gap, pixels), cell in cells.items():
        share = cell[name] / min(cell["farneback"], cell["dis"]) if name in cell else float("nan")
        numbers = " | ".join(f"{cell[m]:.3f}" for m in methods)
        lines.append(f"| {clips} | {gap} | {pixels} | {numbers} | {share:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Write results.csv beside this file and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", default=".cache/flow")
    parser.add_argument("--clips", type=int, default=12, help="clips of each kind")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--every", type=int, default=2, help="measure every n-th pair")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", default="test")
    parser.add_argument("--net", nargs="*", default=["ours=shipped"], help="name=weights: shipped, none or a file")
    parser.add_argument("--weights-note", default="")
    parser.add_argument("--out", type=Path, default=HERE / "results.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = rows(args)
    from faceimit.tracking.environment import environment

    facts = environment(args.seed)
    extra = {"split": args.split, "clip_count": args.clips, "seed": args.seed, "renderer": RENDERER_VERSION}
    extra |= {"commit": facts["commit"]["id"][:10], "torch": torch.__version__, "opencv": cv2.__version__}
    save(table, args.out, extra)
    print(ratio_table(table))


if __name__ == "__main__":
    main()
