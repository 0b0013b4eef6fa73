"""Augmented faces: the points follow the picture, left and right swap, nothing else moves."""

import dataclasses

import numpy as np
import pytest

from faceimit.data.landmark_augment import Face, FaceStrength, augment_face, covered, mirrored_face, placed
from faceimit.data.landmark_module import _AS_IT_IS
from faceimit.face.landmarks import MIRROR
from tests.landmark_faces import centre_of_light, dotted_face

GEOMETRY = dataclasses.replace(_AS_IT_IS, flip=0.5, rotation=12.0, scale=0.2, shift=0.08)


@pytest.mark.parametrize("seed", range(6))
def test_points_follow_the_picture(seed):
    index = 10 * seed + 3  # one of the inner points, far from the border
    face = dotted_face(index, radius=4)
    after = augment_face(face, face.image, GEOMETRY, np.random.default_rng(seed))
    found = centre_of_light(after.image)
    distances = np.linalg.norm(after.landmarks - found, axis=1)
    assert distances.min() < 0.1
    assert int(distances.argmin()) in {index, MIRROR[index]}


def test_blur_noise_and_codec_shift_nothing():
    face = dotted_face(10, radius=5)
    strength = dataclasses.replace(_AS_IT_IS, blur=1.0, coarse=1.0, jpeg=0.0)
    for seed in range(20):
        after = augment_face(face, face.image, strength, np.random.default_rng(seed))
        assert np.abs(centre_of_light(after.image) - face.landmarks[10]).max() < 0.15


def test_mirroring_twice_changes_nothing_and_once_swaps_names():
    face = dotted_face(3)
    face = dataclasses.replace(face, pose=np.array([0.3, 0.2, -0.1], dtype=np.float32))
    once = mirrored_face(face)
    assert np.allclose(once.pose, [-0.3, 0.2, 0.1])
    assert np.allclose(once.landmarks[MIRROR[3]], (127 - face.landmarks[3][0], face.landmarks[3][1]))
    twice = mirrored_face(once)
    assert np.array_equal(twice.image, face.image)
    assert np.allclose(twice.landmarks, face.landmarks)
    assert np.allclose(twice.pose, face.pose)


def test_turning_the_picture_counter_clockwise_adds_to_the_roll():
    face = dotted_face(0)
    after = placed(face, dataclasses.replace(_AS_IT_IS, rotation=12.0), np.random.default_rng(1))
    right, left = face.landmarks[36], face.landmarks[45]
    before = np.arctan2(*(left - right)[::-1])
    now = np.arctan2(*(after.landmarks[45] - after.landmarks[36])[::-1])
    assert abs(after.pose[2]) > 0.02
    assert np.allclose(after.pose, [0, 0, before - now], atol=1e-5)  # y points down: counter-clockwise is negative


def test_covered_points_are_those_behind_what_was_drawn():
    random = np.random.default_rng(0)
    ground = np.full((128, 128, 3), 100, dtype=np.uint8)
    marked = 0
    for _ in range(40):
        face = Face(ground, dotted_face(0).landmarks, np.zeros(3, dtype=np.float32), np.zeros(68, dtype=bool))
        after = covered(face, np.full_like(ground, 250), random)
        changed = (after.image != ground).any(axis=2)
        for (x, y), hidden in zip(np.rint(face.landmarks).astype(int), after.covered, strict=True):
            assert not hidden or changed[y, x]
        marked += after.covered.sum()
    assert marked > 40


def test_no_strength_changes_nothing_and_the_same_seed_repeats():
    face = dotted_face(5)
    after = augment_face(face, face.image, _AS_IT_IS, np.random.default_rng(0))
    assert np.array_equal(after.image, face.image)
    assert np.allclose(after.landmarks, face.landmarks, atol=1e-4)
    first, second = (augment_face(face, face.image, FaceStrength(), np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.landmarks, second.landmarks)
