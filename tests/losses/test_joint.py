import pytest
import torch

from faceimit.losses.joint import flow_terms, seen_before
from faceimit.losses.photometric import census_loss
from faceimit.losses.smoothness import smoothness_loss
from faceimit.losses.ssim import ssim_pyramid_loss
from faceimit.nets.warp import warp


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(3)
    still = torch.nn.functional.avg_pool2d(torch.rand(2, 3, 68, 68), 5, stride=1)  # (2, 3, 64, 64)
    levels = [torch.randn(2, 2, side, side) for side in (16, 8, 4)]
    return still, still.roll(4, dims=3), levels


def test_each_term_is_the_function_it_names(pair):
    previous, current, flows = pair
    terms = flow_terms(previous, current, flows, {"ssim": 1.0, "census": 2.0, "smoothness": 0.5})
    small = [torch.nn.functional.avg_pool2d(x, 4) for x in (previous, current)]
    assert float(terms["ssim"]) == pytest.approx(float(ssim_pyramid_loss(previous, current, flows)))
    assert float(terms["census"]) == pytest.approx(float(census_loss(warp(small[0], flows[0]), small[1])))
    assert float(terms["smoothness"]) == pytest.approx(float(smoothness_loss(flows[0], small[1])))


def test_a_term_without_weight_costs_nothing(pair):
    assert flow_terms(*pair, {"ssim": 0.0, "census": 0.0}) == {}
    assert list(flow_terms(*pair, {"census": 1.0})) == ["census"]


def test_the_true_flow_is_better_than_none(pair):
    previous, current, flows = pair
    right = [torch.zeros_like(flow) for flow in flows]
    for flow, width in zip(right, (16, 8, 4), strict=True):
        flow[:, 0] = -4 * width / 64  # what is at x was at x - 4 pixels of the picture
    weights = {"ssim": 1.0, "census": 1.0}
    true, still = (flow_terms(previous, current, given, weights) for given in (right, [0 * f for f in flows]))
    assert all(true[name] < 0.7 * still[name] for name in weights)


def test_what_the_flows_disagree_on_is_left_out(pair):
    previous, current, flows = pair
    zero = [torch.zeros_like(flow) for flow in flows]
    reverse = torch.zeros_like(flows[0])
    reverse[..., :8] = 3.0  # the left half disagrees
    seen = seen_before(zero[0], reverse, 64)
    assert seen[..., 9:].all()
    assert not seen[..., :7].any()
    spoilt = current.clone()
    spoilt[..., :24] = 0.0
    whole = flow_terms(previous, spoilt, zero, {"census": 1.0})["census"]
    part = flow_terms(previous, spoilt, zero, {"census": 1.0}, reverse)["census"]
    clean = flow_terms(previous, current, zero, {"census": 1.0}, reverse)["census"]
    assert abs(float(part - clean)) < abs(float(whole - clean))


def test_the_tolerance_is_in_pixels_of_the_picture():
    flow = torch.zeros(1, 2, 16, 16)
    off = torch.zeros(1, 2, 16, 16)
    off[:, 0] = 0.1  # 0.4 pixels of a picture of 64
    assert seen_before(flow, off, 64).all()
    assert not seen_before(flow, off * 3, 64)[..., 2:-2].any()
