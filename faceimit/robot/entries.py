"""Checks of what stands in a profile or calibration file."""

import math
from collections.abc import Sequence

from faceimit.errors import InputError, kind_of
from faceimit.face.controls import did_you_mean


def check_keys(entry: object, valid: Sequence[str], where: str) -> None:
    """Refuse an entry that is no mapping or has a key nobody reads.

    Raises:
        InputError: naming the key and its neighbour.
    """
    if not isinstance(entry, dict):
        raise InputError(f"expected {where} to hold {', '.join(valid)} but got {kind_of(entry)}")
    for key in entry:
        if key not in valid:
            near = did_you_mean(str(key), valid)
            raise InputError(f"unknown key {key!r} in {where}{near}, choose among {', '.join(valid)}")


def number(value: object, what: str) -> float:
    """A finite number.

    Raises:
        InputError: naming what it is of.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        got = "nothing" if value is None else repr(value)
        raise InputError(f"expected {what} to be a finite number but got {got}")
    return float(value)
