import json

import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.tracking.report_record import flat, is_run, newest_pictures, read_run
from tests.run_folders import environment, make_run, write, write_rows


def test_a_run_is_read_whole(tmp_path):
    run = read_run(make_run(tmp_path / "r"))
    assert run.task == "KeyframeTask"
    assert run.finished
    assert run.tested
    assert run.metrics["test/F1"] == pytest.approx(0.7)
    curve = run.curves["val/loss"]
    assert curve.steps.tolist() == [9, 19, 29]
    assert curve.values[-1] == pytest.approx(0.21)
    assert "epoch" not in run.curves
    assert run.fingerprint["test"]["digest"] == "abc123"
    assert run.checkpoint.name == "best.ckpt"


def test_a_run_that_has_just_begun_has_gaps_and_no_error(tmp_path):
    folder = make_run(tmp_path / "r", finished=False)
    for name in ("metrics.json", "metrics.csv", "data.json", "environment.json"):
        (folder / name).unlink()
    run = read_run(folder)
    assert run.metrics == {}
    assert run.curves == {}
    assert not run.finished
    assert is_run(folder)


def test_tables_scores_and_the_newest_pictures_are_found(tmp_path):
    folder = make_run(tmp_path / "r")
    write_rows(folder / "tables" / "clips.csv", [{"clip": "a", "F1": 1.0}])
    write_rows(folder / "evaluation" / "clips.csv", [{"clip": "old", "F1": 0.0}])
    clip = {"clip": "a", "fps": 25.0, "score": [0.1, None], "target": [0.2, 0.3], "keyframes": [0], "true": []}
    write(folder / "tables" / "scores.json", {"clips": [clip]})
    media = folder / "wandb" / "offline-run-1" / "files" / "media" / "images"
    media.mkdir(parents=True)
    for name in ("flow_9_c5809ae840e72f16be5f.png", "flow_48_7c457d99460f9214eeb2.png"):
        (media / name).write_bytes(b"x")
    (folder / "media").mkdir()
    for name in ("pair_1.png", "pair_2.png"):
        (folder / "media" / name).write_bytes(b"x")
    run = read_run(folder)
    assert set(run.pictures) == {"flow", "pair_1", "pair_2"}
    assert run.tables["clips"][0]["clip"] == "a"  # the run's own before the evaluation's
    assert np.isnan(run.scores[0]["score"][1])
    assert run.pictures["flow"].name.startswith("flow_48")
    assert newest_pictures(tmp_path) == {}


def test_settings_are_flat_and_without_the_place_of_the_run():
    assert flat({"a": {"b": 1, "c": {}}, "run_dir": "x", "seed": 0}) == {"a.b": 1, "a.c": {}, "seed": 0}


CLIP = json.dumps(
    {"clips": [{"clip": "a", "fps": 25, "score": [0.1, None], "target": [0, 1], "keyframes": [1], "true": []}]}
)


def test_an_environment_of_another_shape_is_read_as_far_as_it_goes(tmp_path):
    folder = make_run(tmp_path / "r")
    write(folder / "environment.json", {"commit": "abc", "versions": ["1"], "seed": 3})
    assert read_run(folder).environment == {"seed": 3}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("metrics.json", "{", "no whole JSON file"),
        ("metrics.json", "[1]", "holds a list"),
        ("metrics.json", '{"test/F1": "high"}', "expected test/F1"),
        ("metrics.json", '{"test/F1": NaN}', "expected test/F1"),
        ("metrics.csv", "step,val/loss\n1,low\n", "line 2"),
        ("metrics.csv", "step,val/loss\n1\n", "has 1 cells where the first has 2"),
        ("metrics.csv", "loss\n1\n", "line 2"),
        ("config.yaml", "a: [", "is damaged"),
        ("config.yaml", "experiment: x\n", "has no seed"),
        ("config.yaml", "{experiment: x, seed: 0, task: y, data: {}, trainer: {}}", "a task that is no group"),
        ("environment.json", "{", "no whole JSON file"),
        ("data.json", '{"counts": 3}', "expected counts"),
        ("data.json", '{"test/clips": 3}', "expected counts"),
        ("data.json", '{"counts": {}, "fingerprint": {"test": "abc"}}', "expected test of the fingerprint"),
        ("tables/scores.json", '{"clips": 3}', "expected clips"),
        ("tables/scores.json", '{"clips": [{"clip": "a"}]}', "a clip without"),
        ("tables/scores.json", CLIP.replace("[1]", "[7]"), "clip a of"),
        ("tables/scores.json", CLIP.replace("[0.1, null]", "[0.1]"), "clip a of"),
        ("tables/scores.json", CLIP.replace("0.1", '"low"'), "clip a of"),
    ],
)
def test_a_broken_file_is_named_in_one_sentence(tmp_path, name, content, sentence):
    folder = make_run(tmp_path / "r")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(content)
    with pytest.raises(InputError) as error:
        read_run(folder)
    assert sentence in str(error.value)
    assert name in str(error.value)


def test_bytes_that_are_no_text_are_named(tmp_path):
    folder = make_run(tmp_path / "r")
    (folder / "metrics.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"metrics\.csv"):
        read_run(folder)


def test_a_run_of_another_version_is_refused_unless_asked_for(tmp_path):
    folder = make_run(tmp_path / "r")
    write(folder / "environment.json", environment(0, version="7.3.0"))
    with pytest.raises(InputError, match=r"recorded by faceimit 7\.3\.0"):
        read_run(folder)
    assert read_run(folder, any_version=True).metrics == json.loads((folder / "metrics.json").read_text())
