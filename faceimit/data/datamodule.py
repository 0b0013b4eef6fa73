"""LightningDataModules: the one interface every task trains through.

A training batch holds windows: ``frames`` uint8 (B, T, 3, S, S), ``score``, ``change`` (B, T), ``velocity``
(B, T, 55), ``valid`` (B, T) bool, ``fps`` (B,). Validation and test batches hold one whole clip (B = 1) and its
``name``, and ``flow`` (1, T, 2, S, S) with ``occluded`` (1, T, S, S) where they are known exactly.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from faceimit.data.corpus import ClipSource, Corpus
from faceimit.data.geometry import move_batch
from faceimit.data.sharding import as_given, measured, own, own_steps
from faceimit.data.transforms import Strength
from faceimit.data.windows import WholeClips, Windows, reference_change
from faceimit.face.records import Clip
from faceimit.ranges import Count, Frames, Positive, Seed, Share, Side, SplitNames, Splits, Weight, Whole

SPLITS = ("train", "val", "test")
Augmentation = Annotated[Mapping[str, float], Strength]


class ClipData(pl.LightningDataModule):
    """Windows and whole clips of any corpus; a subclass says where the clips of a split are.

    Args:
        window: frames of a training window.
        batch_size: windows of a batch.
        steps: batches of an epoch, of all processes that train together; None: as many as show each frame about once.
        candidates: windows drawn for each one kept (:class:`faceimit.data.windows.Windows`).
        augmentation: fields of :class:`faceimit.data.transforms.Strength` to change; None: no augmentation.
        c_ref: change that scores 1; None: the 95th percentile of the training split.
        workers: loader processes.
        memory: bytes of frames kept in memory, a split.
    """

    kind = "clips of faces"

    def __init__(
        self,
        window: Frames = 24,
        batch_size: Count = 6,
        steps: Count | None = None,
        candidates: Count = 2,
        augmentation: Augmentation | None = None,
        c_ref: Positive | None = None,
        workers: Whole = 0,
        memory: Weight = 2e9,
    ) -> None:
        super().__init__()
        self.window, self.batch_size, self.steps, self.candidates = window, batch_size, steps, candidates
        self.strength = None if augmentation is None else Strength(**augmentation)
        self.workers, self.memory = workers, memory
        self._c_ref = c_ref
        self._corpora: dict[str, Corpus] = {}

    @abstractmethod
    def sources(self, split: str) -> Sequence[ClipSource]:
        """Clips of a split, making them if need be."""

    @property
    def c_ref(self) -> float:
        """Change that scores 1."""
        if self._c_ref is None:
            self._c_ref = reference_change(self.corpus("train").labels)
        return self._c_ref

    def corpus(self, split: str) -> Corpus:
        """The clips of a split, opened once; where several processes train, each opens its own."""
        if split not in self._corpora:
            sources = self.sources(split)
            self._corpora[split] = Corpus(sources, self.memory, split != "train", own(len(sources)))
        return self._corpora[split]

    def counts(self) -> dict[str, float]:
        """Clips, frames and valid frames of each split, and c_ref: what a run was trained on."""
        found: dict[str, float] = {"c_ref": self.c_ref}
        for split in SPLITS:
            corpus = self.corpus(split)
            found[f"{split}/clips"] = len(corpus)
            found[f"{split}/frames"] = sum(corpus.lengths())
            found[f"{split}/valid"] = int(sum(np.count_nonzero(labels.valid) for labels in corpus.labels))
        return found

    def parts(self) -> dict[str, Sequence[ClipSource]]:
        """What each split is made of (:mod:`faceimit.data.fingerprint`)."""
        return {split: self.sources(split) for split in SPLITS}

    def shares(self, corpus: Corpus) -> Sequence[float] | None:
        """How often each training clip is drawn (:class:`faceimit.data.windows.Windows`)."""
        return None

    def prepare_data(self) -> None:
        """Make what is not on the disk yet, in one process."""
        for split in SPLITS:
            self.sources(split)

    def train_dataloader(self) -> DataLoader:
        corpus = self.corpus("train")
        steps = self.steps or max(1, sum(corpus.lengths()) // (self.window * self.batch_size))
        count, shares = own_steps(steps) * self.batch_size, self.shares(corpus)
        windows = Windows(corpus, self.c_ref, self.window, count, self.strength, self.candidates, shares)
        pin = torch.cuda.is_available()
        return DataLoader(
            windows,
            batch_size=self.batch_size,
            sampler=as_given(windows),
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=pin,
        )

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Training windows take their place on the device (:mod:`faceimit.data.geometry`)."""
        return move_batch(batch)

    def val_dataloader(self) -> DataLoader:
        return measured(WholeClips(self.corpus("val"), self.c_ref), batch_size=1)

    def test_dataloader(self) -> DataLoader:
        return measured(WholeClips(self.corpus("test"), self.c_ref), batch_size=1)


class SyntheticFaces(ClipData):
    """Rendered faces with exact truth (:mod:`faceimit.data.synthetic`), rendered on first use and cached.

    Args:
        root: cache folder.
        clips: number of clips of each split, {"train": .., "val": .., "test": ..}.
        frames: frames of a clip.
        size: side of the crops in pixels.
        seed: of the clips; identities of different splits never meet.
        renderers: processes that render; None: one a core.
        window, batch_size, steps, candidates, augmentation, c_ref, workers, memory: of :class:`ClipData`.
    """

    def __init__(
        self,
        root: str,
        clips: Splits,
        frames: Frames = 100,
        size: Side = 128,
        seed: Seed = 0,
        renderers: Whole | None = None,
        window: Frames = 24,
        batch_size: Count = 6,
        steps: Count | None = None,
        candidates: Count = 2,
        augmentation: Augmentation | None = None,
        c_ref: Positive | None = None,
        workers: Whole = 0,
        memory: Weight = 2e9,
    ) -> None:
        super().__init__(window, batch_size, steps, candidates, augmentation, c_ref, workers, memory)
        self.root, self.clips, self.frames, self.size, self.seed = Path(root), dict(clips), frames, size, seed
        self.renderers = renderers

    def sources(self, split: str) -> list[Path]:
        from faceimit.data.synthetic.generate import prepare

        return prepare(
            self.root, split, self.clips[split], self.seed, self.frames, self.size, split != "train", self.renderers
        )


class RealClips(ClipData):
    """Real videos with annotations (:func:`faceimit.data.videos.load_real`), split by person.

    Args:
        root: folder with ``clips/`` and ``annotations/``.
        cache: folder for the face crops.
        names: clips of each split.
        size: side of the crops in pixels.
        rendered: rendered clips of 100 frames added to the training split.
        rendered_share: of the training windows, in [0, 1].
        rendered_root: cache folder of those.
        seed: of those.
        window, batch_size, steps, candidates, augmentation, c_ref, workers, memory: of :class:`ClipData`.
    """

    def __init__(
        self,
        root: str,
        cache: str,
        names: SplitNames,
        size: Side = 128,
        rendered: Whole = 0,
        rendered_share: Share = 0.5,
        rendered_root: str = ".cache/rendered",
        seed: Seed = 0,
        window: Frames = 24,
        batch_size: Count = 6,
        steps: Count | None = None,
        candidates: Count = 2,
        augmentation: Augmentation | None = None,
        c_ref: Positive | None = None,
        workers: Whole = 0,
        memory: Weight = 2e9,
    ) -> None:
        super().__init__(window, batch_size, steps, candidates, augmentation, c_ref, workers, memory)
        self.root, self.cache, self.size, self.seed = root, cache, size, seed
        self.names = {split: list(names[split]) for split in SPLITS}
        self.rendered, self.rendered_share, self.rendered_root = rendered, rendered_share, Path(rendered_root)

    def shares(self, corpus: Corpus) -> Sequence[float] | None:
        if not self.rendered:
            return None
        lengths = np.sqrt(corpus.lengths())
        real = len(corpus) - self.rendered
        ratio = self.rendered_share / max(1e-9, 1 - self.rendered_share) * lengths[:real].sum() / lengths[real:].sum()
        return [1.0] * real + [float(ratio)] * self.rendered

    def sources(self, split: str) -> list[Path | Clip]:
        from faceimit.data.videos import load_real

        found: list[Path | Clip] = list(load_real(self.root, self.names[split], self.size, self.cache))
        if split == "train" and self.rendered:
            from faceimit.data.synthetic.generate import prepare

            found += prepare(self.rendered_root, "train", self.rendered, self.seed, 100, self.size, flow=False)
        return found
