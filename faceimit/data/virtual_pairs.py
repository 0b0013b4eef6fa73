"""LightningDataModule of the virtual robot: pictures with exact control values, and people who show the same.

A batch holds ``image`` uint8 (B, 3, S, S) RGB, ``controls`` float32 (B, 30) in table order and the unit of each,
``domain`` int64 (B,) 0 robot or 1 human, ``pair`` int64 (B,): a person and the robot with the same expression share
a number, -1 has no partner; ``gaze_known`` bool (B,), False where the eyes are shut; ``landmarks`` float32
(B, 68, 2) in pixels.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from faceimit.data.sharding import OwnBatches, measured, processes
from faceimit.data.synthetic.robot_pairs import HUMAN, ROBOT, Settings, load_sequence, prepare
from faceimit.errors import InputError

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
    trained on; it exists only to show by how much a split by frame flatters.

    Args:
        root: cache folder.
        sequences: number of sequences of each split; two of five are of people and the robot.
        frames: moments of a sequence.
        size: side of the pictures in pixels.
        seed: of the sequences, below 100.
        held: share of the training rows held back for ``frames``.
        humans: whether to train on people too.
        batch_size: pictures of a batch.
        renderers: processes that render; None: one a core.
        workers: loader processes.
    """

    val_sets = ("robot", "human")
    test_sets = ("robot", "frames", "human")

    def __init__(
        self,
        root: str,
        sequences: Mapping[str, int],
        frames: int = 24,
        size: int = 128,
        seed: int = 0,
        held: float = 0.08,
        humans: bool = True,
        batch_size: int = 64,
        renderers: int | None = None,
        workers: int = 0,
    ) -> None:
        super().__init__()
        missing = [split for split in SPLITS if split not in sequences]
        if missing:
            raise InputError(f"sequences names no number for {missing[0]}, try data.sequences.{missing[0]}=20")
        few = [split for split in SPLITS if sequences[split] < 2]
        if few:
            raise InputError(
                f"expected at least 2 sequences but got {sequences[few[0]]}, try data.sequences.{few[0]}=5"
            )
        if not 0 < held < 1:
            raise InputError(f"expected held to be a share between 0 and 1 but got {held:g}")
        self.root, self.sequences, self.held, self.humans = Path(root), dict(sequences), held, humans
        self.settings = Settings(seed, frames, size)
        self.batch_size, self.renderers, self.workers = batch_size, renderers, workers
        self._rows: dict[str, PairRows] = {}

    def paths(self, split: str) -> list[Path]:
        """Files of a split, rendered if need be."""
        return prepare(self.root, {split: self.sequences[split]}, self.settings, self.renderers)[split]

    def parts(self) -> dict[str, list[Path]]:
        """What each split is made of (:mod:`faceimit.data.fingerprint`)."""
        return {split: self.paths(split) for split in SPLITS}

    def prepare_data(self) -> None:
        """Render what is not on the disk yet."""
        prepare(self.root, self.sequences, self.settings, self.renderers)

    def rows(self, split: str) -> PairRows:
        """All rows of a split, read once."""
        if split not in self._rows:
            self._rows[split] = read_rows(self.paths(split))
        return self._rows[split]

    def part(self, name: str) -> PairRows:
        """``train``, or a set of :attr:`val_sets` or :attr:`test_sets` as ``val/robot``, ``test/frames`` ...

        Raises:
            InputError: there is no such part.
        """
        split, _, kind = name.partition("/")
        if name not in {"train", *(f"val/{k}" for k in self.val_sets), *(f"test/{k}" for k in self.test_sets)}:
            raise InputError(f"there is no part {name!r}; choose train, val/robot, val/human, test/robot ...")
        rows = self.rows("train" if kind == "frames" else split)
        robot = rows.columns["domain"] == ROBOT
        if kind in {"robot", "human"}:
            return rows.where(robot if kind == "robot" else ~robot)
        held = np.random.default_rng([self.settings.seed, 6]).random(len(rows)) < self.held
        if kind == "frames":
            return rows.where(held & robot)
        return rows.where(~held & (robot | self.humans))

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


def read_rows(paths: list[Path]) -> PairRows:
    """All rows of sequence files; ``sequence`` is the file's number, ``pair`` is unique over all of them."""
    found = [load_sequence(path) for path in paths]
    names = ("controls", "landmarks", "gaze_known", "domain")
    columns = {name: np.concatenate([getattr(one, name) for one in found]) for name in names}
    columns["sequence"] = np.repeat(np.arange(len(found)), [len(one.domain) for one in found])
    columns["picture"] = np.arange(len(columns["domain"]))
    longest = max(len(one.moment) for one in found)
    pair = [
        np.where((one.domain == HUMAN).any(), k * longest + one.moment, -np.ones_like(one.moment))
        for k, one in enumerate(found)
    ]
    return PairRows(np.concatenate([one.images for one in found]), columns | {"pair": np.concatenate(pair)})
