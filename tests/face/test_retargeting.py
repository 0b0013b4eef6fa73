import numpy as np
import pytest

from faceimit.data.synthetic.expressions import EXPRESSIONS, coefficients
from faceimit.data.synthetic.motion import draw_motion
from faceimit.face import blendshapes, controls
from faceimit.face.retargeting import MATRIX, to_blendshapes, to_controls, to_pose


def moved(**weights: float) -> dict[str, float]:
    deviation = to_controls(coefficients(weights)) - controls.NEUTRAL
    return dict(zip(controls.NAMES, deviation, strict=True))


def performance() -> tuple[np.ndarray, np.ndarray]:
    motion = draw_motion(np.random.default_rng(1), 200, 25.0)
    return motion.blendshapes, 2.5 * motion.pose


def test_a_neutral_face_gives_the_neutral_robot():
    np.testing.assert_array_equal(to_controls(np.zeros(52), np.zeros(3)), controls.NEUTRAL)
    np.testing.assert_array_equal(to_blendshapes(controls.NEUTRAL), np.zeros(52))


@pytest.mark.parametrize(
    ("coefficient", "control", "sign"),
    [
        ("browInnerUp", "Brow Inner Right", 1),
        ("browDownLeft", "Brow Inner Left", -1),
        ("browOuterUpRight", "Brow Outer Right", 1),
        ("eyeBlinkLeft", "Eyelid Upper Left", -1),
        ("eyeWideRight", "Eyelid Upper Right", 1),
        ("eyeSquintLeft", "Eyelid Lower Left", -1),
        ("eyeLookOutLeft", "Gaze Target Phi", 1),
        ("eyeLookOutRight", "Gaze Target Phi", -1),
        ("eyeLookUpLeft", "Gaze Target Theta", 1),
        ("jawOpen", "Jaw Pitch", -1),
        ("jawLeft", "Jaw Yaw", 1),
        ("mouthRollLower", "Lip Bottom Curl", -1),
        ("mouthLowerDownLeft", "Lip Bottom Depress Left", 1),
        ("mouthLowerDownLeft", "Lip Bottom Depress Middle", 1),
        ("mouthSmileRight", "Lip Corner Raise Right", 1),
        ("mouthFrownRight", "Lip Corner Raise Right", -1),
        ("mouthStretchLeft", "Lip Corner Stretch Left", 1),
        ("mouthPucker", "Lip Corner Stretch Left", -1),
        ("mouthLeft", "Lip Corner Stretch Left", 1),
        ("mouthLeft", "Lip Corner Stretch Right", -1),
        ("mouthFunnel", "Lip Top Curl", 1),
        ("mouthUpperUpRight", "Lip Top Raise Right", 1),
        ("noseSneerLeft", "Nose Wrinkle", -1),
    ],
)
def test_signs(coefficient, control, sign):
    assert moved(**{coefficient: 0.5})[control] * sign > 0


def test_a_coefficient_of_one_side_leaves_the_other_alone():
    assert moved(eyeBlinkLeft=1.0)["Eyelid Upper Left"] == -2.0
    assert moved(eyeBlinkLeft=1.0)["Eyelid Upper Right"] == 0
    assert moved(mouthLowerDownLeft=1.0)["Lip Bottom Depress Right"] == 0


def test_an_eye_turned_by_thirty_degrees_looks_at_thirty_degrees():
    assert moved(eyeLookOutLeft=1.0, eyeLookInRight=1.0)["Gaze Target Phi"] == pytest.approx(30)


def test_every_control_but_head_and_neck_is_reached_and_all_stay_in_range():
    reached = np.abs(MATRIX).max(axis=1) > 0
    posed = {*controls.PARTS["head"], *controls.PARTS["neck"]}
    assert {i for i in range(30) if not reached[i]} == posed
    values = to_controls(*performance())
    assert (values >= controls.LOW).all()
    assert (values <= controls.HIGH).all()


def test_mirror_images_get_mirrored_controls():
    shapes, pose = performance()
    shapes = np.clip(2 * shapes, 0, 1)  # far enough to reach the limits
    flipped = to_controls(shapes[:, list(blendshapes.MIRROR)], pose * [-1, 1, -1])
    np.testing.assert_allclose(controls.mirrored(to_controls(shapes, pose)), flipped, atol=1e-12)


def test_the_neck_takes_what_the_head_cannot():
    values = to_controls(np.zeros((4, 52)), np.radians([[0, -40, 0], [0, 25, 0], [0, 0, 30], [-45, 10, 0]]))
    named = [dict(zip(controls.NAMES, row, strict=True)) for row in values]
    assert (named[0]["Head Pitch"], named[0]["Neck Pitch"]) == pytest.approx((-30, 10))
    assert (named[1]["Head Pitch"], named[1]["Neck Pitch"]) == pytest.approx((20, -5))
    assert (named[2]["Head Roll"], named[2]["Neck Roll"]) == pytest.approx((20, 10))
    assert (named[3]["Head Yaw"], named[3]["Head Pitch"]) == pytest.approx((-30, 10))
    np.testing.assert_allclose(np.degrees(to_pose(values[:3])), [[0, -40, 0], [0, 25, 0], [0, 0, 30]], atol=1e-9)


def test_the_robot_shows_the_expression_it_was_given():
    names = [n for n in EXPRESSIONS if n not in {"puff", "tongue"}]  # no actuator for these
    given = np.stack([coefficients(EXPRESSIONS[name]) for name in names])
    values = to_controls(given)
    shown = to_blendshapes(values)
    again = to_controls(shown)
    assert np.abs(controls.normalised(again) - controls.normalised(values)).max() < 0.03
    cosine = (shown * given).sum(1) / np.linalg.norm(shown, axis=1) / np.linalg.norm(given, axis=1)
    assert np.median(cosine) > 0.9
    assert cosine.min() > 0.7, dict(zip(names, cosine.round(2), strict=True))
