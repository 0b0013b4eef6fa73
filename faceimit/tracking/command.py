"""From a command line to a checked configuration, and from what goes wrong to an exit code."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from faceimit.errors import InputError
from faceimit.tracking.runs import saved_config

Job = Callable[[dict[str, Any], Mapping[str, Any]], None]


def run_command(job: Job) -> int:
    """Run `job` with the configuration of ``sys.argv``: 0 done, 2 bad input (one sentence), 130 interrupted.

    ``hydra.verbose=true`` shows the traceback of bad input as well.
    """
    try:
        _run(job)
    except InputError as error:
        if "hydra.verbose=true" in [word.lower() for word in sys.argv[1:]]:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if not _is_interruption(error):
            raise
        print(error, file=sys.stderr)
        return 130
    return 0


def _is_interruption(error: Exception) -> bool:
    checkpoints = sys.modules.get("faceimit.tracking.checkpoints")  # which imports Lightning: not for a spelling error
    return checkpoints is not None and isinstance(error, checkpoints.Interrupted)


def _run(job: Job) -> None:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import DictConfig

    from faceimit.tracking.config import ROOT, changed_values, conf_dir, explained, plain, register_resolvers

    arguments = sys.argv[1:] = _with_choices(sys.argv[1:])
    overrides = [word for word in arguments if not word.startswith("-") and "=" in word]
    register_resolvers()
    failures: list[Exception] = []

    def work(config: DictConfig) -> None:
        try:
            content = plain(config)
            job(content, changed_values(content, overrides))
        except Exception as error:
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                raise
            failures.append(error)  # Hydra would announce it in words of its own

    # Hydra prints what it catches and exits with 1; told this, it raises, and the errors are ours to explain.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    command = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=ROOT)(work)
    with explained(overrides):
        command()
    if failures:
        raise failures[0]


def _with_choices(arguments: list[str]) -> list[str]:
    """Add the choices that depend on the machine or on the run to resume, where the user has made none."""
    given = dict(word.split("=", 1) for word in arguments if "=" in word)
    resume = given.get("resume")
    if {"--help", "-h"} & set(arguments):
        choices = {"experiment": "keyframe_multitask"}
    elif resume is None or resume == "null":
        choices = {"profile": _profile_here()} if "experiment" in given and "profile" not in given else {}
    else:
        saved = saved_config(Path(resume).expanduser())
        choices = {name: saved[name] for name in ("experiment", "profile")}
    return [*arguments, *(f"{name}={choice}" for name, choice in choices.items() if name not in given)]


def _profile_here() -> str:
    import torch

    return "gpu" if torch.cuda.is_available() else "cpu"
