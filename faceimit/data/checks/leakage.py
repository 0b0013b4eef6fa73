"""Do the splits share what they must not: people, files, pictures?

A picture is known by a difference hash (which of two neighbouring cells of a coarse grid is brighter), compared by the
number of bits that differ; what is near by hash is compared again as a small grey picture. Both survive compression,
scaling and a change of light. Pictures count as the same when they are nearer than neighbours in time usually are, so
that the data set itself says how near is near: a robot's face before a fixed background needs another measure than
films do.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faceimit.data.checks.records import ClipFacts

GRID = 16  # cells a side of the hash: 256 bits
THUMB = 32  # pixels a side of the small picture
NEAR_BITS = 40
EVEN = 2.0  # grey levels: a smaller difference of two cells is noise on an even ground
# RMS difference of small pictures, in grey levels: re-encoding makes about 1, so less than the floor is the same
# picture whatever the motion; more than the ceiling is another one.
FLOOR, CEILING = 1.5, 5.0
FLAT = 3.0  # standard deviation in grey levels below which a picture shows nothing to compare
_CHUNK = 512


@dataclass(frozen=True)
class Prints:
    """Fingerprints of some frames.

    Attributes:
        clip: (N,) int, number of the clip each frame comes from.
        frame: (N,) int, its number in the clip.
        hashes: (N, 4) uint64.
        thumbs: (N, THUMB, THUMB) float32 grey levels, mean 0.
    """

    clip: np.ndarray
    frame: np.ndarray
    hashes: np.ndarray
    thumbs: np.ndarray


@dataclass(frozen=True)
class Duplicate:
    """Two frames of different splits that show the same: clip and frame numbers, and how far they are apart.

    Attributes:
        clip, frame: of the one.
        other_clip, other_frame: of the other.
        difference: RMS in grey levels.
    """

    clip: int
    frame: int
    other_clip: int
    other_frame: int
    difference: float


def difference_hash(picture: np.ndarray) -> np.ndarray:
    """(4,) uint64: 256 bits, one for each pair of horizontal neighbours of a 17 x 16 grid; set where the right one is
    brighter by more than noise is.

    Args:
        picture: (H, W) grey in [0, 255].
    """
    import cv2

    cells = cv2.resize(np.asarray(picture, dtype=np.float32), (GRID + 1, GRID), interpolation=cv2.INTER_AREA)
    return np.packbits(cells[:, 1:] - cells[:, :-1] > EVEN).view(np.uint64)


def prints(pictures: Sequence[np.ndarray], clips: Sequence[int], frames: Sequence[int]) -> Prints:
    """Fingerprints of (H, W) grey pictures in [0, 255]; pictures that show nothing are left out."""
    import cv2

    kept, hashes, thumbs = [], [], []
    for i, picture in enumerate(pictures):
        thumb = cv2.resize(np.asarray(picture, dtype=np.float32), (THUMB, THUMB), interpolation=cv2.INTER_AREA)
        if thumb.std() < FLAT:
            continue
        kept.append(i)
        hashes.append(difference_hash(picture))
        thumbs.append(thumb - thumb.mean())
    return Prints(
        np.asarray(clips, dtype=np.int64)[kept],
        np.asarray(frames, dtype=np.int64)[kept],
        np.array(hashes, dtype=np.uint64).reshape(-1, 4),
        np.array(thumbs, dtype=np.float32).reshape(-1, THUMB, THUMB),
    )


def differences(thumb: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) RMS difference in grey levels of a small picture (H, W) from others (N, H, W), all of mean 0.

    Each of the others is first made as bright as the one, by a factor in [0.8, 1.25].
    """
    others = others.reshape(len(others), -1)
    flat = thumb.ravel()
    gain = np.clip(others @ flat / np.maximum((others**2).sum(axis=1), 1e-6), 0.8, 1.25)
    return np.sqrt(((gain[:, None] * others - flat) ** 2).mean(axis=1))


def same_picture_below(steps: np.ndarray) -> float:
    """RMS difference under which two pictures count as the same.

    Args:
        steps: RMS differences of small pictures that follow each other in time, in grey levels; may be empty.

    Returns:
        Half the median step, but no less than re-encoding makes and no more than a look-alike.
    """
    steps = np.asarray(steps, dtype=np.float64)
    steps = steps[np.isfinite(steps)]
    return float(np.clip(0.5 * np.median(steps), FLOOR, CEILING)) if len(steps) else FLOOR


def near_duplicates(found: Prints, groups: Sequence[str], below: float) -> list[Duplicate]:
    """For each frame the nearest one of a later group, if it shows the same; the nearest pairs first.

    Args:
        found: fingerprints.
        groups: of each clip, by its number: its split, or its own name where clips are to be told apart.
        below: RMS difference in grey levels (:func:`same_picture_below`).
    """
    if not len(found.clip):
        return []
    group = np.unique([groups[clip] for clip in found.clip], return_inverse=True)[1]
    duplicates = []
    for start in range(0, len(group), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(group)))
        bits = np.zeros((len(rows), len(group)), dtype=np.int16)
        for word in range(found.hashes.shape[1]):
            bits += np.bitwise_count(found.hashes[rows, word, None] ^ found.hashes[None, :, word])
        near = (bits <= NEAR_BITS) & (group[rows, None] < group[None, :])
        for row in np.flatnonzero(near.any(axis=1)):
            duplicates += _nearest(found, start + int(row), np.flatnonzero(near[row]), below)
    return sorted(duplicates, key=lambda pair: pair.difference)


def shared(facts: Sequence[ClipFacts], what: str) -> dict[str, list[str]]:
    """Values of an attribute (``identity``, ``sha256``) that occur in several splits -> names of their clips."""
    clips: dict[str, list[ClipFacts]] = defaultdict(list)
    for fact in facts:
        if fact.split and getattr(fact, what):
            clips[getattr(fact, what)].append(fact)
    return {value: [f.name for f in group] for value, group in clips.items() if len({f.split for f in group}) > 1}


def repeated(facts: Sequence[ClipFacts]) -> list[list[str]]:
    """Names of clips made from one and the same file, a list for each such file."""
    clips: dict[str, list[str]] = defaultdict(list)
    for fact in facts:
        if fact.sha256:
            clips[fact.sha256].append(fact.name)
    return [names for names in clips.values() if len(names) > 1]


def _nearest(found: Prints, one: int, candidates: np.ndarray, below: float) -> list[Duplicate]:
    gaps = differences(found.thumbs[one], found.thumbs[candidates])
    best = int(gaps.argmin())
    if gaps[best] > below:
        return []
    places = (found.clip[[one, candidates[best]]], found.frame[[one, candidates[best]]])
    (clip, other_clip), (frame, other_frame) = (place.tolist() for place in places)
    return [Duplicate(clip, frame, other_clip, other_frame, float(gaps[best]))]
