"""Grow flow weights for so many minutes of wall clock on a busy machine; stop and go on as you like.

    python experiments/flow_pretraining/pretrain.py --start none --minutes 120 --out runs/flow.safetensors
    python experiments/flow_pretraining/pretrain.py --start shipped --lr 4e-4 --minutes 60 --out runs/flow.safetensors

The terms are those of conf/task/flow.yaml; the learning rate falls along a cosine to the end of the time, and what is
saved is the running mean of the weights. `python -m faceimit.train experiment=flow` is the same job with loggers, exact
resume and a budget in epochs.
"""

import argparse
import math
import os
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from faceimit.data.flow_clips import FlowClips
from faceimit.tasks.flow import FlowTask


def save(weights: dict[str, torch.Tensor], path: Path) -> None:
    """float16 safetensors, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file({name: value.half().contiguous() for name, value in weights.items()}, temporary)
    os.replace(temporary, path)


def grow(task: FlowTask, clips: FlowClips, args: argparse.Namespace) -> None:
    """Train until the time is up; weights every 100 steps."""
    optimizer = torch.optim.AdamW(task.net.parameters(), lr=args.lr, weight_decay=1e-4)
    mean = {name: value.clone() for name, value in task.net.state_dict().items()}
    began, step, smooth = time.monotonic(), 0, None
    while True:
        for batch in clips.train_dataloader():
            done = (time.monotonic() - began) / (60 * args.minutes)
            if done >= 1:
                save(mean, args.out)
                return
            for group in optimizer.param_groups:
                group["lr"] = args.lr * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
            optimizer.zero_grad()
            loss = task.training_step(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(task.net.parameters(), 1.0)
            optimizer.step()
            step += 1
            keep = min(0.998, (step + 1) / (step + 10))
            for name, value in task.net.state_dict().items():
                mean[name].lerp_(value, 1 - keep)
            smooth = float(loss.detach()) if smooth is None else 0.98 * smooth + 0.02 * float(loss.detach())
            if step % 100 == 0:
                save(mean, args.out)
                print(f"{time.monotonic() - began:.0f} s, step {step}, loss {smooth:.4f}", flush=True)


def main() -> None:
    """Render what is missing, then train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", default="none", help="none, shipped or a safetensors file")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--lr", type=float, default=8e-4)
    parser.add_argument("--ssim", type=float, default=0.3)
    parser.add_argument("--census", type=float, default=1.0)
    parser.add_argument("--smoothness", type=float, default=0.02)
    parser.add_argument("--supervised", type=float, default=0.0, help="also exact flow of the training clips")
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--people", type=int, default=120)
    parser.add_argument("--extra", nargs="*", default=[], help="folders of clip files of real faces")
    parser.add_argument("--cache", default=".cache/flow")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    counts = {"train": args.clips, "val": 0, "test": 0}
    exact = args.supervised > 0
    clips = FlowClips(
        args.cache,
        counts,
        frames=40,
        batch_size=4,
        seed=args.seed,
        with_flow=exact,
        people=args.people,
        extra=args.extra,
    )
    clips.setup("fit")
    terms = {"ssim": args.ssim, "census": args.census, "smoothness": args.smoothness, "supervised": args.supervised}
    grow(FlowTask(**terms, weights=args.start), clips, args)


if __name__ == "__main__":
    main()
