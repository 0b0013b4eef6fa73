"""A recording or a rollout script, played through any driver: by itself (:func:`play`) or in place of what is sent."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from faceimit.errors import InputError
from faceimit.face.controls import NAMES
from faceimit.robot.drivers.base import Driver
from faceimit.robot.drivers.options import in_range
from faceimit.robot.drivers.record import HEADER
from faceimit.robot.drivers.wrapper import Wrapper
from faceimit.robot.script import Commands, checked, read_commands


def read_recording(path: Path) -> Commands:
    """Commands of a file of the driver ``record`` (.jsonl or .csv) or of ``faceimit-rollout`` (.json or .csv).

    Times start at 0. A last line of a .jsonl file that is not whole is left out.

    Raises:
        InputError: unreadable, or what is wrong with it.
    """
    found = _from_lines(path) if path.suffix.lower() == ".jsonl" else read_commands(path)
    return Commands(found.times - found.times[0], found.values)


def _from_lines(path: Path) -> Commands:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        head = json.loads(lines[0])
        rows = np.array([json.loads(line) for line in lines[1:-1]], dtype=np.float64)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the recording {path}: {error}") from error
    if not isinstance(head, dict) or head.get("names") != list(HEADER) or rows.ndim != 2 or len(rows) < 2:
        raise InputError(f"expected {path} to hold names and at least two commands, as the driver record writes them")
    if rows.shape[1] != len(HEADER):
        raise InputError(f"expected {len(HEADER)} numbers in every row of {path} but got {rows.shape[1]}")
    return checked(Commands(rows[:, 0], rows[:, 1:]), str(path))


def play(
    commands: Commands,
    driver: Driver,
    rate: float = 50.0,
    start: float = 0.0,
    pause: Callable[[float], None] | None = None,
) -> Commands:
    """Send commands through a connected driver and return what the robot was told, and when.

    Args:
        commands: to be played; between their times values change evenly.
        driver: connected.
        rate: commands a second.
        start: time of the first one, on the clock of the driver.
        pause: waits some seconds, by default the driver's own; times are kept to on the whole, whatever sending takes.

    Raises:
        InputError: a rate out of range.
    """
    in_range(rate, 1.0, 1000.0, "the rate")
    pause = driver.pause if pause is None else pause
    times = np.arange(0.0, commands.times[-1] - commands.times[0] + 0.5 / rate, 1.0 / rate)
    told, began = np.empty((len(times), len(NAMES))), time.monotonic()
    for i, (seconds, values) in enumerate(zip(times, commands.at(commands.times[0] + times), strict=True)):
        if i:
            pause(max(min(1.0 / rate, began + seconds - time.monotonic()), 0.0))
        told[i] = driver.send(values, start + float(seconds))
    return Commands(start + times, told)


@dataclass(eq=False, kw_only=True)
class Replay(Wrapper):
    """Sends a recording, whatever it is given: a run with this driver repeats another one on a robot.

    Attributes:
        path: of the recording or rollout script.
        loop: start again when it is over; otherwise its last pose is held.
    """

    path: Path = Path("commands.jsonl")
    loop: bool = False
    _commands: Commands | None = field(init=False, repr=False, default=None)
    _began: float | None = field(init=False, repr=False, default=None)

    def _acquire(self) -> None:
        self._commands, self._began = read_recording(self.path), None
        super()._acquire()

    def send(self, values: np.ndarray, now: float, input_time: float | None = None) -> np.ndarray:
        """Send the recording's command of this time and return what the robot was told, (30,).

        Args:
            values: left aside.
            now: seconds; those of the first call are the recording's start.
            input_time: left aside, for a recording does not get stale.

        Raises:
            InputError: the driver is not connected.
        """
        if self._commands is None:
            raise InputError("this driver is not connected, use it in a with block")
        self._began = now if self._began is None else self._began
        seconds, length = now - self._began, float(self._commands.times[-1])
        return super().send(self._commands.at(np.array([seconds % length if self.loop else seconds]))[0], now)
