from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.ndimage import gaussian_filter
from torch.autograd import gradcheck

from faceimit.losses.ssim import ssim, ssim_map, ssim_pyramid_loss
from faceimit.nets.warp import pixel_grid

GOLDEN = Path(__file__).parent / "ssim.safetensors"


def reference(a: np.ndarray, b: np.ndarray, size: int, sigma: float, data_range: float) -> np.ndarray:
    """SSIM of two (H, W) pictures after Wang et al. 2004, by scipy alone, where the window fits."""
    radius = size // 2

    def mean(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, sigma, truncate=(radius + 0.25) / sigma)[radius:-radius, radius:-radius]

    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    ma, mb = mean(a), mean(b)
    va, vb, cab = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    return (2 * ma * mb + c1) * (2 * cab + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))


def pictures(size: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(4)
    a = gaussian_filter(rng.random((2, 3, size, size)), (0, 0, 1.5, 1.5))
    a = (a - a.min()) / (a.max() - a.min())
    b = np.clip(0.9 * a + 0.05 + 0.05 * rng.standard_normal(a.shape), 0, 1)
    return torch.from_numpy(a), torch.from_numpy(b)


@pytest.mark.parametrize(("size", "sigma", "scale"), [(11, 1.5, 1.0), (7, 1.5, 1.0), (5, 0.8, 255.0)])
def test_against_an_independent_implementation(size, sigma, scale):
    a, b = (scale * x for x in pictures())
    got = ssim_map(a, b, size, sigma, data_range=scale)
    for n in range(2):
        for c in range(3):
            wanted = reference(a[n, c].numpy(), b[n, c].numpy(), size, sigma, scale)
            np.testing.assert_allclose(got[n, c].numpy(), wanted, atol=1e-5)
    single = ssim_map(a.float(), b.float(), size, sigma, data_range=scale)
    torch.testing.assert_close(single.double(), got, atol=1e-3, rtol=0)


def test_against_torchmetrics():
    torchmetrics = pytest.importorskip("torchmetrics.functional.image")
    a, b = pictures()
    wanted = torchmetrics.structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
    assert (ssim(a, b) - wanted).abs().max() < 0.02  # torchmetrics mirrors the border before it cuts it off


def test_equal_pictures_score_one_and_negatives_less():
    a, b = pictures()
    torch.testing.assert_close(ssim(a, a), torch.ones(2, dtype=torch.float64))
    assert (ssim(a, 1 - a) < ssim(a, b)).all()


def test_shapes():
    assert ssim_map(torch.rand(2, 3, 20, 30), torch.rand(2, 3, 20, 30)).shape == (2, 3, 10, 20)


def test_bad_input():
    with pytest.raises(ValueError, match="one shape"):
        ssim_map(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 17))
    with pytest.raises(ValueError, match="at least 11"):
        ssim_map(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8))
    with pytest.raises(ValueError, match="odd"):
        ssim_map(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16), window=4)
    with pytest.raises(ValueError, match="weight"):
        ssim_pyramid_loss(*[torch.rand(1, 3, 16, 16)] * 2, [torch.zeros(1, 2, 16, 16)], weights=[1.0, 1.0])


def moving(size: int, dx: float) -> torch.Tensor:
    x, y = (pixel_grid(size, size) + torch.tensor([dx, 0.0]).view(1, 2, 1, 1)).unbind(1)
    return 0.5 + 0.25 * torch.stack([torch.sin(x / 2 + y / 9), torch.sin(x / 3 - y / 5), torch.cos(x / 2.5)], dim=1)


def flows(size: int, dx: float) -> list[torch.Tensor]:
    """The same motion on three levels, in the pixels of each."""
    return [torch.tensor([dx / k, 0.0]).view(1, 2, 1, 1).repeat(1, 1, size // k, size // k) for k in (1, 2, 4)]


def test_the_true_flow_has_the_least_loss_at_every_level():
    previous, current = moving(48, 0.0), moving(48, 2.0)
    for level in range(3):
        weights = [float(k == level) for k in range(3)]
        losses = [float(ssim_pyramid_loss(previous, current, flows(48, dx), weights)) for dx in (-2, 0, 1, 2, 3, 4)]
        assert np.argmin(losses) == 3, losses


def test_levels_add_up_and_hidden_pixels_do_not_count():
    previous, current = moving(48, 0.0), moving(48, 1.0)
    some = flows(48, 0.3)
    parts = [ssim_pyramid_loss(previous, current, [flow]) for flow in some]
    torch.testing.assert_close(ssim_pyramid_loss(previous, current, some), torch.stack(parts).sum())
    half = torch.ones(1, 1, 48, 48)
    half[..., 24:] = 0
    spoilt = current.clone()
    spoilt[..., 34:] = 0
    before = ssim_pyramid_loss(previous, current, some[:1], visible=half)
    torch.testing.assert_close(ssim_pyramid_loss(previous, spoilt, some[:1], visible=half), before)


def test_odd_sizes_of_levels():
    sizes = (33, 50), (9, 13), (5, 7), (3, 4), (2, 2)
    loss = ssim_pyramid_loss(
        torch.rand(1, 3, 33, 50), torch.rand(1, 3, 33, 50), [torch.zeros(1, 2, *size) for size in sizes]
    )
    assert torch.isfinite(loss)


def test_gradients():
    torch.manual_seed(0)
    a, b = (torch.rand(1, 1, 9, 9, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert gradcheck(lambda x, y: ssim_map(x, y, 5), (a, b))
    flow = (0.4 * torch.rand(1, 2, 9, 9, dtype=torch.float64) + 0.1).requires_grad_()
    assert gradcheck(lambda f: ssim_pyramid_loss(a.detach(), b.detach(), [f], window=5), (flow,), atol=1e-4)


def golden_outputs() -> dict[str, torch.Tensor]:
    a, b = (x.float() for x in pictures(24))
    some = [flow.repeat(2, 1, 1, 1).requires_grad_() for flow in flows(24, 0.7)]
    loss = ssim_pyramid_loss(a, b, some)
    gradients = torch.autograd.grad(loss, some)
    return {"loss": loss.detach()} | {f"gradient{k}": g.contiguous() for k, g in enumerate(gradients)}


def test_golden_loss_and_gradient():
    """Made by running this file: python tests/losses/test_ssim.py."""
    golden = load_file(GOLDEN)
    for name, value in golden_outputs().items():
        torch.testing.assert_close(value, golden[name], atol=1e-5, rtol=1e-3)


if __name__ == "__main__":
    save_file(golden_outputs(), GOLDEN)
