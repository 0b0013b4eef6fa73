import pickle
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from faceimit.data.annotators import boxes as boxes_module
from faceimit.data.annotators import protocol
from faceimit.data.annotators.boxes import on_face
from faceimit.data.annotators.protocol import MEDIAPIPE, AnnotatorSpec, make_annotator, per_frame
from faceimit.data.annotators.tracks import Track
from faceimit.data.corpora.listing import Source
from faceimit.data.crop import CropBox
from faceimit.data.faces import Face
from faceimit.data.videos import CROP_VERSION
from faceimit.errors import InputError
from faceimit.face.blendshapes import INDEX, from_mediapipe
from tests import video_files
from tests.faces import REAL, SquareDetector, needs_real, picture
from tests.square_annotator import SPEC, Squares, videos

MODEL = REAL / "face_landmarker_v2_with_blendshapes.task"


def source(path, name=""):
    return Source(name or path.stem, path, "someone", "train")


def test_a_row_of_the_store(tmp_path):
    images = [picture(60 + t, 60, side=0 if t in (3, 4) else 24) for t in range(10)]
    path = video_files.write(tmp_path / "a.mp4", images, times_ms=[40 * t + 10 * (t > 5) for t in range(10)])
    clip = Squares().annotate(source(path, "who/a"))
    assert (clip.name, clip.relative, clip.source) == ("who/a", "who/a.mp4", str(path))
    assert (clip.annotator, clip.annotator_version, clip.model_sha256) == ("squares", "1", "")
    assert (clip.width, clip.height, clip.bytes, clip.crop_version) == (160, 120, path.stat().st_size, CROP_VERSION)
    assert clip.times == pytest.approx([0.04 * t + 0.01 * (t > 5) for t in range(10)])
    assert clip.valid.tolist() == [t not in (3, 4) for t in range(10)]
    assert clip.faces.tolist() == clip.valid.astype(int).tolist()
    assert clip.blendshapes[clip.valid, INDEX["jawOpen"]].min() > 0.4
    assert not clip.blendshapes[~clip.valid].any()
    assert np.array_equal(clip.matrices[~clip.valid], np.tile(np.eye(4), (2, 1, 1)))
    middle = clip.landmarks.astype(float).mean(axis=1)[:, :2] * (160, 120) - 0.5
    assert middle[0] == pytest.approx((60, 60), abs=1.0)
    assert clip.note == ""


def test_a_video_without_a_face_is_annotated_as_that(tmp_path):
    path = video_files.write(tmp_path / "a.mp4", [picture(0, 0, side=0)] * 4)
    clip = Squares().annotate(source(path))
    assert clip.note == "no face found"
    assert (clip.frames, clip.valid_frames) == (4, 0)
    assert np.isnan(clip.boxes).all()


def test_a_damaged_video_has_a_note_without_the_machines_paths(tmp_path):
    noise = np.random.default_rng(0).integers(0, 60, (30, 120, 160, 3), dtype=np.uint8)
    images = [picture(60, 60) + grain for grain in noise]
    path = video_files.cut(video_files.write(tmp_path / "a.mp4", images, faststart=True), 0.7)
    clip = Squares().annotate(source(path))
    assert 0 < clip.frames < 30
    assert "a.mp4" in clip.note
    assert str(tmp_path) not in clip.note


def test_boxes_on_another_face_are_dropped():
    track = Track(boxes={0: CropBox(50, 50, 40), 1: CropBox(50, 50, 40), 3: CropBox(50, 50, 40)})
    boxes = np.array([[52, 48, 42], [200, 50, 40], [200, 50, 40], [np.nan] * 3], dtype=np.float32)
    kept = on_face(boxes, track)
    assert np.isnan(kept[:, 0]).tolist() == [False, True, False, True]
    assert np.array_equal(kept[0], boxes[0])


class TwoFaces:
    """Detects a large face at the left and a small one at the right, in every picture."""

    faces = (Face(CropBox(45, 60, 60), 1.0), Face(CropBox(120, 60, 40), 1.0))

    def find(self, image, fine=False):
        return list(self.faces)

    def locate(self, image, near, zoom=1.0):
        return min(self.faces, key=lambda face: abs(face.box.x - near.x))

    def close(self):
        pass


def test_the_crop_is_on_the_face_that_was_annotated(tmp_path, monkeypatch):
    for module in (protocol, boxes_module):
        monkeypatch.setattr(module, "make_detector", TwoFaces)
    path = video_files.write(tmp_path / "a.mp4", [picture(120, 60, side=30)] * 20)
    clip = Squares().annotate(source(path))
    assert clip.valid.all()
    assert clip.boxes[5:, 0] == pytest.approx(np.full(15, 120.0), abs=1.0)
    assert np.isfinite(clip.boxes[5:, 0]).all()


def test_arrays_of_an_empty_video():
    assert {name: array.shape for name, array in per_frame(Track(), 0).items()} == {
        "valid": (0,),
        "blendshapes": (0, 52),
        "matrices": (0, 4, 4),
        "landmarks": (0, 478, 3),
    }


def test_a_plug_in_by_its_place(tmp_path):
    model = tmp_path / "weights"
    model.write_text("abc")
    spec = pickle.loads(pickle.dumps(AnnotatorSpec(SPEC, str(model))))
    annotator = make_annotator(spec)
    assert (annotator.name, annotator.model_sha256) == ("squares", "abc")
    clip = annotator.annotate(source(videos(tmp_path, "a") / "a.mp4"))
    assert clip.valid.all()


def test_a_plug_in_by_its_entry_point(monkeypatch):
    points = [EntryPoint("mine", SPEC, "faceimit.annotators")]
    monkeypatch.setattr(protocol, "entry_points", lambda group: points if group == "faceimit.annotators" else [])
    assert make_annotator(AnnotatorSpec("mine")).name == "squares"
    with pytest.raises(InputError, match="no annotator 'your', valid names: mediapipe, mine"):
        make_annotator(AnnotatorSpec("your"))


def test_an_entry_point_to_nowhere(monkeypatch):
    monkeypatch.setattr(protocol, "entry_points", lambda group: [EntryPoint("mine", "no_such_module:A", group)])
    with pytest.raises(InputError, match="annotator mine cannot be imported"):
        make_annotator(AnnotatorSpec("mine"))


@pytest.mark.parametrize(
    ("kind", "sentence"), [("os:getcwd", "cannot be made .*TypeError"), ("builtins:str", "has no name, version")]
)
def test_something_that_is_no_annotator(kind, sentence):
    with pytest.raises(InputError, match=sentence):
        make_annotator(AnnotatorSpec(kind, "model"))


@pytest.mark.parametrize("kind", ["no_such_module:A", "tests.square_annotator:No"])
def test_a_plug_in_that_is_not_there(kind):
    with pytest.raises(InputError, match=f"annotator {kind} cannot be imported"):
        make_annotator(AnnotatorSpec(kind))


@needs_real
@pytest.mark.parametrize("name", ["liveportrait_d0", "facerec_short_hamilton"])
def test_mediapipe_repeats_the_reference_annotations(name):
    pytest.importorskip("mediapipe")
    annotator = make_annotator(AnnotatorSpec(MEDIAPIPE, str(MODEL)))
    clip = annotator.annotate(source(REAL / "clips" / f"{name}.mp4"))
    annotator.close()
    with np.load(REAL / "annotations" / f"{name}.npz") as reference:
        assert clip.frames == len(reference["valid"])
        # the reference has the faces of two people in the second clip, the store only the first one's
        assert not clip.valid[~reference["valid"]].any()
        assert clip.valid_frames >= 0.85 * reference["valid"].sum()
        expected = from_mediapipe(reference["blendshapes"], list(reference["names"]))[clip.valid]
        assert np.median(abs(clip.blendshapes[clip.valid] - expected)) < 1e-3
        assert np.abs(clip.matrices - reference["matrices"])[clip.valid].max() < 0.01
        assert np.abs(clip.landmarks - reference["landmarks"])[clip.valid].max() < 1e-3


def test_videos_share_a_detector(tmp_path, monkeypatch):
    made = []

    def make():
        made.append(SquareDetector())
        return made[-1]

    monkeypatch.setattr(protocol, "make_detector", make)
    folder = videos(tmp_path / "videos", "a b")
    for name in "ab":
        make_annotator(AnnotatorSpec(SPEC)).annotate(Source(name, folder / f"{name}.mp4", name, "train"))
    assert len(made) == 1
    assert made[0].looks > 2
