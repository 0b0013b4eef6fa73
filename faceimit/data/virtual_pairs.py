"""LightningDataModule of the virtual robot: pictures with exact control values, and people who show the same.

A batch holds ``image`` uint8 (B, 3, S, S) RGB, ``controls`` float32 (B, 30) in table order and the unit of each,
``domain`` int64 (B,) 0 robot or 1 human, ``pair`` int64 (B,): a person and the robot with the same expression share
a number, -1 has no partner; ``gaze_known`` bool (B,), False where the eyes are shut; ``landmarks`` float32
(B, 68, 2) in pixels, NaN where a point is not known.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from faceimit.data.clipfile import load_clip
from faceimit.data.people import people_rows
from faceimit.data.sharding import OwnBatches, measured, processes
from faceimit.data.synthetic.robot_pairs import ROBOT, PairSequence, Settings, load_sequence, prepare
from faceimit.errors import InputError
from faceimit.face.records import Clip
from faceimit.ranges import Count, Frames, MidShare, PartShare, Seed, Side, Splits, Whole

Sample = dict[str, Any]
SPLITS = ("train", "val", "test")


class PairRows(Dataset[Sample]):
    """Rows of whole sequences, decoded and in memory; parts of them share the pictures.

    Args:
        images: (A, S, S, 3) uint8 RGB, of these rows and others.
        columns: ``controls`` (N, 30), ``landmarks`` (N, 68, 2) in pixels, ``gaze_known``, ``domain``, ``pair``,
            ``sequence`` (N,), and ``picture`` (N,), the number of each row's picture.
    """

    def __init__(self, images: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
        self.images, self.columns = images, dict(columns)

    def __len__(self) -> int:
        return len(self.columns["domain"])

    def __getitem__(self, index: int) -> Sample:
        columns = self.columns
        image = self.images[columns["picture"][index]]
        return {
            "image": torch.from_numpy(np.array(image.transpose(2, 0, 1), order="C")),
            "controls": torch.from_numpy(columns["controls"][index]),
            "landmarks": torch.from_numpy(columns["landmarks"][index]),
            "domain": int(columns["domain"][index]),
            "pair": int(columns["pair"][index]),
            "gaze_known": bool(columns["gaze_known"][index]),
        }

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The columns, and ``images`` (N, S, S, 3) uint8, a copy."""
        return self.columns | {"images": self.images[self.columns["picture"]]}

    def where(self, rows: np.ndarray) -> "PairRows":
        """The rows of a mask (N,) or of numbers (M,); a picture whose partner is not among them gets pair -1."""
        kept = {name: values[rows] for name, values in self.columns.items()}
        numbers, counts = np.unique(kept["pair"], return_counts=True)
        kept["pair"] = np.where(np.isin(kept["pair"], numbers[counts > 1]), kept["pair"], -1)
        return PairRows(self.images, kept)


class PairBatches:
    """Batch sampler: rows in random order, a person and the robot with the same expression in the same batch.

    Args:
        pair: (N,) number of each row, -1 without partner.
        size: rows of a batch; some more or fewer, so that all rows are dealt out and no pair is torn apart.
    """

    def __init__(self, pair: np.ndarray, size: int) -> None:
        self.size = size
        alone, order = np.flatnonzero(pair < 0), np.argsort(pair, kind="stable")
        together = order[pair[order] >= 0]
        _, starts = np.unique(pair[together], return_index=True)
        self.groups = [alone[i : i + 1] for i in range(len(alone))] + np.split(together, starts[1:])
        self.count = len(pair)

    def __len__(self) -> int:
        return max(1, self.count // self.size)

    def __iter__(self) -> Iterator[list[int]]:
        order = [self.groups[k] for k in torch.randperm(len(self.groups)).tolist()]
        ends = np.cumsum([len(group) for group in order])
        cuts = np.searchsorted(ends, np.arange(1, len(self)) * self.count / len(self))  # exactly len(self) batches
        for batch in np.split(np.arange(len(order)), cuts + 1):
            yield np.concatenate([order[k] for k in batch]).tolist()


class VirtualPairs(pl.LightningDataModule):
    """The virtual robot and people with retargeted controls, rendered on first use and cached.

    Splits share no sequence, scene or person. The validation sets are ``robot`` and ``human``, the test sets those and
    ``frames``: rows drawn one by one out of the *training* sequences and held back, whose neighbours in time were
    trained on; it exists only to show by how much a split by frame flatters. Where real people are given for a split,
    ``real`` is a set of it.

    Args:
        root: cache folder.
        sequences: number of sequences of each split; two of five are of people and the robot.
        frames: moments of a sequence.
        size: side of the pictures in pixels.
        seed: of the sequences, below 100.
        held: share of the training rows held back for ``frames``.
        humans: whether to train on people too.
        performances: rendered performances to train on as well, those of data=synthetic: people who talk and move
            little, seen through a tracker's crop, where the sequences show strong expressions.
        performances_root: cache folder of them.
        performances_seed: of them.
        real: folder of annotated real clips (:func:`faceimit.data.videos.load_real`).
        real_names: which of them, by split; a split that is not named has none.
        real_cache: folder for their crops.
        real_share: of the training rows that are of real people, in [0, 1); they are repeated as often as it takes.
        every: of performances and real clips one frame in so many; neighbours hardly differ.
        batch_size: pictures of a batch.
        renderers: processes that render; None: one a core.
        workers: loader processes.
    """

    kind = "pictures with control values"

    def __init__(
        self,
        root: str,
        sequences: Splits,
        frames: Frames = 24,
        size: Side = 128,
        seed: Seed = 0,
        held: MidShare = 0.08,
        humans: bool = True,
        performances: Whole = 0,
        performances_root: str | None = None,
        performances_seed: Seed = 0,
        real: str | None = None,
        real_names: Mapping[str, Sequence[str]] | None = None,
        real_cache: str | None = None,
        real_share: PartShare = 0.2,
        every: Count = 3,
        batch_size: Count = 64,
        renderers: Whole | None = None,
        workers: Whole = 0,
    ) -> None:
        super().__init__()
        few = [split for split in SPLITS if sequences[split] < 2]
        if few:
            raise InputError(
                f"expected at least 2 sequences but got {sequences[few[0]]}, try data.sequences.{few[0]}=5"
            )
        if performances and performances_root is None:
            raise InputError("performances need a folder, try data.performances_root=.cache/rendered")
        if unknown := sorted(set(real_names or {}) - set(SPLITS)):
            raise InputError(f"real_names names a split {unknown[0]!r}, valid names: {', '.join(SPLITS)}")
        self.root, self.sequences, self.held, self.humans = Path(root), dict(sequences), held, humans
        self.performances, self.performances_root = performances, performances_root
        self.performances_seed = performances_seed
        self.real, self.real_cache, self.real_share, self.every = real, real_cache, real_share, every
        self.real_names = {split: list(names) for split, names in (real_names or {}).items() if real is not None}
        self.settings = Settings(seed, frames, size)
        self.batch_size, self.renderers, self.workers = batch_size, renderers, workers
        self._rows: dict[str, PairRows] = {}
        self._real: dict[str, PairRows] = {}

    @property
    def val_sets(self) -> tuple[str, ...]:
        """What each validation loader shows."""
        return ("robot", "human", "real") if self.real_names.get("val") else ("robot", "human")

    @property
    def test_sets(self) -> tuple[str, ...]:
        """What each test loader shows."""
        return ("robot", "frames", "human", "real") if self.real_names.get("test") else ("robot", "frames", "human")

    def paths(self, split: str) -> list[Path]:
        """Files of a split's sequences, rendered if need be."""
        return prepare(self.root, {split: self.sequences[split]}, self.settings, self.renderers)[split]

    def performance_paths(self) -> list[Path]:
        """Files of the rendered performances trained on, rendered if need be."""
        from faceimit.data.synthetic.generate import prepare as prepare_clips

        if not self.performances or self.performances_root is None:
            return []
        settings = ("train", self.performances, self.performances_seed)
        return prepare_clips(self.performances_root, *settings, size=self.settings.size, workers=self.renderers)

    def clips(self, split: str) -> list[Clip]:
        """Real clips of a split."""
        from faceimit.data.videos import load_real

        names = self.real_names.get(split)
        if not names or self.real is None:
            return []
        return load_real(self.real, names, self.settings.size, self.real_cache)

    def parts(self) -> dict[str, Sequence[Path | Clip]]:
        """What each split is made of (:mod:`faceimit.data.fingerprint`)."""
        found: dict[str, Sequence[Path | Clip]] = {split: self.paths(split) for split in SPLITS}
        if self.performances:
            found["train/performances"] = self.performance_paths()
        return found | {f"{split}/real": self.clips(split) for split in SPLITS if self.real_names.get(split)}

    def prepare_data(self) -> None:
        """Render what is not on the disk yet."""
        prepare(self.root, self.sequences, self.settings, self.renderers)
        self.performance_paths()

    def rows(self, split: str) -> PairRows:
        """All rows of a split, read once; in training, those of performances and of real people too."""
        if split not in self._rows:
            sequences = map(load_sequence, self.paths(split))
            self._rows[split] = read_rows(chain(sequences, self._others() if split == "train" else ()))
        return self._rows[split]

    def _others(self) -> Iterator[PairSequence]:
        """Performances, then real people, to train on."""
        for path in self.performance_paths():
            yield people_rows(load_clip(path), self.every)
        for clip in self.clips("train"):
            yield people_rows(clip, self.every, unknown=("jaw",))  # MediaPipe's jaw line is another one

    def _of_real(self, split: str) -> PairRows:
        if split not in self._real:
            self._real[split] = read_rows(people_rows(clip, 1, unknown=("jaw",)) for clip in self.clips(split))
        return self._real[split]

    def part(self, name: str) -> PairRows:
        """``train``, or a set of :attr:`val_sets` or :attr:`test_sets` as ``val/robot``, ``test/frames`` ...

        Raises:
            InputError: there is no such part.
        """
        split, _, kind = name.partition("/")
        if name not in {"train", *(f"val/{k}" for k in self.val_sets), *(f"test/{k}" for k in self.test_sets)}:
            raise InputError(f"there is no part {name!r}; choose train, val/robot, val/human, test/robot ...")
        if kind == "real":
            return self._of_real(split)
        rows = self.rows("train" if kind == "frames" else split)
        robot = rows.columns["domain"] == ROBOT
        if kind in {"robot", "human"}:
            return rows.where(robot if kind == "robot" else ~robot)
        held = np.random.default_rng([self.settings.seed, 6]).random(len(rows)) < self.held
        if kind == "frames":
            return rows.where(held & robot)
        return rows.where(self._drawn(rows, ~held & (robot | self.humans)))

    def _drawn(self, rows: PairRows, chosen: np.ndarray) -> np.ndarray:
        """Numbers of the chosen rows (N,) bool, real people repeated until they are `real_share` of all."""
        real = rows.columns["sequence"] >= self.sequences["train"] + self.performances  # they come last
        once, again = np.flatnonzero(chosen & ~real), np.flatnonzero(chosen & real)
        if not len(again):
            return once
        wanted = round(len(once) * self.real_share / (1 - self.real_share))
        return np.concatenate([once, np.resize(again, wanted)])

    def train_dataloader(self) -> DataLoader:
        data = self.part("train")
        batches: Any = PairBatches(data.columns["pair"], self.batch_size)
        if processes()[1] > 1:
            batches = OwnBatches(batches)
        pin = torch.cuda.is_available()
        lasting = self.workers > 0
        return DataLoader(
            data, batch_sampler=batches, num_workers=self.workers, persistent_workers=lasting, pin_memory=pin
        )

    def val_dataloader(self) -> list[DataLoader]:
        return [self._still(f"val/{kind}") for kind in self.val_sets]

    def test_dataloader(self) -> list[DataLoader]:
        return [self._still(f"test/{kind}") for kind in self.test_sets]

    def _still(self, name: str) -> DataLoader:
        return measured(self.part(name), batch_size=self.batch_size)


def read_rows(sequences: Iterable[PairSequence]) -> PairRows:
    """All rows of sequences; ``sequence`` is the number of each, ``pair`` is unique over all of them."""
    found = list(sequences)
    names = ("controls", "landmarks", "gaze_known", "domain")
    columns = {name: np.concatenate([getattr(one, name) for one in found]) for name in names}
    columns["sequence"] = np.repeat(np.arange(len(found)), [len(one.domain) for one in found])
    columns["picture"] = np.arange(len(columns["domain"]))
    longest = max(one.moment.max(initial=0) for one in found) + 1
    pair = [
        np.where(len(np.unique(one.domain)) > 1, k * longest + one.moment, -np.ones_like(one.moment))
        for k, one in enumerate(found)
    ]
    return PairRows(np.concatenate([one.images for one in found]), columns | {"pair": np.concatenate(pair)})
