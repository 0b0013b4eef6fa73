"""Typed configuration: names, types and ranges are checked before anything is built."""

import dataclasses
import importlib
import inspect
import math
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import yaml

from faceimit.errors import InputError
from faceimit.ranges import Count, Frames, PerSplit, Positive, Range, Seed, Weight, Whole
from faceimit.tracking.config import conf_dir, neighbours, options
from faceimit.tracking.report_words import meaning


@dataclass(frozen=True)
class Budget:
    """How much of everything a profile allows."""

    clips: PerSplit
    frames: Frames
    epochs: Count
    minutes: Positive | None


@dataclass(frozen=True)
class Flow:
    """Where the flow branch starts."""

    weights: str


@dataclass(frozen=True)
class Root:
    """The top level of a training configuration."""

    experiment: str
    profile: str
    seed: Seed
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


@dataclass(frozen=True)
class Measured:
    """How many clips an evaluation renders."""

    clips: PerSplit
    frames: Frames


@dataclass(frozen=True)
class Evaluation:
    """The top level of an evaluation's configuration."""

    checkpoint: str
    others: dict[str, str]
    methods: str | list[str]
    model: str | None
    out: str | None
    seed: Seed
    cache: str
    plots: Whole
    budget: Measured
    data: dict


# what the annotations of others leave open
RANGES: dict[str, dict[str, Any]] = {
    "pytorch_lightning.Trainer": {
        "max_epochs": Count | Literal[-1] | None,
        "min_epochs": Count | None,
        "max_steps": Count | Literal[-1],
        "min_steps": Count | None,
        "accumulate_grad_batches": Count,
        "limit_train_batches": Count | Positive | None,
        "enable_checkpointing": Literal[True],
        "precision": Literal[32, 16, "32", "32-true", "16", "16-mixed", "bf16", "bf16-mixed"] | None,
        "check_val_every_n_epoch": Count | None,
        "gradient_clip_val": Weight | None,
        "log_every_n_steps": Count,
        "num_nodes": Count,
        "num_sanity_val_steps": Whole | Literal[-1] | None,
        "val_check_interval": Count | Positive | str | None,
    }
}


def check(config: Mapping[str, Any]) -> None:
    """Check a plain configuration against :class:`Root` and each ``_target_``'s signature.

    Raises:
        InputError: a name that does not exist, a value of the wrong type or out of range, data that the task cannot
            learn from, a monitor that the task does not declare in its ``metrics``.
    """
    check_fields("", config, Root)
    task, data = (_target(name, config[name]) for name in ("task", "data"))
    check_kind(data, getattr(task, "learns_from", None), f"{task.__name__} learns from")
    for name in ("task", "data", "trainer", "logger"):
        check_target(name, config[name], given_later=_LATER.get(name, ()))
    for name, callback in config["callbacks"].items():
        if callback is not None:
            check_target(f"callbacks.{name}", callback)
    monitor_of(config)


def check_kind(data: Any, wanted: str | None, who: str) -> None:
    """Refuse data of another kind than is needed; what does not say its kind is let through.

    Args:
        data: a data module's class, whose ``kind`` says what it gives.
        wanted: kind.
        who: needs it, such as "KeyframeTask learns from".

    Raises:
        InputError: naming the configurations that would do.
    """
    given = getattr(data, "kind", None)
    if None in {wanted, given} or wanted == given:
        return
    names = [name for name in options("data") if getattr(_target_of("data", name), "kind", None) == wanted]
    raise InputError(f"{who} {wanted}, but {data.__name__} gives {given}: choose data={_listed(names)}")


def _target_of(group: str, name: str) -> Any:
    return resolve(yaml.safe_load((conf_dir() / group / f"{name}.yaml").read_text())["_target_"])


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
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InputError(f"_target_: {target} cannot be imported ({error})") from error


def build(node: Mapping[str, Any], **more: Any) -> Any:
    """Call a checked node's ``_target_`` with its other keys and `more`."""
    return resolve(node["_target_"])(**{k: v for k, v in node.items() if k != "_target_"}, **more)


def parameters(node: Mapping[str, Any]) -> dict[str, inspect.Parameter]:
    """What a node's ``_target_`` can be given by name."""
    found = inspect.signature(resolve(node["_target_"])).parameters
    variadic = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    return {name: parameter for name, parameter in found.items() if parameter.kind not in variadic}


def _target(path: str, node: Any) -> Any:
    """What a node's ``_target_`` names.

    Raises:
        InputError: it names none.
    """
    if not isinstance(node, Mapping) or not isinstance(node.get("_target_"), str):
        raise InputError(f"{path} names no _target_, choose {path}=NAME")
    return resolve(node["_target_"])


def check_target(path: str, node: Mapping[str, Any], given_later: Collection[str] = ()) -> None:
    """Check the arguments of a node's ``_target_`` against its signature and :data:`RANGES`.

    Raises:
        InputError: a name that does not exist, one that is missing, a value of the wrong type or out of range.
    """
    target = _target(path, node)
    hints = _hints(target.__init__ if inspect.isclass(target) else target) | RANGES.get(node["_target_"], {})
    named = {n: p for n, p in parameters(node).items() if n not in given_later}
    required = {n for n, p in named.items() if p.default is inspect.Parameter.empty}
    arguments = {name: value for name, value in node.items() if name != "_target_"}
    _check_arguments(path, arguments, {name: hints.get(name, Any) for name in named}, required)


def check_fields(path: str, values: Mapping[str, Any], kind: type) -> None:
    """Check values against the fields of a dataclass; those with a default may be left out.

    Raises:
        InputError: as :func:`check_target`.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    required = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    _check_arguments(path, values, {name: _hints(kind)[name] for name in fields}, required)


@cache
def _hints(of: Any) -> dict[str, Any]:
    return typing.get_type_hints(of, include_extras=True)


def _check_arguments(path: str, values: Mapping[str, Any], hints: Mapping[str, Any], required: Collection[str]) -> None:
    for name, value in values.items():
        if name not in hints:
            where = f" in {path}" if path else ""
            raise InputError(f"there is no configuration key '{name}'{where}, {neighbours(str(name), hints)}")
        _check_value(f"{path}.{name}" if path else str(name), value, hints[name])
    for name in sorted(set(required) - set(values)):
        raise InputError(f"configuration key {f'{path}.{name}' if path else name} is missing")


def _check_value(path: str, value: Any, hint: Any) -> None:
    for kind in _alternatives(hint):  # look inside first: what is wrong there is the better sentence
        group = _group(kind)
        if isinstance(value, Mapping) and group is not None:
            check_fields(path, value, group)
            return
        if isinstance(value, Mapping | list | tuple) and _is_container(value, kind):
            within = typing.get_args(kind)[-1:] if isinstance(value, Mapping) else typing.get_args(kind)[:1]
            places = value.items() if isinstance(value, Mapping) else ((f"[{i}]", v) for i, v in enumerate(value))
            for name, inner in places if within else ():
                _check_value(f"{path}.{name}".replace(".[", "["), inner, within[0])
    if not fits(value, hint):
        raise InputError(f"expected {path} to be {_listed(_words(hint))} but got {_said(value)}")


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is what an annotation asks for; an annotation that is not of plain types takes any."""
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return any(_fits_one(value, kind) for kind in _alternatives(hint))


def _fits_one(value: Any, kind: Any) -> bool:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if _group(kind) is not None:
        return isinstance(value, Mapping)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in arguments)
    if origin is Annotated:
        return fits(value, arguments[0]) and all(value in one for one in arguments[1:] if isinstance(one, Range))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is bool:
        return isinstance(value, bool)
    if kind in {str, Path}:  # an empty word is most often a shell variable that is not set
        return isinstance(value, str) and value != ""
    if kind in {None, type(None)}:
        return value is None
    if _is_container(value, kind):
        inner = arguments[-1:] if isinstance(value, Mapping) else arguments[:1]
        return all(fits(v, inner[0]) for v in (value.values() if isinstance(value, Mapping) else value) if inner)
    return not _is_collection(kind)


def _alternatives(hint: Any) -> Iterator[Any]:
    if typing.get_origin(hint) in {Union, types.UnionType}:
        for kind in typing.get_args(hint):
            yield from _alternatives(kind)
    else:
        yield hint


def _group(kind: Any) -> type | None:
    """The dataclass that says which names and values a mapping holds, if any does."""
    marks = typing.get_args(kind)[1:] if typing.get_origin(kind) is Annotated else (kind,)
    return next((mark for mark in marks if isinstance(mark, type) and dataclasses.is_dataclass(mark)), None)


def _is_collection(kind: Any) -> bool:
    container = typing.get_origin(kind) or kind
    return isinstance(container, type) and issubclass(container, Collection)


def _is_container(value: Any, kind: Any) -> bool:
    """Whether a value is the mapping or list that an annotation asks for, whatever it holds."""
    if not _is_collection(kind):
        return False
    container = typing.get_origin(kind) or kind
    return isinstance(value, Mapping if issubclass(container, Mapping) else list | tuple)


def _said(value: Any) -> str:
    """A value as it is written in a configuration; nothing, where none is."""
    if isinstance(value, bool):
        return str(value).lower()
    return "nothing" if value is None or value == "" else repr(value)


def _listed(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _words(hint: Any) -> list[str]:
    """What would do, in words; what cannot be written in a configuration is left out."""
    plain = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}
    plain |= {type(None): "null"}
    words: list[str] = []
    for kind in _alternatives(hint):
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if _group(kind) is not None:
            words.append("a group of settings")
        elif origin is Literal:
            words += [str(value) for value in arguments]
        elif origin is Annotated:
            ranges = [str(one) for one in arguments[1:] if isinstance(one, Range)]
            words += [" ".join([word, *ranges]) for word in _words(arguments[0])]
        elif kind in plain:
            words.append(plain[kind])
        elif _is_collection(kind):
            words.append("names and values" if issubclass(origin or kind, Mapping) else "a list")
    return list(dict.fromkeys(words)) or ["something else"]
