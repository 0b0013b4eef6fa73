"""The clock of a time limit: it stands still in a step, is written down, and goes by what is written."""

import pytest

from faceimit.errors import InputError
from faceimit.tracking.clock import NAME, Clock, read_clock


class Trainer:
    """As much of one as the clock asks for."""

    is_global_zero = True
    should_stop = False

    def __init__(self):
        self.fit_loop = self.epoch_loop = self.batch_progress = self.total = self
        self.strategy = self.epoch_progress = self.current = self
        self.ready = self.started = self.processed = 0

    def broadcast(self, value):
        return value

    def step(self, clock):
        self.ready += 1
        clock.on_train_batch_start(self, None, None, 0)
        return clock.time_elapsed()


def ticking(monkeypatch, step=1.0):
    times = iter(range(10_000))
    monkeypatch.setattr("pytorch_lightning.callbacks.timer.time.monotonic", lambda: step * next(times))


def test_time_is_written_down_and_repeated(tmp_path, monkeypatch):
    ticking(monkeypatch)
    clock, trainer = Clock("00:00:01:00", tmp_path / NAME), Trainer()
    clock.on_train_start(trainer, None)
    seconds = [trainer.step(clock) for _ in range(3)]
    assert seconds == sorted(set(seconds))
    assert clock.time_elapsed() == clock.time_elapsed() == seconds[-1]
    assert clock.time_remaining() == 60 - seconds[-1]
    clock.on_save_checkpoint(trainer, None, {})
    assert read_clock(tmp_path / NAME) == seconds

    ticking(monkeypatch, step=0.001)  # a faster machine
    again, trainer = Clock("00:00:01:00", tmp_path / NAME), Trainer()
    again.on_train_start(trainer, None)
    assert [trainer.step(again) for _ in range(3)] == seconds
    assert seconds[-1] < trainer.step(again) < seconds[-1] + 1  # and from there on with the real time


def test_a_resumed_run_goes_on_with_the_time_of_its_checkpoint(tmp_path, monkeypatch):
    ticking(monkeypatch)
    first, trainer = Clock("00:00:01:00", tmp_path / NAME), Trainer()
    first.on_train_start(trainer, None)
    trainer.step(first)
    trainer.step(first)
    state = first.state_dict()
    second = Clock("00:00:01:00", tmp_path / NAME)
    second.load_state_dict(state)
    second.on_train_start(trainer, None)
    assert trainer.step(second) > state["time_elapsed"]["train"]


def test_steps_before_there_was_a_limit_took_none_of_its_time(tmp_path, monkeypatch):
    ticking(monkeypatch)
    clock, trainer = Clock("00:00:01:00", tmp_path / NAME), Trainer()
    trainer.ready = 2  # steps of the run that is resumed
    clock.on_train_start(trainer, None)
    seconds = [trainer.step(clock) for _ in range(2)]
    clock.on_save_checkpoint(trainer, None, {})
    assert read_clock(tmp_path / NAME) == [0.0, 0.0, *seconds]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is cut short or holds no times of a run, delete it"),
        ("\0\x89PNG", "is cut short or holds no times of a run, delete it"),
        ("step,seconds\n0,0.5\n1,1.2", "is cut short or holds no times of a run, delete it"),
        ("step,seconds\n0,soon\n", "line 2 of .* is not the time of step 0 but '0,soon', delete it"),
        ("step,seconds\n0,0.5\n2,1.5\n", "line 3 of .* is not the time of step 1 but '2,1.5', delete it"),
        ("step,seconds\n0,0.5\n\n", "line 3 of .* is not the time of step 1 but '', delete it"),
        ("step,seconds\n0,nan\n", "line 2 of .* is not the time of step 0"),
        ("step,seconds\n0,-1.0\n", "line 2 of .* is not the time of step 0"),
    ],
)
def test_something_else_is_refused(tmp_path, text, sentence):
    assert read_clock(tmp_path / NAME) == []
    (tmp_path / NAME).write_text(text)
    with pytest.raises(InputError, match=sentence):
        Clock("00:00:01:00", tmp_path / NAME)
