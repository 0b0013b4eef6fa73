"""Pairs of pictures and robot controls as something to inspect."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from faceimit.data.checks.records import ClipFacts, Track, robot_controls
from faceimit.data.pairs import PairTable, split_by_sequence
from faceimit.errors import InputError
from faceimit.tracking.inspection_sources import SIDE, Source

SIZED = 50  # sequences whose first picture is opened for its size


class PairSource(Source):
    """An Ameca table; a recording is a clip, and the split is the default one, by recording.

    Args:
        path: of the table.
        table: what was read from it.
    """

    kind = "Ameca pairs"

    def __init__(self, path: Path, table: PairTable) -> None:
        self.path, self.vocabulary, self._table = path, robot_controls(), table
        names, first = np.unique(table.sequence, return_index=True)
        order = np.argsort(first)
        self._names = names[order].tolist()
        self._rows = [np.flatnonzero(table.sequence == name) for name in self._names]
        splits = self._splits()
        self.facts = [
            ClipFacts(name, splits.get(name, ""), "", len(rows), table.fps or float("nan"), *self._size(i, rows))
            for i, (name, rows) in enumerate(zip(self._names, self._rows, strict=True))
        ]
        bad = [f"row {row}" if isinstance(row, int) else str(row) for row in table.dropped]
        self.problems = [*bad, *(str(problem) for problem in table.problems)]
        self.about = [("pairs", f"{len(table):,}")]

    def track(self, index: int) -> Track:
        rows, fact = self._rows[index], self.facts[index]
        valid = np.ones(len(rows), dtype=bool)
        return Track(fact.name, fact.split, fact.fps, self._table.values[rows], valid)

    def pictures(self, index: int, most: int) -> Iterator[np.ndarray | None]:
        for row in self._rows[index][:most].tolist():
            image = self._table.image(row)
            yield cv2.cvtColor(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)

    def _splits(self) -> dict[str, str]:
        """Split of each recording; none where there are too few recordings to split."""
        try:
            parts = split_by_sequence(self._table.sequence)
        except InputError:
            return {}
        return {str(name): split for split, rows in parts.items() for name in np.unique(self._table.sequence[rows])}

    def _size(self, number: int, rows: np.ndarray) -> tuple[int | None, int, int]:
        """Valid frames (not known), width and height of a recording's first picture."""
        if number >= SIZED:
            return None, 0, 0
        try:
            height, width = self._table.image(int(rows[0])).shape[:2]
        except InputError:
            return None, 0, 0
        return None, width, height
