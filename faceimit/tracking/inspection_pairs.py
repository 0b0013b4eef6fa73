"""Pairs of pictures and robot controls as something to inspect."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from faceimit.data.checks.records import ClipFacts, Track, robot_controls
from faceimit.data.pairs import PairTable, split_by_sequence
from faceimit.errors import InputError
from faceimit.tracking.inspection_sources import PAIRS, SIDE, Source

SIZED = 50  # sequences whose first picture is opened for its size


class PairSource(Source):
    """An Ameca table; a recording is a clip, or as many as there are splits it is in.

    Args:
        path: of the table.
        table: what was read from it.
        splits: rows of each split; None: those of the default split by recording, if there are enough recordings.
    """

    kind = PAIRS

    def __init__(self, path: Path, table: PairTable, splits: Mapping[str, np.ndarray] | None = None) -> None:
        self.path, self.vocabulary, self._table = path, robot_controls(), table
        places = _places(table.sequence, _default(table.sequence) if splits is None else splits)
        self._rows = [rows for _, _, rows in places]
        self.facts = [
            ClipFacts(name, split, name, len(rows), table.fps or float("nan"), None, *self._size(number))
            for number, (split, name, rows) in enumerate(places)
        ]
        self.problems = [str(problem) for problem in (*table.dropped, *table.problems)]
        self.about = [("recordings", f"{len(set(table.sequence.tolist())):,}")]

    def track(self, index: int) -> Track:
        rows, fact = self._rows[index], self.facts[index]
        valid = np.ones(len(rows), dtype=bool)
        return Track(fact.name, fact.split, fact.fps, self._table.values[rows], valid)

    def pictures(self, index: int, most: int) -> Iterator[np.ndarray | None]:
        for row in self._rows[index][:most].tolist():
            image = self._table.image(row)
            yield cv2.cvtColor(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)

    def _size(self, number: int) -> tuple[int, int]:
        """Width and height of a recording's first picture; 0 where it is not looked at."""
        if number >= SIZED:
            return 0, 0
        try:
            height, width = self._table.image(int(self._rows[number][0])).shape[:2]
        except InputError:
            return 0, 0
        return width, height


def _default(sequence: np.ndarray) -> Mapping[str, np.ndarray]:
    try:
        return split_by_sequence(sequence)
    except InputError:
        return {"": np.arange(len(sequence))}


def _places(sequence: np.ndarray, splits: Mapping[str, np.ndarray]) -> list[tuple[str, str, np.ndarray]]:
    """(split, recording, its rows there), in the order of the table in each split."""
    places = []
    for split, rows in splits.items():
        names, first = np.unique(sequence[rows], return_index=True)
        places += [(split, str(name), rows[sequence[rows] == name]) for name in names[np.argsort(first)]]
    return places
