from pathlib import Path

import pytest
import torch

from faceimit.errors import InputError
from faceimit.nets.backbone import BACKBONES
from faceimit.nets.keyframe import SCALES, Context, KeyframeNet, score_clip, soft_clip, without_affine

FPS = torch.tensor([25.0, 30.0])


def small(**changes):
    torch.manual_seed(0)
    return KeyframeNet(**({"backbone": "compact", "size": 32, "width": 16} | changes))


@pytest.fixture(scope="module")
def clip():
    return torch.rand(2, 6, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_shapes_and_range(backbone):
    net = small(backbone=backbone, flow=False).eval()
    output = net(torch.rand(2, 3, 3, 48, 48), FPS)
    assert output.score.shape == (2, 3)
    assert output.velocity.shape == (2, 3, 55)
    assert output.flow is None
    assert ((output.score >= 0) & (output.score <= 1)).all()


@pytest.mark.parametrize(
    "changes", [{}, {"inputs": "frame"}, {"affine": False}, {"scales": 1}, {"kernels": (), "look_ahead": 0}]
)
def test_every_part_learns(changes, clip):
    net = small(**changes)
    output = net(clip, FPS)
    (output.score.sum() + output.velocity.square().sum()).backward()
    still = [name for name, p in net.named_parameters() if p.grad is None and not name.startswith("flow.")]
    assert still == []
    assert net.flow.decoders["2"].flow.weight.grad.abs().sum() > 0  # the score trains the flow too


def test_joint_limits_whose_gradients_reach_the_flow(clip):
    net = small(dropout=0.0).eval()
    whole, part, none = net(clip, FPS), net(clip, FPS, joint=1), net(clip, FPS, joint=0)
    assert torch.allclose(whole.score, part.score, atol=1e-5)
    assert torch.allclose(whole.score, none.score, atol=1e-5)
    none.score.sum().backward()
    assert all(p.grad is None for p in net.flow.parameters())


def test_flow_of_a_clip_is_the_flow_of_its_pairs(clip):
    net = small().eval()
    with torch.no_grad():
        pyramid = net.flow_of_clip(clip)
        direct = net.flow(clip[:, :-1].flatten(0, 1), clip[:, 1:].flatten(0, 1))
    for one, two in zip(pyramid, direct.flows, strict=True):
        assert torch.allclose(one, two, atol=1e-5)


def test_flow_a_few_pairs_at_a_time_is_that_of_all_at_once():
    net = KeyframeNet("compact", size=32, width=16).eval()
    frames = torch.rand(2, 11, 3, 64, 64, generator=torch.Generator().manual_seed(0))  # 20 pairs: 8, 8 and 4
    whole = net.flow_of_clip(frames)
    with torch.no_grad():
        parts = net.flow_of_clip(frames)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(b, a.detach(), rtol=0, atol=1e-5)


def test_known_flow_stands_in_for_the_network(clip):
    net = small(dropout=0.0).eval()
    fill(net.motion)
    with torch.no_grad():
        levels = [level.view(2, 5, *level.shape[1:]) for level in net.flow_of_clip(clip)[:SCALES]]
        known = [torch.cat([torch.zeros_like(level[:, :1]), level], dim=1) for level in levels]
        whole = net(clip, FPS).score
        for joint in (0, 1):
            assert torch.allclose(net(clip, FPS, joint, known).score, whole, atol=1e-5)
        assert not torch.allclose(net(clip, FPS, 0, [level + 1 for level in known]).score, whole, atol=1e-5)


@pytest.mark.parametrize("scales", range(1, SCALES + 1))
def test_the_score_looks_at_the_finest_scales_alone(clip, scales):
    net = small(scales=scales).eval()
    fill(net.motion)
    pairs = clip[:, :-1].flatten(0, 1), clip[:, 1:].flatten(0, 1)
    with torch.no_grad():
        flow = net.flow_of_clip(clip)[:SCALES]
        before = net.motion(*pairs, flow, torch.ones(10))
        for level in range(SCALES):
            other = [x + 1.0 if n == level else x for n, x in enumerate(flow)]
            assert torch.equal(net.motion(*pairs, other, torch.ones(10)), before) == (level >= scales)


def test_scores_of_a_long_clip_do_not_depend_on_the_chunk(clip):
    net = small().eval()
    frames = (torch.cat([clip, clip.flip(1)], dim=1)[0] * 255).to(torch.uint8)
    whole = net(frames[None].float() / 255, FPS[:1]).score[0]
    for chunk in (3, 5, 64):
        assert torch.allclose(score_clip(net, frames, 25.0, chunk), whole, atol=1e-4), chunk
    assert score_clip(net, frames[:1], 25.0).tolist() == [0.0]


def test_look_ahead_bounds_what_a_score_depends_on(clip):
    net = small(kernels=(5, 3), look_ahead=1, flow=False).eval()
    assert (net.context, net.look_ahead) == (6, 1)
    changed = clip.clone()
    changed[:, 4:] = 0.0
    with torch.no_grad():
        before, after = net(clip, FPS).score, net(changed, FPS).score
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.equal(before[:, 3], after[:, 3])


def test_brightness_of_the_whole_frame_is_no_change():
    net = small(flow=False).eval()
    frame = torch.rand(1, 1, 3, 48, 48) * 0.5
    flicker = frame * torch.tensor([1.0, 1.8, 1.1, 1.6]).view(1, 4, 1, 1, 1)
    appearance = net._appearance_input(flicker, torch.ones(4))
    assert appearance[:, 3:].abs().max() < 0.6 * appearance[:, :3].abs().max()


def test_without_affine_removes_exactly_affine_flow():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 12), torch.linspace(-1, 1, 16), indexing="ij")
    rigid = torch.stack([0.5 + 0.3 * x - 0.2 * y, -1.0 + 0.1 * x + 0.4 * y])[None]
    assert without_affine(rigid).abs().max() < 1e-4
    bump = torch.zeros_like(rigid)
    bump[:, 1, 8:10, 7:9] = 1.0
    assert torch.allclose(without_affine(rigid + bump), without_affine(bump), atol=1e-4)


def test_soft_clip_is_a_clip_with_gradients():
    x = torch.tensor([-1.0, 0.0, 0.3, 0.5, 1.0, 2.0], requires_grad=True)
    y = soft_clip(x)
    assert y.tolist() == pytest.approx([0, 0.035, 0.3, 0.5, 0.965, 1], abs=0.01)
    y.sum().backward()
    assert (x.grad >= 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "resnet51"}, "resnet51"),
        ({"inputs": "triple"}, "triple"),
        ({"look_ahead": 9}, "at most 3"),
        ({"scales": 4}, "1 to 3"),
    ],
)
def test_bad_arguments_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        small(**changes)


def test_context_spends_the_look_ahead_first():
    assert Context((5, 3), 3).paddings() == [(2, 2), (1, 1)]
    assert Context((5, 3), 0).paddings() == [(4, 0), (2, 0)]


def fill(net):
    """Weights without the initialiser's random numbers, which differ between versions."""
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                scale = (2 / parameter[0].numel()) ** 0.5
                parameter.copy_(scale * torch.sin(torch.arange(parameter.numel()) ** 1.5 * 0.7).view_as(parameter))


GOLDEN = Path(__file__).parent / "golden" / "keyframe.safetensors"


def test_golden_output(clip):
    from safetensors.torch import load_file

    net = small().eval()
    fill(net)
    with torch.no_grad():
        score = net(clip, FPS).score
    expected = load_file(GOLDEN)
    assert torch.allclose(clip[0, 0, 0, 0, :4], expected["input"], atol=1e-6), "the random generator itself changed"
    assert torch.allclose(score, expected["score"], atol=1e-4)
