"""What is tried next: W&B's grid, nothing twice, and the same after a kill as without one."""

import json

from faceimit.sweeping.history import STOPPED, append_history
from faceimit.sweeping.search import grid, next_choice, size
from faceimit.sweeping.trials import SweepFolder
from tests.sweeps import read

GRID = {
    "task.b": {"values": [2, 1, 2.0, "x"]},
    "task.a": {"min": 1, "max": 2},
    "data.c": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.5},
    "k": {"values": [[5, 3], [7]]},
    "z": {"value": 5},
}


def trial(folder, sweep, seed=0, figure=None, state="complete"):
    """The next trial, as if it had run."""
    store = SweepFolder(folder)
    choice = next_choice(sweep, store.trials(), seed)
    if choice is None:
        return None
    added = store.add(sweep, [], *choice)
    if state == "waiting":
        return added
    if figure is not None:
        append_history(added.folder, 0, figure(added.values))
    if state == "stopped":
        (added.folder / STOPPED).write_text("{}")
    added.end(2 if state == "failed" else 0)
    return added


def test_a_grid_is_that_of_wandb_in_its_order(tmp_path):
    # from W&B's own engine (sweeps 0.3.0, grid_search_next_runs): sorted names, the last one fastest, 2 and 2.0 are one
    found = grid(read(tmp_path, method="grid", parameters=GRID))
    assert len(found) == 24
    rows = [tuple(point[name] for name in ("data.c", "k", "task.a", "task.b", "z")) for point in found]
    assert rows[:4] == [(0, [5, 3], 1, 2.0, 5), (0, [5, 3], 1, 1, 5), (0, [5, 3], 1, "x", 5), (0, [5, 3], 2, 2.0, 5)]
    assert rows[-1] == (0.5, [7], 2, "x", 5)
    assert isinstance(rows[0][3], float)


def test_a_grid_is_tried_point_by_point_and_ends(tmp_path):
    sweep = read(tmp_path, method="grid", parameters={"a": {"values": [1, 2]}, "b": {"values": [3, 4]}})
    assert size(sweep) == 4
    tried = []
    while (added := trial(tmp_path, sweep)) is not None:
        tried.append((added.values["a"], added.values["b"]))
    assert tried == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_the_next_trial_depends_on_the_seed_and_on_what_was_found_alone(tmp_path):
    values = {}
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        sweep = read(tmp_path)
        added = [trial(tmp_path / name, sweep, seed, lambda v: -abs(v["x"])) for _ in range(5)]
        values[name] = [each.values for each in added]
    assert values["first"] == values["again"] != values["other"]
    assert len({json.dumps(each) for each in values["first"]}) == 5


def test_bayes_finds_more_than_chance(tmp_path):
    def best(method):
        sweep = read(tmp_path, method=method)
        folder = tmp_path / method
        added = [trial(folder, sweep, 3, lambda v: -((v["x"] - 3) ** 2)) for _ in range(30)]
        return sum(abs(each.values["x"] - 3) for each in added[15:]) / 15

    assert best("bayes") < 0.6 * best("random")


def test_trials_that_failed_were_stopped_or_still_run_are_not_tried_again(tmp_path):
    sweep = read(tmp_path, parameters={"a": {"values": [1, 2, 3]}, "b": {"value": 0}})
    states = ["failed", "stopped", "waiting"]
    added = [trial(tmp_path, sweep, 0, lambda _: 0.5, state) for state in states]
    assert sorted(each.values["a"] for each in added) == [1, 2, 3]
    assert [each.state for each in added] == states
    assert next_choice(sweep, SweepFolder(tmp_path).trials(), 0) is None
