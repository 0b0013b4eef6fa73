"""Repeating a run from its folder: what it was, what is different here, whether the repetition came out the same."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceimit.errors import InputError
from faceimit.tracking.clock import NAME as CLOCK
from faceimit.tracking.clock import read_clock
from faceimit.tracking.files import read_json, read_steps, write_text
from faceimit.tracking.runs import known_config

# a figure of the machine's speed, not of the training
SPEED = ("fit/seconds",)
BEST = Path("checkpoints", "best.ckpt")
ENVIRONMENT = {"folder": str, "commit": dict, "versions": dict, "hardware": dict}


@dataclass(frozen=True)
class Past:
    """A run to repeat.

    Attributes:
        folder: of the run.
        config: what it was trained with, the prolongation of a resumed run included.
        environment: of ``environment.json``.
        data: fingerprint by part, {} where it was not recorded.
        metrics: figures by name.
    """

    folder: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any]
    metrics: dict[str, float]

    @classmethod
    def read(cls, folder: Path) -> "Past":
        """Everything that is needed of a run folder.

        Raises:
            InputError: something is missing or broken, or the run is of another version.
        """
        config = known_config(folder)
        metrics = read_json(folder / "metrics.json")
        odd = [name for name, value in metrics.items() if not isinstance(value, int | float)]
        if odd:
            raise InputError(
                f"expected {odd[0]} in {folder / 'metrics.json'} to be a number but got {metrics[odd[0]]!r}"
            )
        read_steps(folder / "metrics.csv")
        environment = read_json(folder / "environment.json")
        _check_kinds(folder / "environment.json", environment, ENVIRONMENT)
        if environment.get("seed") != config["seed"]:
            raise InputError(
                f"run {folder} has seed {config['seed']} in config.yaml and {environment.get('seed')} in "
                "environment.json, so one of them is of another run: give a folder nobody has changed"
            )
        for resumed in sorted(folder.glob("environment-resumed-*.json")):
            changed = read_json(resumed)
            _check_kinds(resumed, changed, {"trainer": dict})
            config["trainer"] = changed.get("trainer", config["trainer"])
        known = folder / "data.json"
        data = read_json(known) if known.is_file() else {}
        _check_kinds(known, data, {"fingerprint": dict})
        data = data.get("fingerprint", {})
        _check_kinds(known, data, dict.fromkeys(data, dict))
        past = cls(folder, config, environment, data, metrics)
        past.check_clock()
        return past

    def check_clock(self) -> None:
        """Refuse the times of a part of the steps: the others would be trained by another clock, with other weights.

        Raises:
            InputError: ``clock.csv`` is damaged, or lacks steps.
        """
        known, steps = len(read_clock(self.folder / CLOCK)), int(self.metrics.get("fit/steps", 0))
        if self.timed and 0 < known < steps:
            raise InputError(
                f"{self.folder / CLOCK} has the times of {known} of {steps} steps, delete it: the times are taken anew"
            )

    @property
    def timed(self) -> bool:
        """Whether there was a time limit."""
        return self.config["trainer"].get("max_time") is not None

    def lost(self) -> list[str]:
        """What the folder does not hold any more, in words, where that leaves something unrepeated or uncompared."""
        found = []
        if self.timed and not read_clock(self.folder / CLOCK):
            found.append(f"the time at which each step began is not known, there is no {CLOCK}")
        best = self.folder / BEST
        if best.is_file() and weights(best) is None:
            found.append(f"{best} is damaged, its weights cannot be compared")
        return found

    def place(self) -> Path:
        """The folder that paths in the configuration count from."""
        started_in = Path(self.environment.get("folder", "."))
        return started_in if started_in.is_dir() else Path.cwd()

    def take_threads(self) -> None:
        """Compute with as many threads as the run did, as far as the machine has cores: sums hang on it."""
        import torch

        threads = self.environment.get("hardware", {}).get("threads")
        if isinstance(threads, int) and 1 <= threads <= (os.cpu_count() or 1):
            torch.set_num_threads(threads)

    @contextmanager
    def followed(self, folder: Path) -> Iterator[None]:
        """Leave in the folder of the repetition what it is to follow: the times at which each step began.

        Nothing stays there of a repetition that made no step.

        Raises:
            InputError: something is there, whose files the new run would replace or take for its own.
        """
        if folder.is_dir() and any(folder.iterdir()):
            what = "holds a run already" if (folder / "checkpoints").exists() else "is not empty"
            raise InputError(f"{folder} {what}, choose another folder with --out")
        if (self.folder / CLOCK).is_file():
            write_text(folder / CLOCK, (self.folder / CLOCK).read_text())
        try:
            yield
        except BaseException:
            if [path.name for path in folder.glob("*")] == [CLOCK]:
                shutil.rmtree(folder)
            raise


@dataclass(frozen=True)
class Verdict:
    """How a repetition came out.

    Attributes:
        notes: what was not as it was.
        rows: of :func:`compared`.
        step: the first with other losses; None: they are identical.
        weights: whether the best weights are the same to the bit; None: one of them is gone.
    """

    notes: list[str]
    rows: list[dict[str, Any]]
    step: int | None
    weights: bool | None

    @classmethod
    def of(cls, past: Past, folder: Path, notes: list[str]) -> "Verdict":
        """Of a run and its repetition in `folder`."""
        rows = compared(past.metrics, read_json(folder / "metrics.json"))
        step = first_difference(past.folder / "metrics.csv", folder / "metrics.csv")
        return cls(notes, rows, step, same_weights(past.folder, folder))

    @property
    def identical(self) -> bool:
        """Figures, losses and, where both are there, weights."""
        return self.step is None and self.weights is not False and all(row["delta"] == 0 for row in self.rows)

    def content(self) -> dict[str, Any]:
        """For a JSON file."""
        keys = {"identical": self.identical, "first_step_that_differs": self.step, "same_weights": self.weights}
        return keys | {"not_as_it_was": self.notes, "metrics": self.rows}


def show(verdict: Verdict) -> None:
    """The figures side by side on the terminal, and what they say."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for column in ("before", "now", "delta"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in verdict.rows:
        values = ("-" if row[name] is None else f"{row[name]:.6g}" for name in ("before", "now"))
        delta = "-" if row["delta"] is None else "0" if row["delta"] == 0 else f"{row['delta']:+.3g}"
        table.add_row(row["name"], *values, delta)
    console = Console(highlight=False)
    console.print(table)
    losses = "the same losses at every step" if verdict.step is None else f"other losses from step {verdict.step} on"
    weights = {None: "no weights to compare", True: "the same weights", False: "other weights"}[verdict.weights]
    console.print(f"{'identical' if verdict.identical else 'not identical'}: {losses}, {weights}", soft_wrap=True)


def differences(past: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What is not as it was, in words, of two records of :func:`faceimit.tracking.environment.environment`.

    Changes that were not committed count as different: they are not compared.
    """
    found = []
    before, now = past.get("commit", {}), here["commit"]
    if before.get("id") != now["id"]:
        found.append(f"commit {_short(before.get('id'))} then, {_short(now['id'])} now")
    if before.get("dirty") or now["dirty"]:
        when = " and ".join(word for word, at in (("then", before), ("now", now)) if at.get("dirty"))
        found.append(f"changes that were not committed, {when}")
    versions = past.get("versions", {})
    for name in sorted({*versions, *here["versions"]}):
        pair = versions.get(name), here["versions"].get(name)
        if pair[0] != pair[1] and None not in pair:
            found.append(f"{name} {pair[0]} then, {pair[1]} now")
    for name, value in past.get("hardware", {}).items():
        if here["hardware"].get(name) != value:
            found.append(f"{name} {value} then, {here['hardware'].get(name)} now")
    return found


def data_differences(past: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Parts of the data that are not what they were, of two fingerprints; nothing where one was not recorded."""
    if not past or not now:
        return []
    return [f"data {name}: {_items(past, name)} then, {_items(now, name)} now" for name in sorted({*past, *now})
            if past.get(name) != now.get(name)]  # fmt: skip


def first_difference(one: Path, other: Path) -> int | None:
    """The first step whose row differs between two ``metrics.csv``; None where all are the same.

    Raises:
        InputError: a file that is none.
    """
    rows, others = (
        {step: {name: text for name, text in row.items() if text} for step, row in read_steps(path).items()}
        for path in (one, other)
    )
    steps = sorted({*rows, *others})
    return next((step for step in steps if rows.get(step) != others.get(step)), None)


def compared(before: Mapping[str, float], now: Mapping[str, float]) -> list[dict[str, Any]]:
    """A row a figure: name, before, now, delta; the speed of the machine left out, None where one of them lacks it."""
    names = [name for name in sorted({*before, *now}) if name not in SPEED]
    return [{"name": name, **_pair(before.get(name), now.get(name))} for name in names]


def _pair(before: float | None, now: float | None) -> dict[str, float | None]:
    return {"before": before, "now": now, "delta": None if before is None or now is None else now - before}


def _items(data: Mapping[str, Any], name: str) -> str:
    about = data.get(name)
    return "nothing" if about is None else f"{about.get('items')} of them, digest {about.get('digest')}"


def _short(commit: str | None) -> str:
    return "unknown" if commit is None else str(commit)[:7]


def _check_kinds(path: Path, content: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    for name, kind in kinds.items():
        if not isinstance(content.get(name, kind()), kind):
            what = "a text" if kind is str else "names and values"
            raise InputError(f"expected {name} in {path} to be {what} but got {content[name]!r}, delete {name} there")


def same_weights(one: Path, other: Path) -> bool | None:
    """Whether two runs have the same best weights to the bit; None where one has no readable checkpoint any more."""
    import torch

    a, b = weights(one / BEST), weights(other / BEST)
    if a is None or b is None:
        return None
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def weights(path: Path) -> dict[str, Any] | None:
    """Of a checkpoint; None where it is missing or damaged."""
    from faceimit.tracking.checkpoints import read_checkpoint

    try:
        return read_checkpoint(path)["state_dict"]
    except InputError:
        return None
