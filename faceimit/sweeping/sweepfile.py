"""W&B's sweep files: what is in one, checked before the first trial against what faceimit.train takes and logs."""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from faceimit.errors import InputError
from faceimit.sweeping.space import Parameter, parameter
from faceimit.tracking.config import composed, neighbours, plain
from faceimit.tracking.runs import PLACES

METHODS = ("bayes", "grid", "random")
KEYS = (
    "name", "description", "project", "entity", "program", "command", "method", "metric", "parameters",
    "early_terminate", "run_cap",
)  # fmt: skip
ARGUMENTS = "${args_no_hyphens}"
COMMAND = f"command: ['${{env}}', '${{interpreter}}', -m, faceimit.train, experiment=NAME, '{ARGUMENTS}']"
LONGEST = 100_000  # validations; bands beyond that are never reached


@dataclass(frozen=True)
class Sweep:
    """A sweep file.

    Attributes:
        path: the file.
        text: its content.
        name: its name, else the file's.
        method: one of :data:`METHODS`.
        metric: as the task logs it; "" for a grid or random sweep without one.
        maximize: whether higher is better.
        parameters: sorted by name, the order of W&B's grid.
        module: that the file's command starts, faceimit.train or one that takes the same overrides.
        fixed: overrides of every trial, from the command.
        bands: numbers of validations at which bad trials are stopped; empty: never.
        eta, strict: see :func:`faceimit.sweeping.history.stops`.
        run_cap: number of trials, where the file says so.
    """

    path: Path
    text: str
    name: str
    method: str
    metric: str
    maximize: bool
    parameters: tuple[Parameter, ...]
    module: str
    fixed: tuple[str, ...]
    bands: tuple[int, ...]
    eta: float
    strict: bool
    run_cap: int | None

    @property
    def varying(self) -> tuple[Parameter, ...]:
        """The parameters with more than one value."""
        return tuple(each for each in self.parameters if each.varies)

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """The words of a trial's command line as ``${args_no_hyphens}`` writes them."""
        return [f"{name}={value}" for name, value in values.items()]


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file; :func:`check_sweep` then looks at keys and metric.

    Raises:
        InputError: missing, not YAML, an unknown key, method, distribution or command.
    """
    text, content = _load(path)
    for key in content:
        if key not in KEYS:
            raise InputError(f"{path} has an unknown key {key!r}, {neighbours(str(key), KEYS)}")
    method = content.get("method")
    if method not in METHODS:
        raise InputError(f"{path}: method is {method!r}, {neighbours(str(method), METHODS)}")
    metric, maximize = _metric(path, content, method)
    bands, eta, strict = _early(path, content.get("early_terminate"))
    if bands and not metric:
        raise InputError(f"{path}: early_terminate needs metric: {{name: ..., goal: ...}} to judge by")
    cap = content.get("run_cap")
    if cap is not None and (not isinstance(cap, int) or cap < 1):
        raise InputError(f"{path}: expected run_cap to be 1 or more but got {cap!r}")
    parameters = _parameters(path, content.get("parameters"), method)
    module, fixed = _command(path, content.get("command"))
    name = str(content.get("name") or path.stem)
    return Sweep(path, text, name, method, metric, maximize, parameters, module, fixed, bands, eta, strict, cap)


def check_sweep(sweep: Sweep, more: Sequence[str] = ()) -> dict[str, Any]:
    """Compose the configuration with every value of a list and both ends of every range.

    Args:
        sweep: as read.
        more: the user's overrides of every trial.

    Returns:
        The plain configuration of a trial.

    Raises:
        InputError: a key that does not exist (its neighbours are named), a value it cannot take, a metric that the task
            does not log, an override of what the file varies.
    """
    from faceimit.tracking.schema import check, resolve

    for word in more:
        if _key(word) in {each.name for each in sweep.parameters}:
            raise InputError(f"{sweep.path} chooses {_key(word)} for each trial, leave out {word} or change the file")
        if _key(word) in PLACES:
            raise InputError(f"each trial has a folder of its own in that of the sweep, give --out instead of {word}")
    fixed = merged(sweep.fixed, more)
    first = {each.name: each.extremes()[0] for each in sweep.parameters}
    try:
        config = plain(composed([*fixed, *sweep.overrides(first)]))
        check(config)
        for each in sweep.parameters:
            for value in each.extremes()[1:]:
                check(plain(composed([*fixed, *sweep.overrides(first | {each.name: value})])))
    except InputError as error:
        raise InputError(f"{sweep.path}: {error}") from error
    task = resolve(config["task"]["_target_"])
    if sweep.metric and sweep.metric not in task.metrics:
        raise InputError(
            f"{sweep.path}: {task.__name__} logs no metric {sweep.metric!r}, {neighbours(sweep.metric, task.metrics)}"
        )
    return config


def merged(fixed: Sequence[str], more: Sequence[str]) -> list[str]:
    """Overrides with those of the user in the place of the file's for the same key."""
    keys = {_key(word) for word in more}
    return [*(word for word in fixed if _key(word) not in keys), *more]


def _key(override: str) -> str:
    return override.split("=", 1)[0].lstrip("+~")


def _load(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text()
    except FileNotFoundError as error:
        beside = sorted(str(other) for other in path.parent.glob("*.yaml"))
        close = difflib.get_close_matches(str(path), beside, n=1)
        hint = f", did you mean {close[0]}?" if close else ""
        raise InputError(f"sweep file {path} does not exist{hint}") from error
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise InputError(f"{path} is no text, give a sweep file such as sweeps/keyframe.yaml") from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise InputError(f"{path} is not YAML{line}: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(content, dict):
        raise InputError(f"expected {path} to hold method:, metric: and parameters: but got {str(content)[:40]!r}")
    return text, content


def _parameters(path: Path, nodes: Any, method: str) -> tuple[Parameter, ...]:
    if not isinstance(nodes, Mapping) or not nodes:
        raise InputError(f"{path} has no parameters:, add at least one Hydra key such as task.lr: {{values: [...]}}")
    try:
        found = tuple(parameter(str(name), nodes[name]) for name in sorted(nodes, key=str))
        if method == "grid":
            for each in found:
                each.grid()
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return found


def _metric(path: Path, content: Mapping[str, Any], method: str) -> tuple[str, bool]:
    node = content.get("metric")
    if node is None and method != "bayes":
        return "", False
    if not isinstance(node, Mapping) or not node.get("name"):
        raise InputError(f"{path}: method: {method} needs metric: {{name: ..., goal: minimize or maximize}}")
    goal = node.get("goal", "minimize")
    if goal not in {"minimize", "maximize"}:
        raise InputError(f"{path}: expected goal of the metric to be minimize or maximize but got {goal!r}")
    return str(node["name"]), goal == "maximize"


def _early(path: Path, node: Any) -> tuple[tuple[int, ...], float, bool]:
    """Bands, eta and strict of W&B's hyperband, with W&B's defaults."""
    if node is None:
        return (), 3.0, True
    if not isinstance(node, Mapping) or node.get("type") != "hyperband":
        raise InputError(f"{path}: early_terminate must say type: hyperband, the only type W&B has, or be left out")
    valid = ("type", "min_iter", "max_iter", "s", "eta", "strict")
    for key in node:
        if key not in valid:
            raise InputError(f"{path}: early_terminate has no {key!r}, {neighbours(str(key), valid)}")
    numbers = {key: value for key, value in node.items() if key not in {"type", "strict"}}
    for key, value in numbers.items():
        least = 1 + 1e-9 if key == "eta" else 1
        if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
            above = "a number above 1" if key == "eta" else "1 or more"
            raise InputError(f"{path}: expected {key} of early_terminate to be {above} but got {value!r}")
    eta = float(numbers.get("eta", 3))
    if "max_iter" in numbers and "s" in numbers:
        ends = [numbers["max_iter"] / eta**power for power in range(1, int(numbers["s"]) + 1)]
        bands = sorted(int(end) for end in ends if end >= 1)
    elif "min_iter" in numbers:
        bands = []
        band = float(numbers["min_iter"])
        while band < LONGEST:
            bands.append(int(band))
            band *= eta
    else:
        raise InputError(f"{path}: early_terminate needs min_iter, or max_iter with s, in validations")
    if not bands:
        raise InputError(f"{path}: early_terminate never applies, max_iter divided by eta is below 1")
    return tuple(bands), eta, bool(node.get("strict", True))


def _command(path: Path, command: Any) -> tuple[str, tuple[str, ...]]:
    """The module and the overrides of the command, which must be one that Hydra understands."""
    words = [str(word) for word in command] if isinstance(command, list) else []
    if "-m" not in words[:-1] or ARGUMENTS not in words:
        raise InputError(f"{path}: the command must start a module with Hydra's overrides, write {COMMAND}")
    at = words.index("-m") + 1
    return words[at], tuple(_with_environment(word) for word in words[at + 1 :] if word != ARGUMENTS)


def _with_environment(word: str) -> str:
    return re.sub(r"\$\{envvar:([A-Z0-9_]*)\}", lambda match: os.environ.get(match[1], match[1]), word)
