import numpy as np
import pytest
import torch

from faceimit.metrics.classical_flow import dis, farneback, flow_of_pairs
from faceimit.metrics.flow import EndPointError, endpoint_error
from faceimit.metrics.flow_picture import flow_colours, flow_figure


def flows(count: int, size: int = 9, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(count, 2, size, size, generator=generator) for _ in range(2))
    return a, b, torch.rand(count, size, size, generator=generator) > 0.4


def reference(a: torch.Tensor, b: torch.Tensor, mask: torch.Tensor) -> float:
    distance = np.hypot(*np.moveaxis((a.double() - b.double()).numpy(), 1, 0))
    return float(distance[mask.numpy()].mean())


def test_against_numpy():
    a, b, mask = flows(3)
    assert float(endpoint_error(a, b, mask)) == pytest.approx(reference(a, b, mask), abs=1e-9)
    assert float(endpoint_error(a, b)) == pytest.approx(reference(a, b, mask | True), abs=1e-9)


def test_three_four_five():
    target = torch.zeros(1, 2, 2, 2)
    assert endpoint_error(target + torch.tensor([3.0, 4.0]).view(1, 2, 1, 1), target) == 5


def test_accumulates_over_batches_of_any_size():
    metric, parts = EndPointError(), [flows(n, size, seed=n) for n, size in ((1, 5), (4, 9), (2, 7))]
    for part in parts:
        metric.update(*part)
    distances = [torch.linalg.vector_norm(a - b, dim=1)[mask] for a, b, mask in parts]
    assert float(metric.compute()) == pytest.approx(float(torch.cat(distances).mean()), rel=1e-6)


def test_processes_are_summed():
    whole, parts = EndPointError(), [EndPointError(), EndPointError()]
    for index, part in enumerate(parts):
        data = flows(2 + index, seed=index)
        part.update(*data)
        whole.update(*data)
    merged = EndPointError()
    for name, reduce in merged._reductions.items():  # what torchmetrics does after gathering
        setattr(merged, name, reduce(torch.stack([getattr(part, name) for part in parts])))
    merged._update_count = 1
    torch.testing.assert_close(merged.compute(), whole.compute())


def test_nothing_seen_is_nan():
    metric = EndPointError()
    metric.update(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4))
    assert torch.isnan(metric.compute())


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="two flows of one shape"):
        endpoint_error(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 5))
    with pytest.raises(ValueError, match="two flows of one shape"):
        endpoint_error(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize("method", [farneback(15), dis("medium"), dis("fast", 0.7)])
def test_classical_flow_points_to_the_previous_frame(method):
    rng = np.random.default_rng(0)
    import cv2

    picture = cv2.GaussianBlur(rng.random((90, 90, 3)).astype(np.float32), (0, 0), 2)
    picture = ((picture - picture.min()) / np.ptp(picture) * 255).astype(np.uint8)
    previous, current = picture[10:74, 10:74], picture[11:75, 8:72]  # current(x) = previous(x + (-2, 1))
    flow = flow_of_pairs(method, previous[None], current[None])
    assert flow.shape == (1, 2, 64, 64)
    np.testing.assert_allclose(np.median(flow[0, :, 12:-12, 12:-12], axis=(1, 2)), [-2, 1], atol=0.15)


def test_colours_of_flow():
    flow = np.zeros((2, 2, 2), np.float32)
    flow[:, 0, 0] = [3, 0]
    flow[:, 0, 1] = [-3, 0]
    colours = flow_colours(flow, longest=3)
    assert (colours[1] == 0).all()
    assert colours[0, 0].tolist() == [255, 0, 0]
    assert colours[0, 1].tolist() == [0, 255, 255]
    figure = flow_figure(np.zeros((4, 4, 3), np.uint8), {"exact": np.zeros((2, 4, 4)), "ours": np.ones((2, 4, 4))})
    assert [axis.get_title() for axis in figure.axes] == ["frame", "exact", "ours"]
