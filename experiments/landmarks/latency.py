"""Milliseconds for one 128 px crop on one thread: ONNX Runtime, whose points must be torch's.

python experiments/landmarks/latency.py [--weights shipped] [--looks 500]
"""

import argparse
import io
import time
import warnings

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from faceimit.nets.pfld import PFLD, load_pfld

SIDE = 128


class PointsAndScale(nn.Module):
    """The network without what only training needs."""

    def __init__(self, net: PFLD) -> None:
        super().__init__()
        self.net = net

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) uint8 -> points (B, 68, 2) and scale (B, 68), pixels."""
        found = self.net(crops)
        return found.points, found.scale


def session(net: nn.Module, crop: Tensor) -> onnxruntime.InferenceSession:
    """The network in ONNX Runtime, one thread."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is called deprecated
        torch.onnx.export(net, (crop,), content, dynamo=False, opset_version=17)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content.getvalue(), options, providers=["CPUExecutionProvider"])


def main() -> None:
    """Export, compare, time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="shipped")
    parser.add_argument("--looks", type=int, default=500)
    args = parser.parse_args()
    net = PointsAndScale(load_pfld(args.weights)).eval()
    crop = torch.randint(0, 256, (1, 3, SIDE, SIDE), dtype=torch.uint8)
    run = session(net, crop)
    feed = {run.get_inputs()[0].name: crop.numpy()}
    with torch.no_grad():
        apart = np.abs(run.run(None, feed)[0] - net(crop)[0].numpy()).max()
    times = []
    for _ in range(args.looks):
        start = time.perf_counter()
        run.run(None, feed)
        times.append(1e3 * (time.perf_counter() - start))
    median, late = np.percentile(times, [50, 95])
    print(f"median {median:.2f} ms, p95 {late:.2f} ms, largest difference to torch {apart:.1e} px")


if __name__ == "__main__":
    main()
