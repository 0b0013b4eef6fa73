"""Classical methods: streaming equals offline, frame rate, invalid frames, and what each of them sees or ignores."""

import cv2
import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.keyframes import baselines, flow_baselines
from faceimit.keyframes.methods import METHODS, Random, make_method, noisy_truth
from faceimit.keyframes.search import find_keyframes

PIXELS = [name for name in METHODS if name not in ("uniform", "random")]


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """A textured picture with a dark "mouth", (128, 128, 3) uint8."""
    noise = np.random.default_rng(0).random((128, 128, 3)).astype(np.float32)
    image = 60 + 130 * cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 1, cv2.NORM_MINMAX)
    return cv2.ellipse(image, (64, 92), (22, 8), 0, 0, 360, (40, 20, 20), -1).astype(np.uint8)


def _moved(image: np.ndarray, matrix: list[list[float]]) -> np.ndarray:
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, np.array(matrix), (128, 128), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _smiling(image: np.ndarray, by: float) -> np.ndarray:
    y, x = np.mgrid[0:128, 0:128].astype(np.float32)
    bump = by * np.exp(-(((x - 64) / 20) ** 2 + ((y - 92) / 12) ** 2))
    return cv2.remap(image, x, (y + bump).astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


@pytest.fixture(scope="module")
def clip(face: np.ndarray) -> np.ndarray:
    """The mouth moves fastest between frames 4 and 5, (10, 128, 128, 3)."""
    return np.stack([_smiling(face, 6.0 / (1.0 + np.exp(-1.5 * (t - 4.5)))) for t in range(10)])


@pytest.mark.parametrize("name", METHODS)
def test_streaming_equals_offline(name, clip):
    method = make_method(name)
    valid = np.ones(10, dtype=bool)
    valid[3] = False
    offline = method.score(clip, 30.0, valid)
    method.start(30.0)
    streamed = [method.push(frame if ok else None) for frame, ok in zip(clip, valid, strict=True)]
    np.testing.assert_array_equal(offline, np.array(streamed, dtype=np.float32))
    assert offline.dtype == np.float32
    assert np.flatnonzero(np.isnan(offline)).tolist() == [3]
    assert np.nanmin(offline) >= 0


@pytest.mark.parametrize("name", PIXELS)
def test_the_fastest_change_is_the_peak(name, clip):
    scores = make_method(name).score(clip, 25.0)
    # Histograms of whole cells see the mouth's edge cross a cell's border, up to two frames off.
    assert abs(int(scores.argmax()) - 5) <= 2
    assert scores[0] == 0


@pytest.mark.parametrize("name", PIXELS)
def test_a_frame_after_an_invalid_one_has_no_score_to_speak_of(name, clip):
    scores = make_method(name).score(clip, 25.0, np.arange(10) != 4)
    assert scores[5] == 0


@pytest.mark.parametrize("name", PIXELS)
def test_equal_frames_score_nothing(name, face):
    assert make_method(name).score(np.stack([face, face]), 25.0).tolist() == pytest.approx([0, 0], abs=0.005)


@pytest.mark.parametrize("name", PIXELS)
def test_scores_are_per_25th_of_a_second_and_normalised(name, clip):
    raw = make_method(name).score(clip, 25.0)
    np.testing.assert_allclose(make_method(name).score(clip, 50.0), 2 * raw, rtol=1e-6)
    reference = float(raw.max()) / 2
    scores = make_method(name, reference=reference).score(clip, 25.0)
    np.testing.assert_allclose(scores, np.clip(raw / reference, 0, 1), rtol=1e-6)


@pytest.mark.parametrize("name", PIXELS)
def test_any_crop_size_is_taken(name, clip):
    small = np.stack([cv2.resize(frame, (96, 96), interpolation=cv2.INTER_AREA) for frame in clip])
    assert make_method(name).score(small, 25.0).max() > 0


def test_gain_and_offset_of_the_light_are_ignored(face):
    brighter = np.clip(1.15 * face.astype(float) + 8, 0, 255).astype(np.uint8)
    pair = np.stack([face, brighter])
    assert make_method("blurred_difference").score(pair, 25.0)[1] < 0.02
    assert make_method("frame_difference").score(pair, 25.0)[1] > 0.05


def test_the_head_is_taken_out_and_the_mouth_stays(face):
    angle = 0.02
    head = _moved(face, [[np.cos(angle), -np.sin(angle), 1.0], [np.sin(angle), np.cos(angle), -0.7]])
    affine = make_method("farneback_affine")
    assert make_method("farneback").score(np.stack([face, head]), 25.0)[1] > 0.8
    assert affine.score(np.stack([face, head]), 25.0)[1] < 0.15
    assert affine.score(np.stack([face, _smiling(head, 3.0)]), 25.0)[1] > 0.2


def test_affine_fit_is_exact_and_robust():
    truth = flow_baselines._BASIS @ np.array([[0.5, -1.0], [0.2, 0.3], [2.0, -0.4]])
    vectors = truth.copy()
    vectors[600:760] += 5.0
    np.testing.assert_allclose(flow_baselines.affine_fit(vectors, np.ones(len(vectors))), truth, atol=0.02)


def test_histograms_hold_every_pixel(face):
    np.testing.assert_allclose(baselines.histograms(face).sum(axis=1), 1.0, rtol=1e-5)


def test_uniform_is_evenly_spaced_for_an_hour():
    method = make_method("uniform")
    scores = np.array([method.push(np.empty(0)) for _ in range(3 * 1500)])
    gaps = np.diff(find_keyframes(scores, 25.0))
    assert set(gaps.tolist()) <= {4, 6}
    assert (gaps == 4).mean() > 0.99


def test_random_scores_come_from_their_seed(clip):
    first, again, other = (Random(seed=seed).score(clip, 25.0) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


def test_noisy_truth_is_the_truth_plus_noise():
    truth = np.r_[np.full(5000, 0.5), np.nan]
    noisy = noisy_truth(truth, seed=3)
    assert np.isnan(noisy[-1])
    assert noisy[:-1].std() == pytest.approx(0.05, rel=0.05)
    assert noisy_truth(truth, seed=3)[0] == noisy[0]


def test_unknown_method_lists_the_known():
    with pytest.raises(InputError, match="farneback_affine"):
        make_method("farnebeck")


@pytest.mark.parametrize("arguments", [{"reference": 0.0}, {"reference": -1.0}])
def test_a_reference_must_be_positive(arguments):
    with pytest.raises(ValueError, match="reference"):
        make_method("dis", **arguments)
