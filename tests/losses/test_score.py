import numpy as np
import pytest
import torch

from faceimit.losses.score import correlation_loss, score_loss, slope_loss, velocity_loss

GENERATOR = torch.Generator().manual_seed(0)
PREDICTED, TARGET = (torch.rand(2, 9, dtype=torch.float64, generator=GENERATOR) for _ in range(2))
VALID = torch.ones(2, 9, dtype=torch.bool)
VALID[0, 3] = VALID[1, 7:] = False


def test_against_numpy():
    p, t, v = PREDICTED.numpy(), TARGET.numpy(), VALID.numpy()
    assert float(score_loss(PREDICTED, TARGET, VALID)) == pytest.approx(((p - t) ** 2)[v].mean())
    both = v[:, 1:] & v[:, :-1]
    rise = np.diff(p, axis=1) - np.diff(t, axis=1)
    assert float(slope_loss(PREDICTED, TARGET, VALID)) == pytest.approx((rise**2)[both].mean())
    expected = np.mean([1 - np.corrcoef(p[i][v[i]], t[i][v[i]])[0, 1] for i in range(2)])
    assert float(correlation_loss(PREDICTED, TARGET, VALID, epsilon=0.0)) == pytest.approx(expected)


def test_velocity_sums_over_movements():
    a, b = torch.zeros(1, 2, 3), torch.ones(1, 2, 3)
    assert float(velocity_loss(a, b, torch.ones(1, 2, dtype=torch.bool))) == pytest.approx(3.0)


@pytest.mark.parametrize("loss", [score_loss, slope_loss, correlation_loss])
def test_invalid_frames_count_nowhere(loss):
    spoilt = torch.where(VALID, PREDICTED, torch.full_like(PREDICTED, 7.0))
    assert float(loss(spoilt, TARGET, VALID)) == pytest.approx(float(loss(PREDICTED, TARGET, VALID)))
    assert torch.isfinite(loss(PREDICTED, TARGET, torch.zeros_like(VALID)))


@pytest.mark.parametrize("loss", [score_loss, slope_loss, correlation_loss])
def test_gradients(loss):
    p = PREDICTED.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, TARGET, VALID), (p,))


def test_slope_sees_timing_that_mse_hardly_does():
    t = torch.arange(40, dtype=torch.float32)
    target = torch.exp(-0.5 * ((t - 20) / 2) ** 2)[None]
    late, low = torch.roll(target, 2, dims=1), target * 0.5
    valid = torch.ones_like(target, dtype=torch.bool)
    ratio = lambda loss: float(loss(late, target, valid) / loss(low, target, valid))  # noqa: E731
    assert ratio(slope_loss) > 1.5 * ratio(score_loss)
