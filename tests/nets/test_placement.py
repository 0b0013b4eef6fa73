import numpy as np
import pytest
import torch

from faceimit.nets.placement import EYES, LEVEL, cut_out, face_shape, in_face, placed, points_at, shaken


def faces(count=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = torch.randn(68, 2, generator=generator)
    shape[36:42] += torch.tensor([-0.5, 0.0]) - shape[36:42].mean(dim=0)
    shape[42:48] += torch.tensor([0.5, 0.0]) - shape[42:48].mean(dim=0)
    angle = 0.5 * torch.randn(count, generator=generator)
    scale = 0.2 + 0.1 * torch.rand(count, generator=generator)
    places = 0.3 + 0.4 * torch.rand(count, 2, generator=generator)
    return shape, torch.cat([torch.stack([scale * angle.cos(), scale * angle.sin()], dim=1), places], dim=1)


def test_a_placement_is_recovered_from_its_points_and_undone():
    shape, placement = faces()
    points = points_at(placement, shape)
    turn = placement[0, :2].numpy()
    matrix = np.array([[turn[0], -turn[1]], [turn[1], turn[0]]])
    assert points[0].numpy() == pytest.approx(shape.numpy() @ matrix.T + placement[0, 2:].numpy(), abs=1e-5)
    assert placed(points, shape).numpy() == pytest.approx(placement.numpy(), abs=1e-5)
    assert in_face(points, placement)[1].numpy() == pytest.approx(shape.numpy(), abs=1e-4)


def test_least_squares_as_numpy_says():
    shape, placement = faces()
    points = points_at(placement, shape) + 0.01 * torch.randn(3, 68, 2, generator=torch.Generator().manual_seed(2))
    u, v = shape.double().numpy().T
    one, none = np.ones_like(u), np.zeros_like(u)
    rows = np.concatenate([np.stack([u, -v, one, none], 1), np.stack([v, u, none, one], 1)])
    for found, face in zip(placed(points, shape), points, strict=True):
        expected = np.linalg.lstsq(rows, face.double().numpy().T.reshape(-1), rcond=None)[0]
        assert found.numpy() == pytest.approx(expected, abs=1e-4)


def test_the_cut_out_puts_the_eyes_where_it_says():
    side, angle = 96, 0.4
    placement = torch.tensor([[0.25 * np.cos(angle), 0.25 * np.sin(angle), 0.45, 0.55]], dtype=torch.float32)
    eyes = points_at(placement, torch.tensor([[-0.5, 0.0], [0.5, 0.0]]))[0] * 128 - 0.5
    grid = torch.arange(128.0)
    for eye, place in zip(eyes, (0.5 - EYES / 2, 0.5 + EYES / 2), strict=True):
        spot = torch.exp(-0.5 * ((grid - eye[0]) / 2) ** 2) * torch.exp(-0.5 * ((grid - eye[1]) / 2) ** 2)[:, None]
        face = cut_out(spot[None, None], placement, side)[0, 0]
        weight = face / face.sum()
        middle = (weight.sum(dim=0) @ torch.arange(96.0), weight.sum(dim=1) @ torch.arange(96.0))
        assert torch.tensor(middle).numpy() == pytest.approx([place * side - 0.5, LEVEL * side - 0.5], abs=0.1)


def test_mean_shape_and_placement_of_one_face_repeated():
    shape, placement = faces(count=1)
    points = points_at(placement, shape).expand(4, -1, -1)
    found, usual = face_shape(points)
    assert found.numpy() == pytest.approx(shape.numpy(), abs=1e-4)
    assert usual.numpy() == pytest.approx(placement[0].numpy(), abs=1e-5)


def test_shaking_is_as_strong_as_asked():
    torch.manual_seed(0)
    placement = torch.tensor([[0.2, 0.1, 0.5, 0.4]]).expand(4000, 4)
    assert torch.equal(shaken(placement, 0.0, 0.0, 0.0), placement)
    new = shaken(placement, shift=0.02, turn=0.05, zoom=0.03)
    assert (new[:, 2:] - placement[:, 2:]).std(dim=0).numpy() == pytest.approx([0.02, 0.02], rel=0.1)
    angle = torch.atan2(new[:, 1], new[:, 0])
    assert float(angle.std()) == pytest.approx(0.05, rel=0.1)
    assert float(new[:, :2].norm(dim=1).log().std()) == pytest.approx(0.03, rel=0.1)
