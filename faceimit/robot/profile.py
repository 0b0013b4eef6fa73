"""Robot profiles: which controls a robot has, what its actuators are called, and what they may do.

A profile is ``conf/robot/NAME.yaml`` or a file of one's own. It says of every control of the one table
(:mod:`faceimit.face.controls`) that it is driven (it stands under ``actuators``) or that the robot lacks it (it stands
under ``unused``), so that nothing is left out by a slip. Values stay in the table's units up to
:meth:`RobotProfile.to_actuators`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from faceimit.errors import InputError, kind_of, reason
from faceimit.face import controls
from faceimit.face.controls import did_you_mean
from faceimit.robot.actuators import Actuator, read_actuator
from faceimit.robot.entries import check_keys, number
from faceimit.robot.measures import MEASURED

_KEYS = ("name", "description", "driver", "unused", "limits", "actuators", "geometric")
_LIMITS = ("low", "high", "neutral", "velocity", "acceleration", "jerk")


@dataclass(frozen=True)
class Geometric:
    """value = alpha * measure + offset, in the control's unit (:mod:`faceimit.robot.measures`)."""

    alpha: float
    offset: float


@dataclass(frozen=True)
class RobotProfile:
    """A robot. Arrays are (30,) float64 in table order and units; a control the robot lacks stays at its neutral.

    Attributes:
        name: of the robot.
        description: one sentence.
        driver: the driver it is usually reached with.
        driven: names the robot has, in table order.
        unused: names it lacks, in table order.
        low, high, neutral: range of each control and its value at rest.
        velocity, acceleration, jerk: largest magnitudes, in units a second, a second^2, a second^3.
        actuators: in the order commands list them.
        geometric: by name of a driven control that landmarks tell; empty where the profile has no geometric route.
    """

    name: str
    description: str
    driver: str
    driven: tuple[str, ...]
    unused: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    neutral: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray
    actuators: tuple[Actuator, ...]
    geometric: Mapping[str, Geometric] = field(default_factory=dict)

    @property
    def mask(self) -> np.ndarray:
        """(30,) bool, True for the controls the robot has."""
        return np.array([name in self.driven for name in controls.NAMES])

    def clip(self, values: np.ndarray) -> np.ndarray:
        """Values (..., 30) inside the robot's ranges; controls it lacks at neutral.

        Raises:
            InputError: a value that is not finite.
        """
        values = np.asarray(values, dtype=np.float64)
        if not np.isfinite(values).all():
            column = int(np.argwhere(~np.isfinite(values))[0][-1])
            raise InputError(f"expected finite values but got a non-finite {controls.NAMES[column]}, hold the last one")
        return np.where(self.mask, np.clip(values, self.low, self.high), self.neutral)

    def to_actuators(self, values: np.ndarray) -> np.ndarray:
        """(..., A) actuator values, each in its own unit and inside its own limits, of control values (..., 30)."""
        values = self.clip(values)
        gains = np.stack([actuator.gains for actuator in self.actuators])
        offsets, lows, highs = np.array([(a.offset, a.low, a.high) for a in self.actuators]).T
        return np.clip(values @ gains.T + offsets, lows, highs)

    def command(self, values: np.ndarray) -> dict[str, float]:
        """One command by actuator name, from control values (30,)."""
        names = (actuator.name for actuator in self.actuators)
        return dict(zip(names, self.to_actuators(values).tolist(), strict=True))

    def check_controls(self, names: Sequence[str], what: str = "the checkpoint") -> None:
        """Refuse a control list that is not this profile's; the order may differ, since values go by name.

        Raises:
            InputError: naming every control that only one of the two has.
        """
        known = {*self.driven, *self.unused}
        extra = [name for name in names if name not in known]
        missing = [name for name in controls.NAMES if name in known and name not in names]
        if extra or missing:
            said = [f"only {what} has {', '.join(n + did_you_mean(n) for n in extra)}"] * bool(extra)
            said += [f"only the profile has {', '.join(missing)}"] * bool(missing)
            raise InputError(
                f"robot profile {self.name} and {what} have different controls: {'; '.join(said)}; "
                "train again with this table or choose another profile"
            )


def robot_names() -> list[str]:
    """Names of the profiles that come with faceimit."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def load_profile(name_or_path: str | Path, calibration: str | Path | None = None) -> RobotProfile:
    """The profile of a robot.

    Args:
        name_or_path: one of :func:`robot_names`, or a YAML file.
        calibration: file of ``faceimit-calibrate`` whose alpha and offset take the place of the profile's.

    Raises:
        InputError: no such robot, or the first thing wrong in the file.
    """
    profile = _load(profile_path(name_or_path))
    return profile if calibration is None else _calibrated(profile, Path(calibration))


def _load(path: Path, leading_here: tuple[Path, ...] = ()) -> RobotProfile:
    """The profile of a file, whose geometric route others may have taken over."""
    if path in leading_here:
        raise InputError(f"geometric of {path} leads back to itself, give it alpha and offset of its own")
    return _read(_yaml(path), str(path), (*leading_here, path))


def _folder() -> Path:
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf" / "robot"  # in a wheel; beside the package in a checkout
    return inside if inside.is_dir() else package.parent / "conf" / "robot"


def profile_path(name_or_path: str | Path) -> Path:
    """The file of a profile that is named as :func:`load_profile` takes it.

    Raises:
        InputError: no such robot.
    """
    text = str(name_or_path)
    own = text.endswith((".yaml", ".yml"))
    path = Path(text) if own else _folder() / f"{text}.yaml"
    if not path.is_file():
        unknown = f"there is no file {text}" if own else f"unknown robot {text!r}{did_you_mean(text, robot_names())}"
        raise InputError(f"{unknown}, choose one of {', '.join(robot_names())} or a .yaml file")
    return path


def _yaml(path: Path, remedy: str = "write it as in conf/robot/ameca.yaml") -> dict[str, Any]:
    """The mapping in a file, with no key twice.

    Raises:
        InputError: no YAML, no mapping, or a key twice.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        mend = "restore it" if path.parent == _folder() else remedy
        raise InputError(f"cannot read {path} ({reason(error)}), {mend}") from error
    if not isinstance(content, dict):
        raise InputError(f"expected {path} to hold names and values but got {kind_of(content)}, {remedy}")
    return content


class _UniqueKeys(yaml.SafeLoader):
    """YAML whose mappings name each key once (the standard loader silently keeps the last)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for i, key in enumerate(keys):
            if key in keys[:i]:
                mark = node.value[i][0].start_mark
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is there twice", mark)
        return super().construct_mapping(node, deep)


def _read(content: dict[str, Any], where: str, leading_here: tuple[Path, ...]) -> RobotProfile:
    check_keys(content, _KEYS, where)
    name, description = _text(content, "name", where), _text(content, "description", where, "")
    driver = _driver(_text(content, "driver", where, "simulated"), where)
    limits = _limits(content.get("limits") or {}, where)
    entries = content.get("actuators")
    if not isinstance(entries, dict) or not entries:
        raise InputError(f"expected {where} to list actuators, as conf/robot/ameca.yaml does")
    actuators = tuple(
        read_actuator(str(key), entry, limits["low"], limits["high"], limits["neutral"], where)
        for key, entry in entries.items()
    )
    _check_channels(actuators, where)
    driven = tuple(n for i, n in enumerate(controls.NAMES) if any(a.gains[i] != 0 for a in actuators))
    unused = _unused(content.get("unused") or [], driven, where)
    geometric = _geometric(content.get("geometric"), driven, where, leading_here)
    return RobotProfile(name, description, driver, driven, unused, actuators=actuators, geometric=geometric, **limits)


def _text(content: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = content.get(key, default)
    if not isinstance(value, str) or (not value and default is None):
        got = repr(value) if value else "nothing"
        raise InputError(f"expected {key} of {where} to be text but got {got}, write {key}: TEXT")
    return value


def _driver(name: str, where: str) -> str:
    from faceimit.robot.drivers.registry import DRIVERS, driver_names  # which reads profiles

    if name not in DRIVERS and name not in (names := driver_names()):
        raise InputError(
            f"unknown driver {name!r} in {where}{did_you_mean(name, names)}, choose one of {', '.join(names)} "
            "or install the package that brings it"
        )
    return name


def _check_channels(actuators: Sequence[Actuator], where: str) -> None:
    taken: dict[int, str] = {}
    for actuator in actuators:
        if actuator.channel is None:
            continue
        if actuator.channel in taken:
            both = f"{taken[actuator.channel]} and {actuator.name}"
            raise InputError(f"{both} in {where} have the same channel {actuator.channel}, give each its own")
        taken[actuator.channel] = actuator.name


def _limits(entries: object, where: str) -> dict[str, np.ndarray]:
    """Range, neutral and limits of motion of all controls: the table's, where the profile does not say otherwise."""
    if not isinstance(entries, dict):
        raise InputError(f"expected limits in {where} to be names and values but got {kind_of(entries)}")
    table = {key: np.array([getattr(c, key) for c in controls.CONTROLS], dtype=np.float64) for key in _LIMITS}
    for name, entry in entries.items():
        place = f"limits of {name} in {where}"
        index = known(name, where)
        check_keys(entry, _LIMITS, place)
        for key, value in entry.items():
            table[key][index] = number(value, f"{key} of {name} in {where}")
        low, high, neutral = (float(table[key][index]) for key in _LIMITS[:3])
        control = controls.CONTROLS[index]
        if low >= high:
            raise InputError(f"inverted range of {name} in {where}: low {low:g} is not below high {high:g}, swap them")
        if low < control.low or high > control.high:
            raise InputError(
                f"expected the range of {name} in {where} inside [{control.low:g}, {control.high:g}] "
                f"but got [{low:g}, {high:g}], scale the actuator instead"
            )
        if not low <= neutral <= high:
            raise InputError(f"expected neutral of {name} in {where} in [{low:g}, {high:g}] but got {neutral:g}")
        for key in _LIMITS[3:]:
            if table[key][index] <= 0:
                raise InputError(f"expected {key} of {name} in {where} > 0 but got {table[key][index]:g}")
    return table


def known(name: object, where: str) -> int:
    """Place in the table of a control's name.

    Raises:
        InputError: no such control, with its neighbour.
    """
    if not isinstance(name, str) or name not in controls.INDEX:
        raise InputError(f"unknown control {name!r} in {where}{did_you_mean(str(name))}")
    return controls.INDEX[name]


def _unused(names: object, driven: Sequence[str], where: str) -> tuple[str, ...]:
    if not isinstance(names, list):
        raise InputError(f"expected unused in {where} to be a list of controls but got {names!r}")
    for name in names:
        known(name, where)
        if name in driven:
            raise InputError(f"{name} is both driven by an actuator and unused in {where}, keep one of the two")
    silent = [name for name in controls.NAMES if name not in driven and name not in names]
    if silent:
        raise InputError(f"{where} says nothing of {', '.join(silent)}: give them an actuator or list them as unused")
    return tuple(name for name in controls.NAMES if name in names)


def _geometric(
    entries: object, driven: Sequence[str], where: str, leading_here: tuple[Path, ...]
) -> dict[str, Geometric]:
    """Alpha and offset of each driven control that landmarks tell; a name of another profile takes those over."""
    if entries is None:
        return {}
    if isinstance(entries, str):
        other = _load(profile_path(entries), leading_here).geometric
        return {name: value for name, value in other.items() if name in driven}
    if not isinstance(entries, dict):
        raise InputError(
            f"expected geometric in {where} to be alpha and offset by control, or a robot's name, but got {entries!r}"
        )
    found = {str(name): read_geometric(str(name), entry, where) for name, entry in entries.items()}
    missing = [name for name in MEASURED if name in driven and name not in found]
    if missing:
        raise InputError(f"missing alpha of {', '.join(missing)} in {where}: add it, or fit it with faceimit-calibrate")
    return {name: value for name, value in found.items() if name in driven}


def read_geometric(name: str, entry: object, where: str) -> Geometric:
    """One entry ``{alpha, offset}``.

    Raises:
        InputError: an unknown control, one that landmarks do not tell, a missing or wrong number.
    """
    known(name, where)
    if name not in MEASURED:
        raise InputError(f"{name} in {where} cannot be measured on landmarks, choose among {', '.join(MEASURED)}")
    check_keys(entry, ("alpha", "offset"), f"geometric {name} in {where}")
    assert isinstance(entry, dict)
    for key in ("alpha", "offset"):
        if key not in entry:
            raise InputError(f"missing {key} of {name} in {where}: add it, or fit it with faceimit-calibrate")
    alpha, offset = (number(entry[key], f"{key} of {name} in {where}") for key in ("alpha", "offset"))
    if alpha == 0 or not math.isfinite(alpha):
        raise InputError(f"expected alpha of {name} in {where} to be a number other than 0 but got {alpha:g}")
    return Geometric(alpha, offset)


def _calibrated(profile: RobotProfile, path: Path) -> RobotProfile:
    remedy = f"make one with faceimit-calibrate --robot {profile.name}"
    content = _yaml(path, remedy) if path.is_file() else {}
    if not isinstance(content.get("geometric"), dict):
        raise InputError(f"{path} is no calibration file, {remedy}")
    if content.get("robot") != profile.name:
        raise InputError(
            f"{path} was made for robot {content.get('robot')!r}, not {profile.name!r}: calibrate this one"
        )
    fitted = {str(n): read_geometric(str(n), entry, str(path)) for n, entry in content["geometric"].items()}
    lacking = [name for name in fitted if name not in profile.driven]
    if lacking:
        raise InputError(f"{path} holds {', '.join(lacking)}, which robot {profile.name} does not have")
    return replace(profile, geometric={**profile.geometric, **fitted})
