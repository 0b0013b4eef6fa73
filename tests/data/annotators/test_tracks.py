import numpy as np
import pytest

from faceimit.data.annotators.tracks import Tracks
from tests.faces import picture
from tests.square_annotator import seen_face

SCENE = picture(0, 0, side=0, width=320, height=240)
OTHER = 255 - SCENE


def face(x, y, side=60.0, opening=0.0):
    return seen_face(x, y, side, 320, 240, opening)


def watched(frames):
    """The chosen track after (picture, faces) at 25 fps."""
    tracks = Tracks()
    for t, (image, faces) in enumerate(frames):
        tracks.push(t / 25, image, faces)
    return tracks.chosen(), tracks.counts


def test_the_large_face_is_followed_whatever_the_order_of_the_answers():
    frames = []
    for t in range(20):
        large, inset = face(150 + t, 120, 90, 1.0), face(30, 210, 30, 0.2)
        frames.append((SCENE, [large, inset] if t % 3 else [inset, large]))
    track, counts = watched(frames)
    assert counts == [2] * 20
    assert sorted(track.faces) == list(range(20))
    assert all(seen.blendshapes.max() == 1.0 for seen in track.faces.values())


def test_a_long_track_wins_over_a_larger_short_one():
    frames = [(SCENE, [face(80, 120, 50, 0.3)] + ([face(240, 120, 80, 0.9)] if t < 5 else [])) for t in range(30)]
    track, _ = watched(frames)
    assert len(track.faces) == 30
    assert {float(seen.blendshapes.max()) for seen in track.faces.values()} == {np.float32(0.3)}


def test_a_face_hidden_for_a_while_stays_one_track():
    frames = [(SCENE, [] if 10 <= t < 40 else [face(150 + t, 120)]) for t in range(60)]
    track, counts = watched(frames)
    assert sorted(track.faces) == [*range(10), *range(40, 60)]
    assert counts[10:40] == [0] * 30


def test_after_a_cut_to_another_scene_the_face_is_another_and_back_it_is_the_first():
    frames = [(SCENE, [face(150, 120)])] * 20 + [(OTHER, [face(150, 120)])] * 5 + [(SCENE, [face(155, 120)])] * 10
    track, _ = watched(frames)
    assert sorted(track.faces) == [*range(20), *range(25, 35)]


@pytest.mark.parametrize("other", [face(290, 120), face(150, 120, side=20.0)])
def test_a_face_far_away_or_of_another_size_is_another(other):
    track, _ = watched([(SCENE, [face(150, 120)])] * 10 + [(SCENE, [other])] * 5)
    assert sorted(track.faces) == list(range(10))


def test_a_face_found_twice_counts_once():
    track, counts = watched([(SCENE, [face(150, 120, opening=0.5), face(153, 121)])] * 4)
    assert counts == [1] * 4
    assert all(seen.blendshapes.max() == 0.5 for seen in track.faces.values())


def test_no_face_at_all():
    track, counts = watched([(SCENE, [])] * 3)
    assert (track.faces, counts) == ({}, [0, 0, 0])


def test_points_are_kept_as_the_store_keeps_them():
    track, _ = watched([(SCENE, [face(150, 120)])])
    assert track.faces[0].landmarks.dtype == np.float16
    assert (track.boxes[0].x, track.boxes[0].y) == pytest.approx((150, 120), abs=2.0)
