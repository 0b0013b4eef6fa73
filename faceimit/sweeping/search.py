"""What to try next: W&B's grid in W&B's order, random draws, or Optuna's tree-structured Parzen estimator for bayes.

Optuna, because it is kept up with today's numpy and Python, has no server, and lets itself be asked and told. W&B's own
engine (the package sweeps) wants numpy below 2; hydra-optuna-sweeper wants Optuna 2.10, runs only whole batches, and
knows nothing of sweep files. Its storages are left aside: a study is made anew from the trials' folders each time, as
its journal cannot be read after a kill in the middle of a line, and a second truth beside the folders could disagree.

Every trial has a seed of its own from the sweep's, so a sweep that was killed goes on as if it had not been.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from faceimit.sweeping.history import read_history
from faceimit.sweeping.sweepfile import Sweep
from faceimit.sweeping.trials import Trial

if TYPE_CHECKING:
    from optuna import Study

DRAWS = 200  # tries to find something new before a search space counts as exhausted
Choice = tuple[dict[str, Any], dict[str, Any]]  # chosen on the optimiser's axes, and the values


def size(sweep: Sweep) -> int | None:
    """Number of trials of a grid; None where there is no end."""
    return len(grid(sweep)) if sweep.method == "grid" else None


def grid(sweep: Sweep) -> list[dict[str, Any]]:
    """Every combination as W&B lists it: parameters by name, the last one changing fastest, repeated values once."""
    names = [each.name for each in sweep.parameters]
    axes = [{_identity(value): value for value in each.grid()}.values() for each in sweep.parameters]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*axes)]


def next_choice(sweep: Sweep, trials: Sequence[Trial], seed: int) -> Choice | None:
    """What the next trial tries; None when there is nothing left that has not been tried.

    Args:
        sweep: the sweep file.
        trials: all trials so far, those that still run too.
        seed: of the sweep.
    """
    tried = {_identity(trial.values) for trial in trials}
    if sweep.method == "grid":
        left = (point for point in grid(sweep) if _identity(point) not in tried)
        point = next(left, None)
        return None if point is None else ({}, point)
    study = _study(sweep, trials)
    for draw in range(DRAWS):
        study.sampler = _sampler(sweep, seed, len(trials), draw)
        chosen = study.ask({each.name: each.axis() for each in sweep.varying}).params
        values = {each.name: each.value(chosen.get(each.name)) for each in sweep.parameters}
        if _identity(values) not in tried:
            return chosen, values
    return None


def _study(sweep: Sweep, trials: Sequence[Trial]) -> "Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize" if sweep.maximize else "minimize")
    axes = {each.name: each.axis() for each in sweep.varying}
    states = {"complete": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL", "waiting": "RUNNING"}
    for trial in trials:
        state, value = states[trial.state], trial.figure(sweep.metric, sweep.maximize)
        if value is None and state in {"COMPLETE", "PRUNED"}:
            state = "FAIL"
        steps = dict(enumerate(read_history(trial.folder))) if state == "PRUNED" else None
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState[state],
                value=value if state in {"COMPLETE", "PRUNED"} else None,
                params=dict(trial.chosen),
                distributions=axes,
                intermediate_values=steps,
            )
        )
    return study


def _sampler(sweep: Sweep, seed: int, number: int, draw: int) -> Any:
    import numpy as np
    from optuna.samplers import RandomSampler, TPESampler

    own = int(np.random.SeedSequence([seed, number, draw]).generate_state(1)[0])
    return TPESampler(seed=own) if sweep.method == "bayes" and draw < DRAWS // 2 else RandomSampler(seed=own)


def _identity(value: Any) -> str:
    """The same for values that W&B takes as the same: 2 and 2.0 are."""
    if isinstance(value, Mapping):
        return json.dumps({name: _identity(each) for name, each in value.items()}, sort_keys=True)
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value, default=str)
