import numpy as np
import pytest

from faceimit.data.synthetic import mesh, robot_rig
from faceimit.data.synthetic.robot import RobotRenderer, drive_of
from faceimit.data.synthetic.robot_sheet import control_sheet, expression_sheet
from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.face.controls import CONTROLS, INDEX, NAMES, NEUTRAL


@pytest.fixture(scope="module")
def robot() -> RobotRenderer:
    return RobotRenderer(64, light=even_light())


def even_light() -> np.ndarray:
    """Light (6, 3) from the front alone, so that a picture and its mirror image are lit alike."""
    rows = np.full((6, 3), 0.4)
    rows[0] = rows[2] = (0.0, 0.0, 1.0)
    return rows


def posed(**values: float) -> np.ndarray:
    """(30,) neutral but for controls by name, with underscores for spaces."""
    result = NEUTRAL.copy()
    for name, value in values.items():
        result[INDEX[name.replace("_", " ")]] = value
    return result


def drawn(robot: RobotRenderer, values: np.ndarray) -> np.ndarray:
    return robot.draw(values)[0]


def points_of(robot: RobotRenderer, values: np.ndarray) -> np.ndarray:
    return robot.head.vertices(drive_of(values[None]), slice(0, 1))[0]


def landmarks_of(robot: RobotRenderer, values: np.ndarray) -> np.ndarray:
    """(68, 3) in cm."""
    return points_of(robot, values)[robot.head.landmarks]


def test_the_neutral_face_is_symmetric_though_the_neutral_values_are_not(robot):
    picture = drawn(robot, NEUTRAL[None])[0]
    assert np.abs(picture - picture[:, ::-1]).mean() < 0.004


def test_mirrored_controls_give_the_mirrored_picture(robot):
    rng = np.random.default_rng(0)
    values = controls.from_normalised(0.25 * rng.uniform(-1, 1, (3, 30)))
    pictures, flipped = drawn(robot, values), drawn(robot, controls.mirrored(values))
    difference = np.abs(flipped - pictures[:, :, ::-1]).mean((1, 2, 3))
    assert (difference < 0.01).all()
    assert (np.abs(flipped - pictures).mean((1, 2, 3)) > 3 * difference).all()


def test_every_control_shows_and_no_two_look_alike(robot):
    small = 0.05 * np.diag(controls.SPAN)
    pictures = drawn(robot, np.concatenate([NEUTRAL + small, NEUTRAL - small]).clip(controls.LOW, controls.HIGH))
    change = (pictures[:30] - pictures[30:]).reshape(30, -1)
    size = np.linalg.norm(change, axis=1)
    assert size.min() > 0.08, NAMES[size.argmin()]
    likeness = np.abs((change / size[:, None]) @ (change / size[:, None]).T) - np.eye(30)
    worst = np.unravel_index(likeness.argmax(), likeness.shape)
    assert likeness.max() < 0.92, [NAMES[i] for i in worst]
    assert np.linalg.svd(change / size[:, None], compute_uv=False)[-1] > 0.2


@pytest.mark.parametrize(
    ("name", "point", "axis", "sign"),
    [
        ("Brow Inner Left", 22, 1, 1),
        ("Brow Outer Right", 18, 1, 1),
        ("Eyelid Upper Left", 43, 1, 1),
        ("Eyelid Lower Right", 41, 1, -1),
        ("Jaw Pitch", 8, 1, 1),
        ("Jaw Yaw", 8, 0, 1),
        ("Lip Bottom Depress Left", 55, 1, -1),
        ("Lip Bottom Depress Middle", 57, 1, -1),
        ("Lip Corner Raise Right", 48, 1, 1),
        ("Lip Corner Stretch Left", 54, 0, 1),
        ("Lip Corner Stretch Right", 48, 0, -1),
        ("Lip Top Raise Middle", 51, 1, 1),
        ("Lip Top Curl", 51, 2, 1),
        ("Lip Bottom Curl", 57, 2, 1),
        ("Head Yaw", 30, 0, 1),
        ("Head Pitch", 8, 2, 1),
        ("Head Roll", 27, 0, -1),
        ("Neck Pitch", 27, 2, 1),
        ("Neck Roll", 27, 0, -1),
        ("Nose Wrinkle", 31, 1, -1),
    ],
)
def test_larger_values_move_the_face_as_the_table_says(robot, name, point, axis, sign):
    control = CONTROLS[INDEX[name]]
    step = 0.1 * control.span
    ends = [np.where(np.arange(30) == INDEX[name], NEUTRAL + d, NEUTRAL) for d in (-step, min(step, 0.1))]
    low, high = (landmarks_of(robot, values)[point, axis] for values in ends)
    assert (high - low) * sign > 0.01


def test_lids_meet_wherever_the_lower_one_stands(robot):
    for lower in (-1.0, 0.5, 2.0):
        shut = posed(Eyelid_Upper_Left=-1.0, Eyelid_Lower_Left=lower)
        marks = landmarks_of(robot, shut)
        assert abs(marks[43, 1] - marks[47, 1]) < 0.12
        both = posed(Eyelid_Upper_Left=-1.0, Eyelid_Upper_Right=-1.0, Eyelid_Lower_Left=lower)
        assert not robot_rig.gaze_known(both[None])[0]
    assert robot_rig.gaze_known(posed(Eyelid_Upper_Left=-1.0)[None])[0], "the right eye is open"


def test_gaze_grows_to_the_end_of_its_range_and_is_true_near_the_middle():
    targets = np.linspace(-130, 130, 27)
    values = np.repeat(NEUTRAL[None], 27, axis=0)
    values[:, INDEX["Gaze Target Phi"]] = targets
    left, up = (np.degrees(angle) for angle in robot_rig.gaze(values))
    assert (np.diff(left) > 0.8).all()
    assert abs(left).max() < 45
    assert np.degrees(robot_rig.gaze(posed(Gaze_Target_Phi=5.0)[None])[0][0]) == pytest.approx(5, abs=0.1)
    np.testing.assert_array_equal(up, 0)


def test_lips_do_not_pass_through_each_other(robot):
    pressed = posed(Lip_Bottom_Depress_Middle=0.0, Lip_Top_Raise_Middle=0.0, Lip_Bottom_Depress_Left=0.0)
    points = points_of(robot, pressed)
    grid = mesh.head_grid()
    low, high = np.flatnonzero(grid.mouth_side == -1e-6), np.flatnonzero(grid.mouth_side == 1e-6)
    front = np.abs(grid.flat[low, 0]) < mesh.MOUTH_HALF
    front &= grid.flat[low, 2] > -5
    assert (points[low[front], 1] - points[high[front], 1]).max() < 0.05


def test_head_and_neck_turn_about_different_places(robot):
    head, neck = (landmarks_of(robot, posed(**{f"{part}_Roll": 15.0})).mean(0) for part in ("Head", "Neck"))
    rest = landmarks_of(robot, NEUTRAL).mean(0)
    assert np.linalg.norm(neck - rest) > 2 * np.linalg.norm(head - rest)


def test_pictures_repeat_exactly(robot):
    values = posed(Jaw_Pitch=0.3, Head_Yaw=10.0)[None]
    np.testing.assert_array_equal(robot.render(values), RobotRenderer(64, light=even_light()).render(values))


def test_wrong_controls_are_refused(robot):
    with pytest.raises(InputError, match="30"):
        robot.render(np.zeros((2, 29)))
    with pytest.raises(InputError, match="Jaw Yaw of frame 0 to be finite"):
        robot.render(posed(Jaw_Yaw=np.nan)[None])


def test_contact_sheets_show_different_faces():
    for sheet, count in ((expression_sheet, 20 + 12), (control_sheet, 60)):
        titles, tiles = sheet(32)
        assert len(titles) == len(tiles) == count
        away = np.abs(tiles.astype(float) - tiles[0]).reshape(count, -1).mean(1)
        assert away[1] > 0


def test_landmarks_lie_on_the_picture_where_the_face_is(robot):
    points = robot.draw(np.stack([NEUTRAL, posed(Jaw_Pitch=0.0, Eyelid_Upper_Left=-1.0)]))[1]
    neutral, changed = points
    assert points.shape == (2, 68, 2)
    assert ((neutral > 0) & (neutral < 64)).all()
    assert abs(neutral[:, 0].mean() - 32) < 1
    assert changed[8, 1] - neutral[8, 1] > 3, "the chin goes down"
    assert changed[43, 1] - neutral[43, 1] > 0.7, "the left lid goes down"
    assert abs(changed[38, 1] - neutral[38, 1]) < 0.05, "the right one stays"
