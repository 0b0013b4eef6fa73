"""An avatar over Live Link Face: 52 ARKit coefficients and the head's angles, one UDP packet a command.

Packets are those of the Live Link Face app, version 6, as Unreal Engine reads them (AppleARKitLiveLinkSource.cpp):

    uint8    6                       version
    string   device id               int32 number of bytes, then UTF-8
    string   subject name            likewise; what Unreal lists as the subject
    int32    frame number            of the frame rate below
    float32  sub-frame               in [0, 1)
    int32    frame rate              numerator, then
    int32    1                       its denominator
    uint8    61                      how many values follow
    float32  61 values               52 coefficients in Apple's order, then yaw, pitch and roll of head and both eyes

All numbers are big-endian. Eyes stay 0 here: gaze is in the eyeLook coefficients. Older engines read the head's angles
as shares of a half turn: ``head=half_turn``. Unreal's settings name the port (11111).
"""

import struct
import uuid
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from faceimit.errors import InputError
from faceimit.face.blendshapes import BLENDSHAPES, INDEX
from faceimit.robot.drivers.arkit import HEAD, ArkitFace
from faceimit.robot.drivers.base import Driver
from faceimit.robot.drivers.options import in_range
from faceimit.robot.drivers.udp import UdpSender

VERSION = 6
_EYE = ("EyeBlink", "EyeLookDown", "EyeLookIn", "EyeLookOut", "EyeLookUp", "EyeSquint", "EyeWide")
_BOTH = ("MouthSmile", "MouthFrown", "MouthDimple", "MouthStretch")
_LATER = ("MouthPress", "MouthLowerDown", "MouthUpperUp", "BrowDown")


def _pairs(names: tuple[str, ...]) -> list[str]:
    return [name + side for name in names for side in ("Left", "Right")]


# Names in the packet's order; the first 52 are ours but for their capital.
FIELDS: tuple[str, ...] = (
    *(name + "Left" for name in _EYE),
    *(name + "Right" for name in _EYE),
    *("JawForward", "JawLeft", "JawRight", "JawOpen"),
    *("MouthClose", "MouthFunnel", "MouthPucker", "MouthLeft", "MouthRight"),
    *_pairs(_BOTH),
    *("MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper"),
    *_pairs(_LATER),
    *("BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff"),
    *_pairs(("CheekSquint", "NoseSneer")),
    "TongueOut",
    *(part + angle for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll")),
)
_ORDER = [INDEX[name[0].lower() + name[1:]] for name in FIELDS[: len(BLENDSHAPES)]]
_TAIL = struct.Struct(f">ifiiB{len(FIELDS)}f")


@dataclass(frozen=True)
class Packet:
    """What a packet says.

    Attributes:
        device: its id.
        subject: name.
        frame: number, and share of a frame beyond it.
        fps: frames a second.
        values: (61,) in the order of :data:`FIELDS`.
    """

    device: str
    subject: str
    frame: float
    fps: int
    values: np.ndarray


def encode(packet: Packet) -> bytes:
    """The bytes of a packet."""
    texts = b"".join(struct.pack(">i", len(raw)) + raw for raw in (packet.device.encode(), packet.subject.encode()))
    number = int(packet.frame // 1)
    tail = _TAIL.pack(number & 0x7FFFFFFF, packet.frame - number, packet.fps, 1, len(FIELDS), *packet.values)
    return bytes([VERSION]) + texts + tail


def decode(datagram: bytes) -> Packet:
    """The packet in a datagram.

    Raises:
        InputError: it is no Live Link Face packet with a face.
    """
    try:
        version, rest, texts = datagram[0], datagram[1:], []
        for _ in range(2):
            (size,) = struct.unpack_from(">i", rest)
            texts.append(rest[4 : 4 + size].decode())
            rest = rest[4 + size :]
        number, part, fps, _, count, *values = _TAIL.unpack(rest)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise InputError(f"expected a Live Link Face packet but got {len(datagram)} other bytes ({error})") from error
    if version != VERSION or count != len(FIELDS):
        raise InputError(f"expected version {VERSION} with {len(FIELDS)} values but got {version} with {count}")
    return Packet(texts[0], texts[1], number + part, fps, np.array(values))


@dataclass(eq=False, kw_only=True)
class LiveLink(Driver):
    """Live Link Face packets to one host.

    Attributes:
        host, port: where the engine listens.
        subject: name of the subject in the engine.
        device: id of the sender, by default one made from this machine's.
        fps: of the time code.
        head: unit of the head's angles, or none.
        shapes: the least-effort face of the controls (:mod:`faceimit.face.retargeting`), or the profile's actuators by
            name.
    """

    host: str = "127.0.0.1"
    port: int = 11111
    subject: str = "faceimit"
    device: str = ""
    fps: int = 60
    head: Literal["radian", "half_turn", "none"] = "radian"
    shapes: Literal["retargeting", "profile"] = "retargeting"
    _sender: UdpSender | None = field(init=False, repr=False, default=None)
    _face: ArkitFace = field(init=False, repr=False, default_factory=ArkitFace)

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range(self.fps, 1, 1000, "option fps")
        self.device = self.device or str(uuid.uuid5(uuid.NAMESPACE_DNS, f"faceimit-{uuid.getnode()}")).upper()
        for what in ("subject", "device"):
            if not 0 < len(getattr(self, what).encode()) < 256:
                raise InputError(f"expected option {what} to have 1 to 255 bytes but got {getattr(self, what)!r}")
        foreign = [a.name for a in self.profile.actuators if a.name not in (*BLENDSHAPES, *HEAD)]
        if self.shapes == "profile" and foreign:
            raise InputError(f"profile {self.profile.name} has {foreign[0]!r}, no ARKit name: use shapes=retargeting")

    def values(self, values: np.ndarray) -> np.ndarray:
        """(61,) fields of control values (30,)."""
        face = self._face.of(values) if self.shapes == "retargeting" else self._by_name(values)
        turn = {"radian": 1.0, "half_turn": 1.0 / np.pi, "none": 0.0}[self.head]
        return np.concatenate([face[_ORDER], face[len(BLENDSHAPES) :] * turn, np.zeros(6)])

    def _by_name(self, values: np.ndarray) -> np.ndarray:
        sent = self.profile.command(values)
        units = {actuator.name: actuator.unit for actuator in self.profile.actuators}
        angles = [np.radians(sent.get(n, 0.0)) if units.get(n) == "degree" else sent.get(n, 0.0) for n in HEAD]
        return np.array([*(sent.get(name, 0.0) for name in BLENDSHAPES), *angles])

    def _connect(self) -> None:
        self._sender = UdpSender(self.host, self.port, "Live Link")

    def _transmit(self, values: np.ndarray, now: float) -> bool:
        assert self._sender is not None
        return self._sender.send(
            encode(Packet(self.device, self.subject, max(now, 0.0) * self.fps, self.fps, self.values(values)))
        )

    def _disconnect(self) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None
