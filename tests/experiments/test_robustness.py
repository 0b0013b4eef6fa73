import csv
from dataclasses import replace

import numpy as np
import pytest

from experiments.robustness import run as robustness
from faceimit.data.datamodule import ClipData
from faceimit.keyframes import blendshapes
from tests.clips import blob_clip
from tests.square_annotator import Bright


class Blobs(ClipData):
    def sources(self, split):
        first = {"train": 0, "val": 10, "test": 20}[split]
        return [replace(blob_clip(first + i), identity=f"{split}{i}") for i in range(2)]


@pytest.fixture
def words(tmp_path, monkeypatch):
    monkeypatch.setattr(robustness, "rendered", lambda asked: Blobs())
    monkeypatch.setattr(robustness, "real", lambda asked: Blobs())
    monkeypatch.setattr(robustness, "load", by_difference)
    monkeypatch.setattr(robustness.Bench, "turned", lambda self, condition: self.test)
    monkeypatch.setattr(blendshapes, "Landmarker", Bright)
    (tmp_path / "a.task").touch()
    return ["--table", str(tmp_path / "t.csv"), "--runs", str(tmp_path / "runs"), "--frames", "30"]


def by_difference(path):
    from faceimit.keyframes.methods import UNTUNED_SEARCH, make_method
    from faceimit.keyframes.stream import MethodScorer

    return MethodScorer(make_method("frame_difference", reference=5.0), UNTUNED_SEARCH)


def rows(tmp_path):
    return list(csv.DictReader((tmp_path / "t.csv").open()))


def test_every_method_sees_the_same_pictures(words, tmp_path, monkeypatch):
    robustness.run([*words, "--model", str(tmp_path / "a.task"), "--only", "blur", "extreme_pose", "--real", "x"])
    found = rows(tmp_path)
    kinds = {(row["data"], row["degradation"], row["level"]) for row in found}
    assert len(kinds) == 2 * (1 + 3 + 3)
    methods = ["faceimit_shipped", "blendshapes", "frame_difference"]
    for data, kind, level in kinds - {("real", "extreme_pose", level) for level in "123"}:
        here = [row for row in found if (row["data"], row["degradation"], row["level"]) == (data, kind, level)]
        assert [row["method"] for row in here] == methods
        assert all(row["F1"] and row["clips"] == "2.0" for row in here)
        assert here[1]["faces_found"] == "1.0"
        assert here[0]["F1_lost"] == here[2]["F1_lost"] or kind != "clean"
    clean = [row for row in found if row["degradation"] == "clean"]
    assert {float(row["F1_lost"]) for row in clean} == {0.0}
    skipped = [row for row in found if row["data"] == "real" and row["degradation"] == "extreme_pose"]
    assert all("cannot be turned" in row["note"] and not row["F1"] for row in skipped)
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    wide = {(line["data"], line["condition"]): line for line in csv.DictReader((tmp_path / "summary.csv").open())}
    assert len(wide) == len(kinds)
    blurred = next(row for row in found if row["degradation"] == "blur" and row["method"] == "blendshapes")
    assert wide[blurred["data"], "blur 1.0"]["blendshapes"] == blurred["F1"]
    assert wide["real", "extreme pose 2.0"]["faceimit_shipped"] == ""
    monkeypatch.setattr(robustness, "Bench", None)
    robustness.run([*words, "--model", str(tmp_path / "a.task"), "--only", "blur", "--real", "x"])
    assert rows(tmp_path) == found


def test_without_a_model_its_rows_say_why(words, tmp_path, capsys):
    robustness.run([*words, "--model", str(tmp_path / "b.task"), "--only", "low_light"])
    absent = [row for row in rows(tmp_path) if row["method"] == "blendshapes"]
    assert len(absent) == 4
    assert all(row["note"].startswith("skipped") and not row["F1"] for row in absent)
    assert "there is no model file" in capsys.readouterr().err


def test_other_weights_are_measured_again(words, tmp_path):
    given = [*words, "--model", str(tmp_path / "a.task")]
    keys = []
    for content in ("old", "new", "old"):
        (tmp_path / "a.task").write_text(content)
        keys.append([job.key for job in robustness.jobs_of("rendered", None, robustness.arguments(given))])
    assert keys[0] == keys[2]
    assert not set(keys[0]) & set(keys[1])


def test_truth_is_that_of_the_clean_clip():
    clips = [blob_clip(1), blob_clip(2)]
    spoilt = robustness.spoilt(clips, robustness.Condition("low_resolution", 3), 0)
    assert not np.array_equal(spoilt[0].frames, clips[0].frames)
    assert all(one.annotation is other.annotation for one, other in zip(spoilt, clips, strict=True))
    again = robustness.spoilt(clips, robustness.Condition("low_light", 1), 0)
    other = robustness.spoilt(clips, robustness.Condition("low_light", 1), 1)
    assert not np.array_equal(again[0].frames, other[0].frames)


def test_a_clip_begins_where_its_face_does():
    clip = blob_clip(1)
    valid = clip.annotation.valid.copy()
    valid[:7] = False
    short = robustness.shortened(replace(clip, annotation=replace(clip.annotation, valid=valid)), 10)
    assert len(short.frames) == 10
    assert np.array_equal(short.frames, clip.frames[7:17])
    assert np.array_equal(short.annotation.blendshapes, clip.annotation.blendshapes[7:17])


def test_levels_and_values_belong_together():
    values = {(c.name, c.level): c.value for c in robustness.CONDITIONS}
    assert values["clean", 0] == ""
    assert values["extreme_pose", 2] == 3.0
    assert values["compression", 1] == 32.0
    assert len(values) == 19
