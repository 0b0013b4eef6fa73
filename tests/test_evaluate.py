import csv
import json
import sys
from pathlib import Path

import pytest

from faceimit import evaluate as module
from faceimit.data.annotators import model
from faceimit.data.datamodule import ClipData
from faceimit.errors import InputError
from faceimit.evaluate import (
    blendshape_model,
    check_folder,
    chosen_methods,
    data_settings,
    evaluate,
    named_checkpoints,
    out_folder,
)
from faceimit.keyframes import blendshapes
from faceimit.keyframes.methods import METHODS
from faceimit.tracking import schema
from faceimit.tracking.config import composed, plain
from faceimit.tracking.evaluations import newest
from tests.clips import blob_clip
from tests.run_folders import make_evaluation
from tests.square_annotator import Bright


def config(*overrides):
    return plain(composed(list(overrides), "evaluate"))


def test_methods_are_all_or_named():
    assert chosen_methods("all") == list(METHODS)
    assert chosen_methods(["random"]) == ["random"]
    assert chosen_methods(["blendshapes", "random"]) == ["random"]
    with pytest.raises(InputError, match="unknown method 'farnback'"):
        chosen_methods(["farnback"])
    with pytest.raises(InputError, match="all or a list"):
        chosen_methods("farneback")


def test_names_and_folder(tmp_path):
    some = config("checkpoint=none", "+others.baseline=b.ckpt")
    assert named_checkpoints(some) == {"baseline": "b.ckpt"}
    assert named_checkpoints(config("checkpoint=a.ckpt")) == {"faceimit": "a.ckpt"}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("experiment: some\nseed: 0\ntask: {}\ndata: {_target_: somewhere}")
    inside = config(f"checkpoint={tmp_path}/run/checkpoints/best.ckpt")
    assert data_settings(inside, {}) == {"_target_": "somewhere"}
    assert data_settings(inside, {"data.size": 128})["size"] == 128
    assert out_folder(inside) == tmp_path / "run" / "evaluation"
    assert out_folder(config("checkpoint=none", f"out={tmp_path}")) == tmp_path


def test_every_evaluation_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    some = config("checkpoint=none")
    for name in ("evaluation", "evaluation-2", "evaluation-3"):
        assert out_folder(some) == Path("runs", name)
        make_evaluation(out_folder(some))
        assert newest(Path("runs", "evaluation")) == Path("runs", name)


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("others", "out=others holds a results.csv of something else"),
        ("a.ckpt", "cannot write a.ckpt"),
    ],
)
def test_what_is_there_is_not_overwritten(tmp_path, monkeypatch, out, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "others").mkdir()
    for name in ("others/results.csv", "a.ckpt"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=sentence):
        check_folder(config("checkpoint=a.ckpt", f"out={out}"))


def test_an_earlier_evaluation_in_a_named_folder_is_replaced_and_that_is_said(tmp_path, capsys):
    make_evaluation(tmp_path)
    check_folder(config("checkpoint=none", f"out={tmp_path}"))
    assert capsys.readouterr().err == f"the evaluation in {tmp_path} will be replaced\n"


def test_rendered_faces_end_to_end(tmp_path):
    small = ["budget.clips={train: 1, val: 1, test: 1}", "budget.frames=24", "data.renderers=1"]
    folder = evaluate(
        config("checkpoint=none", "methods=[frame_difference]", f"cache={tmp_path}", f"out={tmp_path}/out", *small)
    )
    rows = list(csv.DictReader((folder / "results.csv").open()))
    assert [row["method"] for row in rows] == ["frame_difference", "truth_with_noise"]


class Blobs(ClipData):
    """Clips that count as annotated videos."""

    def sources(self, split):
        seeds = {"train": (0, 1), "val": (2,), "test": (3,)}[split]
        return [blob_clip(seed) for seed in seeds]


def test_the_annotators_row_says_that_it_is_the_source_of_the_truth(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(blendshapes, "Landmarker", Bright)
    monkeypatch.setattr(schema, "build", lambda settings: Blobs())
    (tmp_path / "a.task").touch()
    words = ["checkpoint=none", f"model={tmp_path}/a.task", f"out={tmp_path}", "plots=0"]
    evaluate(config(*words, "methods=[blendshapes,uniform]"))
    rows = {row["method"]: row for row in csv.DictReader((tmp_path / "results.csv").open())}
    assert list(rows) == ["uniform", "blendshapes", "truth_with_noise"]
    assert "source of the truth" in rows["blendshapes"]["note"]
    assert rows["uniform"]["note"] == ""
    methods = json.loads((tmp_path / "results.json").read_text())["methods"]
    assert ["source of the truth" in method["note"] for method in methods] == [False, True, False]
    said = capsys.readouterr().err
    assert "blendshapes *" in said
    assert "* blendshapes: the source of the truth" in said


def test_the_annotators_row_needs_a_model_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(model, "ADDRESS", "http://127.0.0.1:9/face.task")
    assert blendshape_model(config("checkpoint=none", "methods=[random]")) == (None, "")
    path, missing = blendshape_model(config("checkpoint=none"))
    assert path is None
    assert "no row blendshapes" in missing
    assert "download http" in missing
    with pytest.raises(InputError, match="cannot be fetched"):
        blendshape_model(config("checkpoint=none", "methods=[blendshapes]"))
    with pytest.raises(InputError, match="does not exist"):
        blendshape_model(config("checkpoint=none", f"model={tmp_path}/a.task"))
    (tmp_path / "a.task").touch()
    found = blendshape_model(config("checkpoint=none", f"model={tmp_path}/a.task", "methods=[blendshapes]"))
    assert found == (tmp_path / "a.task", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["checkpoint=missing.ckpt"], "missing.ckpt does not exist"),
        (["checkpont=a.ckpt"], "checkpont"),
        (["checkpoint=none", "data=sintetic"], "synthetic"),
        (["checkpoint=none", "methods=[foo]"], "unknown method 'foo'"),
        (["checkpoint=none", "data.sise=3"], "size"),
        (["checkpoint=none", "methods=farneback"], "expected methods to be all or a list but got 'farneback'"),
        (["checkpoint=none", "methods=3"], "expected methods to be text or a list but got 3"),
        (["checkpoint=none", "budget.frames=0"], "expected budget.frames to be a whole number of 2 or more but got 0"),
        (["checkpoint=none", "budget.clips.test=0"], "expected budget.clips.test to be a whole number of 1 or more"),
        (["checkpoint=none", "data.c_ref=nan"], "expected data.c_ref to be a number above 0 or null but got nan"),
        (["checkpoint=none", "plots=-1"], "expected plots to be a whole number of 0 or more but got -1"),
        (["checkpoint=none", "others=3"], "expected others to be names and values but got 3"),
        (["checkpoint=none", "+others.random=a.ckpt"], "others.random: a row of the table has that name"),
        (["checkpoint=none", "model=3"], "expected model to be text or null but got 3"),
        (["checkpoint=none", "data=ameca_virtual"], "evaluate measures on clips of faces, but VirtualPairs gives"),
        (["checkpoint=none", "profile=tiny"], "there is no configuration key 'profile', valid here: budget, cache"),
        (["plots=0"], "checkpoint=VALUE is missing: a trained task (RUN/checkpoints/best.ckpt)"),
        (["checkpoint=shiped"], "shiped does not exist (did you mean shipped?)"),
        (["checkpoint=tests"], "checkpoint tests is a folder, give a .ckpt file of a run"),
        (["--plots", "3"], "there is no option --plots, settings are written without dashes: plots=VALUE"),
    ],
)
def test_bad_input_is_one_sentence_and_2(words, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evaluate", *words])
    assert module.main() == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1
