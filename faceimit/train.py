"""Train a task: fit, then test on the best checkpoint.

python -m faceimit.train experiment=keyframe_multitask profile=tiny
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceimit.tracking.command import run_configured


def train(config: dict[str, Any], changed: Mapping[str, Any] | None = None) -> Path:
    """Fit, test on the best checkpoint, leave everything in a run folder.

    Args:
        config: plain, composed configuration (:func:`faceimit.tracking.config.composed`).
        changed: what the user set on the command line, for a resumed run to agree with.

    Returns:
        The run folder: checkpoints/{best,last}.ckpt, metrics.json, metrics.csv, config.yaml, environment.json and
        data.json.

    Raises:
        InputError: a configuration that cannot be trained, or a loss that is no number; of a training that made no step
            nothing is left.
        Interrupted: Ctrl-C or SIGTERM; the last checkpoint is saved.
    """
    from pytorch_lightning import seed_everything

    from faceimit.tracking import assembly
    from faceimit.tracking.environment import environment
    from faceimit.tracking.occupation import occupied
    from faceimit.tracking.processes import ending_together
    from faceimit.tracking.replay import replayable
    from faceimit.tracking.runs import open_run
    from faceimit.tracking.schema import build, check
    from faceimit.tracking.stopping import handlers_kept

    check(config)
    run = open_run(config, changed)
    config = run.config
    with occupied(run):
        seed_everything(config["seed"], workers=True, verbose=False)
        data = build(config["data"])
        task = build(config["task"])
        callbacks = assembly.callbacks(run)
        assembly.check_trainer(config["trainer"])
        assembly.check_last(run, task)
        run.record(environment(config["seed"]))
        loggers = assembly.loggers(run)
        trainer = assembly.trainer(run, callbacks, loggers)

        started = time.monotonic()
        with handlers_kept(), ending_together(trainer):
            trainer.fit(task, replayable(data, trainer, config["seed"]), ckpt_path=run.last)
            assembly.say_if_done(run, trainer)
            metrics = dict(trainer.callback_metrics) | {"fit/seconds": time.monotonic() - started}
            if config["test"]:
                tested = trainer.test(task, datamodule=data, ckpt_path=run.best, verbose=False)
                metrics |= tested[0] if tested else {}  # nothing, where trainer.limit_test_batches is 0
        assembly.finish(run, metrics | {"fit/steps": trainer.global_step}, loggers)
    return run.folder


def main() -> int:
    """Compose the configuration from the command line and train."""
    return run_configured(_train_and_tell)


def _train_and_tell(config: dict[str, Any], changed: Mapping[str, Any]) -> None:
    folder = train(config, changed)
    from faceimit.tracking.processes import is_first

    if is_first():
        print(folder)


if __name__ == "__main__":
    sys.exit(main())
