"""Colours and noise that the painters share. Colours are sRGB in [0, 1]."""

import numpy as np
from scipy.ndimage import gaussian_filter


def linear(srgb: np.ndarray) -> np.ndarray:
    """SRGB in [0, 1] to linear light."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.clip(srgb, 0, None) + 0.055) / 1.055) ** 2.4)


def noise(rng: np.random.Generator, shape: tuple[int, int], sigma: tuple[float, float]) -> np.ndarray:
    """Smooth noise of mean about 0 and standard deviation 1; ``sigma`` in texels."""
    field = gaussian_filter(rng.standard_normal(shape), sigma, mode="nearest")
    return field / (field.std() + 1e-9)


def mix(colour: np.ndarray, other: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Blend (..., 3) colours; ``weight`` (...) is clipped to [0, 1]."""
    return colour + np.clip(weight, 0, 1)[..., None] * (np.asarray(other) - colour)
