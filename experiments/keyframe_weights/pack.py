"""From a run of experiment=keyframe_weights to the weights file shipped in the package.

python experiments/keyframe_weights/pack.py RUN/checkpoints/best.ckpt [OUT.safetensors]
"""

import sys
from pathlib import Path

from faceimit.keyframes.weights import pack_network
from faceimit.tracking.checkpoints import load_task
from faceimit.tracking.files import write_bytes

SHIPPED = Path(__file__).parents[2] / "faceimit" / "weights" / "keyframe.safetensors"


def main() -> None:
    """Read, pack, write."""
    checkpoint, *out = sys.argv[1:]
    task = load_task(checkpoint, "faceimit.tasks.keyframe.KeyframeTask")
    data = pack_network(task.net, task.net_arguments(), task.search, "faceimit", c_ref=task.c_ref)
    path = Path(out[0]) if out else SHIPPED
    write_bytes(path, data)
    print(f"{path}: {len(data) / 1e6:.1f} MB, search {task.search}, c_ref {task.c_ref:.3f}")


if __name__ == "__main__":
    main()
