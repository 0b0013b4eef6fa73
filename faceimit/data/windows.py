"""From a corpus to batches: random windows for training, whole clips for validation and test."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from faceimit.data import targets
from faceimit.data.corpus import Corpus
from faceimit.data.geometry import PLACEMENT
from faceimit.data.labels import Labels
from faceimit.data.transforms import Photometric, Strength, Window, backwards, mirrored, placements
from faceimit.errors import InputError
from faceimit.face.records import Clip

Sample = dict[str, Any]


class Windows(Dataset[Sample]):
    """Random windows of consecutive valid frames.

    Windows start anywhere in a clip, but of several candidates one with more events is preferred: still spans would
    drown them otherwise. Draws come from Python's global generator, which the train loader seeds for every batch.
    With augmentation a sample also holds ``placement`` (T, 2, 3), drawn here and made on the whole batch by
    :func:`faceimit.data.geometry.move_batch`.

    Args:
        corpus: the clips.
        c_ref: change that scores 1.
        window: frames of a window.
        count: windows of an epoch.
        strength: augmentation; None: none.
        candidates: windows drawn for each one kept, 1: uniform.
        shares: how often each clip is drawn, relative to a like one of its length; None: 1.

    Windows come from the corpus' own clips, or where none of those will do from any.
    """

    def __init__(
        self,
        corpus: Corpus,
        c_ref: float,
        window: int,
        count: int,
        strength: Strength | None = None,
        candidates: int = 2,
        shares: Sequence[float] | None = None,
    ) -> None:
        self.corpus, self.c_ref, self.window, self.count = corpus, c_ref, window, count
        self.strength, self.candidates = strength, candidates
        self._photometric = None if strength is None else Photometric(strength)
        self._starts = [usable_starts(labels.valid, window) for labels in corpus.labels]
        self._usable = [i for i, starts in enumerate(self._starts) if len(starts)]
        mine = set(corpus.own)
        self._usable = [i for i in self._usable if i in mine] or self._usable
        if not self._usable:
            longest = max(longest_run(labels.valid) for labels in corpus.labels)
            raise InputError(
                f"no clip has {window} valid frames in a row (the longest has {longest}), "
                f"try data.window={longest // 2}"
            )
        weights = np.sqrt([len(self._starts[i]) for i in self._usable])  # a long clip counts more, but no clip drowns
        if shares is not None:
            weights *= np.asarray(shares)[self._usable]
        self._odds = np.cumsum(weights / weights.sum())

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        generator = np.random.default_rng([random.getrandbits(32), index])
        clip_index, start = self._choose(generator)
        labels, stop = self.corpus.labels[clip_index], start + self.window
        frames = self.corpus.frames(clip_index, start, stop)
        flow = self.corpus.flow.get(clip_index, ())
        steps = slice(start, stop)
        reverse = self.strength is not None and stop < len(labels.change) and generator.random() < self.strength.reverse
        if reverse:
            steps = slice(start + 1, stop + 1)  # the step into a frame of the reversed window is the one that left it
        window, change = Window(frames, labels.velocity[steps], tuple(x[steps] for x in flow)), labels.change[steps]
        if reverse:
            window, change = backwards(window), change[::-1]
        placement = {}
        if self.strength is not None and self._photometric is not None:
            if generator.random() < self.strength.flip:
                window = mirrored(window)
            matrices = placements(self.window, frames.shape[1], self.strength, generator)
            placement = {PLACEMENT: torch.from_numpy(matrices)}
            window = Window(self._photometric(window.frames, generator), window.velocity, window.flow)
        known = Labels(change, window.velocity, np.isfinite(change))
        fps = self.corpus.fps[clip_index]
        return sample(window.frames, known, fps, self.c_ref) | flow_levels(window.flow) | placement

    def _choose(self, generator: np.random.Generator) -> tuple[int, int]:
        """(clip, first frame): of the candidates, the one whose change varies most."""
        best, best_value = (0, 0), -1.0
        for _ in range(self.candidates):
            place = min(int(np.searchsorted(self._odds, generator.random())), len(self._usable) - 1)
            clip_index = self._usable[place]
            start = int(generator.choice(self._starts[clip_index]))
            change = self.corpus.labels[clip_index].change[start : start + self.window]
            value = float(np.std(np.clip(change / self.c_ref, 0, 1)))
            if value > best_value:
                best, best_value = (clip_index, start), value
        return best


class WholeClips(Dataset[Sample]):
    """Every clip of a corpus, whole."""

    def __init__(self, corpus: Corpus, c_ref: float) -> None:
        self.corpus, self.c_ref = corpus, c_ref

    def __len__(self) -> int:
        return len(self.corpus)

    def __getitem__(self, index: int) -> Sample:
        clip, labels = self.corpus[index], self.corpus.labels[index]
        return sample(clip.frames, labels, clip.fps, self.c_ref) | {"name": clip.name} | exact_flow(clip)


def sample(frames: np.ndarray, labels: Labels, fps: float, c_ref: float) -> Sample:
    """Tensors of one window: frames (T, 3, S, S) uint8, score, change (T,), velocity (T, 55), valid (T,), fps ()."""
    change = np.nan_to_num(labels.change)
    return {
        "frames": torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2),
        "score": torch.from_numpy(targets.score(change, c_ref)),
        "change": torch.from_numpy(np.ascontiguousarray(change)),
        "velocity": torch.from_numpy(np.ascontiguousarray(labels.velocity)),
        "valid": torch.from_numpy(np.ascontiguousarray(labels.valid)),
        "fps": torch.tensor(fps, dtype=torch.float32),
    }


def flow_levels(flow: Sequence[np.ndarray]) -> dict[str, list[Tensor]]:
    """Flow known from before, levels (T, 2, h, w), for those who train on it."""
    return {"known_flow": [torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)) for x in flow]} if flow else {}


def exact_flow(clip: Clip) -> dict[str, Tensor]:
    """Exact flow (T, 2, S, S) and occlusion (T, S, S) where the clip has them."""
    if clip.flow is None or clip.occluded is None:
        return {}
    return {"flow": torch.from_numpy(clip.flow.astype(np.float32)), "occluded": torch.from_numpy(clip.occluded)}


def usable_starts(valid: np.ndarray, window: int) -> np.ndarray:
    """First frames of all windows that hold valid frames only: (N,) int."""
    runs = np.convolve(np.asarray(valid, dtype=np.int64), np.ones(window, dtype=np.int64), mode="valid")
    return np.flatnonzero(runs == window) if len(valid) >= window else np.zeros(0, dtype=np.int64)


def longest_run(valid: np.ndarray) -> int:
    """Frames of the longest run of valid ones."""
    return max((stop - start for start, stop in targets.valid_runs(valid)), default=0)


def reference_change(labels: Sequence[Labels]) -> float:
    """c_ref of a training split."""
    return targets.reference(one.change for one in labels)
