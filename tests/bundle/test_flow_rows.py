"""The flow in rows is the flow of the network, part by part and as a whole."""

import pytest
import torch

from faceimit.bundle.flow_rows import FlowRows, blocks, correlate_blocks, lucas_kanade_products, warp_rows
from faceimit.nets.fastflownet import correlate, dilated_offsets, lucas_kanade
from faceimit.nets.warp import warp
from tests.bundles import network

SIZES = [(1, 1), (2, 6), (8, 8), (16, 24), (32, 17)]


def pair(height, width, channels=12):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(1, channels, height, width, generator=generator) for _ in range(2)]


def rows(picture):
    return picture[0].permute(1, 2, 0).contiguous()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_correlation_by_blocks_is_the_correlation(height, width):
    current, previous = pair(height, width)
    offsets = dilated_offsets()
    found = correlate_blocks(rows(current), rows(previous), blocks(height, width, offsets))
    assert torch.allclose(found, correlate(current, previous, offsets)[0], atol=1e-6)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("most", [0.0, 0.7, 30.0])
def test_warped_rows_are_the_warped_picture(height, width, most):
    picture, flow = pair(height, width)
    flow = most * flow[:, :2]
    assert torch.allclose(warp_rows(rows(picture), flow[0]), rows(warp(picture, flow)), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_lucas_kanade_by_products_is_lucas_kanade(height, width):
    current, previous = pair(height, width)
    found = lucas_kanade_products(current[0], previous[0])
    assert torch.allclose(found, lucas_kanade(current, previous), atol=1e-5)


def test_the_whole_flow_at_every_level():
    net = network().flow.eval()
    previous, current = torch.rand(2, 1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    by_rows = FlowRows(net, 128)
    with torch.no_grad():
        found = by_rows(by_rows.rows(previous), by_rows.rows(current))
        expected = net(previous, current).flows
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-4)
