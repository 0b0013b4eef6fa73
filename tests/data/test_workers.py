"""Processes that work for a command end with it, at once, silently, and leave no unfinished file."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faceimit.data.whole import written_whole
from faceimit.data.workers import team
from faceimit.errors import InputError

ROOT = Path(__file__).parents[2]
COMMAND = """
import sys
from faceimit.tracking.cli import run_command
from tests.data.test_workers import many
if __name__ == "__main__":
    sys.exit(run_command(lambda words: many(*words)))
"""


def slow(folder, number):
    with written_whole(Path(folder) / f"{number}.bin") as path:
        path.write_bytes(b"half")
        time.sleep(20)


def many(folder):
    with team(2) as pool:
        for future in [pool.submit(slow, folder, number) for number in range(6)]:
            future.result()


@pytest.mark.parametrize(
    ("number", "everybody", "began", "code"),
    [
        (signal.SIGINT, True, False, 130),  # while the processes import
        (signal.SIGINT, True, True, 130),
        (signal.SIGTERM, True, True, 143),
        (signal.SIGTERM, False, True, 143),
    ],
)
def test_stopping_ends_the_team(tmp_path, number, everybody, began, code):
    script, folder = tmp_path / "command.py", tmp_path / "out"
    script.write_text(COMMAND)
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    for _ in range(400):
        if len(list(folder.iterdir())) == 2 or (not began and len(_group(process.pid)) > 2):
            break
        time.sleep(0.05)
    (os.killpg if everybody else os.kill)(process.pid, number)
    started = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (code, "interrupted\n" if code == 130 else "terminated\n")
    assert time.monotonic() - started < 10
    assert not list(folder.iterdir())


def _group(leader):
    found = subprocess.run(["ps", "-o", "pid", "-g", str(leader)], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()[1:]


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_explained():
    with pytest.raises(InputError, match="one of 1 working processes was killed"), team(1) as pool:
        pool.submit(killed).result()


def test_what_a_job_raises_ends_the_others():
    started = time.monotonic()
    with pytest.raises(ValueError, match="invalid literal"), team(2) as pool:
        [pool.submit(do, it) for do, it in ((time.sleep, 20), (int, "x"))][1].result()
    assert time.monotonic() - started < 10
