"""What cannot be trained here, or not continued, is refused before anything is written."""

import shutil

import pytest
import torch

from faceimit.errors import InputError
from faceimit.tracking.assembly import check_trainer
from faceimit.tracking.config import composed, plain
from faceimit.train import train
from tests.dummy import EXPERIMENT, as_dummy


def job(*overrides, task=None):
    return as_dummy(plain(composed([*EXPERIMENT, *overrides])), task)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"devices": 0}, r"Trainer\(devices=0\)"),
        ({"accelerator": "abacus"}, "abacus.*Available names are: .*cpu"),
        ({"accelerator": "cpu", "strategy": "foo"}, "strategy='foo'"),
        ({"limit_val_batches": -3}, "-3 for limit_val_batches"),
        ({"max_time": "soon"}, "Expected a string in the format DD:HH:MM:SS"),
        ({"fast": True}, "fast"),
    ],
)
def test_a_trainer_that_cannot_be_is_told_in_lightnings_words(setting, message):
    with pytest.raises(InputError, match=rf"^there can be no trainer with .* here \(.*{message}.*\), try trainer=cpu"):
        check_trainer({"_target_": "pytorch_lightning.Trainer", "accelerator": "cpu"} | setting)


def test_nothing_is_written_of_a_run_that_cannot_train(tmp_path):
    with pytest.raises(InputError, match=r"no trainer with .*trainer\.devices=0 here"):
        train(job(f"runs={tmp_path / 'runs'}", "trainer.devices=0"))
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(job(f"runs={tmp_path_factory.mktemp('a')}", "budget.epochs=1"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"faceimit": {"task": "faceimit.tasks.flow.FlowTask"}},
            r"holds faceimit\.tasks\.flow\.FlowTask, not this run's ",
        ),
        ({"faceimit": {}}, "holds an unknown task, not this run's"),
        ({"state_dict": {"net.0.weight": torch.zeros(3, 1)}}, "is of another network than this run's"),
    ],
)
def test_the_checkpoint_of_another_run_does_not_continue_this_one(run, tmp_path, change, message):
    mine = shutil.copytree(run, tmp_path / "run")
    last = mine / "checkpoints" / "last.ckpt"
    torch.save(torch.load(last, weights_only=True) | change, last)
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=rf"{message}.*put the run's own back or start a new run"):
        train(job(f"resume={mine}"))
    assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before
