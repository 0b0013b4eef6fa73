"""What each part of the keyframe network and its training is worth: one thing changed at a time, equal steps.

    python experiments/ablations/run.py                              # the whole grid
    python experiments/ablations/run.py --variants base causal --seeds 0 1 2

A variant that is finished is not trained again; runs are under runs/ablations, results.csv is written after each one.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from faceimit.metrics.flow import EndPointError
from faceimit.tracking.checkpoints import load_task
from faceimit.tracking.cli import CommandParser, run_command
from faceimit.tracking.experiments import Job, Row, chosen, metrics, perform, png, stamp, trained
from faceimit.tracking.files import write_bytes
from faceimit.tracking.runs import saved_config
from faceimit.tracking.schema import build

HERE = Path(__file__).parent
RUNS = HERE.parents[1] / "runs" / "ablations"
SHOWN = ("F1", "E_n", "E_l_ordinal", "E_l_matched", "E_l_near", "correlation", "mse")
EVERY = 10  # frames from one pair to the next on which the flow is measured


class Variant(NamedTuple):
    """One thing changed: the group it belongs to, its name, and the overrides that make it."""

    group: str
    name: str
    overrides: tuple[str, ...] = ()


BASE = "base"
COLD = ("flow.weights=none", "task.reuse_flow=false")
VARIANTS = (
    Variant("base", BASE),
    Variant("flow scales", "no flow", ("task.flow=false",)),
    Variant("flow scales", "1 scale", ("task.scales=1",)),
    Variant("flow scales", "2 scales", ("task.scales=2",)),
    Variant("flow scales", "no affine rest", ("task.affine=false",)),
    Variant("flow loss", "no flow loss", ("task.ssim=0",)),
    Variant("flow loss", "census", ("task.ssim=0", "task.census=0.1")),
    Variant("flow loss", "SSIM + smoothness", ("task.smoothness=0.02",)),
    Variant("flow loss", "SSIM + occlusion", ("task.occlusion=true",)),
    Variant("flow loss", "SSIM + census + smoothness + occlusion",
            ("task.census=0.1", "task.smoothness=0.02", "task.occlusion=true")),
    Variant("joint or two steps", "two steps", ("task.joint=0",)),
    Variant("joint or two steps", "joint in every batch", ("task.joint_every=1",)),
    Variant("pretraining", "flow from nothing", COLD),
    Variant("pretraining", "flow from nothing, two steps", (*COLD, "task.joint=0")),
    Variant("temporal context", "each frame alone", ("task.kernels=[]", "task.look_ahead=0")),
    Variant("temporal context", "causal", ("task.look_ahead=0",)),
    Variant("temporal context", "single frames", ("task.inputs=frame",)),
    Variant("temporal context", "single frames, no flow", ("task.inputs=frame", "task.flow=false")),
    Variant("score loss", "MSE alone", ("task.slope=0", "task.velocity=0")),
    Variant("backbone", "mobilenet_v3_small", ("task.backbone=mobilenet_v3_small",)),
    Variant("backbone", "resnet18", ("task.backbone=resnet18",)),
    Variant("backbone", "resnet50", ("task.backbone=resnet50",)),
)  # fmt: skip
GROUPS = tuple(dict.fromkeys(variant.group for variant in VARIANTS))
COLOURS = ("#22303c", "#2a9d8f", "#e76f51", "#577590", "#c58b1f", "#8a5a9e", "#6a994e", "#bc4749")


def main() -> int:
    """Train what is not trained yet, write the table and the plot."""
    return run_command(run)


def run(words: Sequence[str]) -> None:
    """The command with its arguments.

    Raises:
        InputError: an unknown variant, an override that does not compose.
    """
    asked = arguments(words)
    jobs = [job(variant, seed, asked) for seed in asked.seeds for variant in VARIANTS]
    chosen((variant.name for variant in VARIANTS), asked.variants)
    jobs.sort(key=lambda one: [variant.name for variant in VARIANTS].index(one.name))
    rows = perform(jobs, asked.runs / "rows", asked.table, asked.variants, compared)
    if rows:
        write_bytes(asked.table.with_suffix(".png"), drawn(rows))
    print(asked.table)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    lines = (__doc__ or "").split("\n\n")
    parser = CommandParser(lines[0], lines[1])
    parser.add_argument("--variants", nargs="+", metavar="NAME", help="these only (default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="of weights, batches and augmentation")
    parser.add_argument("--steps", type=int, default=60, help="training steps of every variant")
    parser.add_argument("--table", type=Path, default=HERE / "results.csv", help="the plot is written beside it")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the runs and the rows done")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="overrides for every variant")
    return parser.parse_args(words)


def overrides(variant: Variant, seed: int, steps: int, more: Sequence[str] = ()) -> list[str]:
    """What ``faceimit.train`` is told; clips and their order are the same for all."""
    return [
        "experiment=keyframe_multitask", "profile=cpu", "logger=none", "budget.clips={train: 32, val: 8, test: 16}",
        "budget.epochs=1", "budget.minutes=null", "trainer.check_val_every_n_epoch=1", "data.seed=0",
        "data.batch_size=4", "data.window=32", f"data.steps={steps}", f"seed={seed}", *variant.overrides, *more,
    ]  # fmt: skip


def job(variant: Variant, seed: int, asked: argparse.Namespace) -> Job:
    """One variant with one seed."""
    words = overrides(variant, seed, asked.steps, asked.set)
    label: Row = {"group": variant.group, "variant": variant.name, "changed": " ".join(variant.overrides)}
    settings = {"overrides": words}

    def make() -> list[Row]:
        run = trained(words, asked.runs / f"{Job(variant.name, settings, list).key}")
        found = metrics(run)
        figures = {name: found[f"test/{name}"] for name in SHOWN if f"test/{name}" in found}
        timing = {"steps": found["fit/steps"], "fit_seconds": found["fit/seconds"]}
        return [label | figures | {"EPE": flow_error(run)} | timing | stamp(seed)]

    return Job(variant.name, settings, make)


def flow_error(run: Path) -> float:
    """Endpoint error in pixels of the flow on test clips, over what is visible; NaN without a flow branch."""
    task = load_task(run / "checkpoints" / "best.ckpt", "faceimit.tasks.keyframe.KeyframeTask").eval()
    corpus = build(saved_config(run)["data"]).corpus("test")
    error = EndPointError()
    if task.net.flow is None:
        return float("nan")
    for clip in (corpus[index] for index in range(len(corpus))):
        at = np.arange(1, len(clip.frames), EVERY)
        frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).float() / 255  # (T, 3, S, S)
        with torch.no_grad():
            found = task.net.flow(frames[at - 1], frames[at])
            flow = task.net.flow.full(found, (frames.shape[-2], frames.shape[-1]))
        error.update(flow, torch.from_numpy(clip.flow[at].astype(np.float32)), torch.from_numpy(~clip.occluded[at]))
    return float(error.compute())


def compared(rows: Sequence[Row]) -> list[Row]:
    """Each row with its difference to the base of the same seed."""
    base = {row["seed"]: row for row in rows if row["variant"] == BASE}

    def difference(row: Row, name: str) -> str | float:
        other = base.get(row["seed"])
        known = other is not None and row[name] != "" and other[name] != ""
        return round(float(row[name]) - float(other[name]), 5) if known else ""

    return [row | {f"{name}_to_base": difference(row, name) for name in ("F1", "correlation")} for row in rows]


def drawn(rows: Sequence[Row]) -> bytes:
    """PNG: correlation and F1 of every variant, a dot a seed, the base as a line."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(str(row["variant"]) for row in rows))
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 0.32 * len(names) + 1.2), sharey=True)
    for axis, metric, title in zip(
        axes, ("F1", "correlation"), ("F1@2", "correlation with the true score"), strict=True
    ):
        for place, name in enumerate(names):
            values = [float(row[metric]) for row in rows if row["variant"] == name and row[metric] != ""]
            colour = COLOURS[GROUPS.index(next(str(row["group"]) for row in rows if row["variant"] == name))]
            axis.plot(values, [place] * len(values), "o", color=colour, markersize=7, alpha=0.8)
        base = [float(row[metric]) for row in rows if row["variant"] == BASE and row[metric] != ""]
        if base:
            axis.axvline(float(np.mean(base)), color="#22303c", linewidth=1, alpha=0.4)
        axis.set(title=title, ylim=(len(names) - 0.5, -0.5))
        axis.grid(axis="x", alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(names)), names)
    return png(figure)


if __name__ == "__main__":
    sys.exit(main())
