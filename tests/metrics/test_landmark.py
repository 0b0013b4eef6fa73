"""Landmark metrics against plain numpy written another way, over any batching."""

import numpy as np
import pytest
import torch

from faceimit.errors import InputError
from faceimit.face.landmarks import GROUPS
from faceimit.metrics.landmark import (
    Calibration,
    Jitter,
    LandmarkErrors,
    area_under_curve,
    failure_rate,
    normalised_error,
    point_jitter,
)
from tests.landmark_faces import mean_shape


@pytest.fixture(scope="module")
def faces():
    random = np.random.default_rng(0)
    target = mean_shape()[None] + random.normal(0, 3, (40, 68, 2))
    points = target + random.normal(0, 1, (40, 68, 2)) * random.uniform(0.5, 6, (40, 1, 1))
    return torch.from_numpy(points), torch.from_numpy(target)


def reference(points, target, chosen=range(68)):
    errors = []
    for p, g in zip(points.numpy(), target.numpy(), strict=True):
        eyes = np.sqrt(((g[45] - g[36]) ** 2).sum())
        errors.append(100 * np.mean([np.sqrt(((p[i] - g[i]) ** 2).sum()) for i in chosen]) / eyes)
    return np.array(errors)


def test_normalised_error(faces):
    assert np.allclose(normalised_error(*faces), reference(*faces))
    known = torch.zeros(40, 68, dtype=torch.bool)
    known[:, 17:] = True
    assert np.allclose(normalised_error(*faces, known), reference(*faces, range(17, 68)))


def test_all_errors_by_reference_over_batches(faces):
    metric = LandmarkErrors()
    for part in (slice(0, 7), slice(7, 8), slice(8, 40)):
        metric.update(faces[0][part], faces[1][part])
    found = {name: float(value) for name, value in metric.compute().items()}
    errors = reference(*faces)
    assert found["NME"] == pytest.approx(errors.mean())
    assert found["NME_no_jaw"] == pytest.approx(reference(*faces, range(17, 68)).mean())
    for group, places in GROUPS.items():
        assert metric.by_group()[group] == pytest.approx(reference(*faces, list(places)).mean())
    assert 0 < found["FR"] < 100
    assert found["FR"] == pytest.approx(100 * np.mean(errors > 8))
    axis = np.linspace(0, 8, 80_001)
    curve = (errors[None] <= axis[:, None]).mean(axis=1)
    assert found["AUC"] == pytest.approx(np.trapezoid(curve, axis) / 8, abs=1e-4)
    all_errors = torch.from_numpy(errors)
    assert found["FR"] == pytest.approx(float(failure_rate(all_errors)))
    assert found["AUC"] == pytest.approx(float(area_under_curve(all_errors)))


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_nothing_yet_is_nan():
    assert all(torch.isnan(value) for value in LandmarkErrors().compute().values())
    assert torch.isnan(Jitter().compute())
    assert torch.isnan(Calibration().compute())


def test_eyes_in_one_place_are_refused():
    points = torch.rand(1, 68, 2)
    points[:, 45] = points[:, 36]
    with pytest.raises(InputError, match="outer eye corners"):
        normalised_error(points, points)
    with pytest.raises(InputError, match="outer eye corners"):
        normalised_error(points, torch.full((1, 68, 2), torch.nan))


def test_jitter_of_known_noise():
    generator = torch.Generator().manual_seed(0)
    still = torch.from_numpy(mean_shape())[None].expand(3, -1, -1)
    looks = still + 0.1 * torch.randn(400, 3, 68, 2, generator=generator)
    eyes = float(still[0, 45, 0] - still[0, 36, 0])
    # a standard deviation of 0.1 along each axis is one of 0.1 * sqrt(2) in the plane
    assert np.allclose(point_jitter(looks), 100 * 0.1 * np.sqrt(2) / eyes, rtol=0.02)
    metric = Jitter()
    metric.update(looks[:, :1])
    metric.update(looks[:, 1:])
    assert float(metric.compute()) == pytest.approx(float(point_jitter(looks).mean()), rel=1e-6)
    assert float(point_jitter(still[None].double().expand(5, -1, -1, -1)).max()) < 1e-9


def test_calibration():
    generator = torch.Generator().manual_seed(0)
    confidence = torch.rand(100_000, generator=generator)
    metric = Calibration()
    metric.update(confidence, torch.rand(100_000, generator=generator) < confidence)
    assert float(metric.compute()) < 0.01
    metric.reset()
    metric.update(torch.tensor([0.95, 1.0]), torch.tensor([False, True]))
    assert float(metric.compute()) == pytest.approx(abs(1.95 - 1) / 2)
