"""Two processes on the CPU (gloo) train what one does, and give the figures that one gives on the same clips."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import pytorch_lightning as pl

from faceimit.tracking.checkpoints import load_task
from faceimit.tracking.config import composed, plain
from tests.together import EXPERIMENT, TWO, Blobs

ROOT = Path(__file__).parents[1]
LONG = ["budget.epochs=2", "budget.minutes=3", "task.lr=1e-2", "task.warmup=2"]
SECONDS = 400  # two processes that wait for each other wait half an hour


def start(run, *more, **variables):
    arguments = [*EXPERIMENT, *TWO, *LONG, f"run_dir={run}", *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | variables
    return subprocess.Popen(
        [sys.executable, "-m", "tests.together", *arguments],
        cwd=run.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process):
    try:
        return process.communicate(timeout=SECONDS)
    finally:
        process.kill()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together") / "run"
    process = start(folder)
    output, errors = ended(process)
    assert process.returncode == 0, errors
    assert output.splitlines()[-1] == str(folder)
    return folder


def test_figures_are_those_of_one_process_on_the_same_clips(run):
    """Five validation and three test clips, each measured once by two processes that see three and two."""
    recorded = json.loads((run / "metrics.json").read_text())
    task = load_task(run / "checkpoints" / "last.ckpt", "faceimit.tasks.keyframe.KeyframeTask")
    chosen = task.search
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    alone = pl.Trainer(accelerator="cpu", devices=1, **quiet)
    found = alone.validate(task, Blobs(), verbose=False)[0]
    assert task.search == chosen  # the search that one process would choose
    best = load_task(run / "checkpoints" / "best.ckpt", "faceimit.tasks.keyframe.KeyframeTask")
    found |= alone.test(best, Blobs(), verbose=False)[0]
    names = [name for name in recorded if name.startswith(("val/", "test/"))]
    assert {"val/F1", "val/loss", "test/E_n", "test/correlation"} <= set(names)
    assert {name: recorded[name] for name in names} == pytest.approx({name: found[name] for name in names}, rel=1e-5)
    assert recorded["val/F1"] > 0


def test_one_process_wrote_everything(run):
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    rows = (run / "metrics.csv").read_text().splitlines()
    assert len({row.split(",")[0] for row in rows}) == len(rows)
    assert len(list(run.glob("environment*.json"))) == 1


def test_a_failure_of_one_ends_both(tmp_path):
    process = start(tmp_path / "run", BREAK="0")
    began = time.monotonic()
    _, errors = ended(process)
    assert process.returncode != 0
    assert "process 0 breaks" in errors
    assert time.monotonic() - began < SECONDS / 2
    assert not _running(tmp_path / "run")


def _running(run):
    """Processes that train this run, whoever started them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(run) in path.read_bytes().decode(errors="replace"):
                found.append(path.parent.name)
    return found


def test_gpu_and_ddp_compose():
    for name, devices in (("gpu", 1), ("ddp", "auto")):
        trainer = plain(composed(["experiment=keyframe_multitask", "profile=gpu", f"trainer={name}"]))["trainer"]
        assert (trainer["accelerator"], trainer["devices"], trainer["precision"]) == ("gpu", devices, "bf16-mixed")
        assert trainer["gradient_clip_val"] == 1.0  # as on the CPU
    assert trainer["strategy"] == "ddp_find_unused_parameters_true"
    assert plain(composed(["experiment=keyframe_multitask", "profile=tiny"]))["trainer"]["accelerator"] == "cpu"
