"""Pair a video of a robot with its command log: when did the camera's clock show the log's time 0?

What a camera sees between two frames is a movement, and so is what the log says of the same two moments. The offset is
the shift at which the two series correlate best, found to a fraction of a frame. It holds everything between command
and picture: both clocks, and the dead time of the actuators.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from faceimit.errors import InputError
from faceimit.robot.script import Commands

SIDE = 48  # pixels of the small grey pictures that are compared
COARSE_S, FINE_S = 0.01, 0.001
LEAST_OVERLAP = 0.5  # of the video's frames within the log
LEAST_CORRELATION = 0.4
# Any peak this far away must correlate less than the best one by so much, after Fisher's transform (atanh).
APART_S, LEAST_LEAD = 0.3, 0.2
LEAST_FRAMES = 20
LEAST_CHANGE = 0.3  # grey levels between frames, above the noise
_SEGMENTS, _DRIFT_S = 6, 0.4  # parts of the recording whose own offsets tell drift, and how far they may differ
_SETTLE_S = 0.12  # after a move until a frame shows the pose


@dataclass(frozen=True)
class Alignment:
    """Where the log lies in the video's time: log time t is seen at offset + (1 + drift) t.

    Attributes:
        offset: seconds.
        drift: seconds of video a second of log, less 1; 0 unless asked for.
        correlation: of what is seen and what was commanded, at the offset.
        rival: the best correlation elsewhere, 0 if all are negative.
    """

    offset: float
    drift: float
    correlation: float
    rival: float

    @property
    def confidence(self) -> float:
        """How far the offset leads all others, after Fisher's transform; 0.2 is the least that is accepted."""
        best, second = np.arctanh(np.clip([self.correlation, self.rival], 0.0, 0.999))
        return float(best - second)

    def log_time(self, times: np.ndarray) -> np.ndarray:
        """Log times (T,) of video times (T,)."""
        return (times - self.offset) / (1.0 + self.drift)


def seen_motion(frames: Iterable[tuple[float, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Times (T,) of frames and how much each differs from the one before (T,), the first by 0.

    Args:
        frames: (seconds, (H, W, 3) uint8 RGB); kept one at a time.
    """
    import cv2

    times, changes, before = [], [], None
    for seconds, image in frames:
        grey = cv2.cvtColor(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        small = grey.astype(np.float64)
        changes.append(0.0 if before is None else float(np.sqrt(np.mean((small - before) ** 2))))
        times.append(seconds)
        before = small
    return np.array(times), np.array(changes)


def align(
    times: np.ndarray, motion: np.ndarray, commands: Commands, most: float = 10.0, drift: bool = False
) -> Alignment:
    """Offset between a video and a command log.

    Args:
        times: (T,) seconds of the frames, increasing.
        motion: (T,) change of each from the one before (:func:`seen_motion`).
        commands: the log.
        most: largest offset looked for, in seconds, either way.
        drift: also estimate how the clocks drift apart.

    Raises:
        InputError: too few frames, nothing moves in the video or the log, no match, or several equally good ones.
    """
    if len(times) < LEAST_FRAMES:
        raise InputError(f"expected at least {LEAST_FRAMES} frames but got {len(times)}, record longer")
    path = commands.path()
    if path[-1] < 0.1:
        raise InputError("nothing moves in the command log, pair a recording of a rollout (faceimit-rollout)")
    floor = np.percentile(motion[1:], 10)  # the camera's noise: a robot that plays a rollout rests now and then
    moving = np.maximum(motion[1:] ** 2 - floor**2, 0.0) ** 0.25
    if np.sqrt(np.percentile(motion[1:], 98) ** 2 - floor**2) < LEAST_CHANGE:
        raise InputError("nothing moves in the video, is it of the same recording, and is the robot in the picture?")
    shifts = np.arange(-most, most + COARSE_S / 2, COARSE_S)
    scores = np.array([_match(times, moving, commands.times, path, shift) for shift in shifts])
    if not np.isfinite(scores).any():
        raise InputError(f"log and video do not overlap by half within {most:g} s of each other, give --most-offset")
    best = int(np.nanargmax(scores))
    correlation = float(scores[best])
    far = np.abs(shifts - shifts[best]) > APART_S
    found = Alignment(float(shifts[best]), 0.0, correlation, max(float(np.nanmax(scores[far], initial=0.0)), 0.0))
    if correlation < LEAST_CORRELATION:
        raise InputError(
            f"video and log do not match: they correlate by {correlation:.2f} at best "
            f"(expected {LEAST_CORRELATION:g}), check that they are of one recording, or give a larger --most-offset"
        )
    if found.confidence < LEAST_LEAD:
        raise InputError(
            f"the offset is ambiguous: {found.offset:+.2f} s correlates by {correlation:.2f} and another by "
            f"{found.rival:.2f}; record longer, with movements that do not repeat (faceimit-rollout draws such)"
        )
    offset = _refined(times, moving, commands.times, path, float(shifts[best]), COARSE_S * 2)
    rate = 0.0
    if drift:
        offset, rate = _drifting(times, moving, commands.times, path, offset)
    return replace(found, offset=offset, drift=rate)


def still(times: np.ndarray, commands: Commands, alignment: Alignment) -> np.ndarray:
    """(T,) bool: frames at which the log has rested for a moment, so that the robot shows the values exactly."""
    log = alignment.log_time(times)
    path = commands.path()
    within = (log - _SETTLE_S >= commands.times[0]) & (log <= commands.times[-1])
    way = np.interp(log, commands.times, path) - np.interp(log - _SETTLE_S, commands.times, path)
    return within & (way < 1e-4)


def inside(times: np.ndarray, commands: Commands, alignment: Alignment) -> np.ndarray:
    """(T,) bool: frames that the log covers."""
    log = alignment.log_time(times)
    return (log >= commands.times[0]) & (log <= commands.times[-1])


def _match(times: np.ndarray, moving: np.ndarray, log: np.ndarray, path: np.ndarray, shift: float) -> float:
    """Correlation of what each frame interval shows with the way commanded in it; NaN where they hardly overlap."""
    at = times - shift
    covered = (at[:-1] >= log[0]) & (at[1:] <= log[-1])
    if covered.mean() < LEAST_OVERLAP and covered.sum() < LEAST_OVERLAP * len(moving) * _share(times, log):
        return float("nan")
    way = np.sqrt(np.maximum(np.diff(np.interp(at, log, path)), 0.0))[covered]
    seen = moving[covered]
    if len(seen) < LEAST_FRAMES // 2 or way.std() < 1e-9 or seen.std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(way, seen)[0, 1])


def _share(times: np.ndarray, log: np.ndarray) -> float:
    """How much of the video a shorter log can cover at most."""
    return min(1.0, float(np.ptp(log) / max(np.ptp(times), 1e-9)))


def _refined(
    times: np.ndarray, moving: np.ndarray, log: np.ndarray, path: np.ndarray, near: float, within: float
) -> float:
    """The best shift within some seconds of `near`: on a fine grid, then at the top of a parabola through it."""
    shifts = np.arange(near - within, near + within + FINE_S / 2, FINE_S)
    scores = np.array([_match(times, moving, log, path, shift) for shift in shifts])
    if not np.isfinite(scores).any():
        return near
    best = float(shifts[int(np.nanargmax(scores))])
    close = np.isfinite(scores) & (np.abs(shifts - best) <= 0.012)
    if close.sum() < 5:
        return best
    curve = np.polyfit(shifts[close] - best, scores[close], 2)
    return best - float(np.clip(curve[1] / (2 * curve[0]), -0.01, 0.01)) if curve[0] < 0 else best


def _drifting(
    times: np.ndarray, moving: np.ndarray, log: np.ndarray, path: np.ndarray, offset: float
) -> tuple[float, float]:
    """Offset and drift from the offsets of parts of the recording, by the Theil-Sen line through them."""
    from scipy.stats import theilslopes

    found = []
    for part in np.array_split(np.arange(len(times)), _SEGMENTS):
        if len(part) < LEAST_FRAMES:
            raise InputError(f"a recording of {len(times)} frames is too short to tell drift, leave --drift out")
        some, own = times[part], moving[part[:-1]]
        coarse = np.arange(offset - _DRIFT_S, offset + _DRIFT_S, COARSE_S)
        scores = np.array([_match(some, own, log, path, shift) for shift in coarse])
        if np.isfinite(scores).any() and np.nanmax(scores) >= LEAST_CORRELATION:
            best = float(coarse[int(np.nanargmax(scores))])
            found.append((float(some.mean()), _refined(some, own, log, path, best, 2 * COARSE_S)))
    if len(found) < _SEGMENTS // 2:
        raise InputError("too few parts of the recording match the log by themselves to tell drift, leave --drift out")
    middles, offsets = np.array(found).T
    slope, at_zero = theilslopes(offsets, middles - offsets)[:2]
    return float(at_zero), float(slope)
