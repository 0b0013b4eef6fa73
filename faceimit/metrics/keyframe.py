"""Keyframe errors as torchmetrics: E_n, E_l (ordinal, matched, near) and F1, over clips of any length.

States are sums (``dist_reduce_fx="sum"``), so values do not depend on how clips are spread over batches or processes.
The functions behind them are in :mod:`.matching`.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torchmetrics import Metric

from faceimit.metrics.matching import (
    TOLERANCE,
    count_hits,
    location_error_matched,
    location_error_ordinal,
    number_error,
)

Indices: TypeAlias = Sequence[int] | Tensor
NAMES = ("E_n", "E_n_100", "E_l_ordinal", "E_l_matched", "E_l_near", "F1", "precision", "recall")
HIGHER_IS_BETTER = ("F1", "precision", "recall")
_LOCATIONS = ("ordinal", "matched", "near")
_SUMS = (
    *("number", "clips", "frames", "hits", "false", "missed"),
    *(f"{kind}_{part}" for kind in _LOCATIONS for part in ("mean", "clips")),
)


class KeyframeErrors(Metric):
    """All keyframe errors at once; ``compute`` returns a dict of scalar float64 tensors with the keys :data:`NAMES`.

    - ``E_n``: |P_n - G_n|, mean over clips; ``E_n_100``: per 100 frames, since it grows with length.
    - ``E_l_ordinal``, ``E_l_matched``, ``E_l_near``: in frames; mean distance of a clip's pairs, then mean over the
      clips that have a pair. Ordinal: x-th with x-th over the common count, as the paper writes it. Matched: optimal
      one-to-one assignment of min(P, G) pairs. Near: the same within the tolerance, the timing of the hits alone.
    - ``F1``, ``precision``, ``recall`` at the tolerance, pooled over clips; predictions on weak true peaks count
      neither way; 1 where nothing is predicted and nothing is true.

    NaN where undefined: E_n before the first clip, E_l without a pair.

    Args:
        tolerance: frames.
        options: of ``torchmetrics.Metric``, such as sync_on_compute=False where every process has all clips.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, tolerance: int = TOLERANCE, **options: Any) -> None:
        super().__init__(**options)
        self.tolerance = tolerance
        for name in _SUMS:
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, predicted: Indices, truth: Indices, frames: int, weak: Indices = ()) -> None:
        """Add one clip.

        Args:
            predicted: predicted keyframes, 0-based frames in any order.
            truth: true keyframes.
            frames: length of the clip in frames.
            weak: weak true peaks.
        """
        p, g = _listed(predicted), _listed(truth)
        self._add("number", number_error(p, g))
        self._add("clips", 1)
        self._add("frames", frames)
        self._add_location("ordinal", *location_error_ordinal(p, g))
        self._add_location("matched", *location_error_matched(p, g))
        self._add_location("near", *location_error_matched(p, g, within=self.tolerance))
        counts = count_hits(p, g, _listed(weak), self.tolerance)
        self._add("hits", counts.hits)
        self._add("false", counts.false)
        self._add("missed", counts.missed)

    def compute(self) -> dict[str, Tensor]:
        """The errors over all clips so far, by name."""
        s = {name: getattr(self, name) for name in _SUMS}
        return {
            "E_n": s["number"] / s["clips"],
            "E_n_100": 100.0 * s["number"] / s["frames"],
            **{f"E_l_{kind}": s[f"{kind}_mean"] / s[f"{kind}_clips"] for kind in _LOCATIONS},
            "F1": _share(2 * s["hits"], s["false"] + s["missed"]),
            "precision": _share(s["hits"], s["false"]),
            "recall": _share(s["hits"], s["missed"]),
        }

    def _add_location(self, kind: str, distance: float, pairs: int) -> None:
        if pairs:
            self._add(f"{kind}_mean", distance / pairs)
            self._add(f"{kind}_clips", 1)

    def _add(self, name: str, value: float) -> None:
        setattr(self, name, getattr(self, name) + value)


class KeyframeError(KeyframeErrors):
    """One of the errors, e.g. ``KeyframeError("F1")``, for loggers and monitors that want a scalar.

    Args:
        name: one of :data:`NAMES`.
        tolerance: frames.
    """

    def __init__(self, name: str, tolerance: int = TOLERANCE) -> None:
        if name not in NAMES:
            raise ValueError(f"expected name to be one of {', '.join(NAMES)}, got {name!r}")
        super().__init__(tolerance)
        self.error = name

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        """Whether a greater value is a better one."""
        return self.error in HIGHER_IS_BETTER

    def compute(self) -> Tensor:  # type: ignore[override]
        """Scalar float64."""
        return super().compute()[self.error]


def _listed(indices: Indices) -> list[int]:
    return [int(i) for i in (indices.tolist() if isinstance(indices, Tensor) else indices)]


def _share(part: Tensor, rest: Tensor) -> Tensor:
    """Quotient part / (part + rest), 1 where both are 0."""
    whole = part + rest
    return torch.where(whole > 0, part / whole.clamp(min=1), torch.ones_like(whole))
