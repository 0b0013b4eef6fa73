"""From a camera frame to a command: how long each stage of `faceimit-deploy` takes, and what the processor does for it.

Run `.venv/bin/python experiments/latency/measure.py`; it writes results.csv beside itself, in about six minutes, many
of them for the exports (`--keep DIR` keeps these). `--before COMMIT` also exports and runs an earlier commit, in turn
with this one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from faceimit.runtime.performance import SEED, performance
from faceimit.tracking.environment import environment
from faceimit.tracking.files import write_text
from faceimit.tracking.results import as_csv, rounded

HERE, ROOT = Path(__file__).parent, Path(__file__).resolve().parents[2]
SECONDS, ROUNDS = 12, 3
SHARES = ("p50", "p95", "p99")
COUNTS = ("frames", "dropped_frames", "limit_violations", "stale_holds", "first_command_s")
Row = dict[str, Any]


class Variant:
    """One way to run it.

    Args:
        name: in the table.
        code: folder with the package.
        words: of ``faceimit-export``.
        more: of ``faceimit-deploy``.
        fps: of the performance.
    """

    def __init__(
        self, name: str, code: Path, words: tuple[str, ...] = (), more: tuple[str, ...] = (), fps: float = 30.0
    ) -> None:
        self.name, self.code, self.words, self.more, self.fps = name, code, words, more, fps

    def export(self, bundles: Path, before: list[str]) -> Path:
        """The bundle of the shipped weights by this code, made if it is not there."""
        out = bundles / "-".join(["bundle", self.code.name, *self.words[1:]])
        if not out.is_dir():
            self._python(["-m", "faceimit.export", "--checkpoint", "shipped", "--out", str(out), *self.words], before)
        return out

    def run(self, bundle: Path, before: list[str]) -> tuple[dict[str, Any], float]:
        """The summary of a run on the rendered performance, and seconds of the processor it took."""
        with tempfile.TemporaryDirectory() as folder:
            summary = Path(folder) / "summary.json"
            words = ["-m", "faceimit.deploy", "--bundle", str(bundle), "--source", str(performance(fps=self.fps))]
            words += ["--duration", str(SECONDS), "--json", str(summary), *self.more]
            start = os.times()
            self._python(words, before)
            end = os.times()
            seconds = end.children_user + end.children_system - start.children_user - start.children_system
            return json.loads(summary.read_text()), seconds

    def _python(self, words: list[str], before: list[str]) -> None:
        with_path = {**os.environ, "PYTHONPATH": str(self.code), "OMP_NUM_THREADS": "1"}
        command = [*before, sys.executable, *words]
        done = subprocess.run(command, env=with_path, cwd=self.code, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} failed: {done.stderr.strip()}")


def rows(variant: Variant, results: list[tuple[dict[str, Any], float]]) -> list[Row]:
    """A row for each stage, medians of the rounds, and one for the run."""
    summaries = [summary for summary, _ in results]
    about = {"variant": variant.name}
    made = []
    for stage in summaries[-1]["latency_ms"]:
        times = {p: float(np.median([s["latency_ms"][stage][p] for s in summaries])) for p in SHARES}
        made.append({**about, "table": "stages", "what": stage, **times})
    run = {name: float(np.median([s[name] for s in summaries])) for name in COUNTS}
    for name in ("dropped_frames", "limit_violations"):
        run[name] = float(np.sum([s[name] for s in summaries]))
    run["frames"] = float(np.sum([s["frames"] for s in summaries]))
    busy = float(np.median([1e3 * seconds / s["frames"] for s, seconds in results]))
    end = next(row for row in made if row["what"] == "end_to_end")
    made.append({**about, "table": "runs", "what": "run", **{p: end[p] for p in SHARES}, **run, "cpu_ms_frame": busy})
    return made


def archived(commit: str, folder: Path) -> Path:
    """The package as it was at a commit."""
    out = folder / f"at_{commit}"
    if out.is_dir():
        return out
    out.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit, "faceimit", "conf"], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(out)], input=archive.stdout, check=True)
    return out


def main() -> None:
    """Export, run in turn, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", metavar="COMMIT", help="an earlier commit to run beside")
    parser.add_argument("--real-time", action="store_true", help="run before other programs (chrt -f 10; needs root)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the bundles there, for another time")
    arguments = parser.parse_args()
    first = ["chrt", "-f", "10"] if arguments.real_time else []
    with tempfile.TemporaryDirectory() as passing:
        folder = (arguments.keep or Path(passing)).resolve()
        int8, keyframes, two = ("--quantize", "int8"), ("--mode", "keyframes"), ("--threads", "2")
        variants = [Variant("hybrid", ROOT), Variant("hybrid, 2 threads", ROOT, more=two)]
        variants += [Variant("hybrid, int8", ROOT, int8), Variant("keyframes", ROOT, more=keyframes)]
        variants += [Variant("keyframes, int8", ROOT, int8, keyframes)]
        variants += [Variant("hybrid, 60 fps", ROOT, fps=60.0), Variant("hybrid, int8, 60 fps", ROOT, int8, fps=60.0)]
        if arguments.before:
            code = archived(arguments.before, folder)
            variants += [Variant("hybrid, before", code), Variant("keyframes, before", code, more=keyframes)]
        bundles = {variant.name: variant.export(folder, first) for variant in variants}
        results: dict[str, list[Any]] = {variant.name: [] for variant in variants}
        loads = []
        for _ in range(ROUNDS):
            for variant in variants:
                results[variant.name].append(variant.run(bundles[variant.name], first))
                loads.append(os.getloadavg()[0])
    stamp = environment(SEED)
    about = {"load": float(np.median(loads)), "cores": os.cpu_count(), "real_time": arguments.real_time, "seed": SEED}
    about |= {"commit": stamp["commit"]["id"] or "", "before": arguments.before or ""}
    about |= {"onnxruntime": stamp["versions"].get("onnxruntime", ""), "rounds": ROUNDS}
    found = [row for variant in variants for row in rows(variant, results[variant.name])]
    names = list(dict.fromkeys(key for row in found for key in row))
    table = [rounded({name: row.get(name, "") for name in names} | about) for row in found]
    write_text(HERE / "results.csv", as_csv(table))
    print(as_csv(table))


if __name__ == "__main__":
    main()
