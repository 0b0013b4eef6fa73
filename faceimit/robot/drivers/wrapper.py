"""A driver that passes on to another what it sends; limits, soft start and neutral are kept once, by the outer one."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from faceimit.robot.drivers.base import INTERNAL, Driver


@dataclass(eq=False, kw_only=True)
class Wrapper(Driver):
    """A driver in front of another.

    Attributes:
        to: name of the driver that commands are passed on to.
        inner: that driver, not yet connected.
    """

    wraps: ClassVar[bool] = True

    to: str = "simulated"
    inner: Driver = field(metadata=INTERNAL, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.pause = self.inner.pause

    def __getattr__(self, name: str) -> Any:
        """What only the inner driver has, such as the picture of a simulated one."""
        if name.startswith("_") or "inner" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.inner, name)

    def _connect(self) -> None:
        self.inner._connect()

    def _transmit(self, values: np.ndarray, now: float) -> bool:
        return self.inner._transmit(values, now)

    def _measure(self, now: float) -> np.ndarray | None:
        return self.inner._measure(now)

    def _keep_still(self) -> None:
        self.inner._keep_still()

    def _disconnect(self) -> None:
        self.inner._disconnect()
