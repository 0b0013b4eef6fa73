import cv2
import numpy as np
import pytest

from faceimit.data.checks.leakage import (
    difference_hash,
    near_duplicates,
    prints,
    repeated,
    same_picture_below,
    shared,
)
from faceimit.data.checks.records import ClipFacts


def scene(seed, size=96):
    noise = np.random.default_rng(seed).normal(size=(size, size)).astype(np.float32)
    return np.clip(128 + 900 * cv2.GaussianBlur(noise, (0, 0), 7), 0, 255)


def encoded_again(picture):
    """Smaller, darker, and through JPEG."""
    small = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA) * 0.97
    packed = cv2.imencode(".jpg", small.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE).astype(np.float32)


def test_a_duplicate_that_was_encoded_again_is_found_and_nothing_else():
    pictures = [scene(seed) for seed in range(20)] + [encoded_again(scene(7)), scene(50)]
    found = prints(pictures, clips=[*range(20), 20, 21], frames=[0] * 22)
    duplicates = near_duplicates(found, ["train"] * 20 + ["test"] * 2, below=same_picture_below(np.zeros(0)))
    assert [(pair.clip, pair.other_clip) for pair in duplicates] == [(20, 7)]  # test comes before train
    same_split = near_duplicates(found, ["train"] * 22, below=5.0)
    assert same_split == []


def test_hashes_differ_by_half_their_bits_for_different_pictures():
    bits = np.bitwise_count(difference_hash(scene(1)) ^ difference_hash(scene(2))).sum()
    assert 60 < bits < 196
    assert np.bitwise_count(difference_hash(scene(1)) ^ difference_hash(encoded_again(scene(1)))).sum() < 20


def test_noise_on_an_even_ground_does_not_hide_a_duplicate():
    generator = np.random.default_rng(0)
    ground = np.full((96, 96), 120.0)
    ground[40:60, 20:70] = 30.0
    pictures = [ground + generator.normal(0, 2, ground.shape) for _ in range(2)]
    duplicates = near_duplicates(prints(pictures, [0, 1], [0, 0]), ["train", "test"], below=1.5)
    assert len(duplicates) == 1


def test_flat_pictures_are_no_duplicates():
    flat = [np.full((40, 40), 90.0), np.full((40, 40), 91.0)]
    assert len(prints(flat, [0, 1], [0, 0]).clip) == 0


@pytest.mark.parametrize(("steps", "below"), [([0.1, 0.2], 1.5), ([6.0, 6.0, 6.0], 3.0), ([90.0], 5.0)])
def test_how_near_is_near_follows_the_motion_within_bounds(steps, below):
    assert same_picture_below(np.array(steps)) == below


def test_shared_identities_and_files():
    facts = [
        ClipFacts("a", "train", "ann", 5, 25.0, sha256="1"),
        ClipFacts("b", "test", "ann", 5, 25.0, sha256="2"),
        ClipFacts("c", "test", "bob", 5, 25.0, sha256="1"),
        ClipFacts("d", "test", "bob", 5, 25.0, sha256="3"),
    ]
    assert shared(facts, "identity") == {"ann": ["a", "b"]}
    assert shared(facts, "sha256") == {"1": ["a", "c"]}
    assert repeated(facts) == [["a", "c"]]
