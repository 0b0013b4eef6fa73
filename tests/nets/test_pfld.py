"""PFLD: shapes, what changes nothing, weights files, export, and how the shipped weights do on rendered faces."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save

from faceimit.data.landmark_augment import Face, mirrored_face
from faceimit.errors import InputError
from faceimit.face.landmarks import GROUPS
from faceimit.metrics.landmark import normalised_error
from faceimit.nets.pfld import PFLD, TOLERANCE, confidence, load_pfld, pack_pfld

SMALL = {"width": 0.125, "size": 64}


@pytest.fixture(scope="module")
def clip():
    from faceimit.data.synthetic.generate import render_clip

    return render_clip(seed=0, identity=20_000_050, frames=3, size=128, fps=1.5)


@pytest.fixture(scope="module")
def shipped():
    return load_pfld()


@pytest.fixture(scope="module")
def crops():
    return torch.randint(0, 256, (2, 3, 128, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("size", [64, 112])
def test_shapes(local, size, crops):
    net = PFLD(0.125, size, local)
    trained = net(crops)
    assert trained.points.shape == (2, 68, 2)
    assert trained.scale.shape == (2, 68)
    assert trained.pose.shape == (2, 3)
    assert len(trained.parts) == (2 if local else 1)
    assert (trained.scale > 0).all()
    assert net.eval()(crops).pose is None


def test_untrained_points_are_the_mean_in_pixels_of_any_crop(crops):
    net = PFLD(**SMALL, local=False).eval()
    torch.nn.init.zeros_(net.head.weight)
    net.mean.copy_(torch.rand(68, 2))
    for side in (64, 128):
        points = net(crops[:, :, :side, :side]).points
        assert torch.allclose(points, (net.mean * side - 0.5).expand(2, -1, -1), atol=1e-4)


def test_light_moves_no_point(crops):
    net = PFLD(**SMALL).eval()
    picture = crops.float() * 0.5 + 40
    points = net(picture).points
    assert torch.allclose(points, net(picture * 0.7 + 20).points, atol=0.2)


def test_gradients_reach_everything(crops):
    net = PFLD(**SMALL)
    output = net(crops)
    (output.points.square().mean() + output.scale.mean() + output.pose.square().mean()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("size", [100, 48])
def test_sizes_that_do_not_divide_are_refused(size):
    with pytest.raises(InputError, match="size=112"):
        PFLD(size=size)


def test_confidence_is_the_share_of_errors_within_the_tolerance():
    scale, side = torch.tensor(1.3), 128.0
    generator = torch.Generator().manual_seed(0)
    # the distance under exp(-d / b) / (2 pi b^2) is a gamma variable of shape 2: the sum of two exponential ones
    distance = -scale * torch.rand((2, 200_000), generator=generator).log().sum(dim=0)
    share = (distance < TOLERANCE * side).float().mean()
    assert float(confidence(scale, side)) == pytest.approx(float(share), abs=0.005)
    assert float(distance.mean()) == pytest.approx(2 * float(scale), rel=0.01)


def test_weights_go_to_a_file_and_back(tmp_path, crops):
    torch.manual_seed(0)
    net = PFLD(**SMALL)
    for _ in range(3):
        net(crops)  # batch statistics that are not the initial ones
    path = tmp_path / "net.safetensors"
    path.write_bytes(pack_pfld(net, SMALL, half=False))
    loaded = load_pfld(path)
    assert not loaded.training
    assert torch.equal(loaded(crops).points, net.eval()(crops).points)
    path.write_bytes(pack_pfld(net, SMALL))
    assert torch.allclose(load_pfld(path)(crops).points, net(crops).points, atol=0.5)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(InputError, match="cannot read landmark weights"):
        load_pfld(path)
    path.write_bytes(b"hello")
    with pytest.raises(InputError, match="not a landmark weights file"):
        load_pfld(path)
    path.write_bytes(save({"w": torch.zeros(1)}, metadata={"faceimit": json.dumps({"format": "faceimit-keyframe-1"})}))
    with pytest.raises(InputError, match="faceimit-keyframe-1"):
        load_pfld(path)
    whole = pack_pfld(PFLD(**SMALL), {**SMALL, "width": 0.25})
    path.write_bytes(whole)
    with pytest.raises(InputError, match="another network"):
        load_pfld(path)
    path.write_bytes(pack_pfld(PFLD(**SMALL), SMALL)[:-100])
    with pytest.raises(InputError, match="not a landmark weights file"):
        load_pfld(path)


def pictures(clip):
    return torch.from_numpy(clip.frames).permute(0, 3, 1, 2)


def test_shipped_weights_find_the_points_of_an_unseen_person(shipped, clip):
    errors = normalised_error(shipped(pictures(clip)).points, torch.from_numpy(clip.annotation.landmarks))
    assert float(errors.detach().mean()) < 4.0


def test_shipped_weights_see_a_mirrored_face_mirrored(shipped, clip):
    face = mirrored_face(Face(clip.frames[0], clip.annotation.landmarks[0], np.zeros(3), np.zeros(68, dtype=bool)))
    both = np.stack([clip.frames[0], face.image])
    with torch.no_grad():
        points = shipped(torch.from_numpy(both).permute(0, 3, 1, 2)).points
    back = mirrored_face(Face(face.image, points[1].numpy(), np.zeros(3), np.zeros(68, dtype=bool))).landmarks
    assert float(normalised_error(points[:1], torch.from_numpy(back)[None])) < 3.0


def test_covered_points_are_less_sure(shipped, clip):
    points = clip.annotation.landmarks[0]
    mouth = [*GROUPS["mouth_outer"], *GROUPS["mouth_inner"]]
    low, high = points[mouth].min(axis=0) - 4, points[mouth].max(axis=0) + 4
    covered = clip.frames[0].copy()
    (left, top), (right, bottom) = np.rint(low).astype(int), np.rint(high).astype(int)
    covered[top:bottom, left:right] = (60, 90, 160)
    with torch.no_grad():
        scale = shipped(torch.from_numpy(np.stack([clip.frames[0], covered])).permute(0, 3, 1, 2)).scale
    sure = confidence(scale, 128)
    eyes = [*GROUPS["eye_left"], *GROUPS["eye_right"]]
    lost = sure[0] - sure[1]
    assert float(lost[mouth].min()) > 0.03  # every covered point
    assert float(lost[mouth].mean()) > 3 * float(lost[eyes].mean())
