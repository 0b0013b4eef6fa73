import functools
import itertools
import zipfile
from concurrent.futures import Executor, Future

import cv2
import numpy as np
import pytest

from faceimit.data.crop import CropBox, box_from_landmarks
from faceimit.data.faces import DlibDetector, FaceTracker, MediaPipeDetector, make_detector
from faceimit.data.video import read_frames
from faceimit.errors import InputError
from tests.faces import REAL, SquareDetector, needs_real, picture


def track(images, detector=None, fps=25.0):
    tracker = FaceTracker(detector or SquareDetector(), fps)
    return [tracker.push(image) for image in images]


def steps(boxes):
    """Motion of the box between frames, in sides."""
    return np.array([np.hypot(b.x - a.x, b.y - a.y) / a.side for a, b in itertools.pairwise(boxes)])


def test_a_still_face_has_a_still_box_although_the_detector_trembles():
    boxes = track([picture(80, 60)] * 60, SquareDetector(noise=1.0))
    assert all(box is not None for box in boxes)
    assert steps(boxes).max() < 0.002
    assert np.ptp([box.side for box in boxes]) < 0.5
    assert boxes[-1].x == pytest.approx(80, abs=1.0)


def test_detection_is_not_run_in_every_frame():
    detector = SquareDetector()
    track([picture(80, 60)] * 100, detector)
    assert detector.searches == 1
    assert detector.looks < 40


def test_a_drifting_face_is_followed_without_a_jump():
    xs = 40 + 0.8 * np.arange(90)
    boxes = track([picture(x, 60) for x in xs])
    away = [abs(box.x - x) / box.side for box, x in zip(boxes, xs, strict=True)]
    assert max(away) < 0.2
    assert steps(boxes).max() < 0.06


def test_a_leaping_face_is_caught_up_with_at_a_bounded_speed():
    images = [picture(60, 60)] * 20 + [picture(85, 60)] * 20
    boxes = track(images)
    assert all(box is not None for box in boxes)
    assert steps(boxes).max() <= FaceTracker.FASTEST / 25 + 1e-6
    assert boxes[-1].x == pytest.approx(85, abs=4)


def test_the_frame_rate_changes_nothing_in_seconds():
    slow = track([picture(40 + 20 * t / 25, 60) for t in range(50)], fps=25.0)
    fast = track([picture(40 + 20 * t / 50, 60) for t in range(100)], fps=50.0)
    assert fast[98].x == pytest.approx(slow[49].x, abs=1.5)


def test_missing_pictures_change_nothing_in_seconds():
    images = [picture(40 + 20 * t / 25, 60) for t in range(70)]
    whole, tracker = track(images), FaceTracker(SquareDetector(), 25.0)
    thinned = {t: tracker.push(images[t], t / 25) for t in range(70) if t < 20 or t % 3 == 0}
    assert thinned[69].x == pytest.approx(whole[69].x, abs=2)
    untold = FaceTracker(SquareDetector(), 25.0)
    late = [untold.push(images[t]) for t in range(70) if t < 20 or t % 3 == 0]
    assert late[-1].x < thinned[69].x - 2


def test_a_pause_of_the_pictures_loses_no_face_and_a_clock_may_go_back():
    tracker = FaceTracker(SquareDetector(), 25.0)
    times = [*np.arange(10) / 25, *(5 + np.arange(10) / 25), *(1 + np.arange(10) / 25), float("nan")]
    assert all(tracker.push(picture(80, 60), time_s) is not None for time_s in times)


class Beside(Executor):
    """Looks when it is told to."""

    def __init__(self):
        self.waiting = []

    def submit(self, fn, /, *args):
        future = Future()
        self.waiting.append((future, fn, args))
        return future

    def work(self):
        for future, fn, args in self.waiting:
            future.set_result(fn(*args))
        self.waiting = []


def beside(images, patience):
    """Boxes of pictures whose looks are done every so many pictures, and the looks under way at a time."""
    aside = Beside()
    tracker = FaceTracker(SquareDetector(), 25.0, aside)
    boxes, most = [], 0
    for t, image in enumerate(images):
        boxes.append(tracker.push(image, t / 25))
        most = max(most, len(aside.waiting))
        if t % patience == 0:
            aside.work()
    return boxes, most


@pytest.mark.parametrize("patience", [1, 3, 9])
def test_looks_beside_hold_up_nothing_and_are_taken_up_later(patience):
    xs = 40 + 0.6 * np.arange(100)
    boxes, most = beside([picture(x, 60) for x in xs], patience)
    assert most == 1
    first = next(t for t, box in enumerate(boxes) if box is not None)
    assert first == patience + 1
    assert all(box is not None for box in boxes[first:])
    away = [abs(box.x - x) / box.side for box, x in zip(boxes[first:], xs[first:], strict=True)]
    assert max(away) < 0.4


def test_a_face_that_goes_is_lost_although_looks_are_slow():
    boxes, _ = beside([picture(80, 60)] * 30 + [picture(0, 0, side=0)] * 40 + [picture(80, 60)] * 40, 4)
    assert boxes[29] is not None
    assert boxes[45:70] == [None] * 25
    assert boxes[-1] is not None


def test_a_face_that_goes_is_held_shortly_then_invalid_and_found_again():
    boxes = track([picture(80, 60)] * 20 + [picture(0, 0, side=0)] * 30 + [picture(80, 60)] * 20)
    found = [box is not None for box in boxes]
    held = found[20:50].index(False)
    assert 2 <= held <= 8
    assert not any(found[20 + held : 50])
    assert found[50:].index(True) <= 4
    assert all(found[56:])


def test_between_two_tracks_there_is_a_frame_without_a_box():
    images = [picture(50, 60, ground=0)] * 20 + [picture(110, 60, ground=2)] * 20
    boxes = track(images)
    assert boxes[20] is None
    assert boxes[-1].x == pytest.approx(110, abs=2)
    for before, after in itertools.pairwise(boxes):
        if before is not None and after is not None:
            assert np.hypot(after.x - before.x, after.y - before.y) < 0.1 * before.side


def test_no_face_no_box():
    assert track([picture(0, 0, side=0)] * 20) == [None] * 20


def test_reset_starts_anew():
    tracker = FaceTracker(SquareDetector(noise=1.0), 25.0)
    tracker.push(picture(40, 60))
    tracker.reset()
    assert tracker.push(picture(100, 60)).x == pytest.approx(100, abs=2)


def test_the_large_central_face_is_chosen_and_kept():
    class Two(SquareDetector):
        def find(self, image, fine=False):
            return [small, large]

        def locate(self, image, near, zoom=1.0):
            return min((small, large), key=lambda face: abs(face.box.x - near.x))

    small = SquareDetector().find(picture(20, 20, side=10))[0]
    large = SquareDetector().find(picture(90, 60, side=24))[0]
    boxes = track([picture(90, 60)] * 20, Two())
    assert all(box.x == pytest.approx(90, abs=1) for box in boxes)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan")])
def test_a_frame_rate_must_be_positive(fps):
    with pytest.raises(ValueError, match="fps > 0"):
        FaceTracker(SquareDetector(), fps)


def test_unknown_detectors_are_named(tmp_path):
    with pytest.raises(InputError, match="'dlip'"):
        make_detector("dlip")
    with pytest.raises(InputError, match="does not exist"):
        make_detector(str(tmp_path / "no.task"))


def test_a_wrong_model_file_is_refused_in_one_sentence(tmp_path, capfd):
    pytest.importorskip("mediapipe")
    path = tmp_path / "a.task"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite"):
            archive.writestr(name, b"nothing")
    with pytest.raises(InputError, match="no FaceLandmarker model"):
        MediaPipeDetector(path)
    assert capfd.readouterr().err == ""  # TensorFlow Lite has much to say of it


@functools.cache
def rendered(identity):
    from faceimit.data.synthetic.generate import render_clip

    return render_clip(seed=identity, identity=identity, frames=2, size=192, fps=25.0, clean=True)


@pytest.mark.parametrize("identity", [3, 9])
def test_rendered_faces_are_found_where_they_are(identity):
    clip = rendered(identity)
    image = cv2.copyMakeBorder(clip.frames[1], 60, 60, 100, 20, cv2.BORDER_REPLICATE)
    box = FaceTracker(DlibDetector(), 25.0).push(image)
    truth = box_from_landmarks(clip.annotation.landmarks[1] + (100, 60))
    assert np.hypot(box.x - truth.x, box.y - truth.y) < 0.12 * truth.side
    assert box.side == pytest.approx(truth.side, rel=0.25)


def test_noise_holds_no_face():
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    assert DlibDetector().find(noise) == []
    assert DlibDetector().locate(noise, CropBox(80, 60, 60)) is None


def real_images(name, frames):
    with read_frames(REAL / "clips" / f"{name}.mp4") as video:
        return [frame.image for frame, _ in zip(video, range(frames), strict=False)]


def real_truth(name, frame, image):
    from faceimit.face.landmarks import FROM_MEDIAPIPE

    points = np.load(REAL / "annotations" / f"{name}.npz")["landmarks"][frame, list(FROM_MEDIAPIPE), :2]
    return box_from_landmarks(points.astype(float) * image.shape[1::-1])


@needs_real
@pytest.mark.parametrize("name", ["liveportrait_d0", "liveportrait_s32", "vexpress_7"])
def test_real_faces_are_found_where_they_are(name):
    images = real_images(name, 20)
    boxes = track(images, DlibDetector())
    truth = real_truth(name, 0, images[0])
    assert all(box is not None for box in boxes)
    assert np.hypot(boxes[0].x - truth.x, boxes[0].y - truth.y) < 0.25 * truth.side
    assert boxes[0].side == pytest.approx(truth.side, rel=0.2)
    assert steps(boxes).max() < 0.05


@needs_real
def test_no_face_is_seen_where_there_is_none():
    assert track(real_images("pyfeat_no_face", 40), DlibDetector()) == [None] * 40


@needs_real
def test_mediapipe_agrees_with_dlib(capfd):
    pytest.importorskip("mediapipe")
    images = real_images("vexpress_7", 4)
    model = REAL / "face_landmarker_v2_with_blendshapes.task"
    detector = MediaPipeDetector(model)
    assert capfd.readouterr().err == ""
    boxes = track(images, detector)
    detector.close()
    other = track(images, DlibDetector())
    assert np.hypot(boxes[-1].x - other[-1].x, boxes[-1].y - other[-1].y) < 0.12 * other[-1].side
    assert boxes[-1].side == pytest.approx(other[-1].side, rel=0.2)
