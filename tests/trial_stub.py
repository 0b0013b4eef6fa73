"""Looks like faceimit.train to a sweep: `python -m tests.trial_stub OVERRIDES` writes what a run leaves in no time.

Its figure is best at x = 3. ``fails=true`` is refused like bad input, ``figure=none`` logs no figure, ``seconds=S`` is
how long it takes, ``held=N``: trial N, begun for the first time, waits for its interruption.
"""

import json
import os
import sys
import time
from pathlib import Path

import yaml

from faceimit.sweeping.history import STOPPED, append_history

STEPS = 4


def main() -> int:
    given = dict(word.lstrip("+").split("=", 1) for word in sys.argv[1:])
    folder = Path(given.get("resume") or given["run_dir"])
    with (folder / "starts.txt").open("a") as file:
        file.write(f"{os.getpid()} {'resume' if 'resume' in given else 'new'} {given['x']}\n")
    if given.get("fails") == "true":
        print("error: expected x to be good but got a bad one, try another", file=sys.stderr)
        return 2
    if given.get("figure") == "none":
        (folder / "metrics.json").write_text(json.dumps({"test/F1": 0.5}))
        return 0
    x = yaml.safe_load(given["x"])
    held = "resume" not in given and int(folder.name.split("-")[0]) == int(given.get("held", -1))
    try:
        for step in range(STEPS):
            append_history(folder, step, -((x - 3) ** 2) - STEPS + step)
            (folder / "checkpoints").mkdir(exist_ok=True)
            (folder / "checkpoints" / "last.ckpt").touch()
            time.sleep(600 if held else float(given.get("seconds", 0)) / STEPS)
    except KeyboardInterrupt:
        return 130
    if x < 0:
        (folder / STOPPED).write_text("{}")
    (folder / "metrics.json").write_text(json.dumps({"val/F1": -((x - 3) ** 2), "test/F1": -((x - 3) ** 2)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
