"""Parallel coordinates: an axis for each parameter and one for the metric, a line for each trial."""

import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from faceimit.sweeping.space import Parameter
from faceimit.sweeping.sweepfile import Sweep
from faceimit.sweeping.trials import Trial
from faceimit.words import plural


@dataclass(frozen=True)
class Axis:
    """One vertical axis.

    Attributes:
        name: above it.
        places: of each trial, 0 at the bottom to 1.
        ticks: places and their labels.
    """

    name: str
    places: np.ndarray
    ticks: list[tuple[float, str]]


def parallel_coordinates(sweep: Sweep, rows: Sequence[tuple[Trial, float | None]]) -> bytes:
    """PNG; the better a trial, the darker and the more in front its line; trials stopped early are dashed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [(trial, value) for trial, value in rows if value is not None]
    values = np.array([value for _, value in shown])
    axes = [_axis(each, [trial.values[each.name] for trial, _ in shown]) for each in sweep.varying]
    axes.append(_number_axis(sweep.metric, values, logarithmic=False))
    figure = Figure(figsize=(max(6.0, 1.7 * len(axes)), 4.8), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    quality = axes[-1].places if sweep.maximize else 1 - axes[-1].places
    for index in np.argsort(quality):
        style = "--" if shown[index][0].state == "stopped" else "-"
        colour = _colour(float(quality[index]))
        heights = [axis.places[index] for axis in axes]
        plot.plot(range(len(axes)), heights, style, color=colour, linewidth=1 + 1.2 * quality[index])
        plot.plot(range(len(axes)), heights, "o", color=colour, markersize=3)
    _draw_axes(plot, axes)
    better = "higher" if sweep.maximize else "lower"
    plot.set_title(
        f"{sweep.name}: {plural(len(shown), 'trial')}, {better} is better; dashed: stopped early", fontsize=10, pad=28
    )
    stream = io.BytesIO()
    canvas.print_png(stream)
    return stream.getvalue()


def _draw_axes(plot: Any, axes: Sequence[Axis]) -> None:
    plot.set_xlim(-0.15, len(axes) - 0.45)
    plot.set_ylim(-0.06, 1.06)
    for at, axis in enumerate(axes):
        plot.axvline(at, color="#22303c", linewidth=1, zorder=0)
        plot.text(at, 1.09, axis.name, ha="center", va="bottom", fontsize=8, rotation=0)
        for place, label in axis.ticks:
            plot.text(at + 0.04, place, label, ha="left", va="center", fontsize=7, color="#22303c",
                      bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.6})  # fmt: skip
    plot.set_axis_off()


def _axis(parameter: Parameter, values: list[Any]) -> Axis:
    if "values" not in parameter.settings:
        return _number_axis(parameter.name, np.array(values, float), parameter.logarithmic)
    labels = [json.dumps(value) for value in parameter.settings["values"]]
    places = np.linspace(0, 1, len(labels)) if len(labels) > 1 else np.array([0.5])
    place = dict(zip(labels, places, strict=True))
    ticks = [(at, label.strip('"')) for label, at in place.items()]
    return Axis(parameter.name, np.array([place[json.dumps(value)] for value in values]), ticks)


def _number_axis(name: str, values: np.ndarray, logarithmic: bool) -> Axis:
    low, high = float(values.min()), float(values.max())
    if low == high:
        return Axis(name, np.full(len(values), 0.5), [(0.5, f"{low:.3g}")])
    logarithmic = logarithmic and low > 0
    scale = np.log if logarithmic else np.asarray
    places = (scale(values) - scale(low)) / (scale(high) - scale(low))
    ticks = []
    for place in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = low * math.exp(place * math.log(high / low)) if logarithmic else low + place * (high - low)
        ticks.append((place, f"{value:.3g}"))
    return Axis(name, places, ticks)


def _colour(quality: float) -> tuple[float, ...]:
    """From light grey for the worst to dark green for the best."""
    worst, best = np.array([0.80, 0.82, 0.84]), np.array([0.05, 0.45, 0.40])
    return tuple(worst + (best - worst) * quality)
