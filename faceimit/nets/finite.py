"""Weights that are numbers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from faceimit.errors import InputError


def check_finite(state: Mapping[str, Any], what: str) -> None:
    """Refuse weights that are no numbers: everything computed with them would be none.

    Args:
        state: weights by name; what is no tensor is passed over.
        what: whose they are.

    Raises:
        InputError: naming the first tensor with a NaN or an infinity.
    """
    name = not_finite(state)
    if name is not None:
        raise InputError(f"{what} holds values that are not finite (in {name}), train again or give another")


def not_finite(state: Mapping[str, Any]) -> str | None:
    """The name of the first tensor with a NaN or an infinity."""
    for name, value in state.items():
        if isinstance(value, Tensor) and not torch.isfinite(value).all():
            return name
    return None
