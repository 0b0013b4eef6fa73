"""flow.png: frame, exact flow, ours, Farneback, DIS on rendered clips of unseen people.

python experiments/flow_pretraining/picture.py --cache .cache/flow
"""

import argparse
from pathlib import Path

import numpy as np
from compare import network, pairs

from faceimit.data.synthetic.generate import prepare
from faceimit.metrics.classical_flow import dis, farneback, flow_of_pairs
from faceimit.metrics.flow_picture import flow_colours

HERE = Path(__file__).parent


def rows(args: argparse.Namespace) -> list[dict[str, np.ndarray]]:
    """Of each clip the pair with most motion but a fifth, two frames apart."""
    paths = prepare(args.cache, "test", args.clips, args.seed, frames=60, size=128, flow=True, clean=False)
    ours, window, search = network(args.weights), farneback(21, 7, 1.5), dis("medium", 0.7)
    out = []
    for item in pairs(paths[: args.clips], gap=2, every=1):
        motion = item["flow"].norm(dim=1).mean(dim=(1, 2))
        index = int(motion.argsort()[int(0.8 * len(motion))])
        frames = [item[name][index : index + 1] for name in ("previous", "current")]
        out.append(
            {
                "frame": frames[1][0],
                "exact": item["flow"][index].numpy(),
                "ours": ours(*frames)[0],
                "Farneback": flow_of_pairs(window, *frames)[0],
                "DIS": flow_of_pairs(search, *frames)[0],
            }
        )
    return out


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", default=".cache/flow")
    parser.add_argument("--clips", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", default="shipped")
    parser.add_argument("--out", type=Path, default=HERE / "flow.png")
    args = parser.parse_args()
    from matplotlib.figure import Figure

    table = rows(args)
    figure = Figure(figsize=(1.5 * len(table[0]), 1.6 * len(table)), layout="constrained")
    for axes, row in zip(figure.subplots(len(table), len(table[0])), table, strict=True):
        longest = max(0.5, float(np.percentile(np.hypot(*row["exact"]), 98)))
        for axis, (name, value) in zip(axes, row.items(), strict=True):
            axis.imshow(value if name == "frame" else flow_colours(value, longest))
            axis.set_title(name if name != "exact" else f"exact, to {longest:.1f} px", fontsize=8)
            axis.set_axis_off()
    figure.savefig(args.out, dpi=110)


if __name__ == "__main__":
    main()
