"""What a camera and its codec do to frames: exposure, blur, noise, low resolution, compression, shake, flicker."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from faceimit.data.h264 import through_h264

CODECS = ("none", "jpeg", "h264")


@dataclass(frozen=True)
class Degradation:
    """Strengths of a clip's degradations; see :func:`degrade`."""

    gains: tuple[float, float, float]
    gamma: float
    contrast: float
    saturation: float
    vignette: float
    shrink: float
    blur: float
    sharpen: float
    noise: float
    noise_grain: float
    codec: str
    quality: float
    codec_scale: float
    seed: int


NONE = Degradation((1.0, 1.0, 1.0), 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, "none", 0.0, 1.0, 0)


def draw_degradation(rng: np.random.Generator) -> Degradation:
    """Random strengths; about one clip in six stays clean but for its colours."""
    clean = rng.random() < 0.16
    strength = 0.0 if clean else rng.random() ** 1.3
    warm = rng.normal(0, 0.05)
    codec = "none" if clean else str(rng.choice(CODECS, p=[0.25, 0.2, 0.55]))
    return Degradation(
        gains=(float(1 + warm), float(1 + rng.normal(0, 0.015)), float(1 - warm)),
        gamma=float(np.exp(rng.normal(0, 0.13))),
        contrast=float(rng.uniform(0.85, 1.15)),
        saturation=float(rng.uniform(0.6, 1.2)),
        vignette=float(rng.uniform(0, 0.25) * (rng.random() < 0.3)),
        shrink=float(rng.uniform(0.4, 1.0)) if rng.random() < 0.35 * (not clean) else 1.0,
        blur=float(strength * rng.uniform(0, 1.1)),
        sharpen=float(rng.uniform(0, 0.7) * (rng.random() < 0.4)),
        noise=float(strength * rng.uniform(0.0, 0.035)),
        noise_grain=float(rng.uniform(0, 0.9)),
        codec=codec,
        quality=float(rng.uniform(0, 1)),
        codec_scale=float(rng.choice([1.0, 1.5, 2.0])),
        seed=int(rng.integers(2**31)),
    )


def degrade(frames: np.ndarray, how: Degradation, fps: float) -> np.ndarray:
    """Degraded frames (T, S, S, 3) uint8 RGB of clean ones (T, S, S, 3) float32 in [0, 1]."""
    rng = np.random.default_rng(how.seed)
    frames = _colour(frames, how)
    frames = _optics(frames, how)
    if how.noise > 0:
        frames = _sensor_noise(rng, frames, how)
    codes = to_uint8(frames)
    if how.codec == "jpeg":
        return _jpeg(codes, int(35 + 60 * how.quality))
    if how.codec == "h264":
        return _h264(codes, round(36 - 18 * how.quality), how.codec_scale, fps)
    return codes


def to_uint8(frames: np.ndarray) -> np.ndarray:
    """Float [0, 1] to uint8, rounded."""
    return (np.clip(frames, 0, 1) * 255 + 0.5).astype(np.uint8)


def _colour(frames: np.ndarray, how: Degradation) -> np.ndarray:
    values = np.linspace(0, 1, 1024)
    curve = (np.clip(0.45 + how.contrast * (values - 0.45), 0, 1) ** how.gamma).astype(np.float32)
    axis = np.linspace(-1, 1, frames.shape[1], dtype=np.float32)
    vignette = (1 - how.vignette * (axis[:, None] ** 2 + axis[None] ** 2) / 2).astype(np.float32)
    result = np.empty_like(frames)
    grade(frames, np.array(how.gains, np.float32), np.float32(how.saturation), curve, vignette, result)
    return result


@njit(nogil=True, cache=True, fastmath=True)
def grade(frames, gains, saturation, curve, vignette, out):
    """Saturation, white balance, tone curve (table over [0, 1]) and vignette of (T, S, S, 3) float32 into ``out``."""
    last = curve.shape[0] - 1
    for t in range(frames.shape[0]):
        for i in range(frames.shape[1]):
            for j in range(frames.shape[2]):
                grey = (frames[t, i, j, 0] + frames[t, i, j, 1] + frames[t, i, j, 2]) / 3
                for k in range(3):
                    value = (grey + saturation * (frames[t, i, j, k] - grey)) * gains[k]
                    place = min(max(value, 0.0), 1.0) * last
                    low = min(int(place), last - 1)
                    out[t, i, j, k] = (curve[low] + (curve[low + 1] - curve[low]) * (place - low)) * vignette[i, j]


def _optics(frames: np.ndarray, how: Degradation) -> np.ndarray:
    import cv2

    size = frames.shape[1]
    small = max(round(size * how.shrink), 16)
    result = np.empty_like(frames)
    for t, frame in enumerate(frames):
        if small < size:
            frame = cv2.resize(frame, (small, small), interpolation=cv2.INTER_AREA)
            frame = cv2.resize(frame, (size, size), interpolation=cv2.INTER_CUBIC)
        if how.blur > 0.15:
            frame = cv2.GaussianBlur(frame, (0, 0), how.blur * size / 128)
        if how.sharpen:
            frame = frame + how.sharpen * (frame - cv2.GaussianBlur(frame, (0, 0), 1.0))
        result[t] = frame
    return result


def _sensor_noise(rng: np.random.Generator, frames: np.ndarray, how: Degradation) -> np.ndarray:
    """Frames with noise: stronger in the light, partly shared by the colours, of grain ``noise_grain`` pixels."""
    count, size = frames.shape[:2]
    sheet = rng.standard_normal((2 * size, 2 * size, 3), dtype=np.float32)
    sheet = 0.7 * sheet + 0.7 * sheet.mean(-1, keepdims=True)
    if how.noise_grain > 0.3:
        sheet = gaussian_filter(sheet, (how.noise_grain, how.noise_grain, 0), mode="wrap")
    sheet *= how.noise / sheet.std()
    # Every frame takes another window of one sheet: as good as fresh noise, and far cheaper.
    corners = rng.integers(0, size, (count, 2))
    result = np.empty_like(frames)
    for t, (i, j) in enumerate(corners):
        strength = np.sqrt(0.25 + np.clip(frames[t].mean(-1, keepdims=True), 0, 1))
        result[t] = frames[t] + (-1) ** t * sheet[i : i + size, j : j + size] * strength
    return result


def _jpeg(codes: np.ndarray, quality: int) -> np.ndarray:
    import cv2

    result = np.empty_like(codes)
    for t, frame in enumerate(codes):
        packed = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        result[t] = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))[..., ::-1]
    return result


def _h264(codes: np.ndarray, crf: int, scale: float, fps: float) -> np.ndarray:
    import cv2

    size = codes.shape[1]
    side = round(size * scale / 2) * 2
    if side == size:
        return np.stack(through_h264(codes, crf, fps))
    small = [cv2.resize(frame, (side, side), interpolation=cv2.INTER_CUBIC) for frame in codes]
    found = through_h264(small, crf, fps)
    return np.stack([cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA) for picture in found])


def draw_light_gain(rng: np.random.Generator, frames: int, fps: float) -> np.ndarray:
    """(T,) factor on the light: mostly steady, at times flickering or drifting as under auto-exposure."""
    time = np.arange(frames) / fps
    gain = np.ones(frames)
    kind = rng.random()
    if kind < 0.15:
        gain += rng.uniform(0.02, 0.14) * np.sin(2 * np.pi * rng.uniform(1.5, 12) * time + rng.uniform(0, 6))
    elif kind < 0.25:
        gain += rng.uniform(0.03, 0.12) * gaussian_filter1d(rng.standard_normal(frames), 0.8)
    elif kind < 0.45:
        gain += (
            0.3 * rng.uniform(-1, 1) * (1 / (1 + np.exp(-(time - time[-1] * rng.random()) * rng.uniform(1, 6))) - 0.5)
        )
    elif kind < 0.5:
        gain *= np.where(time > time[-1] * rng.random(), rng.uniform(0.75, 1.3), 1.0)
    return np.clip(gain, 0.4, 1.8)


def draw_crop(rng: np.random.Generator, frames: int, fps: float) -> np.ndarray:
    """(T, 3) crop scale and shift: per-clip framing, slow drift of a tracker, at times a shaking camera."""
    time = np.arange(frames) / fps
    scale, shift = rng.uniform(0.85, 1.2), rng.uniform(-0.08, 0.08, 2)
    crop = np.tile([scale, *shift], (frames, 1))
    smooth = gaussian_filter1d(rng.standard_normal((frames + 200, 3)), 12, axis=0)[100:-100] * np.sqrt(2 * 12 * 1.77)
    crop += smooth * np.array([0.004, 0.005, 0.005]) * rng.uniform(0, 1.5)
    if rng.random() < 0.2:
        for axis in (1, 2):
            for _ in range(4):
                wave = np.sin(2 * np.pi * rng.uniform(0.8, 7) * time + rng.uniform(0, 6))
                crop[:, axis] += rng.uniform(0.001, 0.006) * wave
    return crop
