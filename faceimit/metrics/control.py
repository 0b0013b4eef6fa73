"""Errors of control values: normalised absolute error of each control, and cosines between vectors of 30.

Everything is on shares of the ranges, (value - low) / span in [0, 1], so that a degree of the gaze and a stroke of the
jaw count alike. Two cosines, averaged over the frames that have one:

- `raw`: between the shares themselves. All are non-negative and most of a face is near neutral most of the time, so it
  flatters: neutral alone scores about 0.9.
- `centred`: both vectors less the mean of the true vectors over the measured frames. Constant neutral then scores
  about 0. (Less neutral instead of the mean, a constant offset of a performance from neutral would count as imitation,
  and constant neutral would have no cosine at all.)
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from faceimit.face.controls import LOW, NAMES, NEUTRAL, SPAN

NAMES_OF_ERRORS = ("MAE", "MAE_worst", "cosine_raw", "cosine_centred")
STILL = 1e-6  # a vector shorter than this has no direction


def shares(values: Tensor) -> Tensor:
    """(..., 30) in the table's units -> float64 shares of the range, in [0, 1] within it."""
    low, span = torch.as_tensor(LOW, device=values.device), torch.as_tensor(SPAN, device=values.device)
    return (values.double() - low) / span


def normalised_error(values: Tensor, target: Tensor, known: Tensor | None = None) -> Tensor:
    """Mean absolute error of each control as a share of its range.

    Args:
        values: (N, 30) in the table's units.
        target: the truth, likewise.
        known: (N, 30) bool, what counts; None: everything.

    Returns:
        (30,) float64, NaN for a control that is never known.
    """
    errors = (shares(values) - shares(target)).abs()
    weight = torch.ones_like(errors) if known is None else known.to(errors.dtype)
    return (errors * weight).sum(dim=0) / weight.sum(dim=0)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of each row: (N, K), (N, K) -> (N,), NaN where either has no direction."""
    norms = a.norm(dim=1) * b.norm(dim=1)
    return torch.where(norms > STILL**2, (a * b).sum(dim=1) / norms, torch.nan)


def raw_cosine(values: Tensor, target: Tensor) -> Tensor:
    """(N, 30), (N, 30) in the table's units -> (N,) cosine of the shares of the range."""
    return cosine(shares(values), shares(target))


def centred_cosine(values: Tensor, target: Tensor, mean: Tensor | None = None) -> Tensor:
    """(N, 30), (N, 30) in the table's units -> (N,) cosine of the shares less their `mean`.

    `mean` (30,) is in shares; None: that of `target`.
    """
    true = shares(target)
    mean = true.mean(dim=0) if mean is None else mean
    return cosine(shares(values) - mean, true - mean)


class ControlErrors(Metric):
    """All errors over the frames so far; ``compute`` gives the keys :data:`NAMES_OF_ERRORS`.

    The mean that `cosine_centred` takes off is known only at the end, so the vectors are kept: 480 bytes a frame.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        for name in ("values", "target", "known"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, values: Tensor, target: Tensor, known: Tensor | None = None) -> None:
        """Add frames: (N, 30) predicted and true values in the table's units, and which controls count (N, 30)."""
        known = torch.ones_like(values, dtype=torch.bool) if known is None else known
        for name, rows in (("values", values.double()), ("target", target.double()), ("known", known)):
            getattr(self, name).append(rows.detach())

    def compute(self) -> dict[str, Tensor]:
        """The errors by name; NaN before the first frame."""
        if not len(self):
            return dict.fromkeys(NAMES_OF_ERRORS, torch.tensor(torch.nan))
        values, target, _ = self.rows()
        errors = self.by_control()
        found = errors.nanmean(), errors[~errors.isnan()].max(), raw_cosine(values, target)
        return dict(
            zip(
                NAMES_OF_ERRORS, (*found[:2], found[2].nanmean(), centred_cosine(values, target).nanmean()), strict=True
            )
        )

    def by_control(self) -> Tensor:
        """(30,) normalised absolute error of each control."""
        return normalised_error(*self.rows())

    def rows(self) -> tuple[Tensor, Tensor, Tensor]:
        """Predicted and true values (N, 30) in the table's units and which count, of all frames so far."""
        values, target, known = (_joined(getattr(self, name)) for name in ("values", "target", "known"))
        return values, target, known

    def __len__(self) -> int:
        """Frames so far."""
        return len(_joined(self.values)) if len(self.values) else 0


def _joined(parts: Sequence[Tensor] | Tensor) -> Tensor:
    return parts if isinstance(parts, Tensor) else torch.cat(list(parts))


def neutral_like(values: Tensor) -> Tensor:
    """The baseline that never moves: neutral values in the shape of (N, 30) `values`."""
    return torch.as_tensor(NEUTRAL, dtype=values.dtype, device=values.device).expand(len(values), len(NAMES))
