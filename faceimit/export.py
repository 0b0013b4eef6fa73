"""``faceimit-export``: a trained checkpoint as a bundle that runs without torch."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faceimit.tracking.cli import CommandParser, run_command
from faceimit.tracking.outputs import check_output_folder
from faceimit.tracking.pages import progress

DESCRIPTION = """\
Export trained networks as an inference bundle: ONNX graphs with their pre-processing inside, a manifest with the
SHA-256 of every file, and golden values. What torch computes is compared with what the graphs compute before anything
is written. --landmarks and --mapping default to the weights shipped with faceimit; none leaves them out."""
EXAMPLE = """\
  faceimit-export --checkpoint shipped --out bundle
  faceimit-keyframes talk.mp4 --bundle bundle"""


def main() -> None:
    """The command ``faceimit-export``."""
    sys.exit(run_command(export))


def export(arguments: Sequence[str]) -> None:
    """Export, and say what came out; the bundle's folder is printed last.

    Raises:
        InputError: bad arguments, and what :func:`faceimit.tracking.exporting.export_bundle` refuses.
    """
    args = _parser().parse_args(arguments)
    check_output_folder("--out", args.out, [args.checkpoint, args.landmarks, args.mapping, args.robot])
    from faceimit.bundle.format import MANIFEST

    with progress() as advance:
        advance("loading torch", 0, 1)
        from faceimit.tracking.exporting import export_bundle

        out = export_bundle(args.checkpoint, args.out, args.landmarks, args.mapping, args.quantize, args.robot, advance)
    print(summary(json.loads((out / MANIFEST).read_text())))
    print(out)


def summary(manifest: dict[str, Any]) -> str:
    """The bundle in a few lines."""
    lines = [f"{sum(file['bytes'] for file in manifest['files'].values()) / 1e6:.1f} MB, checked against torch"]
    for name, parity in manifest["parity"].items():
        kind = manifest["graphs"][name]["quantised"] or "float32"
        size = manifest["files"][manifest["graphs"][name]["file"]]["bytes"] / 1e6
        error = f"max error {parity['max_abs_error']:.1e} ({parity['unit']})"
        lines.append(f"  {name:10s} {kind:8s} {size:5.1f} MB  {error}")
    lines += [f"  {name:10s} left out: {reason}" for name, reason in manifest["left_out"].items()]
    cost = manifest["quantisation"]
    if cost is not None:
        lines.append(
            f"  int8 beside float32 on {cost['frames']} rendered frames: score correlation "
            f"{cost['score_correlation']:.4f}, F1 {cost['f1_int8']:.3f} instead of {cost['f1_float32']:.3f}, "
            f"{cost['step_ms_int8']:.1f} ms a step instead of {cost['step_ms_float32']:.1f}"
        )
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(DESCRIPTION, EXAMPLE, prog="faceimit-export")
    what = "a checkpoint of python -m faceimit.train, a .safetensors weights file, or shipped"
    parser.add_argument("--checkpoint", required=True, metavar="CKPT", help=f"keyframe network: {what}")
    parser.add_argument("--landmarks", metavar="CKPT", help="landmark network, likewise; none: without")
    parser.add_argument("--mapping", metavar="CKPT", help="mapping network, likewise; none: without")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make; a bundle is replaced")
    parser.add_argument(
        "--quantize", choices=("int8",), help="convolutions of the score in 8-bit integers; its cost is measured"
    )
    parser.add_argument("--robot", default="ameca", metavar="NAME", help="profile it is meant for (default: ameca)")
    return parser


if __name__ == "__main__":
    main()
