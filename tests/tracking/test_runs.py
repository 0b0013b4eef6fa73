"""Files of a run, the CSV log and the loggers besides."""

import json
import math
from pathlib import Path

import pytest
import torch

from faceimit.tracking.config import composed, plain
from faceimit.tracking.environment import commit, environment
from faceimit.tracking.files import write_metrics
from faceimit.tracking.loggers import CsvLogger, log_figure, log_table, tensorboard_logger
from faceimit.tracking.replay import ReplayLoader
from faceimit.tracking.runs import Run, _point_latest_at
from faceimit.train import train
from tests.dummy import EXPERIMENT, DummyData, as_dummy


def test_metrics_are_flat_finite_numbers(tmp_path):
    write_metrics(tmp_path / "m.json", {"b": torch.tensor(2.0), "a": 1, "c": math.nan, "d": math.inf})
    assert json.loads((tmp_path / "m.json").read_text()) == {"a": 1.0, "b": 2.0}


def test_csv_continues_where_the_run_does(tmp_path):
    logger = CsvLogger(tmp_path / "m.csv")
    logger.log_metrics({"loss": 1.0}, step=0)
    logger.log_metrics({"loss": 0.5}, step=5)
    logger.log_metrics({"val": 0.25}, step=5)
    logger.finalize("success")
    assert (tmp_path / "m.csv").read_text() == "step,loss,val\n0,1,\n5,0.5,0.25\n"
    logger = CsvLogger(tmp_path / "m.csv", resumed_at=5)
    logger.log_metrics({"loss": 0.4}, step=5)
    logger.finalize("success")
    assert (tmp_path / "m.csv").read_text() == "step,loss,val\n0,1,\n5,0.4,\n"


def test_what_the_data_are_is_kept_with_the_run_and_compared_when_it_is_resumed(tmp_path, capsys):
    data = {"counts": {"train/clips": 3}, "fingerprint": {"train": {"items": 3, "digest": "a"}}}
    Run(tmp_path, {}).describe(**data)
    assert json.loads((tmp_path / "data.json").read_text()) == data
    resumed = Run(tmp_path, {}, last=tmp_path / "last.ckpt")
    resumed.describe(**data)
    assert capsys.readouterr().err == ""
    resumed.describe(data["counts"], {"train": {"items": 4, "digest": "b"}})
    assert "not those this run began with (train)" in capsys.readouterr().err
    assert json.loads((tmp_path / "data.json").read_text()) == data


def test_environment_is_json(tmp_path):
    record = json.loads(json.dumps(environment(seed=3)))
    assert record["seed"] == 3
    assert record["versions"]["torch"]
    assert record["hardware"]["cores"] >= 1
    assert commit(tmp_path) == {"id": None, "dirty": None}


@pytest.mark.parametrize("logger", ["wandb", "tensorboard"])
def test_loggers_write_in_the_run_folder_without_a_login(tmp_path, monkeypatch, logger):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("WANDB_MODE")
    config = as_dummy(plain(composed([*EXPERIMENT, f"logger={logger}", f"runs={tmp_path / 'runs'}"])))
    run = train(config)
    assert (run / "metrics.csv").is_file()
    written = {path.name for path in (run / logger).rglob("*")}
    if logger == "wandb":
        assert f"run-{run.name.rsplit('-', 1)[-1]}.wandb" in written
        assert any(name.startswith("line") for name in written)  # the task's picture
    else:
        assert any(name.startswith("events.out") for name in written)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("position", [0, 4, 6, 8])
def test_replay_gives_the_same_batches_from_any_position(workers, position):
    def batches(start, count):
        found = []
        loader = ReplayLoader(DummyData(workers=workers).train_dataloader(), 7, position=lambda: start + len(found))
        while len(found) < count:
            found.extend([(batch["x"], torch.rand(1)) for batch in loader])
        return found

    straight = batches(0, 12)
    resumed = batches(position, 12 - position)
    assert len(straight[position:]) == len(resumed)
    for (x, noise), (again, noise_again) in zip(straight[position:], resumed, strict=True):
        assert torch.equal(x, again)
        assert torch.equal(noise, noise_again)


def test_tables_and_pictures_go_to_the_folder_and_to_tensorboard(tmp_path):
    from matplotlib.figure import Figure
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board, files = tensorboard_logger(tmp_path, "id"), CsvLogger(tmp_path / "metrics.csv")
    rows = [{"clip": "a, b", "E_n": 1.5, "found": 3}, {"clip": "c", "E_n": None, "found": 4}]
    log_table([files, board], "val/clips", rows, step=2)
    figure = Figure(figsize=(1, 1))
    figure.add_subplot().plot([0, 1])
    log_figure([files, board], "test/score", figure, step=2)
    board.finalize("success")
    assert (tmp_path / "tables" / "val_clips.csv").read_text() == 'clip,E_n,found\n"a, b",1.5,3\nc,,4\n'
    assert (tmp_path / "media" / "test_score.png").read_bytes().startswith(b"\x89PNG")
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert "test/score" in events.Tags()["images"]
    (text,) = events.Tensors("val/clips/text_summary")
    assert b"| clip | E_n | found |" in text.tensor_proto.string_val[0]


def test_uncommitted_changes_are_kept_with_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("faceimit.tracking.runs.changes", lambda: (b"a patch", ["faceimit/huge.py"]))
    run = Run(tmp_path / "runs" / "a", {"seed": 0})
    run.record({"seed": 0, "commit": {"id": "abc", "dirty": True}})
    assert (run.folder / "diff.patch").read_bytes() == b"a patch"
    kept = json.loads((run.folder / "environment.json").read_text())["commit"]
    assert kept == {"id": "abc", "dirty": True, "patch": "diff.patch", "left_out": ["faceimit/huge.py"]}


def test_latest_points_at_the_newest_run_but_a_file_of_that_name_is_the_users(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        _point_latest_at(tmp_path / name)
        assert (tmp_path / "latest").readlink() == Path(name)
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").write_text("mine")
    _point_latest_at(tmp_path / "a")
    assert (tmp_path / "latest").read_text() == "mine"
    assert not (tmp_path / "latest").is_symlink()
