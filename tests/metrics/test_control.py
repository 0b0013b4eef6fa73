import numpy as np
import pytest
import torch
from scipy.spatial import distance

from faceimit.face.controls import HIGH, LOW, NAMES, NEUTRAL, SPAN
from faceimit.metrics.control import (
    NAMES_OF_ERRORS,
    ControlErrors,
    centred_cosine,
    neutral_like,
    normalised_error,
    raw_cosine,
    shares,
)


def values(count=40, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(LOW, HIGH, size=(count, len(NAMES))))


def test_error_is_the_mean_distance_over_the_range_where_known():
    predicted, target = values(seed=1), values(seed=2)
    known = torch.from_numpy(np.random.default_rng(3).random(target.shape) < 0.6)
    found = normalised_error(predicted, target, known)
    for i in range(len(NAMES)):
        rows = known[:, i].numpy()
        expected = distance.cityblock(predicted[rows, i], target[rows, i]) / rows.sum() / SPAN[i]
        assert float(found[i]) == pytest.approx(expected)
    known[:, 4] = False
    assert torch.isnan(normalised_error(predicted, target, known)).nonzero().tolist() == [[4]]


def test_cosines_agree_with_scipy():
    predicted, target = values(seed=1), values(seed=2)
    a, b = ((v.numpy() - LOW) / SPAN for v in (predicted, target))
    mean = b.mean(axis=0)
    for i in range(len(a)):
        assert float(raw_cosine(predicted, target)[i]) == pytest.approx(1 - distance.cosine(a[i], b[i]))
        expected = 1 - distance.cosine(a[i] - mean, b[i] - mean)
        assert float(centred_cosine(predicted, target)[i]) == pytest.approx(expected)


def test_constant_neutral_flatters_raw_and_not_centred():
    generator = np.random.default_rng(0)
    target = torch.from_numpy(np.clip(NEUTRAL + 0.1 * SPAN * generator.standard_normal((500, len(NAMES))), LOW, HIGH))
    neutral = neutral_like(target)
    assert raw_cosine(neutral, target).mean() > 0.9
    assert abs(float(centred_cosine(neutral, target).mean())) < 0.1
    assert float(centred_cosine(target, target).min()) == pytest.approx(1.0)


def test_a_vector_without_direction_has_no_cosine():
    target = values(3)
    target[1] = target.mean(dim=0)
    mean = shares(target[1])
    found = centred_cosine(target, target, mean)
    assert torch.isnan(found).tolist() == [False, True, False]


def test_batches_accumulate_to_the_whole():
    predicted, target = values(50, 1), values(50, 2)
    known = torch.from_numpy(np.random.default_rng(3).random(target.shape) < 0.8)
    metric = ControlErrors()
    for start in range(0, 50, 16):
        rows = slice(start, start + 16)
        metric.update(predicted[rows].float(), target[rows].float(), known[rows])
    found = metric.compute()
    by_control = normalised_error(predicted, target, known)
    expected = (by_control.mean(), by_control.max(), raw_cosine(predicted, target).mean())
    expected = (*expected, centred_cosine(predicted, target).mean())
    assert len(metric) == 50
    assert [float(found[name]) for name in NAMES_OF_ERRORS] == pytest.approx([float(v) for v in expected], rel=1e-5)
    assert metric.by_control().numpy() == pytest.approx(by_control.numpy(), rel=1e-4)
    metric.reset()
    assert len(metric) == 0


def test_a_control_never_known_leaves_the_others_their_mean():
    predicted, target = values(8, 1), values(8, 2)
    known = torch.ones(8, len(NAMES), dtype=torch.bool)
    known[:, 8] = False
    metric = ControlErrors()
    metric.update(predicted, target, known)
    errors = normalised_error(predicted, target)
    keep = torch.arange(len(NAMES)) != 8
    assert float(metric.compute()["MAE"]) == pytest.approx(float(errors[keep].mean()))
    assert float(metric.compute()["MAE_worst"]) == pytest.approx(float(errors[keep].max()))
