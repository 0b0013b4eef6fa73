"""SIGTERM ends a command as Ctrl-C does: what it holds is given back, and its exit code says so."""

import os
import signal
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest

from faceimit.tracking.cli import run_command
from faceimit.tracking.stopping import Requests, Terminated, terminable, undisturbed


def test_sigterm_unwinds_a_command_once_and_is_its_exit_code(tmp_path, capsys):
    unfinished = tmp_path / "unfinished"

    def command(_):
        unfinished.touch()
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # timeout(1) sends it twice
            unfinished.unlink()

    assert run_command(command, []) == 143
    assert capsys.readouterr().err == "terminated\n"
    assert not unfinished.exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_library_that_makes_ctrl_c_of_it_does_not_hide_it():
    def command(_):
        try:
            signal.raise_signal(signal.SIGTERM)
        except Terminated as error:
            raise KeyboardInterrupt from error

    assert run_command(command, []) == 143


def test_whoever_handles_or_ignores_sigterm_goes_on_doing_so():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with terminable():
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_a_command_in_another_thread_leaves_signals_alone():
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run_command(lambda _: None, [])))
    thread.start()
    thread.join()
    assert codes == [0]


def test_a_process_that_fork_made_dies_of_sigterm_as_ever():
    with terminable():
        child = os.fork()
        if not child:
            time.sleep(20)
            os._exit(0)
        time.sleep(0.2)  # what comes in the midst of fork is lost
        os.kill(child, signal.SIGTERM)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_request_is_noted_then_obeyed(number, raised, capsys):
    with terminable():
        requests = Requests()
        requests.listen(signal.getsignal(signal.SIGTERM))
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGTERM)
        assert requests.asked == number
        assert capsys.readouterr().err.count("stopping after this step") == 1
        requests.restore()
        with pytest.raises(raised):
            signal.raise_signal(number)


def test_a_process_that_loads_data_outlives_what_ends_its_group_but_not_its_parent():
    child = os.fork()
    if not child:
        loader = SimpleNamespace(worker_init_fn=None)
        undisturbed(loader)
        undisturbed(loader)
        loader.worker_init_fn(0)
        time.sleep(20)
        os._exit(1)
    time.sleep(0.3)
    for number in (signal.SIGTERM, signal.SIGINT):
        subprocess.run(["kill", f"-{int(number)}", str(child)], check=True)  # which is not the parent
    time.sleep(0.3)
    assert os.waitpid(child, os.WNOHANG) == (0, 0)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
