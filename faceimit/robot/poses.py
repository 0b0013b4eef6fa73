"""Read calibration poses: a JSON or CSV file of faces (landmarks, or a picture to find them in) and servo values."""

import csv
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.face.controls import did_you_mean
from faceimit.face.landmarks import COUNT
from faceimit.robot.calibration import Pose
from faceimit.robot.entries import check_keys
from faceimit.robot.profile import RobotProfile

# Landmarks (68, 2) of a face in a picture file, or of frame i of a video.
Finder = Callable[[Path, int], np.ndarray]
_KEYS = ("name", "landmarks", "confidence", "pose", "image", "frame", "values")


def read_poses(path: Path, profile: RobotProfile, find: Finder) -> list[Pose]:
    """Poses of a file.

    JSON: ``{"poses": [{"landmarks": [[x, y], ...], "values": {"Jaw Pitch": 0.4}}, ...]}``; instead of landmarks
    ``"image": "face.png"``, or ``"image": "clip.mp4", "frame": 12``. CSV: a column a control (or actuator), and columns
    x0, y0, ..., x67, y67, or image and frame. A value is a control's, or an actuator's in its own unit where the
    actuator follows one control.

    Args:
        path: the file; pictures are relative to it.
        profile: of the robot.
        find: landmarks in pictures.

    Raises:
        InputError: what is wrong, and in which pose.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the poses {path}: {error}") from error
    entries = _from_csv(text, path) if path.suffix.lower() == ".csv" else _from_json(text, path)
    return [_pose(entry, f"pose {i}", path, profile, find) for i, entry in enumerate(entries)]


def _from_json(text: str, path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is no JSON ({error}), see faceimit-calibrate --help") from error
    entries = content.get("poses") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not entries:
        raise InputError(f'expected {path} to hold {{"poses": [...]}}, see faceimit-calibrate --help')
    return entries


def _from_csv(text: str, path: Path) -> list[dict[str, Any]]:
    rows = list(csv.DictReader(text.splitlines()))
    if not rows:
        raise InputError(f"expected {path} to have a header and a row for each pose")
    points = [(f"x{i}", f"y{i}") for i in range(COUNT + 2) if f"x{i}" in rows[0]]
    taken = {name for pair in points for name in pair} | {"name", "image", "frame"}
    entries = []
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise InputError(f"row {number} of {path} has more values than the header has names, mend it")
        entry: dict[str, Any] = {key: row[key] for key in ("name", "image", "frame") if row.get(key)}
        if any(row[x] for x, _ in points):
            entry["landmarks"] = [[row.get(x), row.get(y)] for x, y in points]
        entry["values"] = {key: value for key, value in row.items() if key not in taken and value not in {None, ""}}
        entries.append(entry)
    return entries


def _pose(entry: Any, name: str, path: Path, profile: RobotProfile, find: Finder) -> Pose:
    check_keys(entry, _KEYS, f"{name} of {path}")
    name = str(entry.get("name", entry.get("image", name)))
    where = f"{name} of {path}"
    values = entry.get("values")
    if not isinstance(values, dict) or not values:
        raise InputError(f"{where} has no values, give them by control name")
    wanted = dict(_value(k, v, profile, where) for k, v in values.items())
    if "landmarks" in entry:
        if picture := [key for key in ("image", "frame") if key in entry]:
            raise InputError(f"{where} has landmarks as well as {' and '.join(picture)}, keep one of the two")
        landmarks = _array(entry["landmarks"], "landmarks", where)
    elif "image" in entry:
        landmarks = _found(entry, path, where, find)
    else:
        raise InputError(f"{where} has neither landmarks nor an image")
    if landmarks.shape not in {(COUNT, 2), (COUNT + 2, 2)}:
        raise InputError(f"expected landmarks (68, 2), or (70, 2) with irises, in {where} but got {landmarks.shape}")
    confidence, pose = (
        _array(entry[key], key, where) if entry.get(key) is not None else None for key in ("confidence", "pose")
    )
    if pose is not None and (pose.shape != (3,) or not np.isfinite(pose).all()):
        raise InputError(f"expected pose of {where} to be yaw, pitch and roll in radians but got {entry['pose']!r}")
    return Pose(name, landmarks, wanted, confidence, pose)


def _found(entry: Mapping[str, Any], path: Path, where: str, find: Finder) -> np.ndarray:
    """Landmarks of the face in an entry's picture."""
    image, frame = entry["image"], _number(entry.get("frame", 0), "frame", where)
    if not isinstance(image, str) or not image:
        raise InputError(f"expected image of {where} to be a file but got {image!r}, give its path from {path.parent}")
    if frame < 0 or not frame.is_integer():
        raise InputError(f"expected frame of {where} to be a whole number of 0 or more but got {entry['frame']!r}")
    return find(path.parent / image, int(frame))


def _value(key: str, value: Any, profile: RobotProfile, where: str) -> tuple[str, float]:
    """Control and value in table units of a control's value, or of an actuator's in its own unit."""
    number = _number(value, key, where)
    if key in controls.INDEX:
        control = controls.CONTROLS[controls.INDEX[key]]
        if not control.low <= number <= control.high:
            raise InputError(f"expected {key} of {where} in [{control.low:g}, {control.high:g}] but got {number:g}")
        return key, number
    actuators = {actuator.name: actuator for actuator in profile.actuators}
    if key not in actuators:
        near = did_you_mean(key, [*controls.NAMES, *actuators])
        raise InputError(f"unknown control {key!r} in {where}{near}")
    gains = actuators[key].gains
    if np.count_nonzero(gains) != 1:
        raise InputError(f"actuator {key} in {where} is moved by several controls, give the controls' values")
    index = int(np.flatnonzero(gains)[0])
    value = (number - actuators[key].offset) / gains[index]
    return _value(controls.NAMES[index], round(float(value), 9), profile, where)


def _number(value: Any, what: str, where: str) -> float:
    try:
        number = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        got = "nothing" if value is None else repr(value)
        raise InputError(f"expected {what} of {where} to be a finite number but got {got}")
    return number


def _array(value: Any, what: str, where: str) -> np.ndarray:
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"expected {what} of {where} to be numbers, each point as [x, y]") from error
