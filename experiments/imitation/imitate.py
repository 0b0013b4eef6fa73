"""Play performances to a simulated robot in every mode, and measure what it showed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from performances import Performance

from faceimit.face.controls import LOW, SPAN
from faceimit.face.retargeting import to_blendshapes
from faceimit.keyframes.search import TRUE_PARAMS, At, true_keyframes
from faceimit.metrics.control import centred_cosine, cosine, raw_cosine
from faceimit.metrics.motion import lag, rms_jerk, smoothness
from faceimit.robot.feedforward import FeedforwardPlanner
from faceimit.robot.profile import RobotProfile
from faceimit.robot.trajectory import Planner, make_planner
from faceimit.runtime.modes import Hybrid, Keyframes, Mode, Streaming, Uniform
from faceimit.runtime.simulation import Given, Simulated, replayed, simulate

RATE = 200.0  # Hz at which the servos are looked at
COMMANDS = 50.0  # a second, and one more at each frame, as faceimit-deploy sends them
READ_S, SCORED_S = 0.007, 0.015  # from a frame to its reading, and to its score (experiments/latency)
LOOK_AHEAD_MS = 100.0  # of the keyframe search, as faceimit-deploy's
SKIP_S = 1.5  # the robot starts softly from neutral
NEUTRAL, OURS = "constant neutral", "ours"


@dataclass(frozen=True)
class Way:
    """A way to imitate.

    Attributes:
        name: in the tables.
        mode: makes the mode.
        planner: makes the planner.
        at: frame of a change that counts as the keyframe.
    """

    name: str
    mode: Callable[[], Mode]
    planner: Callable[[RobotProfile], Planner]
    at: At = "peak"


def ruckig(profile: RobotProfile) -> Planner:
    """The planner of faceimit-deploy."""
    return make_planner("ruckig", profile)


WAYS = (
    Way("streaming", Streaming, ruckig),
    Way("uniform 10 Hz", lambda: Uniform(10.0), ruckig),
    Way("uniform 5 Hz", lambda: Uniform(5.0), ruckig),
    Way("keyframes, peak (paper)", lambda: Keyframes("peak"), ruckig),
    Way("keyframes, apex", lambda: Keyframes("apex"), ruckig, "apex"),
    Way(OURS, Hybrid, FeedforwardPlanner, "apex"),
)


@dataclass(frozen=True)
class Shown:
    """What the robot showed of a performance; M looks at its servos.

    Attributes:
        way: by which.
        performance: of what.
        times: (M,) seconds from the first frame.
        values: (M, 30) in table units.
        retargets: new targets a second.
        commands: a second.
        violations: commands beyond a limit.
    """

    way: str
    performance: Performance
    times: np.ndarray
    values: np.ndarray
    retargets: float
    commands: float
    violations: int

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """(K, 30) at any times (K,)."""
        return np.stack([np.interp(seconds, self.times, column) for column in self.values.T], axis=1)


def imitate(performance: Performance, way: Way, profile: RobotProfile) -> tuple[Shown, Simulated]:
    """Play one performance in one way."""
    p = performance
    search = replace(p.search, at=way.at)
    given = Given(p.seen, p.scores, p.fps, search, p.look_ahead, LOOK_AHEAD_MS)
    planner, mode = way.planner(profile), way.mode()
    late = SCORED_S if mode.waits else READ_S
    done = simulate(given, given.pictures(), mode, profile, planner, COMMANDS, late, 0.0, p.seed)
    times, values = replayed(done, profile, RATE, p.seed)
    seconds = done.times[-1]
    shown = Shown(way.name, p, times, values, done.retargets / seconds, len(done.times) / seconds, done.violations)
    return shown, done


def neutral(performance: Performance, profile: RobotProfile) -> Shown:
    """The robot that never moves."""
    times = np.arange(0, len(performance.truth) / performance.fps, 1 / RATE)
    values = np.broadcast_to(profile.neutral, (len(times), len(profile.neutral)))
    return Shown(NEUTRAL, performance, times, values, 0.0, 0.0, 0)


def shares(values: np.ndarray) -> np.ndarray:
    """(..., 30) table units to shares of the range."""
    return (values - LOW) / SPAN


def lag_of(shown: Shown) -> tuple[float, float]:
    """Seconds the robot is behind, and the correlation there; NaN for a robot that stands still."""
    p = shown.performance
    times = np.arange(SKIP_S, min(shown.times[-1], (len(p.truth) - 1) / p.fps), 1 / RATE)
    frames = np.arange(len(p.truth)) / p.fps
    truth = np.stack([np.interp(times, frames, column) for column in shares(p.truth).T], axis=1)
    return lag(truth, shares(shown.at(times)), RATE)


def smooth_of(shown: Shown) -> tuple[float, float]:
    """RMS jerk (ranges/s^3) and SPARC of what was shown."""
    moving = shares(shown.values[shown.times >= SKIP_S])
    return rms_jerk(moving, RATE), smoothness(moving, RATE)


def frame_cosines(shown: Shown, delay: float) -> dict[str, np.ndarray]:
    """Cosines of all frames with the robot `delay` seconds later; of those whose later moment is known."""
    p, (frames, later) = shown.performance, _frames(shown, delay)
    robot, person = torch.from_numpy(shown.at(later)), torch.from_numpy(p.truth[frames])
    return {"centred": centred_cosine(robot, person).numpy(), "raw": raw_cosine(robot, person).numpy()}


def expression_cosines(shown: Shown, delay: float) -> dict[str, np.ndarray]:
    """The same between the 52 coefficients of the person and those the robot's controls stand for."""
    p, (frames, later) = shown.performance, _frames(shown, delay)
    robot = torch.from_numpy(to_blendshapes(shown.at(later))).double()
    person = torch.from_numpy(p.blendshapes[frames])
    mean = person.mean(dim=0)
    return {
        "expression_centred": cosine(robot - mean, person - mean).numpy(),
        "expression_raw": cosine(robot, person).numpy(),
    }


def keyframe_cosines(shown: Shown, delay: float, at: At) -> dict[str, np.ndarray]:
    """The person at each true keyframe, the robot `delay` seconds later."""
    p, (frames, later) = shown.performance, _frames(shown, delay)
    truth = true_keyframes(p.true_scores, p.fps, replace(TRUE_PARAMS, at=at)).strong
    chosen = np.isin(frames, truth)
    robot, person = torch.from_numpy(shown.at(later[chosen])), torch.from_numpy(p.truth[frames[chosen]])
    mean = torch.from_numpy(shares(p.truth[frames]).mean(axis=0))
    return {
        f"{at}_centred": centred_cosine(robot, person, mean).numpy(),
        f"{at}_raw": raw_cosine(robot, person).numpy(),
    }


def _frames(shown: Shown, delay: float) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the frames that count, and the moments of the robot they are compared with."""
    p = shown.performance
    times = np.arange(len(p.truth)) / p.fps
    frames = np.flatnonzero((times >= SKIP_S) & (times + delay <= shown.times[-1]))
    return frames, times[frames] + delay


def figures(group: Sequence[Shown]) -> dict[str, float]:
    """All figures of one way over performances of one kind and rate; cosines are means over frames."""
    lags = np.array([lag_of(shown) for shown in group])
    smooth = np.array([smooth_of(shown) for shown in group])
    moves = bool(np.isfinite(lags).all())
    delay = float(lags[:, 0].mean()) if moves else 0.0
    row = {f"{k}_0": v for k, v in _mean(frame_cosines(shown, 0.0) for shown in group).items()}
    row |= {f"{k}_aligned": v for k, v in _mean(frame_cosines(shown, delay) for shown in group).items()}
    row |= {"lag_ms": 1e3 * delay if moves else np.nan, "correlation": float(lags[:, 1].mean())}
    for at in ("peak", "apex"):
        row |= _mean(keyframe_cosines(shown, delay, at) for shown in group)
    row |= _mean(expression_cosines(shown, delay) for shown in group)
    row |= {"jerk": float(np.sqrt((smooth[:, 0] ** 2).mean())), "sparc": float(smooth[:, 1].mean())}
    row |= {name: float(np.mean([getattr(shown, name) for shown in group])) for name in ("retargets", "commands")}
    return row | {"violations": sum(shown.violations for shown in group), "performances": len(group)}


def _mean(found: Iterable[dict[str, np.ndarray]]) -> dict[str, float]:
    """Mean over the frames of all performances that have a cosine; NaN where none has."""
    parts = list(found)
    whole = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    return {name: float(np.nanmean(v)) if np.isfinite(v).any() else np.nan for name, v in whole.items()}
