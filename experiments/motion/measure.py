"""Motion: what an update costs beside ruckig alone, and what each planner asks of a robot.

Run `.venv/bin/python experiments/motion/measure.py`; it writes results.csv beside itself, in about a minute. Started by
`chrt -f 10` (as root) it runs before other programs.
"""

import csv
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ruckig import InputParameter, Ruckig, Synchronization, Trajectory

from faceimit.robot.kinematics import beyond
from faceimit.robot.limits import SafetyFilter
from faceimit.robot.profile import RobotProfile, load_profile
from faceimit.robot.servo import ServoModel
from faceimit.robot.trajectory import Planner, make_planner
from faceimit.tracking.environment import environment

UPDATES, WARM, SEED = 10_000, 500, 0
PLANNERS = ("feedforward", "ruckig", "minimum_jerk", "cubic")
Row = dict[str, str | float]


def ruckig_alone(profile: RobotProfile, synchronization: Synchronization) -> Callable[[np.ndarray, float], None]:
    """One instance for all controls, given lists and asked once: the least that an update with ruckig can cost."""
    span = profile.high - profile.low
    given = InputParameter(30)
    given.max_velocity, given.max_acceleration, given.max_jerk = (
        (profile.velocity / span).tolist(),
        (profile.acceleration / span).tolist(),
        (profile.jerk / span).tolist(),
    )
    given.current_position = given.target_position = [0.5] * 30
    given.synchronization = synchronization
    engine, way = Ruckig(30), Trajectory(30)

    def update(shares: np.ndarray, step: float) -> None:
        given.target_position = shares
        engine.calculate(given, way)
        given.current_position, given.current_velocity, given.current_acceleration = way.at_time(step)

    return update


def update(planner: Planner, target: np.ndarray, now: float, step: float) -> None:
    """A new target, and where to be a step later."""
    planner.retarget(target, now)
    planner.step(now + step)


def costs(profile: RobotProfile) -> list[Row]:
    """Microseconds an update, interleaved so that all see the same machine."""
    random = np.random.default_rng(SEED)
    shares, steps = random.uniform(0, 1, (UPDATES, 30)), random.uniform(0.005, 0.1, UPDATES)
    targets, lists = profile.low + shares * (profile.high - profile.low), shares.tolist()
    alone, loose = ruckig_alone(profile, Synchronization.Time), ruckig_alone(profile, Synchronization.No)
    planners = [make_planner(name, profile) for name in PLANNERS]
    driving, limiter, now = make_planner("ruckig", profile), SafetyFilter(profile, soft_start=0.0), 0.0
    kinds = ["ruckig alone, synchronised", "ruckig alone, unsynchronised", *PLANNERS, "safety filter"]
    wall, cpu = {kind: np.zeros(UPDATES) for kind in kinds}, {kind: np.zeros(UPDATES) for kind in kinds}
    for k, step in enumerate(steps.tolist()):
        now, tick = now + step, (k + 1) * 0.02
        if k % 10 == 0:
            driving.retarget(targets[k], k * 0.02)
        motion = driving.step(tick)
        calls: list[tuple[Callable[..., object], tuple[object, ...]]] = [
            (alone, (lists[k], step)),
            (loose, (lists[k], step)),
            *((update, (planner, targets[k], now, step)) for planner in planners),
            (limiter.filter, (motion, tick, tick)),
        ]
        for kind, (call, given) in zip(kinds, calls, strict=True):
            start, spent = time.perf_counter_ns(), time.thread_time_ns()
            call(*given)
            cpu[kind][k], wall[kind][k] = time.thread_time_ns() - spent, time.perf_counter_ns() - start
    return [_cost(kind, wall, cpu) for kind in kinds]


def _cost(kind: str, wall: dict[str, np.ndarray], cpu: dict[str, np.ndarray]) -> Row:
    row: Row = {"table": "cost", "what": kind}
    for name, all_times in (("wall", wall), ("cpu", cpu)):
        times, beside = all_times[kind][WARM:] / 1e3, all_times["ruckig alone, synchronised"][WARM:] / 1e3
        row |= {f"{name}_p50_us": np.median(times), f"{name}_p99_us": np.percentile(times, 99)}
        row[f"{name}_p50_ratio"] = np.median(times) / np.median(beside)
        row[f"{name}_p99_ratio"] = np.percentile(times, 99) / np.percentile(beside, 99)
    return row


def keyframes(profile: RobotProfile, seconds: float = 60.0) -> tuple[np.ndarray, np.ndarray]:
    """Times and targets (K, 30) of an expressive face: 2.5 keyframes/s, most of them small."""
    random, span = np.random.default_rng(SEED), profile.high - profile.low
    gaps = 0.16 + random.exponential(0.24, int(seconds / 0.4))
    size = random.choice([0.05, 0.15, 0.4], (len(gaps), 1), p=[0.4, 0.4, 0.2])
    return np.cumsum(gaps), np.clip(
        profile.neutral + size * span * random.normal(size=(len(gaps), 30)), profile.low, profile.high
    )


def asks(profile: RobotProfile, name: str, arrive: bool) -> Row:
    """What a planner asks for on a 60 s performance at 100 Hz, what the filter leaves of it, where the joints are."""
    times, targets = keyframes(profile)
    planner, limiter, servo = (
        make_planner(name, profile),
        SafetyFilter(profile, soft_start=0.0),
        ServoModel(profile, SEED),
    )
    limiter.start(None, 0.0)
    span, clock = profile.high - profile.low, np.arange(1, int(times[-1] * 100)) / 100
    asked, sent, shown, goal, following = [], [], [], [], 0
    for now in clock.tolist():
        while following < len(times) and times[following] <= now:
            due = times[following + 1] if arrive and following + 1 < len(times) else None
            planner.retarget(targets[following], now, due)
            following += 1
        motion = planner.step(now)
        safe = limiter.filter(motion, now, now)
        servo.command(safe.values, now)
        asked.append(motion[0])
        sent.append(safe.values)
        shown.append(servo.position(now))
        goal.append(targets[max(following - 1, 0)])
    moved = np.array(asked), np.array(sent), np.array(shown), np.array(goal)
    asked, sent, shown, goal = (values / span for values in moved)
    counted = beyond(clock, moved[0], profile)
    ends = np.searchsorted(clock, times[1:]) - 1
    return {
        "table": "asks",
        "what": name + (", arrive" if arrive else ""),
        **{f"asked_beyond_{kind}": count / moved[0].size for kind, count in counted.items()},
        "sent_beyond": sum(beyond(clock, moved[1], profile).values()),
        "altered_by_filter": float((np.abs(sent - asked) > 1e-9).mean()),
        "missed_at_next_keyframe": float(np.abs(sent - goal)[ends].mean()),
        "shown_missed": float(np.abs(shown - goal)[ends].mean()),
        "rms_jerk_sent": float(np.sqrt(np.mean((np.diff(sent, n=3, axis=0) * 100**3) ** 2))),
    }


def main() -> None:
    """Measure, print, write."""
    profile = load_profile("ameca")
    rows = costs(profile) + [asks(profile, name, arrive) for name in PLANNERS for arrive in (False, True)]
    stamp = environment(SEED)
    about = {"load": f"{os.getloadavg()[0]:.1f}", "real_time": str(os.sched_getscheduler(0) == os.SCHED_FIFO)}
    about |= {"seed": str(SEED), "commit": stamp["commit"]["id"] or "", "ruckig": stamp["versions"].get("ruckig", "")}
    rows = [{**row, **about} for row in rows]
    names = list(dict.fromkeys(key for row in rows for key in row))
    with Path(__file__).with_name("results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows([{k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows])
    for row in rows:
        print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))


if __name__ == "__main__":
    main()
