import numpy as np
import pytest

from faceimit.data.synthetic.expressions import coefficients
from faceimit.data.synthetic.head import Drive, FaceRenderer
from faceimit.data.synthetic.identity import draw_identity
from faceimit.data.synthetic.rig import gaze, lid_opening
from faceimit.face.blendshapes import BLENDSHAPES, INDEX, mirrored_name
from faceimit.face.landmarks import MIRROR


@pytest.fixture(scope="module")
def renderer():
    return FaceRenderer(draw_identity(4), 32)


def posed(renderer, weights=None, pose=(0.0, 0.0, 0.0)):
    """Camera-space vertices of one frame."""
    still = np.zeros((1, 3))
    shapes = coefficients(weights or {})[None]
    drive = Drive(shapes, np.array([pose]), still, still, np.array([[1.0, 0.0, 0.0]]))
    return renderer.vertices(drive, slice(0, 1))[0]


@pytest.mark.parametrize("name", BLENDSHAPES)
def test_every_blendshape_moves_something_visible(renderer, name):
    assert np.abs(posed(renderer, {name: 1.0}) - posed(renderer)).max() > 0.1


@pytest.mark.parametrize("name", ["mouthSmileLeft", "browDownLeft", "eyeBlinkLeft", "jawLeft", "mouthLeft"])
def test_left_and_right_mirror_each_other(renderer, name):
    def offsets(key):
        return (posed(renderer, {key: 1.0}) - posed(renderer))[renderer.landmarks]

    mirrored = offsets(mirrored_name(name))[list(MIRROR)] * [-1, 1, 1]
    # The person's own face is not symmetric, hence the tolerance.
    np.testing.assert_allclose(offsets(name), mirrored, atol=0.25)


def test_directions(renderer):
    def moved(weights, point):
        return (posed(renderer, weights) - posed(renderer))[renderer.landmarks[point]]

    assert moved({"jawOpen": 1.0}, 57)[1] < -2  # lower lip goes down
    assert moved({"mouthSmile": 1.0}, 54)[0] > 0.3  # the left corner (right of the picture) goes out
    assert moved({"mouthSmile": 1.0}, 54)[1] > 0.3
    assert moved({"mouthFrown": 1.0}, 48)[1] < -0.5
    assert moved({"browInnerUp": 1.0}, 21)[1] > 0.4
    assert moved({"mouthPucker": 1.0}, 48)[0] > 0.4


def test_a_blink_closes_the_lids_and_never_crosses_them(renderer):
    open_, shut = posed(renderer)[renderer.landmarks], posed(renderer, {"eyeBlink": 1.0, "eyeLookDown": 1.0})
    shut = shut[renderer.landmarks]
    assert (open_[37] - open_[41])[1] > 0.5
    assert 0 <= (shut[37] - shut[41])[1] < 0.12
    upper, lower = lid_opening(np.ones((1, 52)), 1)
    assert upper[0] * 0.66 >= -lower[0] * 0.24


def test_gaze_turns_both_eyes_to_the_same_side():
    shapes = coefficients({"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0, "eyeLookUp": 1.0})[None]
    (left_yaw, left_pitch), (right_yaw, right_pitch) = gaze(shapes, 1), gaze(shapes, -1)
    assert left_yaw[0] == right_yaw[0] > 0  # the person's left is the right of the picture
    assert left_pitch[0] == right_pitch[0] > 0


def test_pose_follows_the_conventions(renderer):
    nose = renderer.landmarks[30]
    rest = posed(renderer)[nose]
    assert posed(renderer, pose=(0.3, 0, 0))[nose][0] > rest[0] + 1  # yaw to the person's left
    assert posed(renderer, pose=(0, 0.3, 0))[nose][1] > rest[1] + 1  # the chin lifts
    eyes = posed(renderer, pose=(0, 0, 0.3))[renderer.landmarks[[36, 45]]]
    assert eyes[1, 1] > eyes[0, 1] + 1  # counter-clockwise in the picture


def test_identities_differ():
    shapes = {tuple(draw_identity(i).shape.traits.values()) for i in range(20)}
    assert len(shapes) == 20
    assert INDEX["jawOpen"] == BLENDSHAPES.index("jawOpen")
