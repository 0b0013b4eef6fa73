"""Servos on a Dynamixel bus (dynamixel-sdk, protocol 2.0, X series control table): the profile's channel is the id.

At the start every servo is pinged, its goal is set to where it stands and its torque is turned on, so that nothing
jumps; commands are one sync-write of all goal positions. Actuator values become ticks (4096 a turn, 2048 in the middle)
by their unit: ``tick`` as they are, ``degree`` from the middle, and ``microsecond`` as a hobby servo reads a pulse,
1500 in the middle and 0.09 degrees each, so that a profile made for hobby servos moves Dynamixels alike.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from faceimit.errors import InputError
from faceimit.robot.actuators import Actuator
from faceimit.robot.drivers.base import LOGGER, Driver
from faceimit.robot.profile import RobotProfile

PROTOCOL = 2.0
TICKS, MIDDLE = 4096, 2048  # a turn, and where a servo's horn points straight
TORQUE_ENABLE, GOAL_POSITION, PRESENT_POSITION = 64, 116, 132
BAUD_RATES = (9600, 57600, 115200, 1000000, 2000000, 3000000, 4000000)
ATTEMPTS = 3  # of a ping at the start: a bus has noise
AGAIN_AFTER = 0.5  # seconds between attempts to open a port that is gone
_EFFORT = 1e-3  # of moving a control, where several move one servo
_UNITS = {  # ticks a unit, ticks at 0
    "tick": (1.0, 0.0),
    "degree": (TICKS / 360, MIDDLE),
    "microsecond": (0.09 * TICKS / 360, MIDDLE - 1500 * 0.09 * TICKS / 360),
}


def ticks_of(profile: RobotProfile, values: np.ndarray) -> np.ndarray:
    """(A,) int64 goal positions, one an actuator, of control values (30,)."""
    scale, zero = np.array([_UNITS[a.unit] for a in profile.actuators]).T
    return np.rint(profile.to_actuators(values) * scale + zero).astype(np.int64)


def values_of(profile: RobotProfile, ticks: np.ndarray) -> np.ndarray:
    """(30,) control values nearest to neutral that put the actuators at ticks (A,), inside the ranges."""
    from scipy.optimize import lsq_linear

    scale, zero = np.array([_UNITS[a.unit] for a in profile.actuators]).T
    gains = np.stack([a.gains for a in profile.actuators])
    offsets, lows, highs = np.array([(a.offset, a.low, a.high) for a in profile.actuators]).T
    span, width = profile.high - profile.low, highs - lows
    way = (ticks - zero) / scale - (gains @ profile.neutral + offsets)
    matrix = np.concatenate([gains * span / width[:, None], _EFFORT * np.eye(len(span))])
    ends = (profile.low - profile.neutral) / span - 1e-12, (profile.high - profile.neutral) / span + 1e-12
    found = lsq_linear(matrix, np.concatenate([way / width, np.zeros(len(span))]), ends).x
    return profile.clip(profile.neutral + found * span)


@dataclass(eq=False, kw_only=True)
class Dynamixel(Driver):
    """Servos on one serial port.

    Attributes:
        device: serial port.
        baud: bits a second, as the servos are set.
        torque_off: let the servos go limp on leaving, after neutral; by default they hold it.
    """

    needs = ("dynamixel_sdk",)

    device: str = "/dev/ttyUSB0"
    baud: int = 57600
    torque_off: bool = False
    _port: Any = field(init=False, repr=False, default=None)
    _packets: Any = field(init=False, repr=False, default=None)
    _retry_at: float = field(init=False, repr=False, default=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.baud not in BAUD_RATES:
            raise InputError(f"expected option baud to be one of {', '.join(map(str, BAUD_RATES))} but got {self.baud}")
        for actuator in self.profile.actuators:
            _check(actuator, self.profile.name)

    @property
    def _ids(self) -> list[int]:
        return [int(actuator.channel or 0) for actuator in self.profile.actuators]

    def _connect(self) -> None:
        try:
            self._start(ATTEMPTS)
        except _port_errors() as error:
            raise InputError(f"cannot open {self.device} ({error}), check the cable and the option device") from error

    def _start(self, attempts: int) -> None:
        """Open the port, find every servo, hold it where it stands and turn its torque on.

        Args:
            attempts: to have an answer from each servo; with one the first that is silent ends it, some 40 ms.

        Raises:
            OSError: the port does not open.
            InputError: servos that do not answer.
        """
        from dynamixel_sdk import PacketHandler, PortHandler

        self._port, self._packets = PortHandler(self.device), PacketHandler(PROTOCOL)
        if not self._port.setBaudRate(self.baud):
            raise OSError(f"no {self.baud} baud")
        silent = []
        for servo in self._ids:
            if not self._answers(servo, attempts):
                silent.append(str(servo))
                if attempts == 1:
                    break
        if silent:
            raise InputError(
                f"servo {', '.join(silent)} on {self.device} does not answer at {self.baud} baud, "
                "check power, ids and baud"
            )
        here = next((ticks for _ in range(attempts) if (ticks := self._positions()) is not None), None)
        if here is None:
            raise InputError(f"the servos on {self.device} do not tell their positions, check that they are X series")
        self._write(GOAL_POSITION, 4, here)
        self._torque(True)

    def _answers(self, servo: int, attempts: int) -> bool:
        return any(self._packets.ping(self._port, servo)[1] == 0 for _ in range(attempts))

    def _transmit(self, values: np.ndarray, now: float) -> bool:
        if self._port is None and not self._returned():
            return False
        return self._write(GOAL_POSITION, 4, ticks_of(self.profile, values))

    def _measure(self, now: float) -> np.ndarray | None:
        if self._port is None and not self._returned():
            return None
        ticks = self._positions()
        return None if ticks is None else values_of(self.profile, ticks)

    def _disconnect(self) -> None:
        if self._port is not None and self.torque_off:
            self._torque(False)
        self._drop()

    def _returned(self) -> bool:
        """Try to open the port again, now and then."""
        if time.monotonic() < self._retry_at:
            return False
        gone: tuple[type[Exception], ...] = (*_port_errors(), InputError)
        try:
            self._start(1)
        except gone as error:
            LOGGER.info("the servos are not back: %s", error)
            self._drop()
            return False
        return True

    def _drop(self) -> None:
        if self._port is not None and self._port.ser is not None:
            self._port.closePort()
        self._port, self._retry_at = None, time.monotonic() + AGAIN_AFTER

    def _torque(self, on: bool) -> None:
        self._write(TORQUE_ENABLE, 1, np.full(len(self._ids), int(on)))

    def _write(self, address: int, size: int, numbers: np.ndarray) -> bool:
        """One sync-write; servos do not answer it. False, and the port is closed, if it is gone."""
        from dynamixel_sdk import COMM_SUCCESS, GroupSyncWrite

        group = GroupSyncWrite(self._port, self._packets, address, size)
        for servo, value in zip(self._ids, numbers.tolist(), strict=True):
            group.addParam(servo, list(int(value).to_bytes(size, "little", signed=True)))
        try:
            if group.txPacket() == COMM_SUCCESS:
                return True
        except _port_errors() as error:
            LOGGER.info("%s is gone: %s", self.device, error)
        self._drop()
        return False

    def _positions(self) -> np.ndarray | None:
        """(A,) present positions in ticks, None where a servo does not answer."""
        from dynamixel_sdk import COMM_SUCCESS, GroupSyncRead

        if self._port is None:
            return None
        group = GroupSyncRead(self._port, self._packets, PRESENT_POSITION, 4)
        for servo in self._ids:
            group.addParam(servo)
        try:
            if group.txRxPacket() != COMM_SUCCESS:
                return None
        except _port_errors() as error:
            LOGGER.info("%s is gone: %s", self.device, error)
            self._drop()
            return None
        raw = [group.getData(servo, PRESENT_POSITION, 4) for servo in self._ids]
        return np.array(raw, dtype=np.uint32).astype(np.int32).astype(np.int64)


def _port_errors() -> tuple[type[Exception], ...]:
    """What a serial port that is gone raises; termios has an error of its own, where there is termios."""
    try:
        import termios
    except ImportError:
        return (OSError,)
    return OSError, termios.error


def _check(actuator: Actuator, profile: str) -> None:
    if actuator.channel is None or actuator.channel > 252:
        raise InputError(f"actuator {actuator.name} of profile {profile} needs a channel from 0 to 252, the servo's id")
    if actuator.unit not in _UNITS:
        raise InputError(
            f"expected the unit of actuator {actuator.name} of profile {profile} to be one of {', '.join(_UNITS)} "
            f"but got {actuator.unit}, rewrite it for servos"
        )
