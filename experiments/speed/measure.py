"""Speed and memory of training, of each network, of a whole frame and of the data's ways; results.csv beside this file.

    python experiments/speed/measure.py [--model face_landmarker.task] [--video FILE] [--quick] [--parts training ...]

What is compared is measured in turn in one process, by the processor's clock, so that other work on the machine hardly
matters. Parts that were measured before (runs/speed) are not measured again; --again does. Where torch sees a GPU,
training is also measured there.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import frame
import latency
import memory
import shares
import throughput
import torch
import training

from faceimit.runtime.performance import performance
from faceimit.tracking.cli import CommandParser, run_command
from faceimit.tracking.experiments import Job, Row, perform, stamp

HERE = Path(__file__).parent
WORK = HERE.parents[1] / "runs" / "speed"
EXAMPLE = "python experiments/speed/measure.py --quick"


def main() -> int:
    """Measure what is asked for and write the table."""
    return run_command(run)


def run(words: Sequence[str]) -> None:
    """The command with its arguments."""
    parser = CommandParser("Speed and memory, in ratios of one run.", EXAMPLE)
    parser.add_argument("--model", type=Path, help="FaceLandmarker .task file; without it MediaPipe's rows are skipped")
    parser.add_argument("--video", type=Path, help="a video with a face; without it a rendered performance")
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing compiled: does it run?")
    parser.add_argument("--parts", nargs="+", help="only these")
    parser.add_argument("--again", action="store_true", help="measure again what was measured before")
    asked = parser.parse_args(words)
    kept, table = WORK / ("quick" if asked.quick else "full"), HERE / "results.csv"
    if asked.quick:
        table = WORK / "quick.csv"
    where = stamp(0)
    rows = perform(jobs(asked.quick, asked.model, asked.video, where), kept, table, asked.parts, again=asked.again)
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items() if value != "" and name not in where))
    print(table)


def jobs(quick: bool, model: Path | None, video: Path | None, where: Row) -> list[Job]:
    """All parts, those first that fork."""

    def job(name: str, make: partial, **settings: str) -> Job:
        return Job(name, {"what": settings or name}, lambda: [row | where for row in make()])

    steps, rounds = (2, 3) if quick else (6, 20)
    found = [job("memory", partial(memory.rows, quick))]
    for task in training.SETTINGS:
        count = steps if task == "keyframe" else 5 * steps  # the others' are short
        found.append(job(f"training-{task}", partial(training.rows, task, WORK / "cache", count)))
        if torch.cuda.is_available():
            for more in ((), ("compile=true",), ("trainer.precision=32-true",)):
                measure = partial(training.rows, task, WORK / "cache", 5 * steps, "gpu", more)
                found.append(job("gpu", measure, task=task, settings=" ".join(more)))
    found += [job(f"latency-{net}", partial(latency.rows, net, rounds)) for net in latency.NETWORKS]
    if not quick:
        found += [job(f"compiled-{net}", partial(latency.rows, net, rounds, True)) for net in latency.NETWORKS]
    found.append(job("profile-score", partial(shares.of_score, 5 * rounds)))
    found.append(job("profile-training", partial(shares.of_training, WORK / "cache", 1 if quick else 3)))
    found.append(job("frame", partial(frame.rows, video or performance(), model, 30 if quick else 150)))
    found.append(job("throughput", partial(throughput.rows, model, 10 if quick else 40, 1 if quick else 2)))
    return found


if __name__ == "__main__":
    sys.exit(main())
