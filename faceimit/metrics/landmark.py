"""Landmark errors as torchmetrics: NME, failure rate and area under the error curve, jitter, calibration.

NME is the mean distance of a face's points in percent of the distance between its outer eye corners (inter-ocular),
which is also the normaliser of 300W's tables.
"""

import torch
from torch import Tensor
from torchmetrics import Metric

from faceimit.errors import InputError
from faceimit.face.landmarks import COUNT, GROUPS, OUTER_EYE_CORNERS

LIMIT = 8.0  # percent: a face beyond it is a failure
NAMES = ("NME", "FR", "AUC", "NME_no_jaw")
_JAW = list(GROUPS["jaw"])


def inter_ocular(points: Tensor) -> Tensor:
    """Distance of the outer eye corners: (..., 68, 2) -> (...,).

    Raises:
        InputError: corners that coincide, or points that are not finite.
    """
    right, left = OUTER_EYE_CORNERS
    distance = (points[..., right, :] - points[..., left, :]).norm(dim=-1)
    if not bool((distance > 1e-6).all()):
        raise InputError("expected landmarks with two outer eye corners apart but they coincide or are NaN, drop them")
    return distance


def normalised_error(points: Tensor, target: Tensor, known: Tensor | None = None) -> Tensor:
    """NME of each face in percent: (N, 68, 2), (N, 68, 2) in pixels -> (N,); NaN for a face without a known point.

    `known` (N, 68) bool leaves points out.
    """
    distance = (points - target).norm(dim=-1) / inter_ocular(target).unsqueeze(-1) * 100
    if known is None:
        return distance.mean(dim=-1)
    return torch.where(known, distance, 0).sum(dim=-1) / known.sum(dim=-1)


def failure_rate(errors: Tensor, limit: float = LIMIT) -> Tensor:
    """Percent of faces with an NME above `limit`: (N,) percent -> ()."""
    return 100 * (errors > limit).to(errors.dtype).mean()


def area_under_curve(errors: Tensor, limit: float = LIMIT) -> Tensor:
    """Area under the cumulative curve of the NME up to `limit`, of the largest possible, in [0, 1]: (N,) -> ().

    The curve is a staircase, so the area is exact: each face adds the part of the axis right of its error.
    """
    return (1 - errors / limit).clamp(min=0).mean()


class LandmarkErrors(Metric):
    """NME, failure rate, area under the curve and NME without the jaw line; ``compute`` gives the keys :data:`NAMES`.

    NaN before the first face.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, limit: float = LIMIT) -> None:
        super().__init__()
        self.limit = limit
        for name in ("error", "failures", "area", "inner", "faces"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("points", torch.zeros(COUNT, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, points: Tensor, target: Tensor) -> None:
        """Add faces: (N, 68, 2) each, in pixels."""
        points, target = points.double(), target.double()
        errors = normalised_error(points, target)
        inner = torch.ones(points.shape[:-1], dtype=torch.bool, device=points.device)
        inner[:, _JAW] = False
        self.error += errors.sum()
        self.failures += (errors > self.limit).sum()
        self.area += (1 - errors / self.limit).clamp(min=0).sum()
        self.inner += normalised_error(points, target, inner).sum()
        self.points += ((points - target).norm(dim=-1) / inter_ocular(target).unsqueeze(-1) * 100).sum(dim=0)
        self.faces += len(errors)

    def by_group(self) -> dict[str, float]:
        """NME of the points of each group of :data:`faceimit.face.landmarks.GROUPS`; NaN before the first face."""
        means = self.points / self.faces
        return {group: float(means[list(places)].mean()) for group, places in GROUPS.items()}

    def compute(self) -> dict[str, Tensor]:
        """The errors over all faces so far, by name."""
        return {
            "NME": self.error / self.faces,
            "FR": 100 * self.failures / self.faces,
            "AUC": self.area / self.faces,
            "NME_no_jaw": self.inner / self.faces,
        }


def point_jitter(points: Tensor) -> Tensor:
    """How much the points of a still face tremble, in percent of the inter-ocular distance.

    Args:
        points: (R, N, 68, 2) pixels, R >= 2 looks at N still faces, each with other noise.

    Returns:
        (N,) root mean square, over the points, of their standard deviation around their mean place (both axes).
    """
    centre = points.mean(dim=0)
    variance = (points - centre).square().sum(dim=(0, -1)) / (len(points) - 1)  # (N, 68)
    return 100 * variance.mean(dim=-1).sqrt() / inter_ocular(centre)


class Jitter(Metric):
    """Mean :func:`point_jitter` over still faces, in percent; NaN before the first."""

    is_differentiable = False
    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        for name in ("total", "faces"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, points: Tensor) -> None:
        """Add N still faces: (R, N, 68, 2) pixels."""
        self.total += point_jitter(points.double()).sum()
        self.faces += points.shape[1]

    def compute(self) -> Tensor:
        """Percent."""
        return self.total / self.faces


class Calibration(Metric):
    """Expected calibration error of confidences, in [0, 1]: how far they are from the share of points that are right.

    Points are sorted into equal bins by confidence; the bins' |mean confidence - share right| are averaged by count.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, bins: int = 10) -> None:
        super().__init__()
        self.bins = bins
        for name in ("confidence", "right", "count"):
            self.add_state(name, torch.zeros(bins, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, confidence: Tensor, right: Tensor) -> None:
        """Add points: confidence (...) in [0, 1], and whether each is right (...) bool."""
        values = confidence.double().flatten()
        at = (values * self.bins).long().clamp(0, self.bins - 1)
        self.confidence.index_add_(0, at, values)
        self.right.index_add_(0, at, right.double().flatten())
        self.count.index_add_(0, at, torch.ones_like(values))

    def compute(self) -> Tensor:
        """The error over all points so far."""
        return (self.confidence - self.right).abs().sum() / self.count.sum()
