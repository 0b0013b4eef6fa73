import json
import subprocess
import sys

import pytest

from faceimit.annotate import command, parse_shard
from faceimit.data.annotators import model
from faceimit.data.store import Store
from faceimit.errors import InputError
from faceimit.tracking.cli import run_command
from tests.in_process import annotate_here
from tests.square_annotator import SPEC, content, videos


def run(*arguments):
    return run_command(command, [str(word) for word in arguments])


@pytest.fixture
def folder(tmp_path):
    return videos(tmp_path / "videos", "anna/a anna/b bert/c")


def test_a_folder_becomes_a_store(folder, tmp_path, capsys, monkeypatch):
    store = tmp_path / "new" / "store"
    (folder / "bert" / "text.mp4").write_text("hello")
    (folder / "bert" / "empty.mp4").touch()
    assert run(folder, "--out", store, "--annotator", SPEC, "--workers", 2) == 0
    said = capsys.readouterr()
    assert "4 files: 3 annotated, 0 already in the store, 1 FAILED; 18 frames" in said.out
    assert said.out.splitlines()[-1] == f"  store   {store}"
    assert "text.mp4" in said.err
    assert "empty.mp4" in said.err
    assert Store(store).names() == ["anna/a", "anna/b", "bert/c"]
    report = json.loads((store / "report.json").read_text())
    assert report["annotator"] == {"name": "squares", "version": "1", "model_sha256": ""}
    assert report["done"] == ["anna/a", "anna/b", "bert/c"]
    assert [problem["path"] for problem in report["failed"]] == [str(folder / "bert" / "text.mp4")]
    assert [problem["path"] for problem in report["unused"]] == [str(folder / "bert" / "empty.mp4")]
    annotate_here(monkeypatch)
    assert run(folder, "--out", store, "--annotator", SPEC) == 0
    assert "0 annotated, 3 already in the store, 1 FAILED" in capsys.readouterr().out
    assert json.loads((store / "report.json").read_text())["skipped"] == ["anna/a", "anna/b", "bert/c"]


def test_shards_have_reports_of_their_own_and_the_last_run_packs(folder, tmp_path, monkeypatch):
    annotate_here(monkeypatch)
    words = [folder, "--out", tmp_path / "store", "--annotator", SPEC]
    for share in ("1/2", "2/2"):
        assert run(*words, "--shard", share) == 0
    assert not list((tmp_path / "store").glob("clips-*"))
    reports = [json.loads((tmp_path / "store" / f"report-{i}-of-2.json").read_text())["done"] for i in (1, 2)]
    assert reports == [["anna/a", "bert/c"], ["anna/b"]]
    assert run(*words) == 0
    assert len(content(tmp_path / "store")) == 1
    assert run(*words, "--shard", "4/4") == 0  # a share without files is no mistake


def test_single_videos(folder, tmp_path, monkeypatch, capsys):
    annotate_here(monkeypatch)
    assert run(folder / "anna" / "a.mp4", "--out", tmp_path / "store", "--annotator", SPEC) == 0
    assert Store(tmp_path / "store").names() == ["a"]
    assert "1 file: 1 annotated, 0 already in the store, none failed; 6 frames" in capsys.readouterr().out


def refused(capsys, *arguments):
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert said.out == ""
    last = said.err.splitlines()[-1]
    assert last.startswith("error: ")
    return last


def test_bad_input(folder, tmp_path, capsys, monkeypatch):
    out = ["--out", tmp_path / "store"]
    plug_in = ["--annotator", SPEC]
    assert "does not exist" in refused(capsys, tmp_path / "nowhere", *out, *plug_in)
    (tmp_path / "empty").mkdir()
    assert "got an empty one" in refused(capsys, "", *out, *plug_in)
    assert "no video" in refused(capsys, tmp_path / "empty", *out, *plug_in)
    assert "would overwrite" in refused(capsys, folder, "--out", folder, *plug_in)
    (tmp_path / "a.txt").write_text("hello")
    assert "is a file, give the name of a folder" in refused(capsys, folder, "--out", tmp_path / "a.txt", *plug_in)
    assert f"{tmp_path}/a.txt holds no video" in refused(capsys, tmp_path / "a.txt", *out, *plug_in)
    assert "no annotator 'medapipe'" in refused(capsys, folder, *out, "--annotator", "medapipe")
    assert "no.task does not exist" in refused(capsys, folder, *out, "--model", tmp_path / "no.task")
    assert "did you mean --workers?" in refused(capsys, folder, *out, "--worker", "2")
    assert "of 1 or more but got 0" in refused(capsys, folder, *out, "--workers", "0")
    assert "invalid choice: 'dask'" in refused(capsys, folder, *out, "--engine", "dask")
    assert "expected --shard I/N" in refused(capsys, folder, *out, *plug_in, "--shard", "0/4")
    assert "--out" in refused(capsys, folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(model, "ADDRESS", "http://127.0.0.1:9/face.task")
    assert "--model" in refused(capsys, folder, *out)
    assert not (tmp_path / "store").exists()


def test_a_store_of_another_version(folder, tmp_path, capsys):
    store = tmp_path / "store"
    store.mkdir()
    (store / "clips-0.parquet").write_bytes(b"something else")
    assert "clips-0.parquet" in refused(capsys, folder, "--out", store, "--annotator", SPEC)


def test_nothing_that_can_be_annotated_is_bad_input(tmp_path, capsys, monkeypatch):
    annotate_here(monkeypatch)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_text("hello")
    said = refused(capsys, tmp_path / "videos", "--out", tmp_path / "store", "--annotator", SPEC)
    assert "none of 1 file could be annotated" in said
    assert json.loads((tmp_path / "store" / "report.json").read_text())["failed"]


@pytest.mark.parametrize("text", ["", "1", "a/b", "0/3", "4/3", "-1/3", "1/3/5"])
def test_no_share(text):
    with pytest.raises(InputError, match="1/16"):
        parse_shard(text)


def test_shares():
    assert parse_shard(None) == (1, 1)
    assert parse_shard("3/16") == (3, 16)


def test_help_shows_an_example_and_a_slurm_array():
    words = [sys.executable, "-m", "faceimit.annotate", "--help"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "faceimit-annotate talks --out store" in said
    assert "--shard $SLURM_ARRAY_TASK_ID/16" in said
