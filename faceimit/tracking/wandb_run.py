"""Weights & Biases: offline unless an account is named, and never a reason for a run to wait, or to fail later."""

import contextlib
import netrc
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from faceimit.errors import InputError

MODES = ("online", "offline", "disabled", "shared")
INIT_S = 30.0  # the server has so long to answer at all
FINISH_S = 60.0  # and so long to take what is left at the end
AGENT = ("WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH")
# what makes a run repeatable, kept with its best checkpoint
FILES = ("config.yaml", "environment.json", "diff.patch", "data.json", "metrics.json", "clock.csv")
AXIS = "trainer/global_step"


def wandb_logger(folder: Path, run_id: str, project: str = "faceimit", name: str | None = None) -> Logger | None:
    """A run of Weights & Biases in the run folder; where the server does not answer in time, an offline one.

    Args:
        folder: the run folder.
        run_id: of a new run; a resumed one keeps its own, and a sweep names its runs itself.
        project: W&B project, unless a sweep has one.
        name: shown in W&B, default the run folder's.

    Returns:
        The logger, or None in all training processes but the first.

    Raises:
        InputError: online was asked for, but there is no key, or the server refuses it.
    """
    if rank_zero_only.rank:
        return None
    # it reports to its makers at exit, and where the server is silent the exit waits for that
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    mode = chosen_mode()
    if mode in {"online", "shared"} and not _has_key():
        asker = "wandb agent" if _agent() else f"WANDB_MODE={mode}"
        raise InputError(f"{asker} needs a key, set WANDB_API_KEY or WANDB_MODE=offline to send the run later")
    settings: dict[str, Any] = {
        "project": project,
        "name": name or folder.name,
        "id": os.environ.get("WANDB_RUN_ID") or known_id(folder) or run_id,
        "dir": folder,
    }
    run = _online(settings, mode) if mode in {"online", "shared"} else _started(settings, mode)
    run.define_metric(AXIS)
    run.define_metric("*", step_metric=AXIS, step_sync=True)
    return WandbLogger(experiment=run)


def chosen_mode() -> Any:
    """What WANDB_MODE says; without it online where WANDB_API_KEY or an agent names an account, else offline."""
    mode = os.environ.get("WANDB_MODE", "")
    if not mode:
        return "online" if os.environ.get("WANDB_API_KEY") or _agent() else "offline"
    if mode not in (*MODES, "dryrun", "run"):
        raise InputError(f"expected WANDB_MODE to be one of {', '.join(MODES)} but got {mode}")
    return {"dryrun": "offline", "run": "online"}.get(mode, mode)


def known_id(folder: Path) -> str | None:
    """The id that W&B knows a run folder by already."""
    found = sorted((folder / "wandb").glob("*run-*-*"), key=lambda path: path.name.split("run-", 1)[1])
    return found[-1].name.rsplit("-", 1)[1] if found else None


def _agent() -> bool:
    return any(os.environ.get(name) for name in AGENT)


def _has_key() -> bool:
    """Whether there is one, in the environment or of an earlier ``wandb login``; neither user nor server is asked."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    places = (Path(os.environ.get("NETRC", "~/.netrc")), Path("~/_netrc"))
    for path in (place.expanduser() for place in places):
        with contextlib.suppress(OSError, netrc.NetrcParseError):
            if netrc.netrc(path).authenticators(host):
                return True
    return False


def _started(settings: Mapping[str, Any], mode: Any) -> Any:
    import wandb

    limits = {"init_timeout": _seconds("WANDB_INIT_TIMEOUT", INIT_S), "finish_timeout": FINISH_S}
    own = wandb.Settings(silent=True, console="off", finish_timeout_raises=True, **limits)
    return wandb.init(**settings, mode=mode, resume="allow" if mode == "online" else None, settings=own)


def _online(settings: Mapping[str, Any], mode: Any) -> Any:
    import wandb
    from wandb import errors

    try:
        return _started(settings, mode)
    except (errors.AuthenticationError, errors.UsageError) as error:
        raise InputError(f"W&B refuses the run ({error}), check WANDB_API_KEY or set WANDB_MODE=offline") from error
    except errors.CommError as error:
        reason = str(error).splitlines()[0]
        print(f"W&B cannot be reached, the run is kept offline ({reason})", file=sys.stderr)
        wandb.teardown(0)  # the run's id is taken as long as the failed attempt is remembered
        return _started(settings, "offline")


def _seconds(name: str, default: float) -> float:
    value = os.environ.get(name, "")
    try:
        return float(value or default)
    except ValueError as error:
        raise InputError(f"expected {name} to be a number of seconds but got {value}") from error


def keep_best(run: Any, folder: Path, checkpoint: Path, metrics: Mapping[str, float]) -> None:
    """The best checkpoint as an artifact, with what it takes to repeat the run, and the figures as its summary."""
    import wandb

    artifact = wandb.Artifact(f"{run.id}-best", type="model", metadata=dict(metrics))
    for path in (checkpoint, *(folder / name for name in FILES)):
        if path.is_file():
            # immutable: referred to where it lies instead of copied to a staging folder in the user's home
            artifact.add_file(str(path), policy="immutable", skip_cache=True)
    run.log_artifact(artifact, aliases=["best"])
    run.summary.update(dict(metrics))


def finish(run: Any) -> None:
    """Close a run within :data:`FINISH_S`; say how to send what the server has not got."""
    folder, offline = run.settings.sync_dir, run.offline
    try:
        run.finish()
    except TimeoutError:
        print(f"W&B did not take everything in time; send the rest with {sync_command(folder)}", file=sys.stderr)
    else:
        if offline:
            print(f"W&B kept the run offline; send it with {sync_command(folder)}", file=sys.stderr)


def abandon() -> None:
    """Close a run that came to nothing, before its folder goes."""
    import wandb

    if wandb.run is not None:
        with contextlib.suppress(TimeoutError):
            wandb.run.finish(exit_code=1)


def sync_command(folder: str | Path) -> str:
    """What sends an offline run."""
    return f"wandb sync {shlex.quote(str(folder))}"
