import cv2
import numpy as np
import pytest
import torch

from faceimit.data.geometry import move_batch, move_boxes, move_flow, move_frames, move_points
from faceimit.data.transforms import Strength, placements

STRONG = Strength(rotation=40.0, scale=0.2, shift=0.1, drift=0.2)


def blob(places, side=64):
    y, x = np.mgrid[0:side, 0:side]
    pictures = [255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 40) for px, py in places]
    return torch.from_numpy(np.array(pictures)[:, None].repeat(3, axis=1).astype(np.uint8))  # (T, 3, S, S)


def centre(picture):
    y, x = np.mgrid[0 : picture.shape[-2], 0 : picture.shape[-1]]
    weights = picture[0].double().numpy()
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()


def draw(count, side=64, seed=4):
    return torch.from_numpy(placements(count, side, STRONG, np.random.default_rng(seed)))[None]


def test_frames_move_as_opencv_moves_them():
    frames = np.random.default_rng(0).integers(0, 255, size=(3, 48, 48, 3)).astype(np.uint8)
    frames = np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in frames])
    matrices = draw(3, 48)
    new = move_frames(torch.from_numpy(frames).permute(0, 3, 1, 2)[None], matrices)[0].permute(0, 2, 3, 1).numpy()
    assert new.dtype == np.uint8
    for t in range(3):
        matrix = matrices[0, t].numpy()
        expected = cv2.warpAffine(frames[t], matrix, (48, 48), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        assert np.abs(new[t].astype(int) - expected).max() <= 3


def test_flow_points_and_boxes_follow_the_frames():
    step = np.array([1.5, -2.0])
    places = np.array([np.array([30, 34]) + t * step for t in range(3)])
    flow = torch.zeros(1, 3, 2, 16, 16)  # a quarter of the resolution
    flow[:, 1:] = -torch.tensor(step)[:, None, None] / 4
    matrices = draw(3)
    boxes = torch.from_numpy(np.concatenate([places - 3, places + 3], axis=1))[None].float()
    batch = {"frames": blob(places)[None], "known_flow": [flow], "placement": matrices, "fps": torch.tensor([25.0])}
    batch |= {"landmarks": torch.from_numpy(places)[None, :, None], "boxes": boxes}
    new = move_batch(batch)
    assert "placement" not in new
    assert "placement" in batch  # the caller's batch is left alone
    centres = [centre(picture) for picture in new["frames"][0]]
    for t in range(3):
        assert new["landmarks"][0, t, 0].numpy() == pytest.approx(centres[t], abs=0.1)
        left, top, right, bottom = new["boxes"][0, t]
        assert left < centres[t][0] < right
        assert top < centres[t][1] < bottom
    for t in (1, 2):
        x, y = np.rint(centres[t] / 4 - 0.5).astype(int)
        found = 4 * new["known_flow"][0][0, t, :, y, x].numpy()
        assert found == pytest.approx(centres[t - 1] - centres[t], abs=0.1)


def test_a_move_and_its_inverse_leave_points_where_they_were():
    points = torch.rand(1, 3, 68, 2, dtype=torch.float64) * 64
    matrices = draw(3).double()
    square = torch.cat([matrices, torch.tensor([0.0, 0.0, 1.0]).double().expand(1, 3, 1, 3)], dim=-2)
    back = torch.linalg.inv(square)[..., :2, :]
    assert torch.allclose(move_points(move_points(points, matrices), back), points)


def test_nothing_to_move():
    batch = {"frames": torch.zeros(1, 2, 3, 8, 8, dtype=torch.uint8)}
    assert move_batch(batch) is batch
    still = torch.eye(3)[:2].expand(1, 2, 2, 3)
    flow = torch.rand(1, 2, 2, 4, 4)
    assert torch.allclose(move_flow(flow, still, 8), flow, atol=1e-5)
    assert torch.equal(move_boxes(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), still[0, :1]), torch.tensor([[1.0, 2, 3, 4]]))
