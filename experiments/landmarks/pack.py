"""From a run of experiment=landmarks to the weights file shipped in the package.

python experiments/landmarks/pack.py RUN/checkpoints/best.ckpt [OUT.safetensors]
"""

import sys
from pathlib import Path

from faceimit.nets.pfld import pack_pfld
from faceimit.tracking.checkpoints import load_task
from faceimit.tracking.files import write_bytes

SHIPPED = Path(__file__).parents[2] / "faceimit" / "weights" / "landmarks.safetensors"


def main() -> None:
    """Read, pack, write."""
    checkpoint, *out = sys.argv[1:]
    task = load_task(checkpoint, "faceimit.tasks.landmark.LandmarkTask")
    data = pack_pfld(task.net, task.net_arguments())
    path = Path(out[0]) if out else SHIPPED
    write_bytes(path, data)
    print(f"{path}: {len(data) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
