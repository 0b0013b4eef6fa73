"""From a command line to a checked configuration, and from what goes wrong to an exit code."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from faceimit.errors import InputError

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
    from omegaconf import DictConfig

    from faceimit.tracking.config import ROOT, changed_values, conf_dir, explained, plain, register_resolvers

    arguments = sys.argv[1:] = _with_saved_choices(sys.argv[1:])
    overrides = [word for word in arguments if not word.startswith("-") and "=" in word]
    register_resolvers()

    def work(config: DictConfig) -> None:
        content = plain(config)
        job(content, changed_values(content, overrides))

    # Hydra prints what it catches and exits with 1; told this, it raises, and the errors are ours to explain.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    command = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=ROOT)(work)
    with explained(overrides):
        command()


def _with_saved_choices(arguments: list[str]) -> list[str]:
    """``resume=RUN`` alone continues RUN: its experiment and profile are added where they are not given."""
    from faceimit.tracking.runs import saved_config

    given = dict(word.split("=", 1) for word in arguments if "=" in word)
    if given.get("resume") in {None, "null"}:
        return arguments
    saved = saved_config(Path(given["resume"]).expanduser())
    return [*arguments, *(f"{name}={saved[name]}" for name in ("experiment", "profile") if name not in given)]
