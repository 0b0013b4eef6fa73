"""What the commands without Hydra share: a parser that answers in one sentence, and exit codes.

0 done, 2 bad input (one sentence on stderr), 130 Ctrl-C, 143 SIGTERM. ``--debug`` shows the traceback of bad input.
"""

import argparse
import contextlib
import difflib
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from faceimit.errors import InputError, remedy
from faceimit.tracking.memory import keep_freed_memory
from faceimit.tracking.outputs import SCREEN
from faceimit.tracking.stopping import Terminated, terminable


class CommandParser(argparse.ArgumentParser):
    """Arguments of a command; what is wrong with them is an InputError of one sentence, a misspelt option names its
    neighbours, and ``--help`` keeps the lines of description and example as they are written.
    """

    def __init__(self, description: str, example: str, **options: object) -> None:
        super().__init__(
            description=description,
            epilog=f"example:\n{example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **options,  # type: ignore[arg-type]
        )
        self.register("type", Path, _path)
        self.add_argument("--debug", action="store_true", help="show the traceback of an error")

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{self._with_neighbours(message)}; see {self.prog} --help")

    def _with_neighbours(self, message: str) -> str:
        match = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        if not match:
            return message
        return f"unknown option {match[1]}{did_you_mean(match[1], self._option_string_actions)}"


def between(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], float]:
    """Reads the value of an option that is a whole (``int``) or any (``float``) number from `low` to `high`."""
    what = "a whole number" if kind is int else "a number"
    ends = f"of {low:g} or more" if math.isinf(high) else f"from {low:g} to {high:g}"

    def read(text: str) -> float:
        try:
            value: float = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high or math.isinf(value):
            raise argparse.ArgumentTypeError(f"expected {what} {ends} but got {text}")
        return value

    return read


def clip_count(text: str) -> int:
    """The value of an option that says how many clips."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of clips, at least 1, but got {text}")
    return int(text)


def _path(text: str) -> Path:
    if not text.strip():  # an unset variable of the shell; Path("") would be the current folder
        raise argparse.ArgumentTypeError("expected the name of a file or folder but got an empty one")
    return Path(text)


def did_you_mean(name: str, valid: Sequence[str] | dict) -> str:
    """`` (did you mean X?)`` for the valid name nearest to a misspelt one, or nothing."""
    near = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f" (did you mean {near[0]}?)" if near else ""


def run_command(command: Callable[[Sequence[str]], None], arguments: Sequence[str] | None = None) -> int:
    """Run a command with its arguments (``sys.argv[1:]`` by default) and return its exit code.

    A file that cannot be read or written (missing, no permission, disk full) counts as bad input.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    _open_closed_streams()
    keep_freed_memory()
    # an output that goes to the standard output stands there alone, and what is said besides goes to the other
    alone = any(word.endswith(str(SCREEN)) for word in arguments)
    try:
        with terminable(), contextlib.redirect_stdout(sys.stderr) if alone else contextlib.nullcontext():
            command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough (| head); Python would complain again when it closes the stream.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    except (InputError, OSError) as error:
        if "--debug" in arguments:
            raise
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 2
    except Terminated:
        print("terminated", file=sys.stderr)
        return 143
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _open_closed_streams() -> None:
    """Give streams that the shell closed (``>&-``) somewhere to go, before a file that is opened takes their place."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror.lower()}; {remedy(error)}"
    return " ".join(str(error).split())
