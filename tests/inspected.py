"""A data module for the inspection of runs: clip files of a folder, by split."""

from pathlib import Path

from faceimit.data.datamodule import ClipData


class FolderClips(ClipData):
    """Hands out ``ROOT/SPLIT/*.npz``."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self.root = Path(root)

    def sources(self, split):
        return sorted((self.root / split).glob("*.npz"))
