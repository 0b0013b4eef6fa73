"""Legends of all pictures on pages: beside the data, never over it."""

from types import SimpleNamespace

import numpy as np
import pytest

from faceimit.tracking import deployment_page, inspection_figures, report_figures
from faceimit.tracking.report_figures import ClipScore, bar_figure, curve_figure, score_figure
from faceimit.tracking.report_record import Curve

LINE = Curve(np.arange(5), np.linspace(0.5, 1.0, 5))
TIMES = np.arange(50) / 25
RECORDED = SimpleNamespace(
    tables={
        "frames": {"captured": TIMES},
        "scores": {"number": np.arange(50), "score": TIMES / 2},
        "keyframes": {"number": np.array([3, 49])},
        "commands": {"now": TIMES, "holding": np.zeros(50, bool)}
        | {name: np.repeat(TIMES[:, None], 30, 1) for name in ("target", "sent", "measured")},
    }
)
POINTS = np.random.default_rng(0).random((9, 2))
DRAWN = {
    "curve": lambda: curve_figure("val/NME", {"a": LINE}, best=4),
    "curves": lambda: curve_figure("val/NME", {f"keyframe_multitask 3d82{i:02}": LINE for i in range(12)}),
    "bars": lambda: bar_figure(["a"], {"x": [1], "y": [2], "z": [1]}, "px", "alt", line=(2, "mean")),
    "score": lambda: score_figure(ClipScore("c", 25.0, TIMES / 2, TIMES / 2, [49], [48])),
    "deployed score": lambda: deployment_page._score_plot(RECORDED),
    "deployed controls": lambda: deployment_page._control_plot(RECORDED),
    "stages": lambda: deployment_page._stage_figure({"end_to_end": {"p50": 1, "p95": 2, "p99": 20}}),
    "plane": lambda: inspection_figures.plane_figure(
        SimpleNamespace(even_plane=POINTS, plane=POINTS, variance=np.array([0.5, 0.3]))
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_legend_covers_no_data(name, monkeypatch):
    kept = []
    for module in (report_figures, deployment_page, inspection_figures):
        for kind in {"svg", "png"} & set(vars(module)):
            monkeypatch.setattr(module, kind, lambda figure, dpi=100: kept.append(figure) or b"")
    DRAWN[name]()
    (figure,) = kept
    figure.draw_without_rendering()
    (legend,) = [*figure.legends, *(axis.get_legend() for axis in figure.axes if axis.get_legend())]
    box = legend.get_window_extent()
    assert not any(box.overlaps(axis.get_window_extent()) for axis in figure.axes)
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1
    assert min(axis.get_window_extent().height for axis in figure.axes) > 20
