"""Checkpoints: whole or absent, of plain types, refused in a sentence when they are something else."""

import errno
import os
from pathlib import Path

import pytest
import torch

from faceimit.errors import InputError
from faceimit.tracking.checkpoints import PlainCheckpoints, load_task, read_checkpoint
from faceimit.tracking.config import composed, plain
from faceimit.train import train
from tests.dummy import EXPERIMENT, as_dummy


def test_the_folder_of_a_run_names_its_best_checkpoint(tmp_path):
    with pytest.raises(InputError, match=r"is a folder, give a \.ckpt file of a run"):
        read_checkpoint(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.ckpt").touch()
    with pytest.raises(InputError, match=r"is a folder, give .*/checkpoints/best\.ckpt$"):
        read_checkpoint(tmp_path)


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    PlainCheckpoints().save_checkpoint({"state_dict": {}, "step": 1}, path)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        PlainCheckpoints().save_checkpoint({"state_dict": {}, "step": 2}, path)
    assert read_checkpoint(path)["step"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_not_a_checkpoint_is_refused(tmp_path):
    path = tmp_path / "x.ckpt"
    with pytest.raises(InputError, match="does not exist"):
        read_checkpoint(path)
    path.write_text("hello")
    with pytest.raises(InputError, match="not a checkpoint or is cut short"):
        read_checkpoint(path)
    torch.save({"state_dict": {}, "bad": Path("x")}, path)
    with pytest.raises(InputError, match="holds code objects"):
        read_checkpoint(path)
    torch.save([1, 2], path)
    with pytest.raises(InputError, match="holds no trained task"):
        read_checkpoint(path)
    torch.save({"state_dict": {"w": torch.zeros(1000)}}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    with pytest.raises(InputError, match=r"cut short|damaged"):
        read_checkpoint(path)
    middle = len(whole) // 2  # a number of the weights
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with pytest.raises(InputError, match="damaged"):
        read_checkpoint(path)


def test_a_task_is_built_again_from_its_checkpoint_and_from_no_other(tmp_path):
    run = train(as_dummy(plain(composed([*EXPERIMENT, f"runs={tmp_path}"])), task={"dropout": 0.5}))
    best = run / "checkpoints" / "best.ckpt"
    task = load_task(best, "tests.dummy.DummyTask")
    assert task.net[1].p == 0.5
    assert not task.training
    saved = read_checkpoint(best)["state_dict"]
    assert all(torch.equal(value, saved[name]) for name, value in task.state_dict().items())
    content = read_checkpoint(best)
    next(iter(content["state_dict"].values())).fill_(float("nan"))
    PlainCheckpoints().save_checkpoint(content, tmp_path / "nan.ckpt")
    for load in (PlainCheckpoints().load_checkpoint, lambda path: load_task(path, "tests.dummy.DummyTask")):
        with pytest.raises(InputError, match=r"nan.ckpt holds values that are not finite \(in net.0.weight\)"):
            load(tmp_path / "nan.ckpt")
    with pytest.raises(InputError, match=r"holds tests.dummy.DummyTask, not faceimit.tasks.flow.FlowTask"):
        load_task(best, "faceimit.tasks.flow.FlowTask")
