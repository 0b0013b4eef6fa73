"""Rendered clips with exact flow for `experiment=flow`: clean windows to train on, clean and noisy clips to measure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Subset

from faceimit.data.clipfile import load_clip
from faceimit.data.matte import Layers, layers_path, prepare_layers
from faceimit.data.sharding import fewest, measured, own, shuffled
from faceimit.errors import InputError
from faceimit.face.records import Clip
from faceimit.ranges import Count, Frames, Seed, Side, Splits, Whole

FIRST_LAYER_PERSON = 50_000  # a training identity that no clip of a corpus of fewer than 50,000 shows


def to_batch(clip: Clip, start: int = 0, stop: int | None = None, noise_free: bool = False) -> dict[str, object]:
    """Frames start .. stop of a clip as tensors: frames (T, 3, S, S) uint8; flow, occluded where the clip has them."""
    frames = torch.from_numpy(np.ascontiguousarray(clip.frames[start:stop].transpose(0, 3, 1, 2)))
    item: dict[str, object] = {"frames": frames, "noise_free": torch.tensor(noise_free), "name": clip.name}
    if clip.flow is not None and clip.occluded is not None:
        item["flow"] = torch.from_numpy(clip.flow[start:stop].astype(np.float32))
        item["occluded"] = torch.from_numpy(clip.occluded[start:stop].copy())
    return item


class FlowWindows(Dataset):
    """Windows of neighbouring frames at random places, all clips in memory; as many a pass as fit side by side.

    Args:
        paths: clip files (:mod:`faceimit.data.clipfile`) of one size.
        window: frames.
        with_flow: also exact flow, for training supervised by it.
        layers: cut-outs to add to each item as head (4, S, S), hand (4, S, S) and background (3, S, S) uint8, each of
            another person.
    """

    def __init__(
        self, paths: Sequence[Path], window: int, with_flow: bool = False, layers: Layers | None = None
    ) -> None:
        self.layers = layers
        self.clips = [load_clip(path, with_flow=with_flow) for path in paths]
        self.window = window
        short = [clip.name for clip in self.clips if len(clip.frames) < window]
        if short:
            raise InputError(f"clip {short[0]} has fewer than {window} frames, try a smaller data.window")
        self.owner = [i for i, clip in enumerate(self.clips) for _ in range(len(clip.frames) // window)]

    def __len__(self) -> int:
        return len(self.owner)

    def __getitem__(self, index: int) -> dict[str, object]:
        clip = self.clips[self.owner[index]]
        start = int(torch.randint(len(clip.frames) - self.window + 1, ()))
        item = to_batch(clip, start, start + self.window, noise_free=True)
        if self.layers is not None:
            parts = {"head": self.layers.heads, "hand": self.layers.hands, "background": self.layers.backgrounds}
            for name, pictures in parts.items():
                picture = pictures[int(torch.randint(len(pictures), ()))]
                item[name] = torch.from_numpy(picture.transpose(2, 0, 1).copy())
        return item


class WholeClips(Dataset):
    """One clip an item, read when asked for.

    Args:
        paths: clip files with flow, and whether each is free of noise.
    """

    def __init__(self, paths: Sequence[tuple[Path, bool]]) -> None:
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, object]:
        path, noise_free = self.paths[index]
        return to_batch(load_clip(path, with_flow=True), noise_free=noise_free)


class FlowClips(LightningDataModule):
    """Rendered faces for flow.

    Train batches: frames uint8 (B, window, 3, S, S) RGB without noise (the task adds its own), noise_free (B,), name;
    head, hand (B, 4, S, S) uint8 RGBA and background (B, 3, S, S) uint8 RGB, layers to be moved (:mod:`.matte`).
    Validation and test batches: one whole clip with flow (1, T, 2, S, S) px and occluded (1, T, S, S), half of the
    clips without noise.

    Args:
        root: folder of the cache.
        clips: number of clips of each split: train, val, test; half of val and test are free of noise.
        frames: length of a clip.
        size: S, pixels.
        window: frames of a training window, one more than the largest gap.
        batch_size: windows a batch.
        seed: of the corpus.
        workers: loader processes.
        with_flow: give exact flow in training as well, for the supervised reference.
        people: rendered persons whose stills give the layers; 0 for none.
        extra: folders of further clip files to train on (e.g. crops of real videos).
        renderers: processes that render; None: one a core.
    """

    kind = "clips with exact flow"

    def __init__(
        self,
        root: str,
        clips: Splits,
        frames: Frames = 60,
        size: Side = 128,
        window: Frames = 5,
        batch_size: Count = 4,
        seed: Seed = 0,
        workers: Whole = 0,
        with_flow: bool = False,
        people: Whole = 24,
        extra: Sequence[str] = (),
        renderers: Whole | None = None,
    ) -> None:
        super().__init__()
        self.root, self.clips, self.frames, self.size = Path(root), dict(clips), frames, size
        self.window, self.batch_size, self.seed, self.workers = window, batch_size, seed, workers
        self.with_flow, self.people, self.extra = with_flow, people, [Path(folder) for folder in extra]
        self.renderers = renderers
        self.train: FlowWindows | None = None

    def _rendered(self, split: str, count: int, clean: bool, flow: bool = True) -> list[Path]:
        from faceimit.data.synthetic.generate import prepare

        if not count:
            return []
        settings = (split, count, self.seed, self.frames, self.size, flow, self.renderers)
        return prepare(self.root, *settings, clean=clean)

    def _measured(self, split: str) -> list[tuple[Path, bool]]:
        noisy = (self.clips[split] + 1) // 2
        clean = self.clips[split] - noisy
        return [(path, False) for path in self._rendered(split, noisy, clean=False)] + [
            (path, True) for path in self._rendered(split, clean, clean=True)
        ]

    def _extra(self) -> list[Path]:
        return [path for folder in self.extra for path in sorted(folder.glob("*.npz"))]

    def _layers(self) -> Layers | None:
        if self.people == 0:
            return None
        return prepare_layers(self.root, self.people, self.seed, self.size, first=FIRST_LAYER_PERSON)

    def parts(self) -> dict[str, list[Path]]:
        """What each split is made of (:mod:`faceimit.data.fingerprint`)."""
        train = [*self._rendered("train", self.clips["train"], clean=True), *self._extra()]
        layers = [layers_path(self.root, self.people, self.seed, self.size, FIRST_LAYER_PERSON)] if self.people else []
        measured = {split: [path for path, _ in self._measured(split)] for split in ("val", "test")}
        return {"train": train, "layers": layers} | measured

    def prepare_data(self) -> None:
        """Render what the cache has not."""
        self._layers()
        self._rendered("train", self.clips["train"], clean=True)
        for split in ("val", "test"):
            self._measured(split)

    def setup(self, stage: str) -> None:
        """Load the training clips into memory; where several processes train, each its own."""
        if stage == "fit" and self.train is None:
            paths = self._rendered("train", self.clips["train"], clean=True) + self._extra()
            mine = [paths[i] for i in own(len(paths))]
            self.train = FlowWindows(mine, self.window, self.with_flow, self._layers())

    def train_dataloader(self) -> DataLoader:
        """Shuffled windows."""
        if self.train is None:
            raise RuntimeError("call setup('fit') first")
        options = {"num_workers": self.workers, "persistent_workers": self.workers > 0}
        windows = Subset(self.train, range(fewest(len(self.train))))  # as many as each other process has
        return DataLoader(windows, self.batch_size, drop_last=True, **shuffled(windows, own=True), **options)

    def val_dataloader(self) -> DataLoader:
        """Whole clips of the validation people."""
        return measured(WholeClips(self._measured("val")), batch_size=1, num_workers=self.workers)

    def test_dataloader(self) -> DataLoader:
        """Whole clips of the test people."""
        return measured(WholeClips(self._measured("test")), batch_size=1, num_workers=self.workers)
