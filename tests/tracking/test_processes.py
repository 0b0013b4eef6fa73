import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from faceimit.errors import InputError
from faceimit.tracking.processes import RANKS, ending_together, is_first, started_apart
from faceimit.tracking.runs import SHARED, open_run

STARTED = ("WORLD_SIZE", "SLURM_NTASKS", "SLURM_STEP_ID", SHARED)


@pytest.fixture
def alone(monkeypatch):
    for name in (*RANKS, *STARTED):
        monkeypatch.setenv(name, "")  # and gone again after the test, whatever sets it
        monkeypatch.delenv(name)
    return monkeypatch.setenv


@pytest.mark.parametrize("name", RANKS)
def test_one_process_is_the_first_whoever_started_it(alone, name):
    assert is_first()
    alone(name, "0")
    assert is_first()
    alone(name, "3")
    assert not is_first()


def test_processes_of_srun_and_torchrun_are_told_to_name_a_folder(alone, tmp_path):
    config = {"resume": None, "run_dir": None, "runs": str(tmp_path), "experiment": "keyframe_multitask"}
    alone("SLURM_NTASKS", "4")  # a batch script that has not called srun
    assert not started_apart()
    assert open_run(config).folder.parent.parent == tmp_path
    os.environ.pop(SHARED)
    alone("SLURM_STEP_ID", "0")
    assert started_apart()
    with pytest.raises(InputError, match="give run_dir=FOLDER"):
        open_run(config)
    named = config | {"run_dir": str(tmp_path / "run")}
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    with pytest.raises(InputError, match="holds a run already"):
        open_run(named)
    alone("SLURM_PROCID", "1")  # the first may have made it a moment ago
    assert open_run(named).folder == tmp_path / "run"


def test_a_failure_ends_the_processes_that_wait():
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    trainer = SimpleNamespace(strategy=SimpleNamespace(launcher=SimpleNamespace(procs=[sleeper])))
    with ending_together(trainer):
        pass
    assert sleeper.poll() is None
    with pytest.raises(ValueError, match="broken"), ending_together(trainer):
        raise ValueError("broken")
    assert sleeper.wait(20) == -signal.SIGKILL
