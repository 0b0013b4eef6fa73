"""A person's own neutral: what a mapping reads from a face at rest is taken off all that it reads from then on.

A mapping network sees something of who a face belongs to as an expression: low brows, mouth corners that hang. While
the person rests their face for some seconds the robot rests too; the median of what was read meanwhile, less the
robot's neutral, is the bias. Where a person looks is not who they are: gaze, head and neck are left as they are.
"""

import numpy as np

from faceimit.face.controls import NAMES, PARTS, SPAN
from faceimit.robot.drivers.options import in_range
from faceimit.robot.profile import RobotProfile

REST_S = (0.1, 60.0)  # how long a face may be asked to rest, seconds
LEAST = 5  # readings that make a median worth its name
RESTLESS = 0.1  # of the range: a control of which three fifths of the readings are further apart did not rest
POSE = ("gaze", "head", "neck")


class PersonalNeutral:
    """Takes readings; gives what the robot is to show.

    Args:
        profile: of the robot.
        seconds: of the face at rest, > 0.

    Attributes:
        offset: (30,) bias in table units, None until it is known.
        readings: of the face at rest.
        restless: names of controls that did not rest.

    Raises:
        InputError: no time to rest.
    """

    def __init__(self, profile: RobotProfile, seconds: float) -> None:
        in_range(seconds, *REST_S, "the seconds of a face at rest")
        self._profile, self._seconds = profile, seconds
        self._rest: list[np.ndarray] = []
        self._began: float | None = None
        self.offset: np.ndarray | None = None
        self.readings = 0
        self.restless: tuple[str, ...] = ()

    def push(self, values: np.ndarray, now: float) -> np.ndarray:
        """What to show for a reading.

        Args:
            values: (30,) in table units; such as are not finite are given back.
            now: seconds at which the face was seen; later ones than before while it rests.

        Returns:
            (30,) inside the ranges: neutral while the face rests, then the reading less the bias.
        """
        if not np.isfinite(values).all():
            return values
        if self.offset is None:
            self._collect(values, now)
            return self._profile.neutral.copy()
        return self._profile.clip(values - self.offset)

    def _collect(self, values: np.ndarray, now: float) -> None:
        self._began = now if self._began is None else self._began
        self._rest.append(np.array(values, dtype=np.float64))
        if now - self._began >= self._seconds and len(self._rest) >= LEAST:
            rest = np.stack(self._rest)
            self.offset, self.readings = bias(rest, self._profile.neutral), len(rest)
            spread = np.subtract(*np.quantile(rest, [0.8, 0.2], axis=0)) / SPAN
            self.restless = tuple(NAMES[i] for i in np.flatnonzero(spread > RESTLESS))
            self._rest = []


def bias(readings: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """(30,) median of readings (N, 30) of a face at rest, less the robot's neutral (30,); 0 for gaze, head and neck."""
    offset = np.median(readings, axis=0) - neutral
    for part in POSE:
        offset[list(PARTS[part])] = 0.0
    return offset
