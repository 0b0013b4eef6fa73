"""What the flow branch is worth: the main job with and without it, equal steps, three seeds.

    python experiments/flow_branch/run.py

Trains what is not trained yet under runs/flow_branch/ and writes results.csv beside this file.
"""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RUNS = HERE.parents[1] / "runs" / "flow_branch"
SEEDS = (0, 1, 2)
NAMES = ("F1", "E_n", "E_l_near", "E_l_matched", "correlation", "mse")
BUDGET = ["budget.clips={train: 32, val: 8, test: 16}", "budget.epochs=3", "budget.minutes=null", "data.steps=30"]


def main() -> None:
    """Train, collect, write."""
    rows = []
    for seed in SEEDS:
        for flow, variant in ((True, "with flow"), (False, "without flow")):
            rows.append({"variant": variant, "seed": seed} | metrics_of(flow, seed))
    text = io.StringIO()
    writer = csv.DictWriter(text, ["variant", "seed", *NAMES], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    (HERE / "results.csv").write_text(text.getvalue())
    print(text.getvalue(), HERE / "results.csv", sep="\n")


def metrics_of(flow: bool, seed: int) -> dict[str, float]:
    """Test metrics of one run, which is trained if it is not there."""
    folder = RUNS / f"{'flow' if flow else 'appearance'}-{seed}"
    if not (folder / "metrics.json").is_file():
        command = [sys.executable, "-m", "faceimit.train", "experiment=keyframe_multitask", "profile=cpu", *BUDGET]
        command += [f"task.flow={str(flow).lower()}", f"seed={seed}", "data.seed=0", f"run_dir={folder}", "logger=none"]
        subprocess.run([*command, *sys.argv[1:]], check=True)
    metrics = json.loads((folder / "metrics.json").read_text())
    return {name: metrics[f"test/{name}"] for name in NAMES}


if __name__ == "__main__":
    main()
