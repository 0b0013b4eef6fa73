"""Training of the landmark network end to end on two rendered people, and what its checkpoint is good for."""

import csv
import json

import numpy as np
import pytest
import torch

from faceimit.errors import InputError
from faceimit.face.landmarks import GROUPS
from faceimit.losses.landmark import category_weight, pfld_loss
from faceimit.nets.pfld import load_pfld, pack_pfld
from faceimit.tasks.landmark import LandmarkTask, load_start
from faceimit.tasks.schedule import cosine
from faceimit.tracking.checkpoints import load_task, read_checkpoint
from faceimit.tracking.config import composed, plain
from faceimit.train import train
from tests.landmark_faces import dotted_faces

SMALL = {"width": 0.125, "size": 64}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    people = [f"budget.clips.{split}=2" for split in ("train", "val", "test")]
    small = ["task.width=0.125", "task.size=64", "data.size=64", "data.batch_size=4", "data.steps=3", "budget.frames=2"]
    more = [f"runs={root / 'runs'}", f"cache={root / 'cache'}", "budget.epochs=1", "data.renderers=0", "logger=none"]
    quick = ["experiment=landmarks", "profile=tiny", *people, *small, *more]
    return train(plain(composed(quick)))


def test_a_run_leaves_what_it_declares(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert {name for name in LandmarkTask.metrics if name.startswith("test/")} <= set(metrics)
    assert all(np.isfinite(value) for value in metrics.values() if isinstance(value, float))
    with (run / "tables" / "landmark_groups.csv").open(newline="") as file:
        groups = {row["group"]: row for row in csv.DictReader(file)}
    assert list(groups) == list(GROUPS)
    total = sum(int(row["points"]) * float(row["NME_turned"]) for row in groups.values())
    assert total / 68 == pytest.approx(metrics["test/NME_turned"])
    assert (run / "media" / "test_landmarks.png").read_bytes().startswith(b"\x89PNG")


def test_its_checkpoint_is_read_without_running_code_and_only_as_what_it_is(run):
    path = run / "checkpoints" / "best.ckpt"
    assert read_checkpoint(path)["state_dict"]
    task = load_task(path, "faceimit.tasks.landmark.LandmarkTask")
    assert task.net_arguments() == {**SMALL, "local": True}
    assert float(task.shares[0] + task.shares[1]) == pytest.approx(1, abs=1e-5)
    with pytest.raises(InputError, match=r"LandmarkTask \(this one is for faceimit-export --landmarks\), not"):
        load_task(path, "faceimit.tasks.keyframe.KeyframeTask")


def batch(count=4):
    faces = dotted_faces(count)
    return {
        "image": torch.from_numpy(faces.images).permute(0, 3, 1, 2).contiguous(),
        "landmarks": torch.from_numpy(faces.landmarks),
        "known": torch.from_numpy(faces.known),
        "pose": torch.from_numpy(faces.pose),
        "category": torch.tensor([[True, False, False, False, True, False]] * count),
        "covered": torch.zeros(count, 68, dtype=torch.bool),
        "turned": torch.from_numpy(faces.turned),
        "number": torch.arange(count),
    }


def test_the_losses_are_those_of_the_functions():
    torch.manual_seed(0)
    task, given = LandmarkTask(**SMALL, parts=0.5), batch()
    output = task.net(given["image"])
    values = task.losses(given, output)
    weight = 0.5 + 0.5 * category_weight(given["category"], task.shares)
    shared = (given["known"], output.pose, given["pose"], weight, "distance", 1.0)
    percent = 100 / 64
    single = [
        pfld_loss(points * percent, given["landmarks"] * percent, *shared) for points in (output.points, *output.parts)
    ]
    assert torch.allclose(values["points"], single[0] + 0.5 * (single[1] + single[2]))


def test_points_without_truth_teach_nothing():
    torch.manual_seed(0)
    task, given = LandmarkTask(**SMALL), batch()
    given["known"][:] = False
    given["known"][:, 20:] = True
    wrong = dict(given, landmarks=given["landmarks"].clone())
    wrong["landmarks"][:, :20] += 50
    output = task.net(given["image"])
    for name, value in task.losses(given, output).items():
        assert torch.allclose(value, task.losses(wrong, output)[name])


def test_fine_tuning_starts_from_a_file_and_refuses_another_network(tmp_path):
    task = LandmarkTask(**SMALL)
    path = tmp_path / "w.safetensors"
    path.write_bytes(pack_pfld(task.net, task.net_arguments(), half=False))
    other = LandmarkTask(**SMALL, start=str(path))
    assert torch.equal(other.net.head.weight, load_pfld(path).head.weight)
    with pytest.raises(InputError, match=r"task\.start=none"):
        load_start(LandmarkTask(width=0.25, size=64).net, str(path))


def test_the_rate_rises_then_falls_to_a_hundredth():
    assert cosine(0.0, 0, 10) == pytest.approx(0.1)
    assert cosine(0.0, 9, 10) == pytest.approx(1.0)
    assert cosine(0.5, 500, 10) == pytest.approx(0.505)
    assert cosine(2.0, 900, 10) == pytest.approx(0.01)


def test_a_picture_for_the_loggers():
    task = LandmarkTask(**SMALL).eval()
    assert task.figures() == {}
    with torch.no_grad():
        task.validation_step(batch(16), 0)
    assert set(task.figures()) == {"landmarks"}
