import math

import pytest
import torch
from torch.autograd import gradcheck

from faceimit.nets.warp import compose, inside, pixel_grid, upsample_flow, warp


def wave(size: int, dx: float = 0.0, dy: float = 0.0, angle: float = 0.0) -> torch.Tensor:
    """A smooth picture evaluated exactly at moved positions: value at x is that of the still picture at R x + d."""
    x, y = pixel_grid(size, size).double().unbind(1)
    centre = (size - 1) / 2
    u, v = x - centre, y - centre
    x = math.cos(angle) * u - math.sin(angle) * v + centre + dx
    y = math.sin(angle) * u + math.cos(angle) * v + centre + dy
    return (torch.sin(x / 6) * torch.cos(y / 7) + 0.3 * torch.sin((x + y) / 9)).unsqueeze(1)


def constant(size: int, dx: float, dy: float) -> torch.Tensor:
    return torch.tensor([dx, dy], dtype=torch.float64).view(1, 2, 1, 1).expand(1, 2, size, size)


def test_zero_flow_changes_nothing():
    image = torch.rand(2, 3, 9, 13)
    torch.testing.assert_close(warp(image, torch.zeros(2, 2, 9, 13)), image, atol=2e-6, rtol=0)


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (0, 2), (-4, 5)])
def test_whole_pixels_are_a_roll(dx, dy):
    image = torch.rand(1, 2, 24, 24, dtype=torch.float64)
    moved = warp(image, constant(24, dx, dy))
    wanted = torch.roll(image, shifts=(-dy, -dx), dims=(2, 3))
    torch.testing.assert_close(moved[..., 6:-6, 6:-6], wanted[..., 6:-6, 6:-6], atol=1e-12, rtol=0)


def test_positive_dx_reads_to_the_right_and_positive_dy_below():
    image = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    image[0, 0, 2, 3] = 1.0
    assert warp(image, constant(5, 1, 0))[0, 0, 2, 2] == pytest.approx(1)
    assert warp(image, constant(5, 0, 1))[0, 0, 1, 3] == pytest.approx(1)


def test_known_translation_below_a_pixel():
    moved = warp(wave(40), constant(40, 1.3, -0.7))
    torch.testing.assert_close(moved[..., 4:-4, 4:-4], wave(40, 1.3, -0.7)[..., 4:-4, 4:-4], atol=6e-3, rtol=0)


def test_known_rotation():
    size, angle = 48, math.radians(5)
    x, y = (pixel_grid(size, size).double() - (size - 1) / 2).unbind(1)
    turned = torch.stack([math.cos(angle) * x - math.sin(angle) * y, math.sin(angle) * x + math.cos(angle) * y], dim=1)
    moved = warp(wave(size), turned - torch.stack([x, y], dim=1))
    torch.testing.assert_close(moved[..., 6:-6, 6:-6], wave(size, angle=angle)[..., 6:-6, 6:-6], atol=6e-3, rtol=0)


def test_border_is_repeated_or_zero():
    image = torch.ones(1, 1, 4, 4)
    assert warp(image, constant(4, 9, 0).float()).min() == 1
    assert warp(image, constant(4, 9, 0).float(), padding_mode="zeros").max() == 0


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="expected flow to be"):
        warp(torch.rand(1, 3, 8, 8), torch.rand(1, 2, 8, 9))


def test_gradients():
    torch.manual_seed(0)
    image = torch.rand(1, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    flow = (0.6 * torch.rand(1, 2, 6, 5, dtype=torch.float64) - 0.27).requires_grad_()  # away from the kinks
    assert gradcheck(warp, (image, flow), eps=1e-7, atol=1e-5)


def test_upsampling_scales_the_vectors():
    flow = torch.ones(1, 2, 4, 8)
    larger = upsample_flow(flow, (8, 32))
    assert larger.shape == (1, 2, 8, 32)
    torch.testing.assert_close(larger[:, 0], torch.full((1, 8, 32), 4.0))
    torch.testing.assert_close(larger[:, 1], torch.full((1, 8, 32), 2.0))


def test_composition_of_translations_adds_up():
    total = compose(constant(12, 1, 2), constant(12, -3, 0.5))
    torch.testing.assert_close(total, constant(12, -2, 2.5).clone())


def test_inside():
    seen = inside(constant(6, 2, 0).float())
    assert seen[0, 0, :, :4].all()
    assert not seen[0, 0, :, 4:].any()
