"""What the flow branch is worth: the main job with and without it, equal steps, three seeds.

    python experiments/flow_branch/run.py

Trains what is not trained yet under runs/flow_branch/ and writes results.csv beside this file.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from faceimit.tracking.cli import run_command
from faceimit.tracking.experiments import metrics, stamp, trained
from faceimit.tracking.files import write_text
from faceimit.tracking.results import as_csv, rounded

HERE = Path(__file__).parent
RUNS = HERE.parents[1] / "runs" / "flow_branch"
SEEDS = (0, 1, 2)
NAMES = ("F1", "E_n", "E_l_near", "E_l_matched", "correlation", "mse")
BUDGET = ["budget.clips={train: 32, val: 8, test: 16}", "budget.epochs=3", "budget.minutes=null", "data.steps=30"]


def main() -> int:
    """The command; its arguments are further overrides of every training."""
    return run_command(command)


def command(more: Sequence[str]) -> None:
    """Train, collect, write."""
    rows = []
    for seed in SEEDS:
        for flow, variant in ((True, "with flow"), (False, "without flow")):
            rows.append(rounded({"variant": variant} | metrics_of(flow, seed, more)) | stamp(seed))
    table = HERE / "results.csv"
    write_text(table, as_csv(rows))
    print(table)


def metrics_of(flow: bool, seed: int, more: Sequence[str]) -> dict[str, float]:
    """Test metrics of one run, which is trained if it is not there."""
    words = ["experiment=keyframe_multitask", "profile=cpu", "logger=none", *BUDGET]
    words += [f"task.flow={str(flow).lower()}", f"seed={seed}", "data.seed=0", *more]
    found = metrics(trained(words, RUNS / f"{'flow' if flow else 'appearance'}-{seed}"))
    return {name: found[f"test/{name}"] for name in NAMES}


if __name__ == "__main__":
    sys.exit(main())
