"""What the runtime imports must not pull in torch."""

import subprocess
import sys

MODULES = (
    *("faceimit.data.targets", "faceimit.metrics.matching"),
    *(f"faceimit.keyframes.{name}" for name in ("search", "online", "methods", "tuning")),
)


def test_no_torch():
    code = f"import sys, {', '.join(MODULES)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
