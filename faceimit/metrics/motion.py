"""How a motion looks: smoothness (jerk, spectral arc length) and how far it is behind another motion (lag).

Values are (T, K) at a constant rate, in units that let the K channels be pooled (shares of the range). Smoothness is
that of what an eye can follow: :func:`visible` leaves out what is quicker than 12 Hz, such as the steps of a servo's
resolution, which would else be all that a third derivative sees.
"""

from typing import NamedTuple

import numpy as np

VISIBLE_HZ = 12.0
STILL = 1e-9  # a motion of less is none


class Lag(NamedTuple):
    """How far a motion is behind, and how alike the two are then.

    Attributes:
        seconds: positive where the motion comes later than the reference.
        correlation: pooled over the channels, at that lag.
    """

    seconds: float
    correlation: float


def visible(values: np.ndarray, rate: float, cutoff: float = VISIBLE_HZ) -> np.ndarray:
    """(T, K) values without what is quicker than `cutoff` Hz: Butterworth of fourth order in effect, without delay."""
    from scipy.signal import butter, sosfiltfilt

    if cutoff >= rate / 2:
        return np.asarray(values, dtype=np.float64)
    return sosfiltfilt(butter(2, cutoff, fs=rate, output="sos"), values, axis=0)


def rms_jerk(values: np.ndarray, rate: float, cutoff: float = VISIBLE_HZ) -> float:
    """Root mean square third derivative over time and channels, in units a second^3.

    The ends, where the filter of :func:`visible` knows one side only, are left out.

    Args:
        values: (T, K), T more than two periods of `cutoff`.
        rate: samples a second.
        cutoff: Hz, see :func:`visible`.
    """
    ends = round(rate / cutoff)
    jerk = np.diff(visible(values, rate, cutoff), n=3, axis=0)[ends:-ends] * rate**3
    return float(np.sqrt(np.mean(jerk**2)))


def spectral_arc_length(speed: np.ndarray, rate: float, cutoff: float = 10.0, threshold: float = 0.05) -> float:
    """SPARC of a speed profile: the nearer to 0, the smoother; NaN for a motion that stands still.

    Minus the length of the curve that the normalised amplitude spectrum draws up to where it stays below `threshold`
    (Balasubramanian et al., "On the analysis of movement smoothness", J. NeuroEng. Rehab. 2015, with its defaults).

    Args:
        speed: (T,) >= 0.
        rate: samples a second.
        cutoff: Hz up to which the spectrum counts at most.
        threshold: share of the spectrum's largest amplitude.
    """
    size = 2 ** (int(np.ceil(np.log2(len(speed)))) + 4)
    spectrum = np.abs(np.fft.rfft(speed, size))
    if not spectrum.max() > 0:
        return float("nan")
    frequency = np.fft.rfftfreq(size, 1 / rate)
    spectrum = spectrum[frequency <= cutoff] / spectrum.max()
    spectrum = spectrum[: np.flatnonzero(spectrum >= threshold)[-1] + 1]
    if len(spectrum) < 2:
        return 0.0
    return float(-np.hypot(1 / (len(spectrum) - 1), np.diff(spectrum)).sum())


def smoothness(values: np.ndarray, rate: float, window: float = 2.0) -> float:
    """Mean SPARC over windows of a performance, which of the whole would grow with its length.

    The speed is the length of the velocity (K channels) of what is visible; windows at rest are left out.

    Args:
        values: (T, K).
        rate: samples a second.
        window: seconds.
    """
    speed = np.linalg.norm(np.diff(visible(values, rate), axis=0), axis=1) * rate
    size = round(window * rate)
    parts = [speed[start : start + size] for start in range(0, max(len(speed) - size, 0) + 1, size)]
    found = np.array([spectral_arc_length(part, rate) for part in parts])
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def lag(reference: np.ndarray, motion: np.ndarray, rate: float, least: float = -0.2, most: float = 0.8) -> Lag:
    """The shift at which a motion correlates best with the reference, to a fraction of a sample.

    The correlation is pooled: the channels' covariances over the root of their variances' product, on the samples both
    have at that shift, every channel less its mean there.

    Args:
        reference: (T, K), more samples than the longest shift.
        motion: likewise, same times.
        rate: samples a second.
        least: seconds from which on to look, negative for a motion that may come first.
        most: seconds up to which to look.

    Returns:
        NaN for both where either does not move.
    """
    shifts = np.arange(round(least * rate), round(most * rate) + 1)
    found = np.array([_pooled(reference, motion, int(shift)) for shift in shifts])
    if not np.isfinite(found).any():
        return Lag(float("nan"), float("nan"))
    best = int(np.nanargmax(found))
    peak, value = float(shifts[best]), float(found[best])
    if 0 < best < len(found) - 1:
        before, after = found[best - 1], found[best + 1]
        bend = before - 2 * value + after
        if bend < 0:
            offset = 0.5 * (before - after) / bend
            peak, value = peak + offset, value - 0.25 * (before - after) * offset
    return Lag(peak / rate, value)


def _pooled(reference: np.ndarray, motion: np.ndarray, shift: int) -> float:
    """Correlation of the reference with the motion `shift` samples later."""
    count = len(reference) - abs(shift)
    first, second = reference[max(-shift, 0) :][:count], motion[max(shift, 0) :][:count]
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    energy = (first**2).sum(), (second**2).sum()
    moves = min(energy) > STILL**2 * first.size
    return float((first * second).sum() / np.sqrt(energy[0] * energy[1])) if moves else float("nan")
