"""The seed paper's Table 1 with our means: ResNet-50 alone, frame difference, ResNet-50 with flow (proposed).

    python experiments/table1/run.py                                             # rendered faces
    python experiments/table1/run.py --data real --root FOLDER                   # real clips, conf/data/real.yaml
    python experiments/table1/run.py --data voxceleb --root /data/VoxCeleb2 --set data.processes=16

Networks get equal steps on equal clips; what is trained is not trained again (runs/table1). Rows of other data stay in
results.csv.
"""

import argparse
import csv
import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from faceimit.errors import InputError
from faceimit.evaluate import evaluate
from faceimit.tracking.cli import CommandParser, run_command
from faceimit.tracking.config import composed, plain
from faceimit.tracking.experiments import Row, png, stamp, trained
from faceimit.tracking.files import write_bytes, write_text
from faceimit.tracking.results import as_csv

HERE = Path(__file__).parent
RUNS = HERE.parents[1] / "runs" / "table1"
CORPORA = ("voxceleb", "300vw", "caer")
DATA = ("rendered", "real", *CORPORA)
CONF = {"rendered": "synthetic"}  # where conf/data has another name
# E_n and E_l that the paper reports for its proposed network. Its clips and the pairing behind its E_l are not known.
PUBLISHED = {"voxceleb": (3.24, 0.640), "300vw": (3.74, 0.759), "caer": (3.85, 0.852)}
BESIDE = {"rendered": "voxceleb", "real": "voxceleb"}  # shown beside data that the paper did not measure
NETWORKS: dict[str, tuple[str, ...]] = {
    "resnet50": ("experiment=keyframe_resnet50",),
    "proposed": ("experiment=keyframe_multitask", "task.backbone=resnet50", "task.lr=1e-3"),
    "proposed_compact": ("experiment=keyframe_multitask",),
}
SHIPPED = "proposed_shipped"
METHODS = ("frame_difference", "blurred_difference", "farneback_affine")
LOCATIONS = ("E_l_ordinal", "E_l_matched", "E_l_near")
COLUMNS = ("E_n", "E_n_100", *LOCATIONS, "F1", "precision", "recall", "correlation")


def main() -> int:
    """Train what is not trained yet, measure, write the table and the plot."""
    return run_command(run)


def run(words: Sequence[str]) -> None:
    """The command with its arguments.

    Raises:
        InputError: no root for data that needs one, an override that does not compose.
    """
    asked = arguments(words)
    if asked.data != "rendered" and asked.root is None:
        raise InputError(f"data {asked.data} lies somewhere on this machine, try --data {asked.data} --root FOLDER")
    runs = {name: trained_network(name, asked) for name in asked.networks}
    found = measured(runs, asked)
    rows = [row(each, asked) for each in found]
    kept = [each for each in read(asked.table) if each["data"] != asked.data]
    rows = filled_up(sorted([*kept, *rows], key=lambda each: DATA.index(str(each["data"]))))
    write_text(asked.table, as_csv(rows))
    write_bytes(asked.table.with_suffix(".png"), drawn(rows))
    print(asked.table)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    lines = (__doc__ or "").split("\n\n")
    parser = CommandParser(lines[0], lines[1])
    parser.add_argument("--data", choices=DATA, default="rendered", help="what is tested on (default: rendered)")
    parser.add_argument("--root", help="folder of the data; rendered faces need none")
    parser.add_argument("--train-on", choices=("rendered", "same"), help="default: rendered for rendered and real")
    parser.add_argument("--networks", nargs="*", choices=list(NETWORKS), default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), metavar="NAME", help="classical methods")
    parser.add_argument("--steps", type=int, default=40, help="training steps of every network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", type=Path, default=HERE / "results.csv", help="the plot is written beside it")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the runs")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="overrides of faceimit.train")
    asked = parser.parse_args(words)
    asked.train_on = asked.train_on or ("same" if asked.data in CORPORA else "rendered")
    return asked


def trained_network(name: str, asked: argparse.Namespace) -> Path:
    """Run folder of a network; one budget, one set of clips and one seed for all."""
    data = asked.data if asked.train_on == "same" else "rendered"
    words = [
        *NETWORKS[name], "profile=cpu", "logger=none", "test=false", "budget.clips={train: 32, val: 8, test: 16}",
        "budget.epochs=1", "budget.minutes=null", "trainer.check_val_every_n_epoch=1",
        *data_words(data, asked.root), "data.window=24", "data.batch_size=4", f"data.steps={asked.steps}",
        f"seed={asked.seed}", "task.size=64", "task.dropout=0.3", *asked.set,
    ]  # fmt: skip
    key = hashlib.sha256(" ".join(words).encode()).hexdigest()[:12]
    print(f"{name}: {' '.join(words)}", flush=True)
    return trained(words, asked.runs / f"{name}-{data}-{key}")


def data_words(data: str, root: str | None) -> list[str]:
    """The overrides that choose the data."""
    return [f"data={CONF.get(data, data)}", *([] if data == "rendered" else [f"data.root={root}"])]


def measured(runs: Mapping[str, Path], asked: argparse.Namespace) -> list[dict[str, str]]:
    """Rows of ``faceimit.evaluate``: search parameters from the validation split, errors of the test split."""
    others = [f"+others.{name}={folder / 'checkpoints' / 'best.ckpt'}" for name, folder in runs.items()]
    shared = [word for word in asked.set if word.split(".")[0].split("=")[0] in {"data", "budget", "cache"}]
    folder = asked.runs / f"evaluation-{asked.data}"
    words = [
        "checkpoint=none", *others, f"+others.{SHIPPED}=shipped", "budget.clips={train: 32, val: 8, test: 16}",
        f"methods=[{','.join(asked.methods)}]", *data_words(asked.data, asked.root), f"out={folder}", "plots=0",
        *shared,
    ]  # fmt: skip
    return read(evaluate(plain(composed(words, "evaluate"))) / "results.csv")


def row(found: Mapping[str, str], asked: argparse.Namespace) -> Row:
    """A row of the table: what was measured, what the paper published, the difference."""
    method = found["method"]
    ours = {name: float(found[name]) if found[name] else "" for name in COLUMNS}
    training = {"trained_on": "", "steps": ""}
    if method in NETWORKS:
        name = asked.data if asked.train_on == "same" else "rendered"
        training = {"trained_on": name, "steps": str(asked.steps)}
    return {"data": asked.data, "method": method, **training, **ours, **published(method, ours, asked.data)} | stamp(
        asked.seed
    )


def published(method: str, ours: Mapping[str, str | float], data: str) -> Row:
    """The paper's figures where we can back them (its proposed network), and ours less the paper's."""
    names = ("published_on", "published_E_n", "published_E_l", "delta_E_n", *(f"delta_{name}" for name in LOCATIONS))
    if not method.startswith("proposed"):
        return dict.fromkeys(names, "")
    corpus = BESIDE.get(data, data)
    number, location = PUBLISHED[corpus]
    theirs = (number, *(location for _ in LOCATIONS))
    deltas = [_less(ours[name], value) for name, value in zip(("E_n", *LOCATIONS), theirs, strict=True)]
    return dict(zip(names, (corpus, number, location, *deltas), strict=True))


def _less(value: str | float, other: float) -> str | float:
    return "" if isinstance(value, str) else round(value - other, 4)


def read(table: Path) -> list[dict[str, str]]:
    """Rows of a CSV file; none if there is no such file."""
    if not table.is_file():
        return []
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def filled_up(rows: Sequence[Mapping[str, str | float]]) -> list[Row]:
    """Rows that all have every column."""
    columns = dict.fromkeys(name for each in rows for name in each)
    return [{name: each.get(name, "") for name in columns} for each in rows]


def drawn(rows: Sequence[Mapping[str, str | float]]) -> bytes:
    """PNG: E_n, E_l of the hits and F1 of every method, a row of bars a data set."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    sets = list(dict.fromkeys(str(each["data"]) for each in rows))
    figure, axes = pyplot.subplots(len(sets), 3, figsize=(11, 2.9 * len(sets)), squeeze=False)
    titles = {"E_n_100": "E_n a 100 frames (lower is better)", "E_l_near": "E_l of the hits, frames", "F1": "F1@2"}
    for line, data in zip(axes, sets, strict=True):
        shown = [each for each in rows if each["data"] == data]
        names = [str(each["method"]).replace("_", " ") for each in shown]
        for axis, (metric, title) in zip(line, titles.items(), strict=True):
            values = [float(each[metric]) if each[metric] != "" else np.nan for each in shown]
            colours = ["#2a9d8f" if name.startswith("proposed") else "#b8c4cc" for name in names]
            axis.barh(range(len(names)), values, color=colours)
            axis.set_yticks(range(len(names)), names if metric == "E_n_100" else [""] * len(names))
            axis.invert_yaxis()
            axis.set_title(f"{data}: {title}", fontsize=9)
            axis.spines[["top", "right"]].set_visible(False)
            for place, value in enumerate(values):
                axis.annotate(
                    "" if np.isnan(value) else f" {value:.2f}", (np.nan_to_num(value), place), va="center", fontsize=8
                )
    return png(figure)


if __name__ == "__main__":
    sys.exit(main())
