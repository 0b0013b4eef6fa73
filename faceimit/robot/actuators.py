"""Actuators of a profile: each a sum of controls with gains, cut to its own limits."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.face.controls import did_you_mean
from faceimit.robot.entries import check_keys, number

_ONE = ("control", "channel", "unit", "low", "high", "invert", "scale", "offset")
_MIX = ("mix", "channel", "unit", "low", "high", "neutral")


@dataclass(frozen=True)
class Actuator:
    """One actuator: clip(gains . values + offset, low, high).

    Attributes:
        name: what the driver calls it.
        channel: number on the bus or servo board, None where names suffice.
        unit: of its values, such as ``share``, ``degree``, ``microsecond`` or ``weight``.
        low, high: what it may be sent.
        gains: (30,) actuator units per unit of each control.
        offset: in actuator units.
    """

    name: str
    channel: int | None
    unit: str
    low: float
    high: float
    gains: np.ndarray
    offset: float


def read_actuator(
    name: str, entry: Any, low: np.ndarray, high: np.ndarray, neutral: np.ndarray, where: str
) -> Actuator:
    """An actuator of a profile, in one of three forms.

    ``{control, low, high, invert}``: the control's range becomes the actuator's [low, high], the other way round where
    inverted. ``{control, scale, offset}``: scale * value + offset; without any of them the value itself. ``{mix:
    {control: gain}, neutral, low, high}``: neutral plus gains times the controls' deviations from their neutral.

    Args:
        name: of the actuator.
        entry: as it stands in the file.
        low: (30,) of the controls, like the next two.
        high: (30,) of the controls.
        neutral: (30,) of the controls.
        where: the file, for messages.

    Raises:
        InputError: what is wrong with it.
    """
    place = f"actuator {name} in {where}"
    check_keys(entry, _MIX if isinstance(entry, dict) and "mix" in entry else _ONE, place)
    gains, offset, ends = _mixed(entry, neutral, place) if "mix" in entry else _single(entry, low, high, place)
    bottom, top = (
        number(entry.get(key, end), f"{key} of {place}") for key, end in zip(("low", "high"), ends, strict=True)
    )
    if bottom >= top:
        raise InputError(f"inverted range of {place}: low {bottom:g} is not below high {top:g}, use invert: true")
    channel = entry.get("channel")
    if channel is not None and (isinstance(channel, bool) or not isinstance(channel, int) or channel < 0):
        raise InputError(f"expected the channel of {place} to be a whole number >= 0 but got {channel!r}")
    return Actuator(name, channel, str(entry.get("unit", "share")), bottom, top, gains, offset)


def _single(
    entry: dict[str, Any], low: np.ndarray, high: np.ndarray, place: str
) -> tuple[np.ndarray, float, tuple[float, float]]:
    """Gains, offset and natural ends of an actuator that follows one control."""
    if "control" not in entry:
        raise InputError(f"expected {place} to name its control (control: Jaw Pitch) or a mix of them")
    index = _index(entry["control"], place)
    bottom, top = float(low[index]), float(high[index])
    if "scale" in entry or "offset" in entry or not {"low", "high", "invert"} & set(entry):
        if entry.get("invert") is not None:
            raise InputError(f"{place} has both scale and invert, write a negative scale")
        scale = number(entry.get("scale", 1.0), f"scale of {place}")
        if scale == 0:
            raise InputError(f"expected the scale of {place} to be other than 0")
        offset = number(entry.get("offset", 0.0), f"offset of {place}")
    else:
        scale, offset = _stretched(entry, bottom, top, place)
    gains = np.zeros(len(controls.NAMES))
    gains[index] = scale
    first, second = scale * bottom + offset, scale * top + offset
    return gains, offset, (min(first, second), max(first, second))


def _stretched(entry: dict[str, Any], bottom: float, top: float, place: str) -> tuple[float, float]:
    """Scale and offset that stretch a control's range over the actuator's."""
    invert = entry.get("invert", False)
    if not isinstance(invert, bool):
        raise InputError(f"expected invert of {place} to be true or false but got {invert!r}")
    first = number(entry.get("low", bottom), f"low of {place}")
    second = number(entry.get("high", top), f"high of {place}")
    if first >= second:
        raise InputError(f"inverted range of {place}: low {first:g} is not below high {second:g}, use invert: true")
    scale = (second - first) / (top - bottom)
    return (-scale, second + scale * bottom) if invert else (scale, first - scale * bottom)


def _mixed(entry: dict[str, Any], neutral: np.ndarray, place: str) -> tuple[np.ndarray, float, tuple[float, float]]:
    """Gains, offset and natural ends of an actuator that several controls move."""
    if not isinstance(entry["mix"], dict) or not entry["mix"]:
        raise InputError(f"expected mix of {place} to be gains by control but got {entry['mix']!r}")
    gains = np.zeros(len(controls.NAMES))
    for control, gain in entry["mix"].items():
        gains[_index(control, place)] = number(gain, f"gain of {control} in {place}")
    at_rest = number(entry.get("neutral", 0.0), f"neutral of {place}")
    return gains, at_rest - float(gains @ neutral), (0.0, 1.0)


def _index(name: object, place: str) -> int:
    if not isinstance(name, str) or name not in controls.INDEX:
        raise InputError(f"unknown control {name!r} of {place}{did_you_mean(str(name))}")
    return controls.INDEX[name]
