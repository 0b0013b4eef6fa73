import sys

import numpy as np
import pytest

from faceimit.data.crop import CropBox
from faceimit.errors import InputError
from faceimit.face.controls import NEUTRAL
from faceimit.runtime import view as module
from faceimit.runtime.loop import Command, Decision, Observers
from faceimit.runtime.perception import Percept
from faceimit.runtime.sources import Picture
from faceimit.runtime.view import View

pytest.importorskip("rerun")


def shown(view, frames=6):
    """A short run: a face in every second picture, a keyframe, commands."""
    for t in range(frames):
        box = CropBox(30, 20, 16) if t % 2 else None
        percept = Percept(t, t / 10, t / 10, box, ((t, 0.5),), (t,) if t == 3 else ())
        picture = Picture(t, t / 10, np.full((48, 64, 3), 40 * t, np.uint8), t / 10)
        view.decided(Decision(percept, picture, None, 0.5 if t else float("nan")))
        view.commanded(Command(t / 10, NEUTRAL, NEUTRAL, NEUTRAL, None, False))


def test_a_file_to_look_at_later(tmp_path):
    view = View(live=False, file=tmp_path / "new" / "run.rrd")
    shown(view)
    view.close()
    content = (tmp_path / "new" / "run.rrd").read_bytes()
    assert content.startswith(b"RRF")
    assert len(content) > 10_000


@pytest.mark.skipif(sys.platform != "linux", reason="screens of X and Wayland")
def test_without_a_screen_it_says_so(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match=r"needs a screen.*--record"):
        View(live=True)


def test_a_viewer_that_does_not_start(monkeypatch):
    def spawn(**_):
        raise RuntimeError("no such program\nand many more lines")

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(module.rerun(), "spawn", spawn)
    with pytest.raises(InputError, match=r"does not start \(no such program\)"):
        View(live=True)


def test_a_viewer_that_was_closed_is_noted_and_holds_nobody_up(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(module.rerun(), "spawn", lambda **_: None)
    monkeypatch.setattr(module, "WAIT_S", 0.1)
    view = View(live=True)
    observers = Observers([view])
    shown(view)
    observers.tell("close")
    assert observers.notes[0].startswith("View stopped: ")
    assert "\n" not in observers.notes[0]
