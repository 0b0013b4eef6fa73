"""How faces move: events with onset, apex and offset, micro-expressions, blinks, speech, gaze and head motion.

Everything is a sum of tracks over time in seconds, sampled at the clip's frame rate. Rates and amplitudes follow the
statistics of real annotated videos (talking and expressive faces).
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from faceimit.data.synthetic.expressions import CONSONANTS, EXPRESSIONS, VOWELS, coefficients
from faceimit.face.blendshapes import BLENDSHAPES, INDEX, MIRROR

FRAME_RATES = (24.0, 25.0, 25.0, 25.0, 30.0, 30.0, 30.0, 30.0, 50.0, 60.0)


@dataclass(frozen=True)
class Style:
    """How much of what happens in a clip; rates are events a second."""

    name: str
    speech: float
    events: float
    micro: float
    blinks: float
    saccades: float
    head: float
    gestures: float


_STYLES = (
    (0.48, Style("talk", 0.95, 0.4, 0.1, 0.4, 1.0, 1.0, 0.15)),
    (0.20, Style("expressive", 0.0, 1.4, 0.2, 0.5, 1.2, 0.8, 0.1)),
    (0.20, Style("mixed", 0.6, 0.8, 0.2, 0.4, 1.2, 1.0, 0.15)),
    (0.06, Style("micro", 0.0, 0.1, 0.7, 0.25, 0.3, 0.3, 0.0)),
    (0.06, Style("head", 0.0, 0.0, 0.05, 0.2, 0.3, 1.8, 0.5)),
)


@dataclass(frozen=True)
class Motion:
    """Motion of a clip: ``blendshapes`` (T, 52), ``pose`` (T, 3) radians, ``translation`` and ``body`` (T, 3) cm."""

    blendshapes: np.ndarray
    pose: np.ndarray
    translation: np.ndarray
    body: np.ndarray
    style: str


def draw_fps(rng: np.random.Generator) -> float:
    """A frame rate as videos have it."""
    return float(rng.choice(FRAME_RATES))


def draw_motion(rng: np.random.Generator, frames: int, fps: float) -> Motion:
    """Random motion of ``frames`` frames."""
    time = np.arange(frames) / fps
    style = _STYLES[rng.choice(len(_STYLES), p=[share for share, _ in _STYLES])][1]
    tension = rng.uniform(0.7, 1.4)  # how strongly this person moves the face
    shapes = _resting(rng, time) + tension * _expression_events(rng, time, style)
    shapes += _speech(rng, time, style) * rng.uniform(0.8, 1.7)
    shapes += _gaze(rng, time, style)
    shapes *= 1 + rng.normal(0, 0.08, 52)
    shapes = _blinks(rng, time, style, shapes)
    pose, translation = _head(rng, time, style)
    body = 0.3 * translation + _drift(rng, time, 0.3, (0.25, 0.15, 0.2))
    return Motion(np.clip(shapes, 0, 1), pose, translation, body, style.name)


def minimum_jerk(time: np.ndarray, start: float, duration: float) -> np.ndarray:
    """Smooth ramp from 0 to 1 over ``duration`` seconds."""
    s = np.clip((time - start) / max(duration, 1e-3), 0, 1)
    return s**3 * (10 - 15 * s + 6 * s * s)


def _pulse(time: np.ndarray, start: float, onset: float, hold: float, offset: float) -> np.ndarray:
    return minimum_jerk(time, start, onset) - minimum_jerk(time, start + onset + hold, offset)


def _sided(rng: np.random.Generator, vector: np.ndarray, spread: float) -> np.ndarray:
    """Mirror at random and jitter each side and shape."""
    vector = vector[list(MIRROR)] if rng.random() < 0.5 else vector
    left = np.array([name.endswith("Left") for name in BLENDSHAPES])
    right = np.array([name.endswith("Right") for name in BLENDSHAPES])
    tilt = rng.normal(0, spread)
    return vector * (1 + tilt * left - tilt * right) * np.clip(rng.normal(1, 0.15, 52), 0.5, 1.4)


def _resting(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    mood = _sided(rng, coefficients(EXPRESSIONS[rng.choice(list(EXPRESSIONS)[:12])]), 0.1) * rng.uniform(0, 0.22)
    mood[INDEX["eyeWideLeft"]] = mood[INDEX["eyeWideRight"]] = 0.0
    level = 1 + 0.5 * _drift(rng, time, 0.25, (1.0,))
    tremor = 0.004 * gaussian_filter1d(rng.standard_normal((len(time), 52)), 1.5, axis=0)
    return mood * np.clip(level, 0, 2)[:, None] + tremor


def _starts(rng: np.random.Generator, rate: float, end: float) -> np.ndarray:
    """Event times with gaps around 1/rate; the first may precede the clip."""
    if rate <= 0:
        return np.zeros(0)
    gaps = rng.gamma(2.0, 0.5 / rate, size=int(np.ceil((end + 2) * rate * 3)) + 4)
    times = np.cumsum(gaps) - 1.0 / rate * rng.random() - 0.3
    return times[times < end]


def _expression_events(rng: np.random.Generator, time: np.ndarray, style: Style) -> np.ndarray:
    total, end = np.zeros((len(time), 52)), time[-1]
    names = list(EXPRESSIONS)
    odds = np.array([2.5, 1.5, 2.5, 1.5, 0.7, 1.6, 2.5, 1.2, 1.2, 1.0] + [1.0] * (len(names) - 10))
    rate = style.events * rng.uniform(0.5, 1.5)
    for start in _starts(rng, rate, end):
        vector = _sided(rng, coefficients(EXPRESSIONS[rng.choice(names, p=odds / odds.sum())]), 0.12)
        onset, hold, offset = rng.uniform(0.12, 0.6), rng.gamma(1.5, 0.4), rng.uniform(0.18, 0.8)
        total += _staggered(rng, time, start, onset, hold, offset) * vector * rng.uniform(0.3, 1.05)
    for start in _starts(rng, style.micro, end):
        vector = _sided(rng, coefficients(EXPRESSIONS[rng.choice(names[:18])]), 0.3)
        length = rng.uniform(0.06, 0.22)
        total += (
            _pulse(time, start, 0.45 * length, 0.1 * length, 0.45 * length)[:, None] * vector * rng.uniform(0.1, 0.35)
        )
    return total


def _staggered(rng, time, start, onset, hold, offset) -> np.ndarray:
    """(T, 52) pulses whose shapes start a little apart, as muscles do."""
    delays = rng.normal(0, 0.035, 4)
    groups = np.array([_group(name) for name in BLENDSHAPES])
    pulses = np.stack([_pulse(time, start + d, onset * rng.uniform(0.85, 1.2), hold, offset) for d in delays], axis=1)
    return pulses[:, groups]


def _group(name: str) -> int:
    return {"bro": 0, "eye": 1, "che": 2, "nos": 2}.get(name[:3], 3)


def _speech(rng: np.random.Generator, time: np.ndarray, style: Style) -> np.ndarray:
    total = np.zeros((len(time), 52))
    if rng.random() > style.speech + 0.02 and style.speech < 0.9:
        return total
    rate = rng.uniform(3.0, 5.5)
    cursor, end = -rng.random(), time[-1]
    targets, places = [np.zeros(52)], [cursor - 0.2]
    speak_for = rng.uniform(0.8, 4.0)
    while cursor < end + 1:
        emphasis = rng.uniform(0.45, 1.15)
        length = rng.gamma(12, 1 / 12) / rate
        for kind, share, weight in ((CONSONANTS, 0.42, 0.9), (VOWELS, 0.58, 1.0)):
            target = _sided(rng, coefficients(kind[rng.integers(len(kind))]), 0.1) * emphasis * weight
            targets.append(target)
            places.append(cursor + 0.5 * share * length)
            cursor += share * length
        speak_for -= length
        if speak_for < 0:
            pause = rng.uniform(0.25, 1.4)
            targets += [np.zeros(52), np.zeros(52)]
            places += [cursor + 0.1, cursor + pause]
            cursor, speak_for = cursor + pause + 0.08, rng.uniform(0.6, 4.0)
    total = glide(time, np.array(places), np.array(targets))
    beat = 0.22 * np.clip(_drift(rng, time, 1.2, (1.0,)), 0, None) * (rng.random() < 0.6)
    return total + beat[:, None] * coefficients({"browInnerUp": 1.0, "browOuterUp": 0.8})


def glide(time: np.ndarray, places: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Minimum-jerk paths through targets at increasing times."""
    after = np.clip(np.searchsorted(places, time, side="right"), 1, len(places) - 1)
    s = np.clip((time - places[after - 1]) / np.maximum(places[after] - places[after - 1], 1e-3), 0, 1)
    ramp = (s**3 * (10 - 15 * s + 6 * s * s))[:, None]
    return targets[after - 1] * (1 - ramp) + targets[after] * ramp


def _gaze(rng: np.random.Generator, time: np.ndarray, style: Style) -> np.ndarray:
    horizontal = np.full(len(time), rng.normal(0, 0.12))
    vertical = np.full(len(time), rng.normal(-0.1, 0.12))
    spread = rng.uniform(0.1, 0.55)
    here = np.array([horizontal[0], vertical[0]])
    home = here.copy()
    for start in _starts(rng, style.saccades * rng.uniform(0.4, 1.5), time[-1]):
        there = home + rng.normal(0, 1, 2) * [spread, 0.6 * spread] * (rng.random() < 0.75)
        ramp = minimum_jerk(time, start, rng.uniform(0.035, 0.09))
        horizontal, vertical = horizontal + ramp * (there - here)[0], vertical + ramp * (there - here)[1]
        here = there
    wander = _drift(rng, time, 0.8, (0.015, 0.012))
    return gaze_coefficients(horizontal + wander[:, 0], vertical + wander[:, 1])


def gaze_coefficients(horizontal: np.ndarray, vertical: np.ndarray) -> np.ndarray:
    """(T, 52) eyeLook* coefficients of gaze to the person's left (+) and up (+), each about [-1, 1]."""
    total = np.zeros((len(horizontal), 52))
    left, right = np.clip(horizontal, 0, 1), np.clip(-horizontal, 0, 1)
    up, down = np.clip(vertical, 0, 1), np.clip(-vertical, 0, 1)
    for name, track in (("OutLeft", left), ("InRight", left), ("InLeft", right), ("OutRight", right)):
        total[:, INDEX[f"eyeLook{name}"]] = track
    for side in ("Left", "Right"):
        total[:, INDEX[f"eyeLookUp{side}"]], total[:, INDEX[f"eyeLookDown{side}"]] = up, down
        total[:, INDEX[f"eyeBlink{side}"]] = 0.3 * down
    return total


def _blinks(rng: np.random.Generator, time: np.ndarray, style: Style, shapes: np.ndarray) -> np.ndarray:
    """Blinks; while the lids are down the eyes also turn down a little, as annotators see it."""
    close = np.zeros(len(time))
    for start in _starts(rng, style.blinks * rng.uniform(0.3, 1.8), time[-1]):
        depth = rng.uniform(0.75, 1.0) if rng.random() < 0.85 else rng.uniform(0.3, 0.7)
        pulse = _pulse(time, start, rng.uniform(0.07, 0.11), rng.uniform(0.0, 0.06), rng.uniform(0.12, 0.22))
        close = np.maximum(close, depth * pulse)
    lag = 1 + rng.normal(0, 0.04, 2)
    for side, gain in zip(("Left", "Right"), lag, strict=True):
        for name, share in (("eyeBlink", 0.7), ("eyeLookDown", 0.6), ("eyeSquint", 0.35)):
            column = INDEX[f"{name}{side}"]
            shapes[:, column] = shapes[:, column] * (1 - 0.5 * close) + share * gain * close
        shapes[:, INDEX[f"eyeLookUp{side}"]] *= 1 - close
        shapes[:, INDEX[f"eyeWide{side}"]] *= 1 - close
    return shapes


def _drift(rng: np.random.Generator, time: np.ndarray, frequency: float, scales: tuple[float, ...]) -> np.ndarray:
    """(T, n) smooth random walks around 0 (T,) if one scale; standard deviation about ``scales``, band-limited (Hz)."""
    waves = 6
    f = frequency * rng.uniform(0.15, 1.6, (waves, len(scales)))
    phase = rng.uniform(0, 2 * np.pi, (waves, len(scales)))
    gain = rng.rayleigh(1.0, (waves, len(scales)))
    sum_ = (gain * np.sin(2 * np.pi * f * time[:, None, None] + phase)).sum(1) / np.sqrt(waves)
    track = sum_ * np.array(scales)
    return track[:, 0] if len(scales) == 1 else track


def _head(rng: np.random.Generator, time: np.ndarray, style: Style) -> tuple[np.ndarray, np.ndarray]:
    lively = style.head * rng.uniform(0.2, 1.4)
    rest = rng.normal(0, 1, 3) * np.radians([8.0, 4.5, 3.0])
    pose = rest + lively * _drift(rng, time, 0.5, tuple(np.radians([3.0, 2.2, 1.6])))
    pose += 0.25 * lively * _drift(rng, time, 2.0, tuple(np.radians([0.8, 1.0, 0.5])))
    for start in _starts(rng, style.gestures, time[-1]):
        pose += _gesture(rng, time, start)
    translation = lively * _drift(rng, time, 0.4, (0.5, 0.35, 1.0))
    return pose, translation


def _gesture(rng: np.random.Generator, time: np.ndarray, start: float) -> np.ndarray:
    """A nod, a shake or a turn of the head."""
    axis = rng.integers(3)
    length = rng.uniform(0.5, 1.6)
    window = _pulse(time, start, 0.2, length - 0.2, 0.3)
    wave = np.sin(2 * np.pi * rng.uniform(1.0, 2.8) * (time - start)) if rng.random() < 0.7 else np.ones_like(time)
    track = np.zeros((len(time), 3))
    track[:, axis] = window * wave * np.radians(rng.uniform(3, (14, 8, 7)[axis])) * rng.choice([-1, 1])
    return track
