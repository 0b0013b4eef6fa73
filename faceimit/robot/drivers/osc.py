"""OSC over UDP (python-osc): one bundle a command, one address a value.

Addresses are the prefix and the name with spaces as underscores: ``/faceimit/Jaw_Pitch 0.83`` with ``names=controls``
(table units), ``/faceimit/jaw 1183.0`` with ``names=actuators`` (the profile's units, the default) and
``/faceimit/jawOpen 0.17`` with ``names=arkit`` (the 52 coefficients, then ``headYaw``, ``headPitch`` and ``headRoll``
in radians).
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.face.blendshapes import BLENDSHAPES
from faceimit.robot.drivers.arkit import HEAD, ArkitFace
from faceimit.robot.drivers.base import Driver
from faceimit.robot.drivers.udp import UdpSender


@dataclass(eq=False, kw_only=True)
class Osc(Driver):
    """OSC to one host.

    Attributes:
        host, port: who listens.
        prefix: of every address.
        names: what values are called, see above.
    """

    needs = ("pythonosc",)

    host: str = "127.0.0.1"
    port: int = 9000
    prefix: str = "/faceimit"
    names: Literal["actuators", "controls", "arkit"] = "actuators"
    _sender: UdpSender | None = field(init=False, repr=False, default=None)
    _face: ArkitFace | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.prefix.startswith("/") or any(sign in self.prefix for sign in " #*,?[]{}"):
            raise InputError(f"expected option prefix to be an OSC address such as /faceimit but got {self.prefix!r}")

    def named(self, values: np.ndarray) -> dict[str, float]:
        """Address and number of everything that values (30,) become."""
        if self.names == "actuators":
            found = self.profile.command(values)
        elif self.names == "controls":
            found = dict(zip(controls.NAMES, values.tolist(), strict=True))
        else:
            self._face = self._face or ArkitFace()
            found = dict(zip((*BLENDSHAPES, *HEAD), self._face.of(values).tolist(), strict=True))
        return {f"{self.prefix.rstrip('/')}/{name.replace(' ', '_')}": value for name, value in found.items()}

    def _connect(self) -> None:
        self._sender = UdpSender(self.host, self.port, "OSC")

    def _transmit(self, values: np.ndarray, now: float) -> bool:
        from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
        from pythonosc.osc_message_builder import OscMessageBuilder

        bundle = OscBundleBuilder(IMMEDIATELY)
        for address, value in self.named(values).items():
            message = OscMessageBuilder(address)
            message.add_arg(value, OscMessageBuilder.ARG_TYPE_FLOAT)
            bundle.add_content(message.build())
        assert self._sender is not None
        return self._sender.send(bundle.build().dgram)

    def _disconnect(self) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None
