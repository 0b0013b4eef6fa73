import pytest
import torch
from torch.autograd import gradcheck

from faceimit.losses.endpoint import endpoint_loss
from faceimit.losses.occlusion import visible_by_consistency
from faceimit.losses.photometric import (
    brightness_loss,
    census,
    census_loss,
    charbonnier,
    gain_normalised,
    grey,
    masked_mean,
    robust,
)
from faceimit.losses.smoothness import smoothness_loss


def picture(size: int = 24) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.nn.functional.avg_pool2d(torch.rand(2, 3, size + 4, size + 4), 5, stride=1)


def test_gain_normalised_ignores_gain_and_offset():
    image = picture()
    other = 1.3 * image + 0.1
    torch.testing.assert_close(
        gain_normalised(image, floor=1e-4), gain_normalised(other, floor=1.3e-4), atol=5e-3, rtol=0
    )
    assert brightness_loss(other, image) < 0.1 * (other - image).abs().mean()


def test_census_ignores_offset_and_sees_structure():
    image = picture()
    assert census(image).shape == (2, 24, 24, 24)
    torch.testing.assert_close(census(image + 0.2), census(image), atol=1e-5, rtol=0)
    assert census_loss(image + 0.2, image) < census_loss(image.flip(3), image)


def test_grey_of_white_is_one():
    torch.testing.assert_close(grey(torch.ones(1, 3, 2, 2)), torch.ones(1, 1, 2, 2))


def test_masked_mean():
    values = torch.tensor([1.0, 3.0, 100.0]).view(1, 1, 1, 3)
    assert masked_mean(values, torch.tensor([1, 1, 0]).view(1, 1, 1, 3)) == 2
    assert masked_mean(values, torch.zeros(1, 1, 1, 3)) == 0
    assert masked_mean(torch.ones(2, 3, 4, 4), torch.ones(2, 1, 4, 4)) == 1


def test_smoothness_of_constant_and_affine_flow():
    image = torch.full((1, 3, 8, 8), 0.5)
    ramp = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 2, 8, 8)
    floor = 1e-3  # of the charbonnier
    assert smoothness_loss(torch.ones(1, 2, 8, 8), image) == pytest.approx(floor, rel=1e-3)
    assert smoothness_loss(ramp, image, order=1) > 0.4
    assert smoothness_loss(ramp, image, order=2) == pytest.approx(floor, rel=1e-3)


def test_smoothness_spares_flow_edges_on_image_edges():
    flow, edge, plain = torch.zeros(1, 2, 8, 8), torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    flow[..., 4:] = 1
    edge[..., 4:] = 1
    assert smoothness_loss(flow, edge) < 0.2 * smoothness_loss(flow, plain)


def test_smoothness_bad_input():
    with pytest.raises(ValueError, match="order"):
        smoothness_loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 4, 4), order=3)
    with pytest.raises(ValueError, match="one grid"):
        smoothness_loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 4, 5))
    assert smoothness_loss(torch.ones(1, 2, 1, 1), torch.ones(1, 3, 1, 1)) == 0


def test_consistent_flow_is_visible_and_covered_ground_is_not():
    flow, reverse = torch.zeros(1, 2, 16, 16), torch.zeros(1, 2, 16, 16)
    flow[:, 0, 4:12, 6:10] = -4  # a block moved right by 4 px
    reverse[:, 0, 4:12, 2:6] = 4
    seen = visible_by_consistency(flow, reverse)[0, 0]
    assert seen[6, 7]  # on the block
    assert seen[1, 1]  # still ground
    assert not seen[6, 3]  # ground the block stood on in frame t-1
    assert not visible_by_consistency(flow + 20, reverse - 20).any()  # outside of the picture


@pytest.mark.parametrize("function", [charbonnier, robust])
def test_gradients(function):
    x = torch.linspace(0.1, 2, 9, dtype=torch.float64).requires_grad_()
    assert gradcheck(function, (x,))


def test_gradient_of_the_terms():
    torch.manual_seed(2)
    image = torch.rand(1, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    other = torch.rand(1, 3, 6, 6, dtype=torch.float64)
    flow = torch.rand(1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: census_loss(x, other), (image,))
    assert gradcheck(lambda x: brightness_loss(x, other), (image,))
    assert gradcheck(lambda x: smoothness_loss(x, other), (flow,))


def test_endpoint_loss():
    target = torch.zeros(1, 2, 8, 8)
    wrong = torch.zeros(1, 2, 8, 8)
    wrong[:, 0] = 3
    visible = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    coarse = torch.zeros(1, 2, 2, 2)
    coarse[:, 0] = 0.75  # 3 px of the picture
    assert endpoint_loss(wrong, [], target, visible) == pytest.approx(3, rel=1e-3)
    assert endpoint_loss(wrong, [coarse], target, visible, level=0.5) == pytest.approx(4.5, rel=1e-3)
    perfect = torch.zeros(1, 2, 8, 8, requires_grad=True)
    endpoint_loss(perfect, [], target, visible).backward()
    assert torch.isfinite(perfect.grad).all()


def test_fine_term_adds_the_square_root():
    target, visible = torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4, dtype=torch.bool)
    wrong = torch.zeros(1, 2, 4, 4)
    wrong[:, 1] = -4
    assert endpoint_loss(wrong, [], target, visible, fine=1.0) == pytest.approx(4 + 2, rel=1e-3)
