"""Jobs timed in turn, so that other work on the machine hits all of them alike; processor and wall time."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch


@dataclass
class Times:
    """Seconds of every call: on the wall, and of the processor in all threads of this process."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def milliseconds(self) -> dict[str, float]:
        """Median of both."""
        return {"cpu_ms": 1e3 * float(np.median(self.cpu)), "wall_ms": 1e3 * float(np.median(self.wall))}


class Stopwatch:
    """Seconds since it was made; waits for a GPU before it reads the clocks."""

    def __init__(self) -> None:
        self._wall, self._cpu = now()

    def read(self, times: Times) -> None:
        """Add to `times` what has passed, and start anew."""
        wall, cpu = now()
        times.wall.append(wall - self._wall)
        times.cpu.append(cpu - self._cpu)
        self.restart()

    def restart(self) -> None:
        """From here on."""
        self._wall, self._cpu = now()


def now() -> tuple[float, float]:
    """Wall and processor seconds."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter(), time.process_time()


def in_turn(jobs: Mapping[str, Callable[[], Any]], rounds: int, warm_up: int = 3) -> dict[str, Times]:
    """Times of each job, called once a round; the first `warm_up` rounds do not count."""
    found = {name: Times() for name in jobs}
    for number in range(warm_up + rounds):
        for name, job in jobs.items():
            watch = Stopwatch()
            job()
            watch.read(found[name] if number >= warm_up else Times())
    return found
