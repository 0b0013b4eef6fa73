import argparse
import math
import subprocess
import sys
from pathlib import Path

import pytest

from faceimit.errors import InputError
from faceimit.tracking.cli import CommandParser, between, did_you_mean, run_command


def raising(error):
    def command(arguments):
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (InputError("a\nb"), 2, "error: a b\n"),
        (FileNotFoundError(2, "No such file or directory", "x.mp4"), 2, "error: x.mp4: no such file"),
        (OSError(28, "No space left on device"), 2, "error: no space left on device"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_failures_become_a_sentence_and_a_code(capsys, error, code, sentence):
    assert run_command(raising(error), []) == code
    err = capsys.readouterr().err
    assert err.startswith(sentence)
    assert err.count("\n") == 1


def test_success_is_zero_and_gets_the_arguments():
    seen: list[str] = []
    assert run_command(seen.extend, ["a", "b"]) == 0
    assert seen == ["a", "b"]


def test_debug_and_bugs_show_their_traceback():
    with pytest.raises(InputError):
        run_command(raising(InputError("a")), ["--debug"])
    with pytest.raises(ZeroDivisionError):
        run_command(raising(ZeroDivisionError()), [])


def test_a_closed_pipe_is_no_error():
    code = (
        "import sys; from faceimit.tracking.cli import run_command\n"
        "sys.exit(run_command(lambda _: print('x\\n' * 100000), []))"
    )
    shell = f'{sys.executable} -c "{code}" | head -1; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "x\n", "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error_and_no_file_takes_their_place(tmp_path, closed):
    code = (
        "import sys; from faceimit.tracking.cli import run_command\n"
        "def command(_):\n"
        "    with open(sys.argv[1], 'w') as file: print('said'); file.write('kept')\n"
        "sys.exit(run_command(command))"
    )
    shell = f'{sys.executable} -c "{code}" {tmp_path / "file"} {closed}'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize(
    ("kind", "low", "high", "right", "wrong"),
    [(int, 1, 100, "100", ["0", "101", "1.5", "x", "nan"]), (float, 0, math.inf, "0.5", ["-1", "nan", "inf", ""])],
)
def test_numbers_of_options_have_a_range(kind, low, high, right, wrong):
    read = between(kind, low, high)
    assert read(right) == kind(right)
    for text in wrong:
        with pytest.raises(argparse.ArgumentTypeError, match="but got"):
            read(text)


def test_neighbours():
    assert did_you_mean("dist", ["dis", "histogram"]) == " (did you mean dis?)"
    assert did_you_mean("zzz", ["dis", "histogram"]) == ""


def test_misspelt_options_and_missing_arguments():
    parser = CommandParser("It does.", "  it --that", prog="it")
    parser.add_argument("--that")
    with pytest.raises(InputError, match=r"unknown option --thta \(did you mean --that\?\); see it --help"):
        parser.parse_args(["--thta", "1"])
    with pytest.raises(InputError, match="expected one argument"):
        parser.parse_args(["--that"])


@pytest.mark.parametrize("text", ["", " "])
def test_a_path_has_a_name(text):
    parser = CommandParser("It does.", "  it --that", prog="it")
    parser.add_argument("video", type=Path)
    with pytest.raises(InputError, match="expected the name of a file or folder but got an empty one"):
        parser.parse_args([text])
    assert parser.parse_args(["a b"]).video == Path("a b")


def test_the_example_is_in_the_help(capsys):
    with pytest.raises(SystemExit) as caught:
        CommandParser("It does.", "  it --that", prog="it").parse_args(["--help"])
    assert caught.value.code == 0
    assert "example:\n  it --that" in capsys.readouterr().out
