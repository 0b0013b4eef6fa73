"""Parameters of sweep files: what W&B's distributions give, and what is wrong with one in a sentence."""

import math
from datetime import date

import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.sweeping.space import NEEDS, parameter

NODES = {
    "constant": {"value": 3},
    "categorical": {"values": ["a", [5, 3]]},
    "categorical_w_probabilities": {"values": ["a", "b"], "probabilities": [0.25, 0.75]},
    "int_uniform": {"min": 2, "max": 5},
    "uniform": {"min": 0.5, "max": 2},
    "q_uniform": {"min": 0, "max": 10, "q": 2},
    "log_uniform": {"min": -3, "max": 0},
    "log_uniform_values": {"min": 0.001, "max": 0.1},
    "q_log_uniform": {"min": 0, "max": 4, "q": 0.5},
    "q_log_uniform_values": {"min": 1, "max": 50, "q": 1},
    "inv_log_uniform": {"min": 0, "max": 3},
    "inv_log_uniform_values": {"min": 0.001, "max": 0.1},
    "normal": {"mu": 1, "sigma": 2},
    "q_normal": {"q": 0.5},
    "log_normal": {},
    "q_log_normal": {"q": 2},
    "beta": {"a": 2, "b": 3},
    "q_beta": {"q": 0.1},
}
BOUNDS = {
    "uniform": (0.5, 2), "q_uniform": (0, 10), "log_uniform": (math.exp(-3), 1), "log_uniform_values": (0.001, 0.1),
    "q_log_uniform": (1, 54.6), "q_log_uniform_values": (1, 50), "inv_log_uniform": (math.exp(-3), 1),
    "inv_log_uniform_values": (0.001, 0.1), "beta": (0, 1), "q_beta": (0, 1),
}  # fmt: skip


def make(kind, **changes):
    return parameter("task.lr", {"distribution": kind} | NODES[kind] | changes)


def test_every_distribution_of_wandb_is_known():
    assert set(NODES) == set(NEEDS)


@pytest.mark.parametrize("kind", [kind for kind in NEEDS if kind != "constant"])
def test_values_lie_where_the_file_says(kind):
    from optuna import create_study
    from optuna.samplers import RandomSampler

    study = create_study(sampler=RandomSampler(seed=0))
    drawn = make(kind)
    axis = drawn.axis()
    values = [drawn.value(study.ask({"x": axis}).params["x"]) for _ in range(200)]
    if "values" in NODES[kind]:
        assert {str(value) for value in values} == {str(value) for value in NODES[kind]["values"]}
        return
    low, high = BOUNDS.get(kind, (-np.inf, np.inf))
    assert low - 1e-9 <= min(values) < max(values) <= high + 1e-9
    if "q" in NODES[kind]:
        steps = np.array(values) / NODES[kind]["q"]
        assert np.allclose(steps, np.round(steps), atol=1e-9)
    if kind == "int_uniform":
        assert set(values) == {2, 3, 4, 5}


def test_quantiles_are_those_of_scipy():
    assert make("normal").value(0.5) == pytest.approx(1)
    assert make("normal").value(0.975) == pytest.approx(1 + 2 * 1.959964, abs=1e-5)
    assert make("log_normal").value(0.5) == pytest.approx(1)
    assert [make("categorical_w_probabilities").value(q) for q in (0.0, 0.24, 0.26, 1.0)] == ["a", "a", "b", "b"]


def test_what_is_not_said_is_as_wandb_takes_it():
    assert parameter("a", {"min": 1, "max": 3}).distribution == "int_uniform"
    assert parameter("a", {"min": 1, "max": 3.0}).distribution == "uniform"
    assert parameter("a", {"values": [1]}).distribution == "categorical"
    assert not parameter("a", {"value": 1}).varies


def test_a_grid_lists_values_as_wandb_does():
    assert make("int_uniform").grid() == [2, 3, 4, 5]
    assert make("q_uniform").grid() == [0, 2, 4, 6, 8]
    assert parameter("a", {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.25}).grid() == [0, 0.25, 0.5, 0.75]
    with pytest.raises(InputError, match=r"grid cannot list the values of task.lr, which is uniform"):
        make("uniform").grid()


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (3, "expected task.lr to say value:"),
        ({"parameters": {"lr": {"value": 1}}}, "nested, which Hydra does not take; write its keys with dots"),
        ({"distribution": "log_uniform_value", "min": 1, "max": 2}, "did you mean 'log_uniform_values'"),
        ({"min": 1, "maximum": 2}, "no 'maximum', did you mean 'max'"),
        ({"distribution": "uniform", "min": 1}, r"task.lr \(uniform\) has no max:"),
        ({"min": "1e-5", "max": 1}, "YAML reads '1e-5' as text, write 1.0e-5"),
        ({"min": 2, "max": 1}, "expected min of task.lr to be below max but got 2 and 1"),
        ({"distribution": "log_uniform_values", "min": 0, "max": 1}, "to be above 0 but got 0"),
        ({"distribution": "log_uniform", "min": 1, "max": 1000}, "but got 1 and 1000, or choose log_uniform_values"),
        ({"distribution": "inv_log_uniform", "min": -1000, "max": 1}, "or choose inv_log_uniform_values"),
        ({"distribution": "int_uniform", "min": 0.5, "max": 1}, "to be whole numbers"),
        ({"distribution": "normal", "sigma": 0}, "expected sigma of task.lr to be above 0"),
        ({"values": []}, "expected values of task.lr to be a list"),
        ({"values": [1, None]}, "write 'null' in quotes"),
        ({"values": [date(2024, 1, 1), 2]}, "YAML reads 2024-01-01 as a date, write '2024-01-01' in quotes"),
        ({"value": {"until": [date(2024, 1, 1)]}}, "expected task.lr to be set to numbers or text but YAML reads 2024"),
        ({"values": [math.inf, 2]}, "YAML reads inf as a float, write 'inf' in quotes"),
        ({"values": [1, 2], "probabilities": [0.5, 0.4]}, "2 numbers that add up to 1"),
    ],
)
def test_what_is_wrong_is_said(node, message):
    with pytest.raises(InputError, match=message):
        parameter("task.lr", node)
