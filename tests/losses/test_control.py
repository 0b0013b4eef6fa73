import numpy as np
import pytest
import torch

from faceimit.face.controls import INDEX, NAMES, PARTS
from faceimit.losses.control import SHUT, control_loss, known_controls, matching_loss


def deviations(count=5, seed=0):
    return torch.rand(count, len(NAMES), generator=torch.Generator().manual_seed(seed)) - 0.5


def test_gaze_counts_unless_both_eyes_are_shut():
    values = torch.zeros(3, len(NAMES))
    left, right = INDEX["Eyelid Upper Left"], INDEX["Eyelid Upper Right"]
    values[0, [left, right]] = -SHUT - 0.01
    values[1, left] = -1.0
    known = known_controls(values)
    gaze = list(PARTS["gaze"])
    assert known[:, gaze].any(dim=1).tolist() == [False, True, True]
    assert known[0].sum() == len(NAMES) - len(gaze)
    assert known_controls(values, torch.tensor([True, False, True]))[:, gaze].all(dim=1).tolist() == [True, False, True]


@pytest.mark.parametrize("kind", ["huber", "mse"])
def test_loss_is_the_written_out_mean_over_what_is_known(kind):
    predicted, target = deviations(seed=1), deviations(seed=2)
    known = torch.rand(5, len(NAMES), generator=torch.Generator().manual_seed(3)) < 0.7
    error, delta = (predicted - target).numpy(), 0.1
    single = error**2
    if kind == "huber":
        single = np.where(abs(error) < delta, error**2 / 2 / delta, abs(error) - delta / 2)
    expected = single[known.numpy()].mean()
    assert float(control_loss(predicted, target, known, kind, delta)) == pytest.approx(expected, rel=1e-5)


def test_what_is_unknown_has_no_gradient_and_nothing_known_is_no_loss():
    predicted, known = deviations().requires_grad_(), torch.zeros(5, len(NAMES), dtype=torch.bool)
    assert float(control_loss(predicted, deviations(seed=1), known).detach()) == 0
    known[0, 3] = True
    control_loss(predicted, deviations(seed=1), known).backward()
    assert predicted.grad.count_nonzero() == 1


def test_other_shapes_and_kinds_are_refused():
    known = torch.ones(5, len(NAMES), dtype=torch.bool)
    with pytest.raises(ValueError, match="30"):
        control_loss(deviations()[:, :29], deviations()[:, :29], known[:, :29])
    with pytest.raises(ValueError, match="l1"):
        control_loss(deviations(), deviations(), known, "l1")


def test_matching_compares_rows_of_one_expression_only():
    features = torch.eye(4, 6)
    assert float(matching_loss(features, torch.tensor([0, -1, 0, -1]))) == pytest.approx(1.0)
    features[2] = 3 * features[0]
    assert float(matching_loss(features, torch.tensor([0, -1, 0, -1]))) == pytest.approx(0.0, abs=1e-6)
    lonely = features.requires_grad_()
    loss = matching_loss(lonely, torch.tensor([0, 1, 2, -1]))
    loss.backward()
    assert float(loss.detach()) == 0
