"""Typed configuration: names, types and ranges are checked before anything is built."""

import importlib
import inspect
import math
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

from faceimit.errors import InputError
from faceimit.tracking.config import neighbours
from faceimit.tracking.report_words import meaning


@dataclass(frozen=True)
class Budget:
    """How much of everything a profile allows."""

    clips: dict[str, int]
    frames: int
    epochs: int
    minutes: float | None


@dataclass(frozen=True)
class Flow:
    """Where the flow branch starts."""

    weights: str


@dataclass(frozen=True)
class Root:
    """The top level of a training configuration."""

    experiment: str
    profile: str
    seed: int
    runs: str
    run_dir: str | None
    resume: str | None
    monitor: str | None
    cache: str
    test: bool
    compile: bool | str
    flow: Flow
    budget: Budget
    task: dict
    data: dict
    trainer: dict
    logger: dict
    callbacks: dict


# what the numbers of these names must be, wherever they stand: lower end, whether it is allowed, upper end
RANGES: dict[str, tuple[float, bool, float]] = {
    "lr": (0, False, math.inf),
    "weight_decay": (0, True, math.inf),
    "momentum": (0, True, 1),
    "dropout": (0, True, 1),
    "batch_size": (1, True, math.inf),
    "window": (1, True, math.inf),
    "size": (16, True, math.inf),
    "workers": (0, True, math.inf),
    "frames": (2, True, math.inf),
    "epochs": (1, True, math.inf),
    "minutes": (0, False, math.inf),
    "max_epochs": (-1, True, math.inf),
    "max_steps": (-1, True, math.inf),
    "train": (1, True, math.inf),
    "val": (1, True, math.inf),
    "test": (1, True, math.inf),
    "seed": (0, True, 2**32 - 1),
    "every_steps": (1, True, math.inf),
    "first_step": (1, True, math.inf),
    "every_epochs": (1, True, math.inf),
}


def check(config: Mapping[str, Any]) -> None:
    """Check a plain configuration against :class:`Root`, each ``_target_``'s signature and :data:`RANGES`.

    Raises:
        InputError: a name that does not exist, a value of the wrong type or out of range, a monitor that the task does
            not declare in its ``metrics``.
    """
    _check_arguments("", config, typing.get_type_hints(Root), required=set(typing.get_type_hints(Root)))
    _check_ranges("", config)
    for name in ("task", "data", "trainer", "logger"):
        check_target(name, config[name], given_later=_LATER.get(name, ()))
    for name, callback in config["callbacks"].items():
        if callback is not None:
            check_target(f"callbacks.{name}", callback)
    monitor_of(config)


_LATER = {"trainer": ("logger", "callbacks", "plugins"), "logger": ("folder", "run_id")}


def monitor_of(config: Mapping[str, Any]) -> tuple[str, str]:
    """Name of the metric that picks the best checkpoint, and ``min`` or ``max``.

    Raises:
        InputError: the task does not log it.
    """
    task = resolve(config["task"]["_target_"])
    name, mode = task.monitor
    chosen = config["monitor"] or name
    if chosen not in task.metrics:
        raise InputError(f"monitor={chosen} is not a metric of {task.__name__}, {neighbours(chosen, task.metrics)}")
    if chosen == name:
        return name, mode
    known = meaning(chosen)
    return chosen, "max" if known is not None and known.better == "higher" else "min"


def resolve(target: str) -> Any:
    """The class or function a ``_target_`` names.

    Raises:
        InputError: there is no such module or name.
    """
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"_target_: {target} cannot be imported ({error})") from error


def build(node: Mapping[str, Any], **more: Any) -> Any:
    """Call a checked node's ``_target_`` with its other keys and `more`."""
    return resolve(node["_target_"])(**{k: v for k, v in node.items() if k != "_target_"}, **more)


def parameters(node: Mapping[str, Any]) -> dict[str, inspect.Parameter]:
    """What a node's ``_target_`` can be given by name."""
    found = inspect.signature(resolve(node["_target_"])).parameters
    variadic = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    return {name: parameter for name, parameter in found.items() if parameter.kind not in variadic}


def check_target(path: str, node: Mapping[str, Any], given_later: Collection[str] = ()) -> None:
    """Check the arguments of a node's ``_target_`` against its signature.

    Raises:
        InputError: a name that does not exist, one that is missing, a value of the wrong type.
    """
    if "_target_" not in node:
        raise InputError(f"{path} names no _target_, choose {path}=NAME")
    target = resolve(node["_target_"])
    hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    named = {n: p for n, p in parameters(node).items() if n not in given_later}
    required = {n for n, p in named.items() if p.default is inspect.Parameter.empty}
    arguments = {name: value for name, value in node.items() if name != "_target_"}
    _check_arguments(path, arguments, {name: hints.get(name, Any) for name in named}, required)


def _check_arguments(path: str, values: Mapping[str, Any], hints: Mapping[str, Any], required: Collection[str]) -> None:
    for name, value in values.items():
        if name not in hints:
            where = f" in {path}" if path else ""
            raise InputError(f"there is no configuration key '{name}'{where}, {neighbours(name, hints)}")
        full = f"{path}.{name}" if path else name
        if isinstance(hints[name], type) and hasattr(hints[name], "__dataclass_fields__"):
            if not isinstance(value, Mapping):
                raise InputError(f"expected {full} to be a group of settings but got {value!r}")
            fields = typing.get_type_hints(hints[name])
            _check_arguments(full, value, fields, set(fields))
        elif not fits(value, hints[name]):
            raise InputError(f"expected {full} to be {_words(hints[name])} but got {value!r}")
    for name in sorted(set(required) - set(values)):
        raise InputError(f"configuration key {f'{path}.{name}' if path else name} is missing")


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is what an annotation asks for; an annotation that is not of plain types takes any."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {Union, types.UnionType}:
        return any(fits(value, a) for a in arguments)
    if origin is Literal:
        return value in arguments
    if origin is typing.Annotated:
        return fits(value, arguments[0])
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in {bool, str}:
        return isinstance(value, hint)
    if hint in {None, type(None)}:
        return value is None
    if hint is Path:
        return isinstance(value, str)
    container = origin or hint
    if not isinstance(container, type):
        return True
    if issubclass(container, Mapping):
        return isinstance(value, Mapping) and all(fits(v, arguments[-1]) for v in value.values() if arguments)
    if issubclass(container, Collection):
        return isinstance(value, list | tuple) and all(fits(v, arguments[0]) for v in value if arguments)
    return True


def _words(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint)) if typing.get_origin(hint) is None else str(hint).replace("typing.", "")


def _check_ranges(path: str, node: Any) -> None:
    if not isinstance(node, Mapping):
        return
    for name, value in node.items():
        full = f"{path}.{name}" if path else str(name)
        if name in RANGES and isinstance(value, int | float) and not isinstance(value, bool):
            low, closed, high = RANGES[name]
            if not (low <= value <= high) or (value == low and not closed) or not math.isfinite(value):
                bound = f"{low:g} or more" if closed else f"more than {low:g}"
                upper = "" if high == math.inf else f", at most {high:g}"
                raise InputError(f"expected {full} to be {bound}{upper} but got {value}")
        _check_ranges(full, value)
