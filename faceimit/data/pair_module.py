"""LightningDataModule of Ameca pairs.

A batch holds ``image`` uint8 (B, 3, S, S) RGB, ``controls`` float32 (B, 30) in the order of
:data:`faceimit.face.controls.NAMES` and the unit of each, and ``row`` int64 (B,), the row of the table.
"""

import logging
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from faceimit.data.pair_cache import Crop, squares
from faceimit.data.pair_values import OnError
from faceimit.data.pairs import PairTable, read_pairs, split_by_frame, split_by_sequence
from faceimit.data.sharding import measured, shuffled
from faceimit.errors import InputError
from faceimit.ranges import Count, MidShare, Seed, Side, Whole

Sample = dict[str, Any]
_log = logging.getLogger(__name__)


class Pairs(Dataset[Sample]):
    """Rows of a table.

    Args:
        images: (N, S, S, 3) uint8 RGB.
        values: (N, 30) control values in their units.
        rows: (M,) numbers of the rows of this split.
    """

    def __init__(self, images: np.ndarray, values: np.ndarray, rows: np.ndarray) -> None:
        self.images, self.values, self.rows = images, values, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        row = int(self.rows[index])
        return {
            "image": torch.from_numpy(np.array(self.images[row].transpose(2, 0, 1), order="C")),
            "controls": torch.from_numpy(np.asarray(self.values[row], dtype=np.float32)),
            "row": row,
        }


class ControlPairs(pl.LightningDataModule):
    """Pictures of a robot's face and the 30 control values that made them.

    Args:
        root: a .parquet file, a folder, or a table of the hub (:func:`faceimit.data.pairs.read_pairs`).
        cache: folder for the squares.
        size: side of a square in pixels.
        crop: "resize" the picture's middle square, or cut out the "face".
        split: by "sequence", or by "frame", which exists only to show the leak.
        test_share: of the rows, in (0, 1).
        val_share: of the others.
        seed: of the split.
        names: of values that stand in lists; ["table"]: in the order of the table of controls.
        sequence: column that names the sequence.
        block: where nothing names a sequence: so many rows in a row are one.
        on_error: "refuse" a table with a wrong row, or "drop" such rows.
        batch_size: pairs of a batch.
        workers: loader processes.
    """

    kind = "pictures with control values"

    def __init__(
        self,
        root: str,
        cache: str = ".cache/pairs",
        size: Side = 128,
        crop: Crop = "resize",
        split: Literal["sequence", "frame"] = "sequence",
        test_share: MidShare = 0.2,
        val_share: MidShare = 0.1,
        seed: Seed = 0,
        names: list[str] | None = None,
        sequence: str | None = None,
        block: Count | None = None,
        on_error: OnError = "refuse",
        batch_size: Count = 64,
        workers: Whole = 0,
    ) -> None:
        super().__init__()
        self.root, self.cache, self.size, self.crop, self.split = root, cache, size, crop, split
        self.shares = {"test": test_share, "val": val_share, "seed": seed}
        self.batch_size, self.workers = batch_size, workers
        self.reading: dict[str, Any] = {"names": names, "sequence": sequence, "block": block, "on_error": on_error}
        self._table: PairTable | None = None
        self._images: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def table(self) -> PairTable:
        """The pairs, read once."""
        if self._table is None:
            self._table = read_pairs(self.root, cache=self.cache, **self.reading)
            for item in (*self._table.dropped, *self._table.problems):
                _log.warning("%s", item)
        return self._table

    def images(self) -> tuple[np.ndarray, np.ndarray]:
        """All pictures (N, S, S, 3) uint8 RGB, and which of them can be used (N,) bool."""
        if self._images is None:
            self._images = squares(self.table, self.cache, self.size, self.crop)
            for row in np.flatnonzero(~self._images[1]):
                _log.warning("row %d (%s) is left out: its picture cannot be used", row, self.table.names[row])
        return self._images

    def rows(self) -> dict[str, np.ndarray]:
        """Usable rows of "train", "val" and "test".

        Raises:
            InputError: too few sequences, or a split without a usable picture.
        """
        if self.split == "sequence":
            parts = split_by_sequence(self.table.sequence, **self.shares)  # type: ignore[arg-type]
        else:
            parts = split_by_frame(len(self.table), **self.shares)  # type: ignore[arg-type]
        valid = self.images()[1]
        parts = {name: rows[valid[rows]] for name, rows in parts.items()}
        empty = [name for name, rows in parts.items() if not len(rows)]
        if empty:
            raise InputError(f"the {empty[0]} split has no picture that can be used, try another data.seed")
        return parts

    def parts(self) -> dict[str, list[str]]:
        """What each split is made of (:mod:`faceimit.data.fingerprint`): rows of a table that is known by its key."""
        return {name: [self.table.key, *map(str, rows.tolist())] for name, rows in self.rows().items()}

    def prepare_data(self) -> None:
        """Make the squares, in one process."""
        self.images()

    def pairs(self, split: str) -> Pairs:
        """The rows of a split, as they are; the task mirrors and augments (:mod:`faceimit.data.control_augment`)."""
        return Pairs(self.images()[0], self.table.values, self.rows()[split])

    def train_dataloader(self) -> DataLoader:
        pairs = self.pairs("train")
        return DataLoader(pairs, **self._options(), **shuffled(pairs))

    def val_dataloader(self) -> DataLoader:
        return measured(self.pairs("val"), **self._options())

    def test_dataloader(self) -> DataLoader:
        return measured(self.pairs("test"), **self._options())

    def _options(self) -> dict[str, Any]:
        pin = torch.cuda.is_available()
        lasting = self.workers > 0
        return {
            "batch_size": self.batch_size, "num_workers": self.workers, "persistent_workers": lasting, "pin_memory": pin
        }  # fmt: skip
