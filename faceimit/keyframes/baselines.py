"""Classical change scores from pixels: what is computed once a frame, and how two successive frames differ.

Every function works on grey face crops of 128 px: (128, 128) uint8, or float32 in [0, 1] where it says so. Distances
are >= 0 and 0 for equal frames.
"""

import cv2
import numpy as np

SIZE = 128
_CELLS = 4
_BINS = 32
_DIRECTIONS = 9
_HOG_CELL = 8


def grey(frame: np.ndarray) -> np.ndarray:
    """(S, S, 3) uint8 RGB -> (128, 128) uint8 luma."""
    image = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    if image.shape == (SIZE, SIZE):
        return image
    shrinks = min(image.shape) > SIZE
    return cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def luma(frame: np.ndarray) -> np.ndarray:
    """Frame -> (128, 128) float32 grey in [0, 1]."""
    return grey(frame).astype(np.float32) / 255.0


def gain_normalised(frame: np.ndarray) -> np.ndarray:
    """Frame -> (128, 128) float32 grey, blurred by 2 px against noise, of zero mean and unit deviation.

    A change of exposure (gain and offset) leaves it as it is.
    """
    image = cv2.GaussianBlur(luma(frame), (0, 0), 2.0)
    return (image - image.mean()) / max(float(image.std()), 1e-3)


def mean_difference(previous: np.ndarray, current: np.ndarray) -> float:
    """Mean absolute difference of two arrays of one shape."""
    return float(np.abs(current - previous).mean())


def histograms(frame: np.ndarray) -> np.ndarray:
    """Frame -> (16, 32) float32: grey histograms of 4 x 4 cells, each bin shared linearly with its neighbour.

    Cells keep some of the place, which one histogram of the whole picture loses; sharing keeps a shade that crosses
    a bin's border from counting as a jump.
    """
    position = grey(frame).astype(np.float32) * ((_BINS - 1) / 255.0)
    low = position.astype(np.int32)
    part = position - low
    side = SIZE // _CELLS
    cell = np.arange(SIZE) // side
    offset = (cell[:, None] * _CELLS + cell[None, :]) * _BINS
    total = _CELLS * _CELLS * _BINS
    counts = np.bincount((offset + low).ravel(), (1.0 - part).ravel(), total)
    counts += np.bincount((offset + np.minimum(low + 1, _BINS - 1)).ravel(), part.ravel(), total)
    return (counts / side**2).astype(np.float32).reshape(-1, _BINS)


def histogram_distance(previous: np.ndarray, current: np.ndarray) -> float:
    """Mean over the cells of half the L1 distance, in [0, 1]."""
    return float(0.5 * np.abs(current - previous).sum(axis=1).mean())


def gradients(frame: np.ndarray) -> np.ndarray:
    """Frame -> (15 * 15, 36) float32 histograms of oriented gradients, unit length a block.

    Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", 2005: 9 unsigned directions, cells of
    8 px, blocks of 2 x 2 cells, L2 norm clipped at 0.2. OpenCV 5 has it in its contributed modules only.
    """
    image = np.sqrt(cv2.GaussianBlur(grey(frame), (0, 0), 1.0).astype(np.float32))
    length, angle = cv2.cartToPolar(cv2.Sobel(image, -1, 1, 0, ksize=1), cv2.Sobel(image, -1, 0, 1, ksize=1))
    position = angle * (_DIRECTIONS / np.pi) - 0.5  # in bins; a gradient is shared by the two nearest
    low = np.floor(position)
    part = position - low
    first = low.astype(np.int32) % _DIRECTIONS
    votes = np.zeros((_DIRECTIONS, SIZE, SIZE), np.float32)
    np.put_along_axis(votes, first[None], (length * (1 - part))[None], axis=0)
    np.put_along_axis(votes, (first[None] + 1) % _DIRECTIONS, (length * part)[None], axis=0)
    side = SIZE // _HOG_CELL
    cells = votes.reshape(_DIRECTIONS, side, _HOG_CELL, side, _HOG_CELL).sum(axis=(2, 4))
    corners = [cells[:, y : side - 1 + y, x : side - 1 + x] for y in (0, 1) for x in (0, 1)]
    blocks = np.concatenate(corners).reshape(4 * _DIRECTIONS, -1).T  # (15 * 15, 36)
    return _unit(np.minimum(_unit(blocks, 0.1 * blocks.shape[1]), 0.2), 1e-3)


def _unit(rows: np.ndarray, floor: float) -> np.ndarray:
    """Rows scaled to length 1; those shorter than `floor`, which are noise, stay short."""
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + floor)


def descriptor_distance(previous: np.ndarray, current: np.ndarray) -> float:
    """Mean over the blocks of the Euclidean distance of their descriptors."""
    return float(np.linalg.norm(current - previous, axis=1).mean())
