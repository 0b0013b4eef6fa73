"""Pictures of an inspection."""

from collections.abc import Sequence

import numpy as np

from faceimit.data.checks.alignment import Alignment
from faceimit.data.checks.coverage import Coverage
from faceimit.data.checks.events import SCORE_BINS, Events
from faceimit.tracking.page import Figure, canvas, legend_above, png, svg

INK, LINE, MARK, SOFT = "#22303c", "#2a9d8f", "#e76f51", "#b9c3cb"
SHOWN_POINTS = 800


def length_figure(lengths: Sequence[int]) -> Figure:
    """Histogram of clip lengths."""
    figure, axis = canvas()
    axis.hist(lengths, bins=min(40, max(5, len(set(lengths)))), color=LINE)
    axis.set(xlabel="frames of a clip", ylabel="clips")
    return Figure(svg(figure), "histogram of clip lengths", "Length of the clips.")


def pair_figure(coverage: Coverage, names: Sequence[str]) -> Figure:
    """Share of the cells that each pair of values visits."""
    count = len(names)
    size = 6.4 if count <= 32 else 7.6
    figure, axis = canvas((1.12 * size, size))
    shown = np.where(np.eye(count, dtype=bool), np.nan, coverage.pairs)
    image = axis.imshow(shown, cmap="YlGnBu", vmin=0.0, vmax=1.0, interpolation="nearest")
    font = 6.5 if count <= 32 else 5
    axis.set_xticks(range(count), names, rotation=90, fontsize=font)
    axis.set_yticks(range(count), names, fontsize=font)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axis, shrink=0.6, pad=0.02)
    bar.set_label("share of even coverage", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    caption = (
        "Which combinations of two values were recorded: dark pairs fill their square, pale ones a corner or a line."
    )
    return Figure(png(figure, dpi=150), "coverage of each pair of values", caption, wide=count > 32)


def plane_figure(coverage: Coverage) -> Figure:
    """Recorded and even points in the plane of the two leading components."""
    figure, axis = canvas((5.2, 4.2))
    for points, colour, label in ((coverage.even_plane, SOFT, "even"), (coverage.plane, LINE, "recorded")):
        some = points[:: max(1, len(points) // SHOWN_POINTS)]
        axis.plot(some[:, 0], some[:, 1], ".", color=colour, ms=3, alpha=0.8, label=label, mew=0)
    legend_above(figure, axis, marks=3.0)
    axis.set(xlabel="first component", ylabel="second component")
    axis.set_aspect("equal", adjustable="datalim")
    caption = (
        f"Recorded poses and evenly drawn ones, in the plane in which the recorded ones vary most "
        f"({coverage.variance[:2].sum():.0%} of their variance)."
    )
    return Figure(png(figure), "recorded and evenly drawn poses", caption)


def variance_figure(coverage: Coverage) -> Figure:
    """Share of the variance of the leading components."""
    figure, axis = canvas()
    axis.bar(range(1, len(coverage.variance) + 1), coverage.variance, color=LINE)
    axis.plot(range(1, len(coverage.variance) + 1), np.cumsum(coverage.variance), "o-", color=INK, ms=3, lw=1)
    axis.set(xlabel="principal component", ylabel="share of the variance", ylim=(0, 1.02))
    return Figure(svg(figure), "variance of the principal components", "Share of each component (bars) and summed up.")


def alignment_figure(alignments: Sequence[Alignment], rates: Sequence[float]) -> Figure:
    """Correlation over the shift, a line a clip, and the offsets found."""
    figure, axis = canvas((5.6, 3.2))
    for alignment, rate in zip(alignments, rates, strict=True):
        reach = len(alignment.correlations) // 2
        milliseconds = np.arange(-reach, reach + 1) * 1000.0 / rate
        sure = alignment.confident
        axis.plot(milliseconds, alignment.correlations, color=LINE if sure else SOFT, lw=1.0, alpha=0.7)
        if sure:
            axis.plot(alignment.offset * 1000.0 / rate, alignment.correlation, "o", color=MARK, ms=4)
    axis.axvline(0.0, color=INK, lw=0.8, ls=":")
    axis.set(xlabel="pictures after labels (ms)", ylabel="correlation")
    caption = (
        "What the labels explain of the pictures, over the shift between them. Dots: peaks that stand out from chance."
    )
    return Figure(svg(figure), "correlation of pictures and labels over their shift", caption)


def score_figure(events: Events) -> Figure:
    """Histogram of the target score."""
    figure, axis = canvas((5.6, 3.2))
    edges = np.linspace(0.0, 1.0, SCORE_BINS + 1)
    share = events.histogram / max(1, events.histogram.sum())
    axis.bar(edges[:-1], share, width=1.0 / SCORE_BINS, align="edge", color=LINE, edgecolor="white", lw=0.5)
    axis.set(xlabel="target score", ylabel="share of the frames", xlim=(0, 1))
    return Figure(svg(figure), "histogram of the target score", "How often the expression changes how fast.")
