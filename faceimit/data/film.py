"""What light and a sensor make of single pictures, drawn from a NumPy generator, where a call must be cheap."""

import cv2
import numpy as np


def relight(images: np.ndarray, light: float, colour: float, generator: np.random.Generator) -> np.ndarray:
    """Gain, gamma and colour balance, as one table a channel.

    Args:
        images: (..., 3) uint8 RGB.
        light: largest factor of gain and gamma is exp(light).
        colour: largest factor of the gain of each channel is exp(colour).
        generator: source of randomness.
    """
    gamma = float(np.exp(generator.uniform(-light, light)))
    gain = float(np.exp(generator.uniform(-light, light)))
    lift = generator.uniform(-0.1, 0.1) * min(1.0, light * 2.5)
    balance = np.exp(generator.uniform(-colour, colour, size=3))
    levels = np.linspace(0.0, 1.0, 256)[:, None] ** gamma  # (256, 1)
    table = np.rint(np.clip((levels * gain * balance + lift) * 255.0, 0, 255)).astype(np.uint8)  # (256, 3)
    return cv2.LUT(images.reshape(1, -1, 3), table[None]).reshape(images.shape)


def add_noise(image: np.ndarray, sigma: float, generator: np.random.Generator) -> np.ndarray:
    """Independent Gaussian noise of `sigma` grey levels on an image (H, W, 3) uint8."""
    if sigma < 0.5:
        return image
    cv2.setRNGSeed(int(generator.integers(0, 2**31)))
    noise = np.empty(image.shape, dtype=np.int16)
    cv2.randn(noise, (0, 0, 0), (sigma, sigma, sigma))
    return np.clip(image + noise, 0, 255).astype(np.uint8)
