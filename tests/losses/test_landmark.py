"""The PFLD loss against values worked out by hand, and its gradients."""

import math

import pytest
import torch

from faceimit.losses.landmark import category_weight, pfld_loss, point_distance, pose_weight, scale_likelihood

KNOWN = torch.tensor([[True, True], [True, False]])


def example():
    """Two faces of two points: errors of (3, 4) and (0, 2) pixels, then (1, 0) and an unknown one."""
    target = torch.tensor([[[1.0, 2.0], [3.0, 3.0]], [[0.0, 0.0], [5.0, 5.0]]], dtype=torch.float64)
    points = target + torch.tensor([[[3.0, 4.0], [0.0, 2.0]], [[1.0, 0.0], [9.0, 9.0]]], dtype=torch.float64)
    pose = torch.tensor([[math.pi / 2, 0.0, math.pi], [0.0, 0.0, 0.0]], dtype=torch.float64)
    return points, target, KNOWN, pose, torch.zeros(2, 3, dtype=torch.float64)


def test_loss_by_hand():
    weight = torch.tensor([1.0, 0.5], dtype=torch.float64)
    # first face: pose weight 1 + 0 + 2 = 3; mean squared error (25 + 4) / 2; second: pose weight 0, error 1
    paper = pfld_loss(*example(), weight, norm="squared", floor=0.0)
    assert float(paper) == pytest.approx((3 * 14.5 + 0) / 2)
    # with a floor of 1 and plain distances: 4 * (5 + 2) / 2, and half of 1 * 1
    ours = pfld_loss(*example(), weight, norm="distance", floor=1.0)
    assert float(ours) == pytest.approx((4 * 3.5 + 0.5) / 2, rel=1e-5)


def test_a_face_without_known_points_counts_as_nothing():
    points, target, _, pose, flat = example()
    nothing = torch.zeros(2, 2, dtype=torch.bool)
    assert float(pfld_loss(points, target, nothing, pose, flat, torch.ones(2, dtype=torch.float64))) == 0


def test_pose_weight_by_hand():
    pose = torch.tensor([[0.1, -0.2, 0.3]])
    expected = sum(1 - math.cos(angle) for angle in (0.1, 0.2, 0.3))
    assert float(pose_weight(pose, torch.zeros(1, 3))) == pytest.approx(expected, rel=1e-5)


def test_rare_categories_count_more_and_the_mean_is_one():
    generator = torch.Generator().manual_seed(0)
    shares = torch.tensor([0.1, 0.9, 0.3])
    category = torch.rand(20_000, 3, generator=generator) < shares
    weight = category_weight(category, category.float().mean(dim=0))
    assert float(weight.mean()) == pytest.approx(1.0, rel=1e-5)
    only = category_weight(torch.eye(3).bool(), shares)
    assert torch.allclose(only * 3 * shares, torch.ones(3))


def test_a_category_nobody_is_in_does_not_break_the_weights():
    weight = category_weight(torch.tensor([[True, False]]), torch.tensor([1.0, 0.0]))
    assert float(weight) == pytest.approx(1.0)


def test_likelihood_is_least_at_half_the_distance():
    distance = torch.tensor([[2.0, 100.0]])
    known = torch.tensor([[True, False]])
    values = {b: float(scale_likelihood(distance, torch.tensor([[b, 1.0]]), known)) for b in (0.9, 1.0, 1.1)}
    assert min(values, key=values.get) == 1.0
    assert values[1.0] == pytest.approx(2.0)


@pytest.mark.parametrize("norm", ["squared", "distance"])
def test_gradients(norm):
    points, target, known, pose, flat = example()
    points.requires_grad_()
    pose = (pose + 0.1).requires_grad_()
    weight = torch.tensor([1.0, 0.5], dtype=torch.float64)

    def loss(p, q):
        return pfld_loss(p, target, known, q, flat, weight, norm)

    assert torch.autograd.gradcheck(loss, (points, pose))
    scale = torch.tensor([[1.0, 2.0], [0.5, 1.0]], dtype=torch.float64, requires_grad=True)
    distance = point_distance(points, target).detach()
    assert torch.autograd.gradcheck(lambda s: scale_likelihood(distance, s, known), (scale,))


def test_a_perfect_point_has_a_finite_gradient():
    points = torch.zeros(1, 1, 2, requires_grad=True)
    point_distance(points, torch.zeros(1, 1, 2)).sum().backward()
    assert torch.isfinite(points.grad).all()
