"""Same seed, same machine: each task's losses, figures and weights are identical, also when the run was killed."""

import csv
import json

import pytest
import torch

from faceimit.tracking.config import composed, plain
from faceimit.train import train

SMALL = ["profile=tiny", "logger=none", "data.size=64", "budget.minutes=null", "callbacks.pictures=null"]
FRAMES = ["budget.frames=12", *(f"budget.clips.{split}={n}" for split, n in (("train", 2), ("val", 1), ("test", 1)))]
FEW = [f"budget.clips.{split}=2" for split in ("train", "val", "test")]
JOBS = {
    "flow": [*FRAMES, "task.crop=64", "data.people=1", "data.batch_size=1", "budget.epochs=2", "data.renderers=0"],
    "keyframe_multitask": [
        *FRAMES, "data.steps=2", "data.window=4", "data.batch_size=2", "task.size=32", "task.width=16",
        "budget.epochs=2", "data.renderers=0", "task.flow_cache=null",
    ],
    "landmarks": [
        *FEW, "budget.frames=2", "data.steps=2", "data.batch_size=2", "task.size=64", "task.width=0.125",
        "budget.epochs=2", "data.renderers=0",
    ],
    "control_mapping": [
        "budget.frames=3", *FEW, "data.batch_size=4", "task.size=64", "task.width=16", "budget.epochs=2",
        "data.renderers=0",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def job(name, cache, folder):
    extra = [f"cache={cache}", f"run_dir={folder}"]
    return plain(composed([f"experiment={name}", *SMALL, *JOBS[name], *extra]))


def losses(run):
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def figures(run):
    metrics = json.loads((run / "metrics.json").read_text())
    return {name: value for name, value in metrics.items() if name != "fit/seconds"}


def weights(run):
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


@pytest.mark.parametrize("name", JOBS)
def test_the_same_seed_gives_the_same_losses_even_after_a_crash(name, cache, tmp_path):
    straight = train(job(name, cache, tmp_path / "a"))
    steps = int(figures(straight)["fit/steps"])
    assert steps >= 4
    config = job(name, cache, tmp_path / "b")
    crash = {"_target_": "tests.dummy.Crash", "step": steps - 1}
    often = config["callbacks"]["last"] | {"first_step": 1, "every_steps": 1}
    with pytest.raises(RuntimeError, match="crash"):
        train(config | {"callbacks": config["callbacks"] | {"crash": crash, "last": often}})
    resumed = config | {"resume": str(tmp_path / "b"), "run_dir": None}
    again = train(resumed, {"callbacks": config["callbacks"]})

    assert losses(again) == losses(straight)
    assert len([row for row in losses(again) if row.get("train/loss")]) == steps
    assert figures(again) == figures(straight)
    ours, theirs = weights(again), weights(straight)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    data = [json.loads((run / "data.json").read_text())["fingerprint"] for run in (straight, again)]
    assert data[0] == data[1]
    assert {"train", "val", "test"} <= set(data[0])
