"""Options of drivers: the fields of the driver's dataclass, checked by name and type."""

import inspect
import math
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from faceimit.errors import InputError
from faceimit.face.controls import did_you_mean

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def option_types(kind: type) -> dict[str, Any]:
    """Name and type of every option of a driver class; the profile and functions are none."""
    names = [f.name for f in fields(kind) if f.init and not f.metadata.get("internal")]
    return {name: _hint(kind, name) for name in names}


def _hint(kind: type, name: str) -> Any:
    """Type of a field, which another module may have written as text; what else stands in that class is left alone."""
    owner = next(base for base in kind.__mro__ if name in inspect.get_annotations(base))
    alone = type("Alone", (), {"__annotations__": {name: inspect.get_annotations(owner)[name]}})
    return get_type_hints(alone, vars(sys.modules[owner.__module__]))[name]


def checked(options: Mapping[str, object], kind: type, driver: str) -> dict[str, Any]:
    """Options as the driver's types; text is read as a number, a switch or a path where one is wanted.

    Args:
        options: by name.
        kind: the driver's class.
        driver: its name, for messages.

    Raises:
        InputError: an unknown option (the valid ones are listed), or a value of another type.
    """
    types = option_types(kind)
    for name in options:
        if name not in types:
            near = did_you_mean(name, types)
            raise InputError(f"unknown option {name!r} of driver {driver}{near}, choose among {', '.join(types)}")
    return {name: _read(value, types[name], f"option {name} of driver {driver}") for name, value in options.items()}


def _read(value: object, wanted: Any, what: str) -> Any:
    if get_origin(wanted) is Literal:
        if value not in get_args(wanted):
            raise InputError(f"expected {what} to be one of {', '.join(get_args(wanted))} but got {value!r}")
        return value
    kinds = [kind for kind in get_args(wanted) if kind is not type(None)] or [wanted]
    if value is None and len(kinds) < len(get_args(wanted)):
        return None
    reader = {bool: _switch, int: _whole, float: _number, Path: _path, str: _text}[kinds[0]]
    return reader(value, what)


def _switch(value: object, what: str) -> bool:
    if isinstance(value, str) and value.lower() in _WORDS:
        return _WORDS[value.lower()]
    if not isinstance(value, bool):
        raise InputError(f"expected {what} to be true or false but got {value!r}")
    return value


def _whole(value: object, what: str) -> int:
    number = _number(value, what)
    if not number.is_integer():
        raise InputError(f"expected {what} to be a whole number but got {value!r}")
    return int(number)


def _number(value: object, what: str) -> float:
    try:
        number = float("nan" if isinstance(value, bool) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"expected {what} to be a finite number but got {value!r}")
    return number


def _path(value: object, what: str) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise InputError(f"expected {what} to be a file but got {value!r}")
    return Path(value)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"expected {what} to be text but got {value!r}")
    return value


def in_range(value: float, low: float, high: float, what: str) -> None:
    """Refuse a number out of a range.

    Raises:
        InputError: naming it.
    """
    if not low <= value <= high:
        raise InputError(f"expected {what} from {low:g} to {high:g} but got {value:g}")
