"""Memory that does not grow, however long the robot runs."""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from faceimit.robot.profile import load_profile
from faceimit.runtime.live import Stop
from faceimit.runtime.loop import Observers
from faceimit.runtime.session import Settings, run
from tests.faces import SquareDetector
from tests.robots import FakeBundle, FakeRobot, moving

MEGABYTE = 2**20


class Endless:
    name, note, fps, live = "endless", None, 30.0, False

    def __init__(self, seconds):
        self.images, self.count = moving(60), round(30 * seconds)

    def pictures(self):
        return ((t / 30, self.images[t % 60]) for t in range(self.count))

    def close(self):
        pass


class Forgetful(FakeRobot):
    def _transmit(self, values, now):
        return True


class Memory:
    def __init__(self):
        self.used = []

    def decided(self, decision):
        if decision.percept.number % 300 == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.used.append(pages * os.sysconf("SC_PAGE_SIZE"))

    def commanded(self, command):
        pass

    def close(self):
        pass


def _played(seconds):
    """The summary of a run and the bytes that its last two thirds added."""
    profile, memory = load_profile("ameca"), Memory()
    outcome = run(
        FakeBundle(), Endless(seconds), Forgetful(profile), profile, Settings(fast=True, mode="hybrid"),
        Observers([memory]), Stop(), SquareDetector(),
    )  # fmt: skip
    return outcome.summary, memory.used[-1] - memory.used[len(memory.used) // 3]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("seconds", [60, pytest.param(3600, marks=pytest.mark.slow)])
def test_memory_is_flat(seconds):
    # in a process of its own: what other tests left behind comes and goes by megabytes
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        summary, grown = pool.submit(_played, seconds).result()
    assert summary["frames"] == 30 * seconds
    assert summary["limit_violations"] == 0
    assert grown < 4 * MEGABYTE
