"""Exact flow: warping the previous clean frame with it gives this frame, outside occlusions."""

import cv2
import numpy as np
import pytest

from faceimit.data.synthetic import parts, scene
from faceimit.data.synthetic.identity import draw_identity
from faceimit.data.synthetic.render import Drive, FaceRenderer, draw, frame_camera
from faceimit.face.blendshapes import INDEX

SIZE = 64


@pytest.fixture(scope="module")
def renderer():
    return FaceRenderer(draw_identity(4), SIZE)


def drive(pose=(0, 0, 0), shapes=None, translation=(0, 0, 0), crop=(1.0, 0, 0)):
    """Two frames: rest, then the given state."""
    coefficients = np.zeros((2, 52))
    for name, value in (shapes or {}).items():
        coefficients[1, INDEX[name]] = value
    still = np.zeros((2, 3))
    crops = np.array([(1.0, 0.0, 0.0), crop])
    return Drive(
        coefficients, np.array([(0, 0, 0), pose], float), np.array([(0, 0, 0), translation], float), still, crops
    )


def rendered(renderer, moves):
    rng = np.random.default_rng(1)
    rest = Drive(np.zeros((1, 52)), *[np.zeros((1, 3))] * 3, crop=np.array([[1.0, 0, 0]]))
    camera = frame_camera(renderer, moves, rest, 70.0)
    light = scene.draw_light(rng, np.ones(2))
    background = scene.draw_background(rng, camera.size)
    return list(draw(renderer, moves, camera, light, background, flow=True))


def warp(image, flow):
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    return cv2.remap(image, x + flow[0], y + flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize(
    "moves",
    [
        drive(pose=(0.05, 0, 0)),
        drive(pose=(0, 0.04, 0.05)),
        drive(shapes={"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}),
        drive(shapes={"jawOpen": 0.25}),
        drive(crop=(1.03, 0.02, -0.02)),
        drive(translation=(0.5, 0.3, 0.5)),
    ],
    ids=["yaw", "pitch and roll", "smile", "jaw", "crop", "translation"],
)
def test_warping_the_previous_frame_gives_this_frame(renderer, moves):
    (before, _), (now, _) = rendered(renderer, moves)
    seen = ~now.occluded
    still = np.abs(before.image - now.image)[seen]
    left = np.abs(warp(before.image, now.flow) - now.image)[seen]
    wrong = np.abs(warp(before.image, -now.flow) - now.image)[seen]
    assert left.mean() < 0.012
    assert np.sqrt((left**2).mean()) < 0.62 * np.sqrt((still**2).mean())
    assert left.mean() < 0.5 * wrong.mean()
    assert seen.mean() > 0.9


def test_flow_takes_landmarks_back_to_where_they_were(renderer):
    (_, before), (now, points) = rendered(renderer, drive(pose=(0.03, 0.02, 0.02)))
    rows = [30, 33, 17, 26, 48, 54, 8]
    place = np.clip(points[rows].astype(int), 0, SIZE - 1)
    moved = now.flow[:, place[:, 1], place[:, 0]].T
    assert np.abs(moved - (before - points)[rows]).max() < 0.35


def test_background_moves_with_the_crop_only(renderer):
    (_, _), (now, _) = rendered(renderer, drive(pose=(0.1, 0, 0), crop=(1.0, 0.05, 0.0)))
    np.testing.assert_allclose(now.flow[:, 1, 1], [0.05 * SIZE, 0], atol=1e-3)


def test_what_a_turning_head_uncovers_is_occluded(renderer):
    (_, _), (now, _) = rendered(renderer, drive(translation=(2.0, 0, 0)))
    assert now.occluded.mean() > 0.01
    # The head moved to the right, so what it uncovers lies at its left edge.
    assert np.nonzero(now.occluded)[1].mean() < SIZE / 2


def test_a_hand_before_the_face_hides_it(renderer):
    hidden = FaceRenderer(draw_identity(4), SIZE, parts.hand(0.5))
    moves = drive()
    path = np.zeros((2, 6))
    path[0, :3], path[1, :3] = (0, -5, 10), (40, -5, 10)
    moves = Drive(moves.blendshapes, moves.pose, moves.translation, moves.body, moves.crop, path)
    (_, _), (now, _) = rendered(hidden, moves)
    assert now.occluded[SIZE // 2 - 4 : SIZE // 2 + 4, SIZE // 2 - 4 : SIZE // 2 + 4].mean() > 0.9
