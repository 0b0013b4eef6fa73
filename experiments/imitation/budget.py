"""Where the lag comes from, delay by delay, and what no robot could do better."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from imitate import COMMANDS, OURS, RATE, READ_S, WAYS, Shown, figures, frame_cosines, imitate
from performances import Performance

from faceimit.robot.limits import SafetyFilter
from faceimit.robot.profile import RobotProfile
from faceimit.robot.servo import ServoModel, ServoParameters

FREE = replace(ServoParameters(), rate=1e6, acceleration=1e6)
LATE_MS = (33, 67, 100, 133)
AHEAD_MS = (60, 90)  # what prediction would have to bridge
TAPS = 8  # frames of the past a linear prediction looks at
Row = dict[str, str | float]


def budget(performances: Sequence[Performance], profile: RobotProfile) -> list[Row]:
    """Lag and cosine at lag 0 as one delay after the other is added; readings without noise."""
    clean = [replace(p, seen=p.truth) for p in performances]
    ways = {way.name: way for way in WAYS}
    stages = {
        "reading, 7 ms after the frame": [later(p, READ_S) for p in clean],
        "+ held until the next frame": [held(p) for p in clean],
        "+ servos: queue, dead time, smoothing": [driven(p, profile, FREE, False) for p in clean],
        "+ servos: speed, acceleration": [driven(p, profile, None, False) for p in clean],
        "+ robot's limits of speed, acceleration, jerk": [driven(p, profile, None, True) for p in clean],
        "+ planner that stops at each target (streaming)": [imitate(p, ways["streaming"], profile)[0] for p in clean],
        "or: ours": [imitate(p, ways[OURS], profile)[0] for p in clean],
    }
    return [{"table": "budget", "what": what} | _short(group) for what, group in stages.items()]


def _short(group: Sequence[Shown]) -> Row:
    found = figures(group)
    return {name: found[name] for name in ("lag_ms", "centred_0", "raw_0", "centred_aligned", "jerk")}


def later(performance: Performance, seconds: float) -> Shown:
    """A perfect copy, so much later."""
    frames = np.arange(len(performance.truth)) / performance.fps
    times = np.arange(0, frames[-1], 1 / RATE)
    values = np.stack([np.interp(times - seconds, frames, column) for column in performance.truth.T], axis=1)
    return Shown("copy", performance, times, values, 0.0, 0.0, 0)


def held(performance: Performance) -> Shown:
    """Each frame from its reading until the next."""
    times = np.arange(0, (len(performance.truth) - 1) / performance.fps, 1 / RATE)
    return Shown("held", performance, times, performance.truth[_newest(performance, times)], 0.0, 0.0, 0)


def _newest(performance: Performance, times: np.ndarray) -> np.ndarray:
    """Number of the newest frame that is read at each time."""
    newest = np.floor((times - READ_S) * performance.fps + 1e-6)
    return np.clip(newest, 0, len(performance.truth) - 1).astype(int)


def driven(performance: Performance, profile: RobotProfile, servos: ServoParameters | None, limited: bool) -> Shown:
    """The newest frame sent at the commands' rate as it is, with or without the safety filter, to servos."""
    model, safety = ServoModel(profile, performance.seed, servos), SafetyFilter(profile)
    times = np.arange(0, (len(performance.truth) - 1) / performance.fps, 1 / RATE)
    every, values = round(RATE / COMMANDS), []
    for tick, now in enumerate(times.tolist()):
        if tick % every == 0:
            wanted = performance.truth[_newest(performance, np.array([now]))[0]]
            model.command(safety.filter(wanted, now, now).values if limited else wanted, now)
        values.append(model.position(now))
    return Shown("driven", performance, times, np.array(values), 0.0, 0.0, 0)


def bounds(performances: Sequence[Performance], train: Sequence[Performance]) -> list[Row]:
    """Cosines of a perfect copy that comes late, and what the best linear prediction makes of noisy readings."""
    rows: list[Row] = []
    for ms in LATE_MS:
        found = [frame_cosines(later(p, ms / 1e3), 0.0) for p in performances]
        rows.append({"table": "bound", "what": f"perfect copy, {ms} ms late"} | _means(found))
    for ms in AHEAD_MS:
        for what, predict in (("newest reading", False), ("linear prediction", True)):
            found = [_predicted(p, train, ms / 1e3, predict) for p in performances]
            rows.append({"table": "bound", "what": f"{what} of {ms} ms ahead"} | _means(found))
    return rows


def _means(found: Sequence[dict[str, np.ndarray]]) -> Row:
    return {f"{name}_0": float(np.nanmean(np.concatenate([one[name] for one in found]))) for name in found[0]}


def _predicted(p: Performance, train: Sequence[Performance], ahead: float, predict: bool) -> dict[str, np.ndarray]:
    """Cosines of a robot without any delay that shows, at each moment, what was foretold `ahead` seconds before."""
    past, _ = _history(p, ahead)
    found = p.seen.copy()
    if predict:
        weights = _weights([t for t in train if t.fps == p.fps], ahead)
        moved = np.einsum("tkc,ck->tc", past, weights)
        found[TAPS : TAPS + len(moved)] += moved
    frames = np.arange(len(p.truth)) / p.fps
    times = np.arange(0, frames[-1], 1 / RATE)
    values = np.stack([np.interp(times - ahead, frames, column) for column in found.T], axis=1)
    return frame_cosines(Shown("predicted", p, times, values, 0.0, 0.0, 0), 0.0)


def _history(p: Performance, ahead: float) -> tuple[np.ndarray, np.ndarray]:
    """(N, TAPS, 30) differences of the last readings from the newest; (N, 30) what they foretell, from the newest."""
    shift, frames = ahead * p.fps, np.arange(TAPS, len(p.truth) - int(np.ceil(ahead * p.fps)) - 1)
    past = np.stack([p.seen[frames - k] - p.seen[frames] for k in range(1, TAPS + 1)], axis=1)
    first, part = np.floor(frames + shift).astype(int), (shift % 1.0)
    return past, (1 - part) * p.truth[first] + part * p.truth[first + 1] - p.seen[frames]


def _weights(train: Sequence[Performance], ahead: float) -> np.ndarray:
    """(30, TAPS) least squares for each control."""
    past, future = (np.concatenate(parts) for parts in zip(*(_history(p, ahead) for p in train), strict=True))
    return np.stack([np.linalg.lstsq(past[:, :, c], future[:, c], rcond=None)[0] for c in range(past.shape[2])])
