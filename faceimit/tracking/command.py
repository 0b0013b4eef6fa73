"""From a command line to a checked configuration, and from what goes wrong to an exit code."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from faceimit.tracking.cli import run_command
from faceimit.tracking.processes import is_first
from faceimit.tracking.runs import known_config
from faceimit.tracking.stopping import Terminated

Job = Callable[[dict[str, Any], Mapping[str, Any]], None]


def run_configured(job: Job, root: str = "train") -> int:
    """Run `job` with the configuration of ``sys.argv``: 0 done, 2 bad input (one sentence), 130 Ctrl-C, 143 SIGTERM.

    `root` is the configuration to compose: ``conf/<root>.yaml``.

    ``hydra.verbose=true`` shows the traceback of bad input as well.
    """
    arguments = sys.argv[1:]
    verbose = "hydra.verbose=true" in [word.lower() for word in arguments]
    return run_command(lambda _: _run(job, root), ["--debug"] if verbose else [])


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Training stopped on Ctrl-C or SIGTERM says how to go on, and is a KeyboardInterrupt from here on."""
    try:
        yield
    except Exception as error:
        checkpoints = sys.modules.get("faceimit.tracking.checkpoints")  # imports Lightning: not for a spelling error
        if checkpoints is None or not isinstance(error, checkpoints.Interrupted):
            raise
        if is_first():
            print(error, file=sys.stderr)
        raise (Terminated if error.number == signal.SIGTERM else KeyboardInterrupt) from error
    except SystemExit as error:  # Lightning's answer to a KeyboardInterrupt that nobody has taken
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise


def _run(job: Job, root: str) -> None:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import DictConfig

    from faceimit.tracking.config import (
        changed_values,
        check_flags,
        conf_dir,
        explained,
        path_quoted,
        plain,
        register_resolvers,
    )

    overrides = [word for word in sys.argv[1:] if word.startswith("~") or ("=" in word and not word.startswith("-"))]
    flags = [word for word in sys.argv[1:] if word not in overrides]
    check_flags(flags, overrides, root)
    if not {"--multirun", "-m"} & set(flags):  # there a comma lists the values of a sweep
        overrides = [path_quoted(word) for word in overrides]
    if root == "train":
        overrides = _with_choices(overrides, flags)
    sys.argv[1:] = [*flags, *overrides]  # Hydra's parser does not take overrides on both sides of a flag
    register_resolvers()
    failures: list[Exception] = []

    def work(config: DictConfig) -> None:
        try:
            content = plain(config, root)
            with interruptible():  # a KeyboardInterrupt ends a multirun as well
                job(content, changed_values(content, overrides))
        except Exception as error:
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                raise
            failures.append(error)  # Hydra would announce it in words of its own

    # Hydra prints what it catches and exits with 1; told this, it raises, and the errors are ours to explain.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    command = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=root)(work)
    with explained(overrides, root):
        command()
    if failures:
        raise failures[0]


def _with_choices(overrides: list[str], flags: list[str]) -> list[str]:
    """Add the choices that depend on the machine or on the run to resume, where the user has made none."""
    from faceimit.tracking.config import unquoted

    given = dict(word.split("=", 1) for word in overrides if "=" in word)
    resume = unquoted(given["resume"]) if "resume" in given else None
    if {"--help", "-h"} & set(flags):
        choices = {"experiment": "keyframe_multitask"}
    elif resume is None or resume == "null":
        choices = {"profile": _profile_here()} if "experiment" in given and "profile" not in given else {}
    else:
        saved = known_config(Path(resume).expanduser())
        choices = {name: saved[name] for name in ("experiment", "profile")}
    return [*overrides, *(f"{name}={choice}" for name, choice in choices.items() if name not in given)]


def _profile_here() -> str:
    import torch

    return "gpu" if torch.cuda.is_available() else "cpu"
