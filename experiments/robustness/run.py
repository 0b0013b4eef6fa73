"""How much each method bears: F1 on spoilt pictures, the truth from the clean ones.

    python experiments/robustness/run.py --model face_landmarker.task                   # rendered faces
    python experiments/robustness/run.py --model face_landmarker.task --real FOLDER     # and real clips

Every method sees the same spoilt crops. Search parameters are chosen on clean clips of the validation people. What is
done is not done again (runs/robustness); results.csv is written after each degradation.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from faceimit.data.corpus import Corpus
from faceimit.data.datamodule import ClipData, RealClips, SyntheticFaces
from faceimit.data.degradations import DEGRADATIONS, LEVELS, degrade
from faceimit.evaluate import load
from faceimit.face.records import Clip
from faceimit.keyframes.tuning import tune
from faceimit.tracking.cli import CommandParser, run_command
from faceimit.tracking.comparison import ClipScore, Split, classical, measured, network, scores_of
from faceimit.tracking.config import composed, plain
from faceimit.tracking.experiments import Job, Row, perform, png, stamp
from faceimit.tracking.files import write_bytes, write_text
from faceimit.tracking.results import as_csv

HERE = Path(__file__).parent
RUNS = HERE.parents[1] / "runs" / "robustness"
CLEAN, POSE = "clean", "extreme_pose"
TURNS = (2.0, 3.0, 4.0)  # factors on how far rendered heads turn
SHIPPED, BLENDSHAPES, DIFFERENCE = "faceimit_shipped", "blendshapes", "frame_difference"
SHOWN = ("F1", "precision", "recall", "E_n_100", "E_l_near", "correlation")
COLOURS = {SHIPPED: "#2a9d8f", BLENDSHAPES: "#e76f51", DIFFERENCE: "#8a97a0"}


class Condition(NamedTuple):
    """What is done to the pictures; level 0 is nothing."""

    name: str
    level: int

    @property
    def value(self) -> float | str:
        """The parameter behind the level."""
        if self.level == 0:
            return ""
        return (TURNS if self.name == POSE else DEGRADATIONS[self.name].values)[self.level - 1]


CONDITIONS = (Condition(CLEAN, 0), *(Condition(name, level) for name in (*DEGRADATIONS, POSE) for level in LEVELS))


class Bench:
    """One data set: its clean clips, and every method with the search that clean validation clips chose for it."""

    def __init__(self, data: ClipData, asked: argparse.Namespace) -> None:
        self.data, self.asked = data, asked
        data.prepare_data()
        self.test = self._cut("test")
        self.scorers = self._scorers()
        val = Split.of(Corpus(self._cut("val")), data.c_ref)
        self.search = {
            name: tune(scores_of(scorer, val), val.truths, val.corpus.fps) for name, scorer in self.scorers.items()
        }

    def _cut(self, split: str) -> list[Clip]:
        corpus = self.data.corpus(split)
        return [shortened(corpus[index], self.asked.frames) for index in range(len(corpus))]

    def _scorers(self) -> dict[str, ClipScore]:
        found = {SHIPPED: network(load("shipped"))}
        found |= {name: network(load(path)) for name, path in checkpoints(self.asked).items()}
        self.annotator: Any = None
        if self.asked.model is not None:
            from faceimit.keyframes.blendshapes import BlendshapeScorer

            self.annotator = BlendshapeScorer(self.asked.model, self.data.c_ref)
            found[BLENDSHAPES] = network(self.annotator)
        return found | {DIFFERENCE: classical(DIFFERENCE, self.data.corpus("train"))}

    def rows(self, condition: Condition) -> list[Row]:
        """Errors of every method under a condition."""
        clips = self.turned(condition) if condition.name == POSE else spoilt(self.test, condition, self.asked.seed)
        split = Split.of(Corpus(clips), self.data.c_ref)
        size: Row = {"clips": float(len(clips)), "true_keyframes": float(sum(len(t.strong) for t in split.truths))}
        rows: list[Row] = []
        for name, scorer in self.scorers.items():
            before = (self.annotator.looks, self.annotator.found) if name == BLENDSHAPES else (0, 0)
            errors = measured(name, self.search[name], scores_of(scorer, split), split).errors
            faces = float("nan")
            if name == BLENDSHAPES:
                faces = (self.annotator.found - before[1]) / max(1, self.annotator.looks - before[0])
            rows.append({"method": name, **{key: errors[key] for key in SHOWN}, "faces_found": faces, **size})
        return rows

    def turned(self, condition: Condition) -> list[Clip]:
        """The test people with their heads turned further; the truth is that of the clips as they were rendered."""
        from faceimit.data.clipfile import load_clip
        from faceimit.data.synthetic.generate import prepare

        data = self.data
        assert isinstance(data, SyntheticFaces)
        given = (data.clips["test"], data.seed, data.frames, data.size)
        paths = prepare(data.root, "test", *given, workers=data.renderers, turn=float(condition.value))
        return [shortened(load_clip(path), self.asked.frames) for path in paths]


def main() -> int:
    """Measure what is not measured yet, write the table and the plot."""
    return run_command(run)


def run(words: Sequence[str]) -> None:
    """The command with its arguments.

    Raises:
        InputError: a file that is not there, an unknown degradation.
    """
    asked = arguments(words)
    if asked.model is not None and not Path(asked.model).is_file():
        print(f"{BLENDSHAPES} is skipped: there is no model file {asked.model}", file=sys.stderr)
        asked.model = None
    jobs = jobs_of("rendered", cache(lambda: Bench(rendered(asked), asked)), asked)
    if asked.real is not None:
        jobs += jobs_of("real", cache(lambda: Bench(real(asked), asked)), asked)
    jobs.sort(key=lambda one: [condition.name for condition in CONDITIONS].index(one.name))  # a kind on all data
    rows = perform(
        jobs, asked.runs / "rows", asked.table, None if asked.only is None else [CLEAN, *asked.only], with_loss
    )
    write_text(asked.table.with_name("summary.csv"), as_csv(summary(rows)))
    write_bytes(asked.table.with_suffix(".png"), drawn(rows))
    print(asked.table)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    lines = (__doc__ or "").split("\n\n")
    parser = CommandParser(lines[0], lines[1])
    parser.add_argument("--real", metavar="FOLDER", help="annotated real clips (conf/data/real.yaml): test people too")
    parser.add_argument("--model", metavar="FILE", help="MediaPipe's face_landmarker.task; without it no blendshapes")
    parser.add_argument("--checkpoint", nargs="*", default=[], metavar="NAME=CKPT", help="more networks")
    parser.add_argument("--only", nargs="*", metavar="NAME", help=f"of {', '.join((*DEGRADATIONS, POSE))}; none: clean")
    parser.add_argument("--clips", type=int, default=6, help="rendered test people")
    parser.add_argument("--frames", type=int, default=100, help="of each clip, from its first valid one")
    parser.add_argument("--seed", type=int, default=0, help="of the rendered clips and of what is drawn")
    parser.add_argument("--cache", default=".cache", help="folder of rendered clips and crops")
    parser.add_argument("--table", type=Path, default=HERE / "results.csv", help="the plot is written beside it")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the rows done")
    return parser.parse_args(words)


def checkpoints(asked: argparse.Namespace) -> dict[str, str]:
    """Networks besides the shipped one, by name."""
    return dict(word.split("=", 1) if "=" in word else (Path(word).stem, word) for word in asked.checkpoint)


def files(asked: argparse.Namespace) -> dict[str, str]:
    """Short checksums of the weights and models by the method that uses them."""
    named = {SHIPPED: resources.files("faceimit").joinpath("weights", "keyframe.safetensors")}
    named |= {name: Path(path) for name, path in checkpoints(asked).items()}
    if asked.model is not None:
        named[BLENDSHAPES] = Path(asked.model)
    return {name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for name, path in named.items()}


def rendered(asked: argparse.Namespace) -> SyntheticFaces:
    """Rendered people, none of whom any network was trained on in the test split."""
    clips = {"train": 8, "val": asked.clips, "test": asked.clips}
    return SyntheticFaces(f"{asked.cache}/rendered", clips, seed=asked.seed, c_ref=None)


def real(asked: argparse.Namespace) -> RealClips:
    """Real people as in conf/data/real.yaml; of the training ones only what scales the frame difference."""
    names = plain(composed(["checkpoint=none", "data=real"], "evaluate"))["data"]["names"]
    return RealClips(asked.real, f"{asked.cache}/real", names | {"train": names["train"][:1]}, c_ref=0.4)


def jobs_of(data: str, bench: Callable[[], Bench], asked: argparse.Namespace) -> list[Job]:
    """A job for each condition."""
    return [_job(data, bench, condition, asked) for condition in CONDITIONS]


def _job(data: str, bench: Callable[[], Bench], condition: Condition, asked: argparse.Namespace) -> Job:
    settings = {"data": data, "level": condition.level, "value": condition.value, "frames": asked.frames}
    settings |= {"seed": asked.seed, "files": files(asked)}
    if data == "rendered":
        settings["clips"] = asked.clips
    label: Row = {"data": data, "degradation": condition.name, "level": str(condition.level)}
    label["value"] = str(condition.value)

    def make() -> list[Row]:
        if data != "rendered" and condition.name == POSE:
            found: list[Row] = [{"method": "", "note": "skipped: a head cannot be turned after it was filmed"}]
        else:
            found = [row | {"note": ""} for row in bench().rows(condition)]
            if asked.model is None:
                found.append({"method": BLENDSHAPES, "note": "skipped: no model file was given"})
        return [label | row | stamp(asked.seed) for row in found]

    return Job(condition.name, settings, make)


def shortened(clip: Clip, frames: int) -> Clip:
    """The clip's first frames from its first valid one on."""
    start = int(np.argmax(clip.annotation.valid))
    kept = slice(start, start + frames)
    annotation = replace(
        clip.annotation,
        **{
            name: getattr(clip.annotation, name)[kept]
            for name in ("blendshapes", "pose", "valid", "landmarks")
            if getattr(clip.annotation, name) is not None
        },
    )
    return replace(clip, frames=clip.frames[kept], annotation=annotation, flow=None, occluded=None)


def spoilt(clips: Sequence[Clip], condition: Condition, seed: int) -> list[Clip]:
    """The clips with their pictures spoilt; what is known of them stays that of the clean ones."""
    if condition.name == CLEAN:
        return list(clips)
    return [
        replace(clip, frames=degrade(clip.frames, condition.name, condition.level, 1000 * seed + index, clip.fps))
        for index, clip in enumerate(clips)
    ]


def with_loss(rows: Sequence[Row]) -> list[Row]:
    """Each row with the F1 that it lost to the clean pictures."""
    clean = {(row["data"], row["method"]): row.get("F1", "") for row in rows if row["degradation"] == CLEAN}

    def lost(row: Row) -> str | float:
        before, now = clean.get((row["data"], row["method"]), ""), row.get("F1", "")
        return "" if "" in (before, now) else round(float(before) - float(now), 5)

    return [row | {"F1_lost": lost(row)} for row in rows]


def summary(rows: Sequence[Row]) -> list[Row]:
    """A row a condition, a column a method: F1, and the share of crops in which MediaPipe found a face."""
    found: dict[tuple[str, ...], Row] = {}
    methods = list(dict.fromkeys(str(row["method"]) for row in rows if row["method"]))
    for row in rows:
        key = tuple(str(row[name]) for name in ("data", "degradation", "level", "value"))
        start: Row = dict(zip(("data", "degradation", "level", "value"), key, strict=True))
        start["condition"] = f"{key[1].replace('_', ' ')} {key[3]}".strip()
        line = found.setdefault(key, start | dict.fromkeys((*methods, "faces_found"), ""))
        if row["method"]:
            line[str(row["method"])] = row.get("F1", "")
        line["faces_found"] = row.get("faces_found", "") or line["faces_found"]
    return list(found.values())


def drawn(rows: Sequence[Row]) -> bytes:
    """PNG: F1 over the levels, a column a degradation, a line of plots a data set."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    sets = list(dict.fromkeys(row["data"] for row in rows))
    names = (*DEGRADATIONS, POSE)
    figure, axes = pyplot.subplots(
        len(sets), len(names), figsize=(2.3 * len(names), 2.6 * len(sets)), sharey=True, squeeze=False
    )
    for line, data in zip(axes, sets, strict=True):
        for axis, name in zip(line, names, strict=True):
            _curves(axis, [row for row in rows if row["data"] == data and row["degradation"] in {CLEAN, name}])
            axis.set(title=f"{data}: {name.replace('_', ' ')}", ylim=(0, 1), xticks=range(len(LEVELS) + 1))
            axis.title.set_fontsize(9)
            axis.spines[["top", "right"]].set_visible(False)
        line[0].set_ylabel("F1@2")
    for axis in axes[-1]:
        axis.set_xlabel("level")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False, bbox_to_anchor=(0.5, -0.06))
    return png(figure)


def _curves(axis: Any, rows: Sequence[Row]) -> None:
    done = [row for row in rows if row["degradation"] != CLEAN]
    if not any(row.get("F1", "") != "" for row in done):
        text = "cannot be made" if done else "not measured yet"
        axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes, color="#8a97a0")
        return
    for method in dict.fromkeys(row["method"] for row in rows if row.get("F1", "") != ""):
        points = [(int(row["level"]), float(row["F1"])) for row in rows if row["method"] == method]
        colour = COLOURS.get(str(method), "#577590")
        axis.plot(*zip(*sorted(points), strict=True), "o-", color=colour, label=str(method).replace("_", " "))


if __name__ == "__main__":
    sys.exit(main())
