"""Rollouts: poses that cover what a robot's face can do, put in a quick order and made into timed commands.

The mouth is a blend of the high-level controls, x on the simplex; all other controls the robot has are free in their
ranges. Poses are (N, 29) shares in [0, 1] before they become values: 12 weights, then the 17 free controls.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from faceimit.errors import InputError
from faceimit.face import controls, highlevel
from faceimit.face.controls import did_you_mean
from faceimit.robot.profile import RobotProfile
from faceimit.robot.script import Commands

CONCENTRATIONS = (0.1, 0.3, 1.0, 3.0)  # of the Dirichlet draws: from nearly one expression to blends of all
FREE: tuple[str, ...] = tuple(name for name in controls.NAMES if name not in controls.MOUTH)
POOL = 8  # candidates for each pose that the farthest-point selection takes
MOST = 100_000
# Peaks of a minimum-jerk move over one unit in one second: velocity, acceleration, jerk.
_PEAKS = (1.875, 10 / np.sqrt(3), 60.0)
_MARGIN = 1.03  # slower than the limits by so much, for commands are rounded and sampled
_MIXED = (("corners", 0.15), ("dirichlet", 0.30), ("sobol", 0.25), ("farthest", 0.30))

# Draws (N, 12) weights on the simplex and (N, 17) shares of the free controls.
Sampler = Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Rollout:
    """Poses in the order they are shown, and the commands that show them.

    Attributes:
        weights: (N, 12) on the simplex.
        poses: (N, 30) values in table units.
        starts: (N,) seconds from which each pose is held.
        ends: (N,) seconds until which it is held.
        commands: the whole, from neutral to neutral.
    """

    weights: np.ndarray
    poses: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    commands: Commands


def dirichlet(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Blends of several concentrations in turn; the free controls evenly."""
    weights = np.stack(
        [generator.dirichlet(np.full(12, CONCENTRATIONS[i % len(CONCENTRATIONS)])) for i in range(count)]
    )
    return weights, generator.random((count, len(FREE)))


def corners(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Single expressions in turn; each free control at one of its ends."""
    return np.eye(12)[np.arange(count) % 12], generator.integers(0, 2, (count, len(FREE))).astype(np.float64)


def sobol(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A scrambled Sobol sequence; 12 of its columns become even weights on the simplex (normalised exponentials)."""
    from scipy.stats import qmc

    rows = qmc.Sobol(12 + len(FREE), rng=generator).random_base2(max(int(np.ceil(np.log2(count))), 0))[:count]
    drops = -np.log(np.clip(rows[:, :12], 1e-12, 1.0 - 1e-12))
    return drops / drops.sum(axis=1, keepdims=True), rows[:, 12:]


def farthest(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Of eight times as many candidates of the other samplers those that lie farthest from all chosen before."""
    pools = [sampler(max(POOL * count // 3, 1) + 1, generator) for sampler in (dirichlet, corners, sobol)]
    weights, shares = (np.concatenate([pool[i] for pool in pools]) for i in (0, 1))
    points = np.concatenate([highlevel.blend(weights), shares], axis=1)
    chosen = farthest_points(points, count)
    return weights[chosen], shares[chosen]


def mixed(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Some of each: corners, blends, a sequence, and farthest points."""
    counts = [int(np.ceil(share * count)) for _, share in _MIXED]
    drawn = [SAMPLERS[name](n, generator) for (name, _), n in zip(_MIXED, counts, strict=True)]
    keep = generator.permutation(sum(counts))[:count]
    return np.concatenate([pair[0] for pair in drawn])[keep], np.concatenate([pair[1] for pair in drawn])[keep]


SAMPLERS: dict[str, Sampler] = {
    "dirichlet": dirichlet,
    "corners": corners,
    "sobol": sobol,
    "farthest": farthest,
    "mixed": mixed,
}


def farthest_points(points: np.ndarray, count: int) -> np.ndarray:
    """(count,) rows of (N, K) points, the first nearest to the middle, each next one the farthest from those before."""
    chosen = [int(np.linalg.norm(points - points.mean(axis=0), axis=1).argmin())]
    gaps = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < count:
        chosen.append(int(gaps.argmax()))
        gaps = np.minimum(gaps, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen)


def draw_poses(profile: RobotProfile, sampler: str, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Weights (N, 12) and values (N, 30) of poses inside the robot's ranges.

    Args:
        profile: of the robot.
        sampler: one of :data:`SAMPLERS`.
        count: how many.
        seed: of the draw.

    Raises:
        InputError: an unknown sampler, or a count out of range.
    """
    if sampler not in SAMPLERS:
        near = did_you_mean(sampler, SAMPLERS)
        raise InputError(f"unknown sampler {sampler!r}{near}, choose one of {', '.join(SAMPLERS)}")
    if not 1 <= count <= MOST:
        raise InputError(f"expected a count from 1 to {MOST} but got {count}")
    weights, shares = SAMPLERS[sampler](count, np.random.default_rng(seed))
    free = [controls.INDEX[name] for name in FREE]
    base = np.tile(profile.neutral, (count, 1))
    base[:, free] = profile.low[free] + shares * (profile.high - profile.low)[free]
    return weights, profile.clip(highlevel.rollout(weights, base))


def move_seconds(profile: RobotProfile, start: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(N,) shortest times of minimum-jerk moves from a pose (30,) to poses (N, 30) within the robot's limits."""
    way = np.abs(np.atleast_2d(ends) - start)
    by_velocity = _PEAKS[0] * way / profile.velocity
    by_acceleration = np.sqrt(_PEAKS[1] * way / profile.acceleration)
    by_jerk = np.cbrt(_PEAKS[2] * way / profile.jerk)
    return _MARGIN * np.maximum(np.maximum(by_velocity, by_acceleration), by_jerk).max(axis=1)


def quick_order(profile: RobotProfile, poses: np.ndarray) -> np.ndarray:
    """(N,) an order of poses (N, 30) with short moves: from neutral always on to the nearest one left."""
    left, here, order = np.arange(len(poses)), profile.neutral, []
    while left.size:
        nearest = int(move_seconds(profile, here, poses[left]).argmin())
        order.append(int(left[nearest]))
        here = poses[order[-1]]
        left = np.delete(left, nearest)
    return np.array(order)


def roll_out(
    profile: RobotProfile,
    weights: np.ndarray,
    poses: np.ndarray,
    dwell: float = 0.6,
    rate: float = 50.0,
    seed: int = 0,
) -> Rollout:
    """Commands that show poses one after the other, quickly ordered, with minimum-jerk moves and a rest at each.

    Args:
        profile: of the robot, whose limits the moves keep.
        weights: (N, 12) of the poses.
        poses: (N, 30).
        dwell: seconds at each pose; drawn between half and one and a half of it, for a video can be
            aligned only with movements that do not repeat.
        rate: commands a second.
        seed: of the rests.

    Raises:
        InputError: a dwell or rate that is not positive.
    """
    for what, value, low, high in (("dwell", dwell, 0.0, 60.0), ("rate", rate, 5.0, 1000.0)):
        if not low < value <= high:
            raise InputError(f"expected {what} above {low:g} and at most {high:g} but got {value:g}")
    order = quick_order(profile, poses)
    rests = dwell * np.random.default_rng(seed).uniform(0.5, 1.5, len(order) + 1)
    stops = np.concatenate([profile.neutral[None], poses[order], profile.neutral[None]])
    moves = np.array([move_seconds(profile, a, b)[0] for a, b in pairwise(stops)])
    moves = np.maximum(moves, 1.0 / rate)
    leaves = np.cumsum(np.concatenate([[rests[0]], moves[:-1] + rests[1:]]))  # of each stop but the last
    arrives = leaves + moves
    times = np.arange(0.0, arrives[-1] + dwell, 1.0 / rate)
    k = np.clip(np.searchsorted(leaves, times, side="right") - 1, 0, len(moves) - 1)
    share = minimum_jerk((times - leaves[k]) / moves[k])[:, None]
    values = stops[k] + share * (stops[k + 1] - stops[k])
    return Rollout(weights[order], poses[order], arrives[:-1], leaves[1:], Commands(times, values))


def minimum_jerk(share: np.ndarray) -> np.ndarray:
    """Way covered, 0 to 1, after a share of the time of a move that starts and ends at rest."""
    s = np.clip(share, 0.0, 1.0)
    return s**3 * (10 + s * (6 * s - 15))
