import csv
import sys

import pytest

from faceimit import evaluate as module
from faceimit.errors import InputError
from faceimit.evaluate import chosen_methods, data_settings, evaluate, named_checkpoints, out_folder
from faceimit.keyframes.methods import METHODS
from faceimit.tracking.config import composed, plain


def config(*overrides):
    return plain(composed(list(overrides), "evaluate"))


def test_methods_are_all_or_named():
    assert chosen_methods("all") == list(METHODS)
    assert chosen_methods(["random"]) == ["random"]
    with pytest.raises(InputError, match="unknown method 'farnback'"):
        chosen_methods(["farnback"])
    with pytest.raises(InputError, match="all or a list"):
        chosen_methods("farneback")


def test_names_and_folder(tmp_path):
    some = config("checkpoint=none", "+others.baseline=b.ckpt")
    assert named_checkpoints(some) == {"baseline": "b.ckpt"}
    assert named_checkpoints(config("checkpoint=a.ckpt")) == {"faceimit": "a.ckpt"}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("data: {_target_: somewhere}")
    inside = config(f"checkpoint={tmp_path}/run/checkpoints/best.ckpt")
    assert data_settings(inside, {}) == {"_target_": "somewhere"}
    assert data_settings(inside, {"data.size": 128})["size"] == 128
    assert out_folder(inside) == tmp_path / "run" / "evaluation"
    assert out_folder(config("checkpoint=none", f"out={tmp_path}")) == tmp_path


def test_rendered_faces_end_to_end(tmp_path):
    small = ["budget.clips={train: 1, val: 1, test: 1}", "budget.frames=24", "data.renderers=1"]
    folder = evaluate(
        config("checkpoint=none", "methods=[frame_difference]", f"cache={tmp_path}", f"out={tmp_path}/out", *small)
    )
    rows = list(csv.DictReader((folder / "results.csv").open()))
    assert [row["method"] for row in rows] == ["frame_difference", "truth_with_noise"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["checkpoint=missing.ckpt"], "missing.ckpt does not exist"),
        (["checkpont=a.ckpt"], "checkpont"),
        (["checkpoint=none", "data=sintetic"], "synthetic"),
        (["checkpoint=none", "methods=[foo]"], "unknown method 'foo'"),
        (["checkpoint=none", "data.sise=3"], "size"),
    ],
)
def test_bad_input_is_one_sentence_and_2(words, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evaluate", *words])
    assert module.main() == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1
