from dataclasses import replace

import numpy as np
import pytest

from faceimit.data.annotators.tracks import SeenFace
from faceimit.errors import InputError
from faceimit.face.blendshapes import BLENDSHAPES, INDEX
from faceimit.face.controls import INDEX as CONTROL
from faceimit.face.controls import NEUTRAL, SPAN
from faceimit.face.landmarks import FROM_MEDIAPIPE
from faceimit.face.pose import pose_from_rotation, rotation_from_pose
from faceimit.face.retargeting import to_controls
from faceimit.robot.profile import load_profile
from faceimit.runtime.readers import BlendshapeReader, make_reader
from tests.faces import REAL, needs_real
from tests.robots import FakeBundle

PROFILE = load_profile("ameca")
CROP = np.zeros((128, 128, 3), dtype=np.uint8)
MODEL = REAL / "face_landmarker_v2_with_blendshapes.task"


def face(size, pose=(0.0, 0.0, 0.0), **shapes):
    """A face that takes so much of the picture's side."""
    points = np.random.default_rng(0).uniform(0.5 - size / 2, 0.5 + size / 2, (478, 3)).astype(np.float32)
    corners = [(0.5 - size / 2, 0.5 - size / 2), (0.5 + size / 2, 0.5 + size / 2)]
    points[list(FROM_MEDIAPIPE[:2]), :2] = corners
    values = np.zeros(len(BLENDSHAPES), dtype=np.float32)
    for name, value in shapes.items():
        values[INDEX[name]] = value
    matrix = np.eye(4, dtype=np.float32)
    matrix[:3, :3] = rotation_from_pose(np.array(pose))
    return SeenFace(points, values, matrix)


class FakeLandmarker:
    """Sees what `faces` holds; remembers pictures and times."""

    faces = ()

    def __init__(self, model=None):
        self.looks, self.begun, self.closed = [], False, False

    def start(self):
        self.begun = True

    def look(self, image, time_s):
        self.looks.append((image.shape, time_s))
        return list(self.faces)

    def close(self):
        self.closed = True


@pytest.fixture
def landmarker(monkeypatch):
    monkeypatch.setattr("faceimit.data.annotators.landmarker.Landmarker", FakeLandmarker)
    return FakeLandmarker


def test_blendshapes_and_pose_become_controls_by_the_documented_matrix(landmarker, monkeypatch):
    pose = np.array([0.1, -0.2, 0.05])
    seen = face(0.5, pose, jawOpen=0.6, browInnerUp=0.4)
    monkeypatch.setattr(landmarker, "faces", [face(0.2, jawOpen=0.1), seen])
    reader = BlendshapeReader(PROFILE)
    values = reader(CROP, 0.04)
    expected = PROFILE.clip(to_controls(seen.blendshapes.astype(float), pose_from_rotation(seen.matrix)))
    np.testing.assert_allclose(values, expected)
    assert NEUTRAL[CONTROL["Jaw Pitch"]] - values[CONTROL["Jaw Pitch"]] == pytest.approx(0.6, abs=0.02)
    fake = reader._landmarker
    assert fake.begun
    assert fake.looks == [((256, 256, 3), 0.04)]
    reader.close()
    assert fake.closed


def test_no_face_in_the_crop_is_no_reading(landmarker):
    assert np.isnan(BlendshapeReader(PROFILE)(CROP, 0.0)).all()


def test_the_usual_reader_is_what_the_bundle_can():
    bundle = FakeBundle()
    assert make_reader(bundle, PROFILE).name == "mapping"
    bundle.has_controls, bundle.has_landmarks = False, True
    assert make_reader(bundle, PROFILE).name == "geometric"
    bundle.has_controls = True
    assert make_reader(bundle, PROFILE, "geometric").name == "geometric"


@pytest.mark.parametrize(
    ("name", "has", "sentence"),
    [
        ("mapping", (False, True), "no mapping network: export it with --mapping"),
        ("geometric", (True, False), "no landmarks .* export it with --landmarks"),
        (None, (False, False), "no landmarks"),
        ("blendshape", (True, True), r"unknown controls 'blendshape' \(did you mean blendshapes\?\)"),
    ],
)
def test_what_cannot_be_read_is_refused(name, has, sentence):
    bundle = FakeBundle()
    bundle.has_controls, bundle.has_landmarks = has
    with pytest.raises(InputError, match=sentence):
        make_reader(bundle, PROFILE, name)


def test_geometry_needs_a_profile_with_it_and_a_model_needs_blendshapes():
    bundle = FakeBundle()
    bundle.has_landmarks = True
    with pytest.raises(InputError, match="faceimit-calibrate"):
        make_reader(bundle, replace(PROFILE, geometric={}), "geometric")
    with pytest.raises(InputError, match=r"a\.task is for controls by blendshapes"):
        make_reader(bundle, PROFILE, None, "a.task")


@needs_real
def test_a_real_face_is_read_as_it_was_annotated():
    pytest.importorskip("mediapipe")
    from faceimit.data.videos import CropStream

    with np.load(REAL / "annotations" / "vexpress_l3.npz") as stored:
        order = [list(stored["names"]).index(name) if name in stored["names"] else -1 for name in BLENDSHAPES]
        shapes = np.where(np.array(order) >= 0, stored["blendshapes"][:, order], 0.0)
        truth = to_controls(shapes.astype(float), pose_from_rotation(stored["matrices"]))
    reader, found = BlendshapeReader(PROFILE, str(MODEL)), []
    with CropStream(REAL / "clips" / "vexpress_l3.mp4", 128) as crops:
        for number, frame in zip(range(12), crops, strict=False):
            found.append(reader(frame.crop, number / 25))
    reader.close()
    error = np.abs(np.stack(found) - PROFILE.clip(truth[:12])) / SPAN
    assert error.mean() < 0.03
