import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.face.blendshapes import INDEX
from faceimit.face.retargeting import to_controls
from faceimit.face.shape import SHAPE
from faceimit.robot.geometric import GeometricMapper, measures
from faceimit.robot.measures import MEASURES, NEEDS_IRIS, generic
from faceimit.robot.profile import load_profile
from faceimit.robot.unpose import estimate_pose
from tests.heads import seen, sweep

AMECA = load_profile("ameca")
ANGLES = np.arange(-20, 21, 5.0)


def column(values, name):
    return values[..., controls.INDEX[name]]


def rested(number, **options):
    mapper = GeometricMapper(AMECA, **options)
    mapper.set_rest(seen(number))
    return mapper


def crosstalk(mapper, name, axis, number, expression):
    """Share of the control's range that it changes over 40 degrees of head movement with a still face."""
    values = mapper.controls(seen(number, [expression], sweep(axis, ANGLES)))
    return np.ptp(column(values, name)) / controls.SPAN[controls.INDEX[name]]


def test_the_generic_face_rests_at_neutral():
    face = SHAPE[:, :2] * [10, -10] + 200
    for robot in ("ameca", "hobby_head"):
        mapper = GeometricMapper(load_profile(robot))
        np.testing.assert_allclose(mapper.push(face, pose=np.zeros(3)).values, mapper.profile.neutral, atol=0.02)


def test_measures_follow_the_formula_and_do_not_depend_on_size_or_place():
    face = np.random.default_rng(0).normal(0, 3, (68, 2)) + SHAPE[:, :2] * [10, -10]
    p, q = np.array(MEASURES["Jaw Pitch"].pairs).T
    by_hand = np.linalg.norm(face[p] - face[q], axis=1).mean() / np.linalg.norm(face[36] - face[45])
    found = measures(face, pose=np.zeros(3), correct=False)[0]
    assert found["Jaw Pitch"] == pytest.approx(by_hand)
    again = measures(3.7 * face + [40, -90], pose=np.zeros(3))[0]
    assert again == pytest.approx(measures(face, pose=np.zeros(3))[0])


@pytest.mark.parametrize("number", [0, 1])
def test_movements_reach_the_controls_they_are_named_after(number):
    rows = [
        ({"jawOpen": 1}, "Jaw Pitch", -0.5),
        ({"eyeBlinkLeft": 1}, "Eyelid Upper Left", -1.2),
        ({"eyeBlinkRight": 1}, "Eyelid Upper Right", -1.2),
        ({"browInnerUp": 1}, "Brow Inner Right", 0.2),
        ({"browOuterUpLeft": 1}, "Brow Outer Left", 0.25),
        ({"mouthSmileLeft": 1}, "Lip Corner Raise Left", 0.25),
        ({"mouthSmileRight": 1}, "Lip Corner Raise Right", 0.25),
        ({"mouthStretchRight": 1}, "Lip Corner Stretch Right", 0.2),
        ({"mouthUpperUpLeft": 1}, "Lip Top Raise Left", 0.2),
        ({"mouthLowerDownRight": 1}, "Lip Bottom Depress Right", 0.1),
        ({"jawLeft": 1}, "Jaw Yaw", 0.15),
    ]
    mapper = rested(number)
    values = mapper.controls(seen(number, [row[0] for row in rows]))
    for value, (_, name, change) in zip(values, rows, strict=True):
        moved = column(value, name) - column(controls.NEUTRAL, name)
        assert moved / change > 1, f"{name} moved by {moved:.2f}"
        other = name.replace("Left", "?").replace("Right", "Left").replace("?", "Right")
        if other != name and "Inner" not in name:
            still = column(value, other) - column(controls.NEUTRAL, other)
            assert abs(still) < 0.3 * abs(moved), f"{other} moved with {name}"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_nodding_and_turning_do_not_open_the_mouth(number):
    for axis in (0, 1, 2):
        for expression in ({}, {"jawOpen": 0.5}):
            moved = crosstalk(rested(number), "Jaw Pitch", axis, number, expression)
            assert moved < 0.08, f"jaw moved by {moved:.3f} over 40 degrees about axis {axis}"
    for name, expression in (("Jaw Pitch", {"jawOpen": 0.5}), ("Brow Inner Left", {})):
        before, after = (
            crosstalk(rested(number, correct=correct), name, 1, number, expression) for correct in (False, True)
        )
        assert after < 0.5 * before


def test_pose_is_found_without_help():
    for axis in (0, 1, 2):
        truth = sweep(axis, ANGLES)
        found = np.array([estimate_pose(points) for points in seen(3, [{"mouthSmileLeft": 1}], truth)])
        assert np.abs(np.rad2deg(found - truth)).max() < 6
        assert np.ptp((found - truth)[:, axis]) < np.deg2rad(7)
    values = GeometricMapper(AMECA).controls(seen(3, [{}], sweep(0, ANGLES)), pose=sweep(0, ANGLES))
    np.testing.assert_allclose(column(values, "Head Yaw"), ANGLES, atol=1e-6)


def test_gaze_follows_iris_points_where_they_are_given():
    face = np.concatenate([SHAPE[:, :2], (SHAPE[[36, 42], :2] + SHAPE[[39, 45], :2]) / 2]) * [10, -10]
    left = face.copy()
    left[68:, 0] += 3  # to the right of the picture: the person's left
    mapper = GeometricMapper(AMECA)
    straight = mapper.push(face, pose=np.zeros(3))
    assert column(straight.values, "Gaze Target Phi") == pytest.approx(0, abs=0.5)
    assert 5 < column(mapper.push(left, pose=np.zeros(3)).values, "Gaze Target Phi") < 25
    without = GeometricMapper(AMECA).push(face[:68])
    assert not without.measured[[controls.INDEX[name] for name in NEEDS_IRIS]].any()


def test_covered_points_are_left_out_and_their_controls_held_then_eased():
    mapper = rested(0)
    open_mouth = seen(0, [{"jawOpen": 0.8, "browInnerUp": 1}])[0]
    before = mapper.push(open_mouth).values
    confidence = np.ones(68)
    confidence[48:] = 0.1
    garbage = open_mouth.copy()
    garbage[48:] += 60
    held = mapper.push(garbage, confidence)
    assert column(held.values, "Jaw Pitch") == column(before, "Jaw Pitch")
    assert not column(held.measured, "Jaw Pitch")
    assert column(held.measured, "Brow Inner Left")
    trace = np.array([column(mapper.push(garbage, confidence).values, "Jaw Pitch") for _ in range(75)])
    assert trace[5] == column(before, "Jaw Pitch")
    assert np.abs(np.diff(trace)).max() < 0.1
    assert trace[-1] == pytest.approx(1.0, abs=0.02)
    one = confidence.copy()
    one[48:] = 1
    one[62] = 0
    garbage = open_mouth.copy()
    garbage[62] += 500
    assert column(mapper.push(garbage, one).values, "Jaw Pitch") == pytest.approx(column(before, "Jaw Pitch"), abs=0.08)


def test_no_frame_with_nan_or_at_the_edge_jumps():
    points = seen(0, [{"jawOpen": 0.6}], np.zeros((12, 3)))
    rest = rested(0).controls(points)
    broken = points.copy()
    broken[4] = np.nan
    broken[6, 60:68] = np.nan
    broken[8, :, 0] = np.clip(points[8, :, 0], None, 100)
    low, high = points[0].min(axis=0), points[0].max(axis=0)
    size = tuple((high + 20).astype(int))
    values = rested(0).controls(broken, size=size)
    assert np.isfinite(values).all()
    assert np.abs(controls.normalised(values[:8]) - controls.normalised(rest[:8])).max() < 0.06
    edge = broken - [low[0] + 60, 0]  # a third of the face is left of the picture
    edge = np.maximum(edge[:4], 0)
    mapper = rested(0)
    readings = [mapper.push(frame, size=size) for frame in edge]
    assert not column(readings[-1].measured, "Eyelid Upper Right")
    assert column(readings[-1].values, "Eyelid Upper Right") == column(controls.NEUTRAL, "Eyelid Upper Right")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.push(np.zeros((67, 2))), r"expected landmarks \(68, 2\).*\(67, 2\)"),
        (lambda m: m.push(np.zeros((68, 2)), np.ones(5)), r"confidence for each of the 68"),
        (lambda m: m.controls(np.full((3, 68, 2), np.nan)), "no face in any of the 3 frames: fewer than 34"),
        (lambda m: m.controls(np.zeros((3, 68, 2)), pose=np.zeros((2, 3))), "pose of 3 frames but got 2"),
        (lambda m: m.controls(np.zeros((68, 2))), r"\(frames, 68, 2\)"),
        (lambda m: m.set_rest(np.full((2, 68, 2), np.nan)), "resting face"),
    ],
)
def test_landmarks_that_cannot_be_used_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call(GeometricMapper(AMECA))


def test_a_mapper_knows_no_frames_to_come():
    points = seen(1, [{"jawOpen": t / 20} for t in range(20)])
    whole, part = GeometricMapper(AMECA).controls(points), GeometricMapper(AMECA).controls(points[:9])
    np.testing.assert_array_equal(whole[:9], part)
    assert generic("Head Yaw") == 0


def test_the_profile_follows_the_retargeting_of_people_nobody_fitted():
    generator = np.random.default_rng(7)
    for number in (4, 5):
        frames = [
            {
                "jawOpen": a,
                "mouthSmileLeft": b,
                "mouthSmileRight": b,
                "eyeBlinkLeft": c,
                "eyeBlinkRight": c,
                "browInnerUp": d,
            }
            for a, b, c, d in generator.uniform(0, [0.7, 0.8, 1, 1], (40, 4))
        ]
        shown = np.zeros((40, 52))
        for row, frame in zip(shown, frames, strict=True):
            row[[INDEX[name] for name in frame]] = list(frame.values())
        pose = generator.normal(0, 0.12, (40, 3))
        names = ("Jaw Pitch", "Lip Corner Raise Left", "Eyelid Upper Right", "Brow Inner Left", "Head Yaw")
        columns = [controls.INDEX[name] for name in names]
        truth = controls.normalised(to_controls(shown, pose))[:, columns]
        found = controls.normalised(rested(number).controls(seen(number, frames, pose)))[:, columns]
        assert (np.abs(found - truth).mean(axis=0) < 0.5 * np.abs(truth).mean(axis=0)).all()
        assert np.abs(found - truth).mean() < 0.06
