"""Run folders as faceimit.train leaves them, made without training."""

import csv
import json
import zipfile
from pathlib import Path

import faceimit

TASKS = {
    "keyframe": "faceimit.tasks.keyframe.KeyframeTask",
    "flow": "faceimit.tasks.flow.FlowTask",
    "landmark": "faceimit.tasks.landmark.LandmarkTask",
    "control": "faceimit.tasks.control.ControlTask",
}
LAST = {
    "keyframe": {"F1": 0.7, "E_n": 2.5, "E_l_matched": 1.5, "correlation": 0.6},
    "flow": {"EPE": 0.2, "EPE_farneback": 0.5, "EPE_dis": 0.6, "EPE_moving": 0.4, "EPE_moving_farneback": 1.0},
    "landmark": {"NME": 1.9, "NME_turned": 2.7, "FR": 0.5, "jitter": 0.1},
    "control": {"MAE": 0.05, "MAE_worst": 0.09, "cosine_raw": 0.98, "cosine_centred": 0.87, "MAE_human": 0.06},
}
CHOSEN = {"keyframe": "val/loss", "flow": "val/EPE", "landmark": "val/NME", "control": "val/score"}


def make_run(folder, kind="keyframe", seed=0, finished=True, better=0.0, **settings):
    """A run of one of four tasks: config, environment, curves of three validations, metrics, an empty checkpoint.

    `better` is added to the headline figure, `settings` change those of the task.
    """
    folder = Path(folder)
    (folder / "checkpoints").mkdir(parents=True)
    with zipfile.ZipFile(folder / "checkpoints" / "best.ckpt", "w") as archive:
        archive.writestr("best/data.pkl", "nothing")
    import yaml

    config = {
        "experiment": kind, "profile": "tiny", "seed": seed, "run_dir": str(folder), "monitor": None,
        "task": {"_target_": TASKS[kind], "lr": 0.001} | settings,
        "data": {"_target_": "somewhere.Data", "root": "data", "c_ref": None},
        "trainer": {"max_epochs": 3},
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    write(folder / "environment.json", environment(seed))
    counts = {"c_ref": 0.37, "train/clips": 8, "train/frames": 800, "test/clips": 2, "test/frames": 200}
    write(folder / "data.json", {"counts": counts, "fingerprint": {"test": {"items": 2, "digest": "abc123"}}})
    rows = [{"step": step, "train/loss": 1.0 / (1 + step), "epoch": step // 10} for step in range(4, 30, 5)]
    rows += [{"step": step, CHOSEN[kind]: 0.5 - 0.01 * step, "epoch": step // 10} for step in (9, 19, 29)]
    write_rows(folder / "metrics.csv", sorted(rows, key=lambda row: row["step"]))
    figures = dict(LAST[kind])
    figures[next(iter(figures))] += better
    metrics = {"train/loss": 0.03, CHOSEN[kind]: 0.21}
    if finished:
        metrics |= {f"test/{name}": value for name, value in figures.items()}
        metrics |= {"fit/seconds": 61.0, "fit/steps": 30.0}
    write(folder / "metrics.json", metrics)
    return folder


def environment(seed, version=faceimit.__version__, dirty=False):
    return {
        "seed": seed,
        "command": ["train.py", "experiment=keyframe", "profile=tiny"],
        "python": "3.11.7",
        "versions": {"faceimit": version, "torch": "2.15.0"},
        "commit": {"id": "0123456789abcdef", "dirty": dirty},
        "hardware": {"system": "Linux x86_64", "processor": "CPU", "cores": 2, "memory_gib": 8.0, "gpus": []},
    }


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def make_evaluation(folder):
    """results.csv, clips.csv and results.json of three methods on two clips."""
    methods = {"faceimit": 0.7, "frame_difference": 0.5, "truth_with_noise": 0.9}
    write_rows(
        folder / "results.csv", [{"method": m, "E_n": 3 - f, "F1": f, "search_gap_ms": 160} for m, f in methods.items()]
    )
    clips = [
        {"method": m, "clip": clip, "frames": 100, "true": 4, "E_n": 1, "F1": f - down}
        for m, f in methods.items()
        for clip, down in (("clip_good", 0.0), ("clip_bad", 0.3))
    ]
    write_rows(folder / "clips.csv", clips)
    write(folder / "results.json", {"c_ref": 0.37, "test": {"number": 2, "true_keyframes": 8}} | environment(0))
    return folder
