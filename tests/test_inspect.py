import json

import pytest

from faceimit.data.clipfile import save_clip
from faceimit.inspect import inspect
from faceimit.tracking.cli import run_command
from tests.clips import blob_clip
from tests.corpora import make_pairs


@pytest.fixture
def clips(tmp_path):
    for split, seed in (("train", 1), ("val", 2), ("test", 3)):
        save_clip(tmp_path / "clips" / split / f"{seed}.npz", blob_clip(seed))
    return tmp_path / "clips"


def test_a_report_and_its_numbers_are_left_and_the_path_comes_last(clips, tmp_path, capsys):
    out, numbers = tmp_path / "out" / "report.html", tmp_path / "report.json"
    assert run_command(inspect, [str(clips), "--out", str(out), "--json", str(numbers)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == str(out)
    assert any("never move" in line for line in printed)
    assert out.read_text().startswith("<!DOCTYPE html>")
    assert json.loads(numbers.read_text())["kind"] == "rendered clips"


def test_without_a_name_the_report_is_named_after_what_it_is_of(clips, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_command(inspect, ["clips"]) == 0
    assert (tmp_path / "inspect_clips.html").is_file()
    assert capsys.readouterr().out.endswith("inspect_clips.html\n")


def test_values_without_names_are_read_with_a_hint(tmp_path, capsys):
    table = str(make_pairs(tmp_path, "list"))
    assert run_command(inspect, [table, "--out", str(tmp_path / "a.html")]) == 2
    assert "without names" in capsys.readouterr().err
    assert run_command(inspect, [table, "--out", str(tmp_path / "a.html"), "--names", "table"]) == 0


def test_a_store_without_a_clip_names_its_report(tmp_path, capsys):
    (tmp_path / "S").mkdir()
    for name in ("report.json", "workers.log"):
        (tmp_path / "S" / name).write_text("{}")
    assert run_command(inspect, [str(tmp_path / "S")]) == 2
    assert "annotation store without a clip yet, see why in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "there is nothing"),
        (["CLIPS", "--clips", "0"], "at least 1"),
        (["CLIPS", "--out", "FOLDER"], "is a folder"),
        (["CLIPS", "--out", "x.html", "--json", "x.html"], "have the same name"),
        (["CLIPS", "--data", "caer"], "CAER"),
        (["CLIPS", "--json", "CLIP"], "would overwrite what is read from"),
        (["CLIPS", "--fps", "25"], "--fps is for Ameca pairs but"),
        (["CLIPS", "--names", ""], "expected names with commas between them but got ''"),
        (["CLIPS", "--fps", "nan"], "from 0.1 to 1000 but got nan"),
        (["BUNDLE", "--data", "videos"], "is a bundle, leave it out"),
        (["TEXT"], "none of 1 video can be read; "),
        (["SCORES"], "to name pictures and their controls but its names are video, fps"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(clips, tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    places = {"CLIPS": str(clips), "FOLDER": str(tmp_path), "CLIP": str(clips / "train" / "1.npz")}
    contents = {"TEXT": ("text.mp4", "hello"), "SCORES": ("a/scores.json", '{"video": "a.mp4", "fps": 25}')}
    contents["BUNDLE"] = ("bundle/manifest.json", "{}")
    for place, (name, content) in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
        places[place] = str((tmp_path / name).parent if place == "BUNDLE" else tmp_path / name)
    assert run_command(inspect, [places.get(argument, argument) for argument in arguments]) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("*.html"))
