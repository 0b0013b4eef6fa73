"""Horizon and lead of the planner of `ours` on validation performances: validation.csv.

The rule: the least lag among those with less jerk than every other mode, on rendered and on real people.

python experiments/imitation/choose.py [--people N] [--pairs 0.15:0.05 0.1:0 ...]
"""

import argparse
from pathlib import Path

from imitate import OURS, WAYS, Way, figures, imitate
from measure import Row, write
from performances import real, rendered

from faceimit.robot.feedforward import FeedforwardPlanner
from faceimit.robot.profile import RobotProfile, load_profile
from faceimit.runtime.modes import Hybrid

PAIRS = (
    "0.1:0",
    "0.12:0",
    "0.1:0.02",
    "0.12:0.02",
    "0.12:0.035",
    "0.14:0.035",
    "0.14:0.05",
    "0.145:0.05",
    "0.15:0.05",
    "0.16:0.05",
)
SHOWN = ("centred_0", "centred_aligned", "raw_0", "raw_aligned", "lag_ms", "jerk", "sparc", "violations")


def ways(pairs: list[str]) -> list[Way]:
    """What is compared: every other mode, and ours with each horizon and lead."""
    found = [way for way in WAYS if way.name != OURS]
    for pair in pairs:
        horizon, lead = (float(part) for part in pair.split(":"))

        def planner(profile: RobotProfile, horizon: float = horizon, lead: float = lead) -> FeedforwardPlanner:
            return FeedforwardPlanner(profile, horizon, lead)

        found.append(Way(f"{OURS}, horizon {horizon:g} s, lead {lead:g} s", Hybrid, planner, "apex"))
    return found


def main() -> None:
    """Measure and write, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--pairs", nargs="+", default=list(PAIRS))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("validation.csv"))
    args = parser.parse_args()
    profile, rows = load_profile("ameca"), list[Row]()
    data = {
        "rendered": [p for fps in (30.0, 60.0) for p in rendered("val", args.people, 6.0, fps, profile)],
        "real": list(real("val", profile, 6.0)),
    }
    for way in ways(args.pairs):
        for kind, performances in data.items():
            if performances:
                found = figures([imitate(p, way, profile)[0] for p in performances])
                rows.append({"performances_of": kind, "mode": way.name} | {name: found[name] for name in SHOWN})
                print(rows[-1], flush=True)
                write(args.out, rows)


if __name__ == "__main__":
    main()
