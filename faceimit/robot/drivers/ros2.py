"""A ROS 2 robot through rosbridge (roslibpy): joint names and positions on a topic.

Start ``ros2 launch rosbridge_server rosbridge_websocket_launch.xml`` on the robot. Every command is one message on
``/robot_face/joint_commands``, named after the conventions of ROS4HRI (hri_msgs keeps people under ``/humans`` and a
robot's own face under ``/robot_face``):

* ``message=joint_state``, the default: ``sensor_msgs/JointState``, names in snake case (``jaw_pitch``), positions in
  the profile's units but degrees as radians (REP 103), the stamp in seconds of the clock of commands;
* ``message=array``: ``std_msgs/Float64MultiArray`` in the profile's order and units, with the names, joined by
  commas, as the label of its one dimension.
"""

import threading
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from faceimit.errors import InputError
from faceimit.robot.drivers.base import Driver
from faceimit.robot.drivers.options import in_range

MOST_BUFFERED = 16 * 1024  # bytes that may wait in the socket: a few commands, then new ones are dropped


def joint_name(name: str) -> str:
    """A ROS name of an actuator: ``Jaw Pitch`` becomes ``jaw_pitch``."""
    return "".join(sign if sign.isalnum() else "_" for sign in name).lower()


@dataclass(eq=False, kw_only=True)
class Ros2(Driver):
    """Messages over rosbridge.

    Attributes:
        host, port: of rosbridge.
        topic: of the commands.
        message: what they are.
        frame: frame_id of the header.
        timeout: seconds to wait for a connection.
    """

    needs = ("roslibpy",)

    host: str = "127.0.0.1"
    port: int = 9090
    topic: str = "/robot_face/joint_commands"
    message: Literal["joint_state", "array"] = "joint_state"
    frame: str = ""
    timeout: float = 5.0
    _ros: Any = field(init=False, repr=False, default=None)
    _commands: Any = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range(self.port, 1, 65535, "option port")
        in_range(self.timeout, 0.1, 60.0, "option timeout")
        if not self.topic.startswith("/") or " " in self.topic:
            raise InputError(
                f"expected option topic to be a name such as /robot_face/joint_commands, got {self.topic!r}"
            )

    def content(self, values: np.ndarray, now: float) -> dict[str, Any]:
        """The message of values (30,), as rosbridge writes it."""
        sent = self.profile.command(values)
        names = [joint_name(name) for name in sent]
        if self.message == "array":
            label = ",".join(names)
            dimension = {"label": label, "size": len(names), "stride": len(names)}
            return {"layout": {"dim": [dimension], "data_offset": 0}, "data": list(sent.values())}
        turns = np.array([np.pi / 180 if a.unit == "degree" else 1.0 for a in self.profile.actuators])
        seconds = int(now // 1)
        stamp = {"sec": seconds, "nanosec": int((now - seconds) * 1e9)}
        positions = (np.array(list(sent.values())) * turns).tolist()
        header = {"stamp": stamp, "frame_id": self.frame}
        return {"header": header, "name": names, "position": positions, "velocity": [], "effort": []}

    def _connect(self) -> None:
        import roslibpy

        # Twisted's reactor cannot be started twice in a process; asyncio's loop can stay for the next connection.
        self._ros = roslibpy.Ros(self.host, self.port, transport="asyncio")
        self._ros.factory.initialDelay, self._ros.factory.maxDelay = 0.2, 5.0
        try:
            self._ros.run(timeout=self.timeout)
        except roslibpy.core.RosTimeoutError as error:
            raise InputError(
                f"cannot reach rosbridge at ws://{self.host}:{self.port} within {self.timeout:g} s, start "
                "rosbridge_server on the robot or check the options host and port"
            ) from error
        kind = {"joint_state": "sensor_msgs/JointState", "array": "std_msgs/Float64MultiArray"}[self.message]
        self._commands = roslibpy.Topic(self._ros, self.topic, kind, queue_size=1)
        self._commands.advertise()

    def _transmit(self, values: np.ndarray, now: float) -> bool:
        import roslibpy

        if not self._ros.is_connected or self._buffered() > MOST_BUFFERED:
            return False
        self._commands.publish(roslibpy.Message(self.content(values, now)))
        return True

    def _buffered(self) -> int:
        """Bytes that a slow rosbridge has not taken yet."""
        found: list[Any] = []
        self._ros.factory.on_ready(found.append)  # at once, since it is connected
        return found[0].transport.get_write_buffer_size() if found and found[0].transport is not None else 0

    def _disconnect(self) -> None:
        """Say what is to be said, close, and see to it that nothing tries again."""
        if self._ros is None:
            return
        factory, closed = self._ros.factory, threading.Event()
        factory.maxRetries = 0
        if self._ros.is_connected:
            factory.on("close", lambda _: closed.set())
            if self._commands is not None:
                self._commands.unadvertise()
            self._ros.close(timeout=1.0)
            closed.wait(1.0)
        else:  # an attempt may still be under way
            factory.on_ready(lambda connection: connection.send_close())
        self._ros = self._commands = None
