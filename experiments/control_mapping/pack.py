"""From a run of experiment=control_mapping to the weights file shipped in the package.

python experiments/control_mapping/pack.py RUN/checkpoints/best.ckpt [OUT.safetensors]
"""

import sys
from pathlib import Path

from faceimit.nets.mapper import SHIPPED, pack_mapper
from faceimit.tracking.checkpoints import load_task
from faceimit.tracking.files import write_bytes


def main() -> None:
    """Read, pack, write."""
    checkpoint, *out = sys.argv[1:]
    task = load_task(checkpoint, "faceimit.tasks.control.ControlTask")
    data = pack_mapper(task.net, task.net_arguments())
    path = Path(out[0]) if out else Path(__file__).parents[2] / "faceimit" / "weights" / SHIPPED
    write_bytes(path, data)
    print(f"{path}: {len(data) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
