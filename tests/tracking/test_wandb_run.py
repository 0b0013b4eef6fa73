"""W&B: offline without an account, online with one or under an agent; a server that is silent stops nothing."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest
import wandb

from faceimit.errors import InputError
from faceimit.tracking import wandb_run
from faceimit.tracking.config import composed, plain
from faceimit.tracking.wandb_run import chosen_mode, finish, known_id, wandb_logger
from faceimit.train import train
from tests.dummy import EXPERIMENT, as_dummy
from tests.wandb_server import KEY, WandbServer

ACCOUNT = ("WANDB_MODE", "WANDB_API_KEY", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_RUN_ID")


@pytest.fixture(autouse=True)
def nobody(tmp_path, monkeypatch):
    """Nobody is logged in, and nothing is remembered of other tests."""
    wandb.teardown(0)
    for name in ACCOUNT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    yield
    wandb.teardown(0)


def connect(monkeypatch, server, folder):
    for name, value in server.environment(folder).items():
        monkeypatch.setenv(name, value)


def job(folder):
    return as_dummy(plain(composed([*EXPERIMENT, "logger=wandb", f"runs={folder / 'runs'}"])), task={"lr": 0.02})


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({}, "offline"),
        ({"WANDB_API_KEY": KEY}, "online"),
        ({"WANDB_SWEEP_ID": "s"}, "online"),
        ({"WANDB_SWEEP_PARAM_PATH": "s.yaml"}, "online"),
        ({"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "offline"),
        ({"WANDB_MODE": "dryrun"}, "offline"),
        ({"WANDB_MODE": "disabled"}, "disabled"),
    ],
)
def test_who_names_an_account_is_online(monkeypatch, environment, mode):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert chosen_mode() == mode


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"WANDB_MODE": "on-line"}, "expected WANDB_MODE to be one of online, .* but got on-line"),
        ({"WANDB_MODE": "online"}, "WANDB_MODE=online needs a key, set WANDB_API_KEY"),
        ({"WANDB_API_KEY": "abc"}, r"W&B refuses the run \(.*has 3.*\), check WANDB_API_KEY"),
        ({"WANDB_API_KEY": KEY, "WANDB_INIT_TIMEOUT": "long"}, "expected WANDB_INIT_TIMEOUT .* but got long"),
        ({"WANDB_SWEEP_ID": "s"}, "wandb agent needs a key, set WANDB_API_KEY or WANDB_MODE=offline"),
    ],
)
def test_an_account_that_is_not_there_is_one_sentence_not_a_question(tmp_path, monkeypatch, environment, sentence):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=sentence):
        wandb_logger(tmp_path, "abc")


def test_an_earlier_login_is_a_key(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {KEY}\n")
    assert wandb_run._has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "http://elsewhere:8080")
    assert not wandb_run._has_key()


def test_an_offline_run_is_sent_later_with_the_command_it_names(tmp_path, capsys):
    run = train(job(tmp_path))
    told = capsys.readouterr().err.splitlines()[-1]
    command = told.split("send it with ")[1].split()
    assert command[:2] == ["wandb", "sync"]
    with WandbServer() as server:
        environment = os.environ | server.environment(tmp_path)
        done = subprocess.run(
            [sys.executable, "-m", *command], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    (name,) = server.runs
    assert name == known_id(run) == run.name.rsplit("-", 1)[1]
    check_sent(server, name, run)


def test_a_trial_of_an_agent_is_the_agents_run(tmp_path, monkeypatch):
    with WandbServer() as server:
        connect(monkeypatch, server, tmp_path)
        monkeypatch.setenv("WANDB_SWEEP_ID", "sweep0")
        monkeypatch.setenv("WANDB_RUN_ID", "trial0")
        run = train(job(tmp_path))
        wandb.teardown(0)
    assert list(server.runs) == ["trial0"]
    assert server.runs["trial0"]["sweep"] == "sweep0"
    assert known_id(run) == "trial0"
    check_sent(server, "trial0", run)
    assert server.unknown == []


def check_sent(server, name, run):
    """The configuration as groups of plain values, every loss, the figures, and what repeats the run."""
    sent = server.runs[name]
    config = {key: entry["value"] for key, entry in sent["config"].items() if key != "_wandb"}
    assert config["task"] == {"_target_": "tests.dummy.DummyTask", "lr": 0.02}
    assert config["trainer"]["max_epochs"] == 1
    assert config["seed"] == 0
    assert config["environment"]["versions"]["torch"]
    assert {"train/loss", "trainer/global_step"} <= set().union(*sent["history"])
    metrics = json.loads((run / "metrics.json").read_text())
    assert sent["summary"]["test/loss"] == pytest.approx(metrics["test/loss"])
    assert sent["summary"]["best/val/loss"] == pytest.approx(metrics["best/val/loss"])
    assert sent["summary"]["line"]["_type"] == "image-file"
    (best,) = [artifact for artifact in server.artifacts.values() if artifact["type"] == "model"]
    assert best["state"] == "COMMITTED"
    assert best["name"] == f"{name}-best"
    assert "best" in best["aliases"]
    uploaded = {path.rsplit("/", 1)[1] for path in server.files if path.startswith("/artifact/")}
    assert {"best.ckpt", "config.yaml", "environment.json", "metrics.json"} <= uploaded


@pytest.mark.parametrize("listening", [True, False])
def test_a_silent_server_leaves_an_offline_run(tmp_path, monkeypatch, capsys, listening):
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        if listening:
            hole.listen()  # takes connections and says nothing
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{hole.getsockname()[1]}")
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_INIT_TIMEOUT", "1")
        started = time.monotonic()
        logger = wandb_logger(tmp_path, "abc")
        logger.log_metrics({"loss": 1.0}, step=0)
        finish(logger.experiment)
        assert time.monotonic() - started < 30
    errors = capsys.readouterr().err
    assert "W&B cannot be reached, the run is kept offline" in errors
    assert "send it with wandb sync" in errors
    assert list(tmp_path.glob("wandb/offline-run-*/run-abc.wandb"))


def test_a_server_that_goes_silent_holds_nobody_up(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(wandb_run, "FINISH_S", 2.0)
    with WandbServer() as server:
        connect(monkeypatch, server, tmp_path)
        logger = wandb_logger(tmp_path, "abc")
    logger.log_metrics({"loss": 1.0}, step=0)
    started = time.monotonic()
    finish(logger.experiment)
    assert time.monotonic() - started < 20
    assert "W&B did not take everything in time; send the rest with wandb sync" in capsys.readouterr().err
    assert list(tmp_path.glob("wandb/run-*/run-abc.wandb"))
