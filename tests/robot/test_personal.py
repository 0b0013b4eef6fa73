import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.face.controls import INDEX, PARTS, SPAN
from faceimit.robot.personal import LEAST, PersonalNeutral, bias
from faceimit.robot.profile import load_profile

PROFILE = load_profile("ameca")
FACE = np.array([i for part in ("brow", "jaw", "lip", "nose", "eyelid") for i in PARTS[part]])


def person(seed=0):
    """What a mapping reads from a person's face at rest."""
    return PROFILE.clip(PROFILE.neutral + 0.15 * SPAN * np.random.default_rng(seed).uniform(-1, 1, 30))


def calibrated(seconds=1.0, noise=0.0, blinks=0):
    personal, random = PersonalNeutral(PROFILE, seconds), np.random.default_rng(1)
    for t in range(round(30 * seconds) + 1):
        reading = person() + noise * SPAN * random.normal(size=30)
        if t < blinks:
            reading[list(PARTS["eyelid"])] -= 0.5
        shown = personal.push(reading, t / 30)
        assert (shown == PROFILE.neutral).all()
    return personal


def test_a_face_at_rest_is_the_robots_neutral():
    personal = calibrated()
    assert personal.readings == 31
    shown = personal.push(person(), 2.0)
    assert shown[FACE] == pytest.approx(PROFILE.neutral[FACE])


def test_changes_are_shown_as_they_are_and_stay_in_range():
    personal = calibrated()
    change = np.zeros(30)
    change[INDEX["Brow Inner Left"]] = -0.1
    shown = personal.push(person() + change, 2.0)
    assert (shown - PROFILE.neutral)[FACE] == pytest.approx(change[FACE])
    for end in (PROFILE.low, PROFILE.high):
        shown = personal.push(end, 3.0)
        assert (shown >= PROFILE.low).all()
        assert (shown <= PROFILE.high).all()


def test_where_the_person_looks_is_no_bias():
    pose = np.array([i for part in ("gaze", "head", "neck") for i in PARTS[part]])
    personal = calibrated()
    assert personal.push(person(), 2.0)[pose] == pytest.approx(person()[pose])
    assert (bias(person()[None], PROFILE.neutral)[pose] == 0).all()


def test_noise_and_a_blink_do_little():
    personal = calibrated(noise=0.02, blinks=6)
    assert np.abs((personal.offset - (person() - PROFILE.neutral)) / SPAN)[FACE].max() < 0.015
    assert personal.restless == ()


def test_a_face_that_does_not_rest_is_named():
    personal = PersonalNeutral(PROFILE, 1.0)
    for t in range(40):
        reading = person()
        reading[INDEX["Jaw Pitch"]] = t % 2
        personal.push(reading, t / 30)
    assert personal.restless == ("Jaw Pitch",)


def test_readings_that_are_no_numbers_are_left_out_and_few_are_not_enough():
    personal = PersonalNeutral(PROFILE, 0.5)
    broken = np.full(30, np.nan)
    assert np.isnan(personal.push(broken, 0.0)).all()
    for n in range(LEAST):
        assert personal.offset is None
        personal.push(person(), float(n))
    assert personal.offset is not None


@pytest.mark.parametrize("seconds", [0.0, -1.0, 100.0, float("nan")])
def test_no_time_to_rest(seconds):
    with pytest.raises(InputError, match="at rest"):
        PersonalNeutral(PROFILE, seconds)
