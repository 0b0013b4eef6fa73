"""``--help`` of every command comes at once: what takes seconds to import is not imported for it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "pytorch_lightning", "pyarrow", "datasets", "mediapipe", "matplotlib", "scipy", "hydra", "optuna")
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
PROBE = """
import importlib, sys
sys.argv = [sys.argv[1], "--help"]
try:
    importlib.import_module(sys.argv[0]).main()
finally:
    print("imported", *sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("module", [*(entry.split(":")[0] for entry in SCRIPTS.values()), "faceimit.sweep"])
def test_help_imports_nothing_heavy(module):
    done = subprocess.run([sys.executable, "-c", PROBE, module], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: ")
    assert "example:" in done.stdout
    assert not set(HEAVY) & set(done.stderr.split())
