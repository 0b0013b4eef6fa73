import json

import numpy as np
import pytest

from faceimit.data import targets
from faceimit.data.annotators.model import model_file
from faceimit.data.videos import crop_video
from faceimit.detect import detect
from faceimit.face.blendshapes import from_mediapipe
from faceimit.face.pose import pose_from_rotation
from faceimit.keyframes import blendshapes
from faceimit.keyframes.blendshapes import BlendshapeScorer
from faceimit.keyframes.search import find_keyframes, true_keyframes
from faceimit.tracking.cli import run_command
from tests.faces import REAL, needs_real
from tests.square_annotator import Bright

MODEL = REAL / "face_landmarker_v2_with_blendshapes.task"


@pytest.fixture
def scorer(monkeypatch):
    monkeypatch.setattr(blendshapes, "Landmarker", Bright)
    return BlendshapeScorer("model", c_ref=0.2)


def crops(levels, size=64):
    return [None if level is None else np.full((size, size, 3), level, dtype=np.uint8) for level in levels]


def scores(scorer, levels, fps):
    scorer.start(fps)
    pushed = [scorer.push(crop) for crop in crops(levels)]
    return np.array([score for answer in pushed for score in answer] + scorer.finish())


@pytest.mark.parametrize("fps", [12.0, 25.0, 60.0])
def test_frame_by_frame_it_is_the_targets_definition(scorer, fps):
    levels = np.random.default_rng(0).integers(20, 200, 90)
    state = np.zeros((90, 52))
    state[:, 24] = levels / 255.0
    expected = targets.score(targets.change(state, np.zeros((90, 3)), fps), 0.2)
    assert scores(scorer, levels, fps) == pytest.approx(expected, abs=1e-5)
    assert scorer._landmarker.sizes == {(256, 256, 3)}
    assert (scorer.looks, scorer.found) == (90, 90)


def test_it_looks_ahead_200_ms_and_no_further(scorer):
    scorer.start(25.0)
    answers = [len(scorer.push(crop)) for crop in crops(range(20, 60))]
    assert answers == [0] * 5 + [1] * 35
    assert len(scorer.finish()) == 5


def test_no_face_no_score(scorer):
    levels = [100, 110, 120, None, None, 90, 80, 70, 0, 60, 70, 80]
    found = scores(scorer, levels, 25.0)
    assert np.isnan(found).tolist() == [level in (None, 0) for level in levels]
    assert (scorer.looks, scorer.found) == (10, 9)


def test_a_still_face_has_no_keyframes(scorer):
    found = scores(scorer, [100] * 50, 25.0)
    assert found.max() < 1e-9
    assert find_keyframes(found, 25.0, scorer.params) == ()


def test_the_model_file_belongs_to_the_method(tmp_path, capsys, monkeypatch):
    video = str(tmp_path / "a.mp4")
    from tests import video_files

    video_files.write(tmp_path / "a.mp4", video_files.numbered(5))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run_command(detect, [video, "--method", "dis", "--model", "x.task"]) == 2
    assert "--method blendshapes" in capsys.readouterr().err
    assert run_command(detect, [video, "--method", "blendshapes", "--model", "x.task"]) == 2
    assert "x.task does not exist" in capsys.readouterr().err
    assert run_command(detect, [video, "--method", "blendshape"]) == 2
    assert "did you mean blendshapes?" in capsys.readouterr().err


@needs_real
def test_on_a_clean_clip_it_finds_the_true_keyframes(tmp_path):
    pytest.importorskip("mediapipe")
    video, out = REAL / "clips" / "liveportrait_d0.mp4", tmp_path / "a.json"
    words = [video, "--method", "blendshapes", "--model", model_file(MODEL), "--json", out]
    assert run_command(detect, [str(word) for word in words]) == 0
    found = json.loads(out.read_text())
    with np.load(REAL / "annotations" / "liveportrait_d0.npz") as reference:
        shapes = from_mediapipe(reference["blendshapes"], list(reference["names"]))
        truth = targets.score(targets.change(shapes, pose_from_rotation(reference["matrices"]), 25.0), 0.4)
    assert found["keyframes"] == list(true_keyframes(truth, 25.0).strong)
    assert np.corrcoef(np.array(found["scores"], dtype=float), truth)[0, 1] > 0.98


@needs_real
def test_it_finds_the_face_in_small_crops():
    pytest.importorskip("mediapipe")
    frames, valid, fps = crop_video(REAL / "clips" / "liveportrait_d0.mp4", size=128)
    assert valid.all()
    scorer = BlendshapeScorer(MODEL)
    scorer.start(fps)
    for frame in frames:
        scorer.push(frame)
    scorer.finish()
    assert scorer.found == scorer.looks == 78
