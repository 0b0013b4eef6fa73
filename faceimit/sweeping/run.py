"""The loop of a sweep: unfinished trials first, then new ones, until there are enough."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from faceimit.errors import InputError
from faceimit.sweeping.launch import Attempt, Launcher
from faceimit.sweeping.ranking import DONE
from faceimit.sweeping.search import next_choice, size
from faceimit.sweeping.sweepfile import Sweep, merged
from faceimit.sweeping.trials import SweepFolder, Trial

PATIENCE = 3  # trials that fail one after the other at the very start end a sweep, as W&B's agent does
POLL_S = 0.2


def number_of_trials(sweep: Sweep, count: int | None) -> int:
    """How many trials the sweep is to have in all.

    Raises:
        InputError: nobody has said.
    """
    ends = [number for number in (count, sweep.run_cap, size(sweep)) if number is not None]
    if not ends:
        raise InputError(f"{sweep.path} ({sweep.method}) has no end of its own, say how many trials with --count N")
    return min(ends)


def run_sweep(
    sweep: Sweep,
    folder: SweepFolder,
    launcher: Launcher,
    total: int,
    seed: int,
    more: Sequence[str] = (),
    say: Callable[[Trial, int], None] | None = None,
) -> list[Trial]:
    """Run trials until there are `total`, those of earlier calls counted.

    Args:
        sweep: a checked sweep file.
        folder: of the sweep, opened.
        launcher: where trials run.
        total: number of trials.
        seed: of the search.
        more: overrides of every trial besides the file's.
        say: told of each trial that has ended, and how many are left.

    Returns:
        All trials by number.

    Raises:
        InputError: the first trials all failed.
    """
    fixed = merged(sweep.fixed, more)
    source = _to_run(sweep, folder, total, seed, fixed)
    running: list[Attempt] = []
    try:
        while True:
            while len(running) < launcher.slots and (trials := _take(source, launcher.batch)):
                running.append(launcher.start(trials))
            if not running:
                return folder.trials()
            ended = [attempt for attempt in running if attempt.poll()]
            running = [attempt for attempt in running if attempt not in ended]
            for trial in (trial for attempt in ended for trial in attempt.trials):
                trials = folder.trials()
                if say is not None:
                    say(trial, total - sum(each.state != "waiting" for each in trials))
                _give_up(trials, trial)
            time.sleep(POLL_S)
    finally:
        for attempt in running:
            attempt.interrupt()
        for attempt in running:
            attempt.join()


def _to_run(sweep: Sweep, folder: SweepFolder, total: int, seed: int, fixed: list[str]) -> Iterator[Trial]:
    """Unfinished trials, then new ones, each chosen when there is room for it."""
    yield from [trial for trial in folder.trials() if trial.state == "waiting"]
    while len(trials := folder.trials()) < total:
        choice = next_choice(sweep, trials, seed)
        if choice is None:
            return
        yield folder.add(sweep, fixed, *choice)


def _take(source: Iterator[Trial], number: int) -> list[Trial]:
    return [trial for _, trial in zip(range(number), source, strict=False)]


def _give_up(trials: Sequence[Trial], last: Trial) -> None:
    failed = [trial for trial in trials if trial.state == "failed"]
    if len(failed) >= PATIENCE and not any(trial.state in DONE for trial in trials):
        raise InputError(f"the first {len(failed)} trials failed: {last.reason}; its log is {last.folder / 'log.txt'}")


@contextmanager
def progress(sweep: Sweep, total: int, done: int) -> Iterator[Callable[[Trial, int], None]]:
    """A bar on stderr and a line for each trial that has ended."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(sweep.name, total=total, completed=done)

        def say(trial: Trial, left: int) -> None:
            line = line_of(sweep, trial)
            bar.update(task, completed=total - left)
            if bar.console.is_terminal:
                bar.console.print(line, markup=False, highlight=False)
            else:
                print(line, file=sys.stderr, flush=True)

        yield say


def line_of(sweep: Sweep, trial: Trial) -> str:
    """What became of a trial, in a line."""
    state, value = trial.state, trial.figure(sweep.metric, sweep.maximize)
    settings = " ".join(f"{each.name}={trial.values[each.name]}" for each in sweep.varying)
    figure = f"  {sweep.metric} {value:.4g}" if value is not None and state in DONE else ""
    why = f"  {trial.reason}" if state == "failed" else ""
    word = {"waiting": "interrupted"}.get(state, state)
    return f"trial {trial.number}  {word}{figure}{why}  {settings}"
