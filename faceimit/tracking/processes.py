"""Training in several processes, whoever starts them: Lightning itself, ``torchrun`` or Slurm's ``srun``."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Each of these is above 0 in some process that is not the first: of all, of a node's, of the nodes'
RANKS = ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK")


def is_first() -> bool:
    """Whether this process, of those that train together, is the one that writes; known before they have met."""
    return not any(_number(name) for name in RANKS)


def started_apart() -> bool:
    """Whether others that train with this process were started beside it and know nothing of what it decides."""
    by_slurm = _number("SLURM_NTASKS") if "SLURM_STEP_ID" in os.environ else 1
    return max(_number("WORLD_SIZE"), by_slurm) > 1


@contextmanager
def ending_together(trainer: Any) -> Iterator[None]:
    """What ends the first process ends those that Lightning started for it: they would wait for it for ever."""
    try:
        yield
    except BaseException:
        for process in getattr(trainer.strategy.launcher, "procs", ()):
            process.send_signal(signal.SIGKILL)  # a process that waits for others does not hear anything gentler
        raise


def _number(name: str) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdigit() else 0
