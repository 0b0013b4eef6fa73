import csv
from functools import partial

import pytest

from experiments.table1 import run as table1
from faceimit.errors import InputError
from tests import corpora
from tests.in_process import annotate_here

MAKE = {"voxceleb": corpora.make_voxceleb, "300vw": corpora.make_300vw, "caer": partial(corpora.make_caer, clips=1)}
SMALL = ("data.size=64", "data.window=4", "data.batch_size=2", "task.size=32", "task.width=16")


@pytest.mark.parametrize("corpus", MAKE)
def test_a_corpus_in_one_command(tmp_path, monkeypatch, corpus):
    annotate_here(monkeypatch)
    root, table = MAKE[corpus](tmp_path / "corpus"), tmp_path / "t.csv"
    table.write_text("data,method,E_n\ncaer,old,1\nrendered,kept,2\n")
    words = [
        "--data", corpus, "--root", str(root), "--networks", "proposed_compact", "--methods", "frame_difference",
        "--steps", "1", "--table", str(table), "--runs", str(tmp_path / "runs"), "--set", *SMALL,
        f"cache={tmp_path / 'cache'}", "data.annotator=tests.middle_face:MiddleFace",
    ]  # fmt: skip
    table1.run(words)
    rows = list(csv.DictReader(table.open()))
    fresh = {row["method"]: row for row in rows if row["data"] == corpus}
    assert list(fresh) == ["proposed_compact", "proposed_shipped", "frame_difference", "truth_with_noise"]
    assert {row["method"] for row in rows} - set(fresh) == {"kept"} | ({"old"} if corpus != "caer" else set())
    ours = fresh["proposed_compact"]
    number, location = table1.PUBLISHED[corpus]
    assert (ours["trained_on"], ours["steps"]) == (corpus, "1")
    assert float(ours["published_E_n"]) == number
    assert float(ours["published_E_l"]) == location
    assert float(ours["delta_E_n"]) == pytest.approx(float(ours["E_n"]) - number, abs=1e-3)
    assert fresh["frame_difference"]["published_E_n"] == ""
    assert table.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_networks_get_the_same_budget(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(table1, "trained", lambda words, folder: asked.append(words) or folder)
    arguments = table1.arguments(["--steps", "7", "--seed", "3", "--runs", str(tmp_path)])
    folders = {table1.trained_network(name, arguments) for name in table1.NETWORKS}
    assert len(folders) == 3
    shared = [set(words) - set(table1.NETWORKS[name]) for words, name in zip(asked, table1.NETWORKS, strict=True)]
    assert shared[0] == shared[1] == shared[2]
    assert {"data.steps=7", "seed=3", "data.batch_size=4"} <= shared[0]


def test_published_values_stand_beside_what_they_can_be_compared_with():
    ours = {"E_n": 4.0, "E_l_ordinal": 2.0, "E_l_matched": 1.0, "E_l_near": ""}
    found = table1.published("proposed", ours, "300vw")
    assert (found["delta_E_n"], found["delta_E_l_matched"], found["delta_E_l_near"]) == (0.26, 0.241, "")
    assert table1.published("proposed_shipped", ours, "real")["published_on"] == "voxceleb"
    assert set(table1.published("resnet50", ours, "caer").values()) == {""}


def test_a_corpus_needs_its_root():
    with pytest.raises(InputError, match="--data caer --root FOLDER"):
        table1.run(["--data", "caer"])
    with pytest.raises(InputError, match="invalid choice"):
        table1.run(["--data", "voxcelleb"])
