"""The real `wandb sweep` and `wandb agent` on sweeps/keyframe.yaml, against a stand-in of the server on loopback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.test_sweep import TINY
from tests.wandb_server import WandbServer

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
TRIALS = [
    {"task.lr": 0.001, "task.kernels": [5, 3], "task.dropout": 0.1, "task.ssim": 0.0, "data.window": 16},
    {"task.lr": 2.5e-05, "task.kernels": [7], "task.dropout": 0.5, "task.ssim": 0.3, "data.window": 12},
]


def wandb(folder, server, *arguments, **more):
    """A wandb command in `folder`, with nothing of this shell's that is about W&B."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment = kept | server.environment(folder) | {"PYTHONPATH": str(ROOT), "PATH": f"{BIN}:{os.environ['PATH']}"}
    command = [BIN / "wandb", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment | more, capture_output=True, text=True, timeout=1800, check=False
    )


def small_keyframe_sweep(folder):
    """sweeps/keyframe.yaml with smaller trials."""
    content = yaml.safe_load((ROOT / "sweeps" / "keyframe.yaml").read_text())
    small = [word for word in TINY if not word.startswith("logger=")]
    content["command"][-1:-1] = [*small, f"runs={folder / 'runs'}", f"cache={folder / 'cache'}"]
    (folder / "keyframe.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return content


def test_an_agent_runs_two_trials_to_the_end_with_the_right_overrides(tmp_path):
    content = small_keyframe_sweep(tmp_path)
    with WandbServer(TRIALS) as server:
        made = wandb(tmp_path, server, "sweep", "keyframe.yaml")
        assert made.returncode == 0, made.stderr
        keys = ("program", "command", "method", "metric", "early_terminate", "parameters")
        assert {key: server.sweeps["sweep0"][key] for key in keys} == {key: content[key] for key in keys}
        done = wandb(tmp_path, server, "agent", "robots/faceimit/sweep0")
    assert not server.unknown, [name for name, *_ in server.unknown]
    # the agent's exit code is 0 whatever becomes of its trials: they are counted
    assert list(server.runs) == ["trial0", "trial1"], done.stderr
    assert [run["exit"] for run in server.runs.values()] == [0, 0], done.stderr
    folders = sorted((tmp_path / "runs" / "keyframe_multitask").glob("2*"))
    for values, folder, (name, run) in zip(TRIALS, folders, server.runs.items(), strict=True):
        assert run["sweep"] == "sweep0"
        assert {key: run["config"][key]["value"] for key in values} == values
        config = yaml.safe_load((folder / "config.yaml").read_text())
        assert {key: config[key.split(".")[0]][key.split(".")[1]] for key in values} == values
        assert run["config"]["task"]["value"]["lr"] == values["task.lr"]
        assert any("val/F1" in row for row in run["history"])
        metrics = json.loads((folder / "metrics.json").read_text())
        assert run["summary"]["test/F1"] == pytest.approx(metrics["test/F1"])
        best = [item for item in server.artifacts.values() if item["run"] == name and item["type"] == "model"]
        assert [(item["state"], "best" in item["aliases"]) for item in best] == [("COMMITTED", True)]
    uploads = [data for path, data in server.files.items() if path.endswith("/best.ckpt")]
    assert sorted(map(len, uploads)) == sorted(
        (folder / "checkpoints" / "best.ckpt").stat().st_size for folder in folders
    )


def test_an_agent_without_network_ends_without_a_trial(tmp_path):
    with WandbServer() as server:
        pass  # nobody listens any more
    done = wandb(tmp_path, server, "agent", "robots/faceimit/sweep0", WANDB_HTTP_TIMEOUT="2", WANDB_INIT_TIMEOUT="2")
    assert done.returncode
    assert not (tmp_path / "runs").exists()
