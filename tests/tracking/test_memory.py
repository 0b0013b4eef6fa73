import subprocess
import sys

import pytest

PROBE = """
import resource, sys, numpy as np
from faceimit.tracking.memory import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else None
def step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.ones(8_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
step(); step()
print(kept, step())
"""


def faults(mode):
    done = subprocess.run([sys.executable, "-c", PROBE, mode], capture_output=True, text=True, check=True)
    kept, number = done.stdout.split()
    return kept, int(number)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_blocks_asked_for_again_cost_no_page_faults():
    kept, number = faults("keep")
    if kept == "False":
        pytest.skip("no glibc here")
    assert number < faults("leave")[1] / 20
