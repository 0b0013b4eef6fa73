"""What a sweep leaves: the ranking as CSV and on the screen, the plot."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from faceimit.errors import InputError
from faceimit.sweeping.coordinates import Axis, parallel_coordinates
from faceimit.sweeping.history import STOPPED, append_history
from faceimit.sweeping.ranking import ranked, require_success, show, write_ranking
from faceimit.sweeping.trials import SweepFolder
from faceimit.tracking.files import write_json
from tests.sweeps import read

PARAMETERS = {
    "task.lr": {"distribution": "log_uniform_values", "min": 0.0001, "max": 0.1},
    "task.kernels": {"values": [[5, 3], [7]]},
    "seed": {"value": 3},
}


@pytest.fixture
def sweep(tmp_path):
    return read(tmp_path, parameters=PARAMETERS)


@pytest.fixture
def trials(tmp_path, sweep):
    store = SweepFolder(tmp_path / "out")
    rows = [(0.001, [5, 3], 0.5, 0), (0.01, [7], 0.8, 0), (0.1, [7], 0.9, 0), (0.0001, [7], None, 2)]
    for lr, kernels, figure, code in rows:
        values = {"task.lr": lr, "task.kernels": kernels, "seed": 3}
        trial = store.add(sweep, [], {"task.lr": lr, "task.kernels": 0}, values)
        if figure is not None:
            append_history(trial.folder, 1, figure)
            write_json(trial.folder / "metrics.json", {"val/F1": figure - 0.1, "test/F1": figure / 2, "fit/seconds": 3})
            write_json(trial.folder / "environment.json", {"seed": 3, "commit": {"id": "abc"}})
        trial.end(code, "no luck" if code else "")
    (store.trials()[2].folder / STOPPED).write_text("{}")
    return store.trials()


def test_the_best_come_first_then_those_stopped_early_then_those_without_a_figure(tmp_path, sweep, trials):
    rows = write_ranking(tmp_path / "out", sweep, trials)
    assert [(trial.number, value) for trial, value in rows] == [(1, 0.8), (0, 0.5), (2, 0.9), (3, None)]
    lowest = read(tmp_path, parameters=PARAMETERS, metric={"name": "val/F1"})
    assert [trial.number for trial, _ in ranked(lowest, trials)] == [0, 1, 2, 3]
    with (tmp_path / "out" / "ranking.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert table[0] | {"run": ""} == {
        "rank": "1", "trial": "1", "state": "complete", "best val/F1": "0.8", "seed": "3", "task.kernels": "[7]",
        "task.lr": "0.01", "test/F1": "0.4", "val/F1": "0.7", "fit/seconds": "3", "commit": "abc", "reason": "",
        "run": "",
    }  # fmt: skip
    assert (tmp_path / "out" / table[0]["run"]).is_dir()
    assert (table[3]["state"], table[3]["rank"], table[3]["reason"]) == ("failed", "", "no luck")


def test_the_table_on_the_screen(sweep, trials, capsys):
    show(sweep, ranked(sweep, trials))
    shown = capsys.readouterr().err
    assert [word in shown for word in ("task.kernels", "0.8", "test/F1", "stopped", "failed")] == [True] * 5
    assert "seed" not in shown  # the same in all


def test_the_plot_shows_every_trial_with_a_figure(sweep, trials):
    with Image.open(io.BytesIO(parallel_coordinates(sweep, ranked(sweep, trials)))) as picture:
        assert picture.width >= 600
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 50
    one = parallel_coordinates(sweep, ranked(sweep, trials[:1]))  # a single trial has no range
    assert one.startswith(b"\x89PNG")


def test_axes_are_logarithmic_where_the_file_says_so(sweep, monkeypatch, trials):
    drawn: list[Axis] = []
    monkeypatch.setattr("faceimit.sweeping.coordinates._draw_axes", lambda _plot, axes: drawn.extend(axes))
    parallel_coordinates(sweep, ranked(sweep, trials))
    axes = {axis.name: axis for axis in drawn}
    assert list(axes) == ["task.kernels", "task.lr", "val/F1"]
    assert axes["task.lr"].places == pytest.approx([0.5, 0, 1])
    assert axes["task.kernels"].ticks == [(0, "[5, 3]"), (1, "[7]")]
    assert axes["val/F1"].places == pytest.approx([0.75, 0, 1])


def test_a_sweep_in_which_every_trial_failed_is_an_error(sweep, trials):
    require_success(ranked(sweep, trials))
    with pytest.raises(InputError, match=r"the only trial failed: no luck; its log is .*log.txt"):
        require_success(ranked(sweep, trials[3:]))
