"""Drivers by name: ours, and those that other packages bring along under the entry-point group ``faceimit.drivers``.

A package for another robot declares, say::

    [project.entry-points."faceimit.drivers"]
    my_head = "my_package.head:MyHead"

where ``MyHead`` is a dataclass that derives from :class:`faceimit.robot.drivers.base.Driver`, has its options as fields
and writes ``_connect``, ``_transmit`` and ``_disconnect``. Limits, soft start, neutral on exit and the dry run are the
base class's. ``make_driver("my_head", profile, option=...)`` then finds it.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from faceimit.errors import InputError
from faceimit.face.controls import did_you_mean
from faceimit.robot.drivers.base import Driver
from faceimit.robot.drivers.options import checked, option_types
from faceimit.robot.profile import RobotProfile

GROUP = "faceimit.drivers"
DRIVERS: Mapping[str, str] = {
    name: f"faceimit.robot.drivers.{name}:{kind}"
    for name, kind in (
        ("simulated", "Simulated"),
        ("tritium", "Tritium"),
        ("livelink", "LiveLink"),
        ("osc", "Osc"),
        ("dynamixel", "Dynamixel"),
        ("ros2", "Ros2"),
        ("record", "Record"),
        ("replay", "Replay"),
    )
}


def driver_names() -> list[str]:
    """Names of all drivers, ours first, then those of other packages."""
    return [*DRIVERS, *sorted(entry.name for entry in _plugins() if entry.name not in DRIVERS)]


def make_driver(name: str, profile: RobotProfile, **options: Any) -> Driver:
    """A driver, not yet connected: use it in a ``with`` block.

    Args:
        name: one of :func:`driver_names`; a profile's usual one is its ``driver``.
        profile: of the robot.
        options: of the driver (:func:`driver_options`); text is converted, so that they may come from a command line.
            What the drivers ``record`` and ``replay`` do not know is an option of the driver they pass commands on to.

    Raises:
        InputError: an unknown driver or option, a value of another type, an extra that is not installed, or a plug-in
            that does not load.
    """
    kind = driver_class(name)
    if kind.wraps:
        return _wrapped(name, kind, profile, options)
    ready = checked(options, kind, name)
    return _made(name, lambda: kind(profile, **ready))


def _wrapped(name: str, kind: type[Driver], profile: RobotProfile, options: dict[str, Any]) -> Driver:
    """A driver in front of another, which gets the options that the first does not know."""
    known = option_types(kind)
    ready = checked({key: value for key, value in options.items() if key in known}, kind, name)
    inner = ready.get("to", getattr(kind, "to", "simulated"))
    if driver_class(inner).wraps:
        raise InputError(f"expected option to of driver {name} to be a robot's driver but got {inner!r}")
    others = {key: value for key, value in options.items() if key not in known}
    behind = make_driver(inner, profile, dry_run=ready.get("dry_run", False), **others)
    return kind(profile, **ready | {"inner": behind})


def driver_options(name: str) -> dict[str, Any]:
    """Options of a driver and their types.

    Raises:
        InputError: an unknown driver.
    """
    return option_types(driver_class(name))


def driver_class(name: str) -> type[Driver]:
    """The class of a driver.

    Raises:
        InputError: an unknown driver, an extra that is not installed, or a plug-in that does not load.
    """
    if name in DRIVERS:
        module, _, kind = DRIVERS[name].partition(":")
        return getattr(import_module(module), kind)
    found = [entry for entry in _plugins() if entry.name == name]
    if not found:
        names = driver_names()
        raise InputError(f"unknown driver {name!r}{did_you_mean(name, names)}, choose one of {', '.join(names)}")
    return _loaded(found[0])


def _plugins() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


def _loaded(entry: EntryPoint) -> type[Driver]:
    try:
        kind = entry.load()
    except Exception as error:  # whatever a stranger's module raises when it is imported
        raise InputError(f"driver {entry.name} ({entry.value}) does not load: {error!r}, mend or remove it") from error
    if not (isinstance(kind, type) and issubclass(kind, Driver)):
        raise InputError(f"expected driver {entry.name} ({entry.value}) to be a class that derives from Driver")
    return kind


def _made(name: str, make: Callable[[], Driver]) -> Driver:
    try:
        return make()
    except ImportError as error:
        raise InputError(
            f"driver {name} needs {error.name or error}, install it with: pip install 'faceimit[robots]'"
        ) from error
