import pytest
import torch

from faceimit.data.known_warp import (
    KnownWarpParams,
    corrupt,
    known_pair,
    layered_pair,
    random_flow,
    warped_pair,
)
from faceimit.nets.warp import warp


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth_pictures(count: int, size: int, channels: int = 3) -> torch.Tensor:
    noise = torch.rand(count, channels, size + 12, size + 12, generator=seeded(5))
    blurred = torch.nn.functional.avg_pool2d(torch.nn.functional.avg_pool2d(noise, 7, 1), 7, 1)
    low, high = blurred.amin(), blurred.amax()
    return (blurred - low) / (high - low)


def test_flow_explains_the_second_frame():
    pair = warped_pair(smooth_pictures(6, 48), seeded(), KnownWarpParams(layered=0.0))
    error = (warp(pair.previous, pair.flow) - pair.current).abs() * pair.visible
    still = (pair.previous - pair.current).abs() * pair.visible
    assert error.mean() < 0.01
    assert error.mean() < 0.3 * still.mean()


def test_layers_explain_the_second_frame():
    rgb = smooth_pictures(6, 48)
    alpha = torch.zeros(6, 1, 48, 48)
    alpha[:, :, 10:34, 12:36] = 1
    head = torch.cat([rgb.flip(2), alpha], dim=1)
    hand = torch.cat([rgb.flip(3), alpha.roll(9, dims=3)], dim=1)
    pair = layered_pair(head, hand, rgb, seeded(), KnownWarpParams())
    error = (warp(pair.previous, pair.flow) - pair.current).abs() * pair.visible
    assert (error > 0.1).float().mean() < 0.05  # only along the soft rims of layers
    assert not pair.visible.all()


def test_motion_is_face_like():
    flow = random_flow(300, (32, 32), seeded(), KnownWarpParams())
    size = flow.norm(dim=1).mean(dim=(1, 2))
    assert 0.2 < size.median() < 1.2
    assert size.quantile(0.95) < 8
    assert (size < 0.5).float().mean() > 0.25  # much of it far below a pixel
    assert flow.mean(dim=(0, 2, 3)).abs().max() < 0.3  # no direction preferred


@pytest.mark.parametrize("size", [(33, 40), (31, 31)])
def test_odd_sizes(size):
    pair = known_pair(torch.rand(2, 3, *size), seeded())
    assert pair.current.shape == (2, 3, *size)
    assert pair.flow.shape == (2, 2, *size)
    assert pair.visible.shape == (2, 1, *size)
    assert pair.visible.dtype == torch.bool


def test_same_seed_same_pair():
    images = smooth_pictures(3, 32)
    first, second = (known_pair(images, seeded(3)) for _ in range(2))
    assert torch.equal(first.current, second.current)
    assert torch.equal(first.flow, second.flow)


def test_corruption_keeps_range_and_differs_between_frames():
    images = smooth_pictures(4, 32)
    before, now = corrupt(images, images, seeded(1), KnownWarpParams(noise=0.1))
    assert before.min() >= 0
    assert now.max() <= 1
    assert not torch.equal(before, now)
    assert (before - images).abs().mean() < 0.12
