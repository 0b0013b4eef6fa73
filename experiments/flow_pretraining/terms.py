"""Which loss terms help: the same network, data, seed and number of steps for each set of terms -> terms.csv.

    python experiments/flow_pretraining/terms.py --steps 300 --start none

EPE on rendered validation people; `--start FILE` compares them as a continuation of trained weights.
"""

import argparse
import csv
import os
import time
from pathlib import Path

import numpy as np
import torch
from compare import GAPS, Truth, errors, pairs

from faceimit.data.flow_clips import FlowClips
from faceimit.data.synthetic.generate import prepare
from faceimit.tasks.flow import FlowTask, rate

HERE = Path(__file__).parent
VARIANTS: dict[str, dict[str, float | bool]] = {
    "ssim only": {"ssim": 1.0, "known_warp": 0.0, "smoothness": 0.0},
    "ssim + smoothness + occlusion": {"ssim": 1.0, "known_warp": 0.0, "smoothness": 0.02, "occlusion": True},
    "census + smoothness + occlusion": {
        "ssim": 0.0, "census": 1.0, "known_warp": 0.0, "smoothness": 0.02, "occlusion": True,
    },
    "known warp only": {"ssim": 0.0, "known_warp": 1.0, "smoothness": 0.0},
    "known warp + ssim": {"ssim": 1.0, "known_warp": 1.0, "smoothness": 0.0},
    "known warp + ssim + smoothness": {"ssim": 1.0, "known_warp": 1.0, "smoothness": 0.02},
    "known warp + ssim + smoothness + occlusion": {
        "ssim": 1.0, "known_warp": 1.0, "smoothness": 0.02, "occlusion": True,
    },
    "supervised by exact flow (reference)": {"ssim": 0.0, "known_warp": 0.0, "smoothness": 0.0, "supervised": 1.0},
}  # fmt: skip


def measure(task: FlowTask, data: dict[tuple[str, int], list[Truth]]) -> dict[str, float]:
    """EPE of each kind of clip and gap, px."""
    task.eval()

    def flow(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return task(*(torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255 for x in (previous, current))).numpy()

    return {f"{kind} gap {gap}": errors(flow, items)["all"] for (kind, gap), items in data.items()}


def trained(terms: dict[str, float | bool], data: FlowClips, args: argparse.Namespace) -> FlowTask:
    """One network after `steps` steps."""
    torch.manual_seed(args.seed)
    task = FlowTask(**terms, crop=args.crop, weights=args.start, lr=args.lr)
    optimizer = torch.optim.AdamW(task.net.parameters(), lr=args.lr, weight_decay=1e-4)
    step = 0
    while step < args.steps:
        for batch in data.train_dataloader():
            for group in optimizer.param_groups:
                group["lr"] = args.lr * rate(step, 50, args.steps)
            optimizer.zero_grad()
            task.training_step(batch).backward()
            torch.nn.utils.clip_grad_norm_(task.net.parameters(), 1.0)
            optimizer.step()
            step += 1
            if step == args.steps:
                break
    return task


def main() -> None:
    """Write terms.csv, a row a set of terms as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", default=".cache/flow")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--start", default="none")
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--lr", type=float, default=8e-4)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=HERE / "terms.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    counts = {"train": args.clips, "val": 0, "test": 0}
    clips = FlowClips(args.cache, counts, frames=40, window=5, batch_size=4, with_flow=True, people=args.people)
    clips.setup("fit")
    data = {}
    for kind, clean in (("noisy", False), ("noise-free", True)):
        paths = prepare(args.cache, "val", 6, 0, frames=60, size=128, flow=True, clean=clean)
        data |= {(kind, gap): list(pairs(paths, gap, 6)) for gap in GAPS}
    rows: list[dict[str, object]] = []
    for name in args.variants:
        began = time.process_time()
        task = trained(VARIANTS[name], clips, args)
        seconds = time.process_time() - began
        numbers = {k: f"{v:.4f}" for k, v in measure(task, data).items()}
        facts = {
            "start": Path(args.start).stem,
            "steps": args.steps,
            "cpu_seconds": f"{seconds:.0f}",
            "seed": args.seed,
        }
        rows.append({"terms": name} | numbers | facts)
        print(rows[-1], flush=True)
        temporary = args.out.with_suffix(".tmp")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        os.replace(temporary, args.out)


if __name__ == "__main__":
    main()
