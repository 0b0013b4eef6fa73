from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from faceimit.errors import InputError
from faceimit.nets.fastflownet import (
    FastFlowNet,
    convex_upsample,
    correlate,
    dilated_offsets,
    load_flow_weights,
    lucas_kanade,
    normalise,
)
from faceimit.nets.warp import pixel_grid

GOLDEN = Path(__file__).parent / "fastflownet.safetensors"


@pytest.fixture(scope="module")
def net() -> FastFlowNet:
    torch.manual_seed(0)
    return FastFlowNet().eval()


def picture(size: int, dx: float = 0.0, dy: float = 0.0, seed: int = 0) -> torch.Tensor:
    """A smooth random picture whose content moved by (-dx, -dy): value at x is the still one's at x + d."""
    x, y = (pixel_grid(size, size) + torch.tensor([dx, dy]).view(1, 2, 1, 1)).unbind(1)
    generator = torch.Generator().manual_seed(seed)
    waves = torch.zeros(3, size, size)
    for _ in range(24):
        kx, ky = (torch.rand(2, generator=generator) - 0.5) * 0.9
        phase = 6.3 * torch.rand(3, 1, 1, generator=generator)
        waves += torch.sin(kx * x + ky * y + phase)
    return (0.5 + waves / 14).clamp(0, 1).unsqueeze(0)


def test_parameter_budget(net):
    assert sum(p.numel() for p in net.parameters()) <= 1_400_000


def test_offsets_are_the_papers_53():
    offsets = dilated_offsets()
    assert len(offsets) == len(set(offsets)) == 53
    assert {(dx, dy) for dx in range(-2, 3) for dy in range(-2, 3)} <= set(offsets)


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (33, 50), (17, 16), (112, 112)])
def test_any_size_and_all_levels(net, size):
    with torch.no_grad():
        pyramid = net(torch.rand(2, 3, *size), torch.rand(2, 3, *size))
        full = net.full(pyramid, size)
    levels = [tuple(-(-n // 2**level) for n in size) for level in range(2, 7)]
    assert [tuple(flow.shape) for flow in pyramid.flows] == [(2, 2, *level) for level in levels]
    assert [tuple(feature.shape) for feature in pyramid.features] == [(2, 32, *level) for level in levels]
    assert full.shape == (2, 2, *size)
    assert torch.isfinite(full).all()


def test_levels_are_an_option():
    small = FastFlowNet(coarsest=4, finest=3)
    assert len(small(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)).flows) == 2
    with pytest.raises(InputError, match="finest"):
        FastFlowNet(coarsest=3, finest=4)


def test_frames_must_agree(net):
    with pytest.raises(ValueError, match="one shape"):
        net(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 40))
    with pytest.raises(ValueError, match="one shape"):
        net(torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32))


def test_pyramid_once_a_frame_gives_the_same_flow(net):
    frames = torch.rand(4, 3, 40, 40)
    with torch.no_grad():
        features = net.pyramid(frames)
        clip = net.decode(tuple(f[:-1] for f in features), tuple(f[1:] for f in features))
        pairs = net(frames[:-1], frames[1:])
    for a, b in zip(clip.flows, pairs.flows, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_correlation_against_loops():
    torch.manual_seed(1)
    current, previous = torch.rand(2, 5, 6, 7), torch.rand(2, 5, 6, 7)
    offsets = dilated_offsets()
    cost = correlate(current, previous, offsets)
    for index, (dx, dy) in enumerate(offsets):
        for row, column in ((0, 0), (3, 4), (5, 6)):
            there = row + dy, column + dx
            seen = 0 <= there[0] < 6 and 0 <= there[1] < 7
            wanted = (
                (current[:, :, row, column] * previous[:, :, there[0], there[1]]).mean(1) if seen else torch.zeros(2)
            )
            torch.testing.assert_close(cost[:, index, row, column], wanted)


def test_correlation_peaks_at_the_true_shift():
    torch.manual_seed(2)
    previous = normalise(torch.randn(1, 16, 20, 20))
    current = torch.roll(previous, shifts=(1, -2), dims=(2, 3))  # current(x) = previous(x + (2, -1))
    cost = correlate(current, previous, dilated_offsets())
    assert dilated_offsets()[int(cost[0, :, 10, 10].argmax())] == (2, -1)


@pytest.mark.parametrize(("dx", "dy"), [(0.4, 0.0), (0.0, -0.3), (-0.25, 0.35)])
def test_lucas_kanade_finds_a_small_shift(dx, dy):
    step = lucas_kanade(40 * picture(32, dx, dy), 40 * picture(32))
    inner = step[0, :, 6:-6, 6:-6].mean(dim=(1, 2))
    torch.testing.assert_close(inner, torch.tensor([dx, dy]), atol=0.06, rtol=0)


def test_convex_upsampling_of_constant_flow_is_exact():
    flow = torch.tensor([1.5, -0.5]).view(1, 2, 1, 1).expand(1, 2, 3, 4)
    fine = convex_upsample(flow, torch.randn(1, 9 * 16, 3, 4), 4)
    torch.testing.assert_close(fine, 4 * torch.tensor([1.5, -0.5]).view(1, 2, 1, 1).expand(1, 2, 12, 16))


def test_every_parameter_gets_a_gradient(net):
    pyramid = net(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
    loss = net.full(pyramid, (64, 64)).square().mean() + sum(flow.square().mean() for flow in pyramid.flows)
    gradients = torch.autograd.grad(loss, list(net.parameters()))
    assert all(torch.isfinite(g).all() and g.abs().max() > 0 for g in gradients)


def test_gradcheck_of_the_lucas_kanade_step():
    torch.manual_seed(3)
    maps = [torch.randn(1, 2, 6, 6, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lucas_kanade, maps)


def test_half_precision_stays_close(net):
    frames = picture(64), picture(64, 1.0)
    with torch.no_grad():
        exact = net.full(net(*frames), (64, 64))
        with torch.autocast("cpu", torch.bfloat16):
            half = net.full(net(*frames), (64, 64))
    assert half.dtype == torch.float32
    assert (half - exact).abs().mean() < 0.1 + 0.1 * exact.abs().mean()


def test_golden_output(net):
    """Made by running this file: python tests/nets/test_fastflownet.py."""
    golden = load_file(GOLDEN)
    for name, value in golden_outputs().items():
        torch.testing.assert_close(value, golden[name], atol=2e-3, rtol=2e-3, msg=lambda m, name=name: f"{name}: {m}")


def golden_outputs() -> dict[str, torch.Tensor]:
    net = fixed_net()
    pyramid = net(picture(48), picture(48, 1.2, -0.6))
    full = net.full(pyramid, (48, 48))
    loss = full.square().mean()
    (gradient,) = torch.autograd.grad(loss, net.extract.level1[0][0].weight)
    return {
        "full": full[:, :, ::4, ::4].detach().contiguous(),
        "flow5": pyramid.flows[3].detach().contiguous(),
        "feature": pyramid.features[0][:, ::8].detach().contiguous(),
        "loss": loss.detach(),
        "gradient": gradient,
    }


def fixed_net() -> FastFlowNet:
    """Weights from numpy's stable generator: torch's random numbers may change between versions."""
    net, rng = FastFlowNet(), np.random.default_rng(7)
    for parameter in net.parameters():
        fan = max(1, parameter[0].numel())
        values = rng.standard_normal(parameter.shape) * (fan**-0.5 if parameter.ndim > 1 else 0.05)
        parameter.data = torch.from_numpy(values.astype(np.float32))
    return net


def test_weights_none_leaves_the_net(net):
    assert load_flow_weights(net, "none") is net


def test_shipped_weights_see_motion():
    net = load_flow_weights(FastFlowNet(), "shipped").eval()
    with torch.no_grad():
        flow = net.full(net(picture(96), picture(96, 1.5, -0.75)), (96, 96))[0, :, 16:-16, 16:-16]
    median = flow.flatten(1).median(dim=1).values
    torch.testing.assert_close(median, torch.tensor([1.5, -0.75]), atol=0.25, rtol=0)


def test_weights_of_a_file(tmp_path, net):
    path = tmp_path / "flow.safetensors"
    save_file({k: v.half().contiguous() for k, v in net.state_dict().items()}, path)
    torch.manual_seed(5)
    other = load_flow_weights(FastFlowNet(), path)
    torch.testing.assert_close(other.mask[0].weight, net.mask[0].weight, atol=1e-3, rtol=1e-3)


def test_bad_weights(tmp_path, net):
    with pytest.raises(InputError, match="cannot read"):
        load_flow_weights(net, tmp_path / "absent.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(InputError, match="not a safetensors file"):
        load_flow_weights(net, tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="another network"):
        load_flow_weights(net, tmp_path / "other.safetensors")


class Flat(torch.nn.Module):
    """What is exported: both frames in, full flow and the finest decoder features out."""

    def __init__(self, net: FastFlowNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, previous: torch.Tensor, current: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pyramid = self.net(previous, current)
        size = (previous.shape[-2], previous.shape[-1])
        return self.net.full(pyramid, size), pyramid.features[0]


@pytest.mark.slow
def test_onnx_says_the_same_also_at_large_flow(tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    net = fixed_net().eval()
    for decoder in net.decoders.values():  # large flow: the warp reads far outside of the picture
        decoder.flow.bias.data = torch.tensor([1.5, -1.0])
    frames = picture(65), picture(65, 3.0, -2.0)
    path = tmp_path / "flow.onnx"
    torch.onnx.export(
        Flat(net).eval(), frames, path, dynamo=True, input_names=["previous", "current"], opset_version=18
    )
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    got = session.run(None, {"previous": frames[0].numpy(), "current": frames[1].numpy()})
    with torch.no_grad():
        wanted = Flat(net)(*frames)
    assert wanted[0].abs().max() > 20
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b.numpy(), atol=2e-3, rtol=2e-3)


if __name__ == "__main__":
    save_file(golden_outputs(), GOLDEN)
