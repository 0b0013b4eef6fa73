"""Sweep files for tests, and `python -m tests.sweeps ARGUMENTS`: faceimit.sweep without the check of Hydra's keys."""

import sys
from pathlib import Path

import yaml

from faceimit.sweeping import sweepfile

COMMAND = ["${env}", "${interpreter}", "-m", "tests.trial_stub", "${args_no_hyphens}"]
FILE = {
    "program": "faceimit/train.py",
    "command": COMMAND,
    "method": "bayes",
    "metric": {"name": "val/F1", "goal": "maximize"},
    "parameters": {"x": {"min": -10.0, "max": 10.0}, "kind": {"values": ["a", "b"]}},
}


def sweep_file(folder: Path, **changes) -> Path:
    """A file that tries the stub; None as a change leaves a key out."""
    content = {name: value for name, value in (FILE | changes).items() if value is not None}
    path = folder / "stub.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def read(folder: Path, **changes) -> sweepfile.Sweep:
    """The same, read."""
    return sweepfile.read_sweep(sweep_file(folder, **changes))


if __name__ == "__main__":
    sweepfile.check_sweep = lambda *_: {}  # the stub has no configuration, and what would be imported takes seconds
    from faceimit.sweep import main

    sys.exit(main())
