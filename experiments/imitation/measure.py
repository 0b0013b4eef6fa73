"""Imitation of performances by a simulated robot, in every mode.

python experiments/imitation/measure.py [--parts exact chain budget video] [--out FOLDER] [--processes N]

`exact`: true expressions with a reader's jitter (exact.csv). `chain`: what the shipped weights read off pictures
(chain.csv), and MediaPipe with --model. `budget`: where the lag comes from (budget.csv). `video`: all modes side by
side (modes.mp4, modes.png, tracks.png).
"""

import argparse
import multiprocessing
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from budget import bounds, budget
from imitate import WAYS, Shown, Way, figures, imitate, neutral
from performances import Performance, rates, real, rendered

from faceimit.robot.profile import RobotProfile, load_profile
from faceimit.tracking.environment import environment
from faceimit.tracking.files import write_text
from faceimit.tracking.results import as_csv, rounded

HERE = Path(__file__).parent
RATES = (25.0, 30.0, 60.0)
PARTS = ("exact", "chain", "budget", "video")
Row = dict[str, str | float]


def main() -> None:
    """Measure what is asked for and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--people", type=int, default=4, help="rendered people a frame rate")
    parser.add_argument("--seconds", type=float, default=6.0, help="of a performance")
    parser.add_argument(
        "--model", help="face_landmarker .task file: chain also with controls by MediaPipe's blendshapes"
    )
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    profile = load_profile("ameca")
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        if "exact" in args.parts:
            performances = [p for fps in RATES for p in rendered("test", args.people, args.seconds, fps, profile)]
            write(args.out / "exact.csv", table([*performances, *real("test", profile, args.seconds)], profile, pool))
        if "chain" in args.parts:
            write(args.out / "chain.csv", chain_rows(profile, args.people, args.model, pool))
    if "budget" in args.parts:
        write(args.out / "budget.csv", budget_rows(profile, args.people, args.seconds))
    if "video" in args.parts:
        from picture import draw

        draw(next(rendered("test", 1, 5.5, 30.0, profile)), profile, args.out)


def chain_rows(profile: RobotProfile, people: int, model: str | None, pool) -> list[Row]:
    """Performances as the shipped weights see them, and, given its model file, as MediaPipe's blendshapes do."""
    from perceived import chain

    from faceimit.tracking.ready_bundle import bundle_of

    bundle, rows = bundle_of("shipped")[0], list[Row]()
    for controls, file in {"mapping": None, "blendshapes": model}.items():
        if controls == "mapping" or file:
            seen = list(chain(bundle, people, 6.0, profile, controls, file))
            rows += [{"controls": controls} | row for row in table(seen, profile, pool)]
    return rows


def table(performances: Sequence[Performance], profile: RobotProfile, pool) -> list[Row]:
    """A row a way for each kind of performance and frame rate."""
    jobs = [(p, way.name) for way in WAYS for p in performances]
    played: list[Shown] = list(pool.imap(partial(play, profile=profile), jobs))
    played += [neutral(p, profile) for p in performances]
    rows: list[Row] = []
    for kind, fps in rates(performances):
        for name in dict.fromkeys(shown.way for shown in played):
            group = [s for s in played if s.way == name and (s.performance.kind, s.performance.fps) == (kind, fps)]
            rows.append({"performances_of": kind, "fps": fps, "mode": name} | figures(group))
            print("  ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in rows[-1].items()))
    return rows


def play(job: tuple[Performance, str], profile: RobotProfile) -> Shown:
    """One performance in the way of that name, in a process of the pool."""
    performance, name = job
    way: Way = next(way for way in WAYS if way.name == name)
    return imitate(performance, way, profile)[0]


def budget_rows(profile: RobotProfile, people: int, seconds: float) -> list[Row]:
    """Where the lag comes from, on rendered people at 30 fps; bounds on these and on real people."""
    test = list(rendered("test", people, seconds, 30.0, profile))
    rows: list[Row] = [{"performances_of": "rendered"} | row for row in budget(test, profile)]
    train = [p for fps in (25.0, 30.0) for p in rendered("train", 30, seconds, fps, profile)]
    rows += [{"performances_of": "rendered"} | row for row in bounds(test, train)]
    people_filmed = list(real("test", profile, seconds))
    if not people_filmed:
        print("real people skipped: no clips at ../shared/real")
        return rows
    return rows + [{"performances_of": "real"} | row for row in bounds(people_filmed, train)]


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write a CSV whose rows say where they come from."""
    about = environment(0)
    state = {"seed": "0", "commit": str(about["commit"]["id"])[:10], "numpy": about["versions"]["numpy"]}
    names = list(dict.fromkeys(name for row in rows for name in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, as_csv([rounded({name: row.get(name, "") for name in names}) | state for row in rows]))


if __name__ == "__main__":
    main()
