"""Batches added up to one step: the paper's 96 on little memory, and a run that goes on between such steps."""

import pytest

from faceimit.tracking.config import composed, plain
from faceimit.train import train
from tests.test_train import job, same, state, with_callbacks


def test_the_papers_batch_is_96_also_on_little_memory():
    for more in (["profile=paper"], ["profile=cpu"], ["profile=tiny"]):
        config = plain(composed(["experiment=paper_table1", *more]))
        accumulated = config["trainer"]["accumulate_grad_batches"]
        assert config["data"]["batch_size"] * accumulated == 96, more
    assert accumulated == 1
    split = ["data.batch_size=24", "trainer.accumulate_grad_batches=4"]
    config = plain(composed(["experiment=paper_table1", "profile=paper", *split]))
    assert config["data"]["batch_size"] * config["trainer"]["accumulate_grad_batches"] == 96


def test_a_run_that_accumulates_resumes_bit_for_bit(tmp_path):
    accumulate = "trainer.accumulate_grad_batches=2"  # three steps an epoch
    straight = train(job(tmp_path / "straight", accumulate))
    config = job(tmp_path, accumulate, f"run_dir={tmp_path / 'run'}")
    last = config["callbacks"]["last"] | {"first_step": 1, "every_steps": 1}
    crash = {"_target_": "tests.dummy.Crash", "step": 5}
    with pytest.raises(RuntimeError, match="crash"):
        train(with_callbacks(config, last=last, crash=crash))
    assert state(tmp_path / "run")["global_step"] == 5
    run = train(config | {"resume": str(tmp_path / "run"), "run_dir": None}, {"callbacks": config["callbacks"]})
    assert state(run)["global_step"] == 9
    assert same(state(run)["state_dict"], state(straight)["state_dict"])
