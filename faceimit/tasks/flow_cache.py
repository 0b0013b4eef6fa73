"""Flow of whole clips, kept on disk by the weights and the pictures it was computed from."""

import hashlib
import io
import sys
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from faceimit.data.corpus import Corpus
from faceimit.nets.keyframe import SCALES, KeyframeNet

Levels = tuple[np.ndarray, ...]


class FlowCache:
    """Flow levels of clips by one flow network.

    Args:
        folder: where they are kept; None: nowhere.
        net: in eval mode, with a flow branch.
    """

    def __init__(self, folder: str | Path | None, net: KeyframeNet) -> None:
        self.net = net
        self.folder = None if folder is None else Path(folder) / weights_key(net)

    def levels(self, frames: np.ndarray) -> Levels:
        """Flow of each frame to its predecessor.

        Args:
            frames: (T, S, S, 3) uint8 RGB, T >= 2.

        Returns:
            :data:`faceimit.nets.keyframe.SCALES` levels (T, 2, h, w) float16 in pixels of the level, zero at frame 0.
        """
        if self.folder is None:
            return self._computed(frames)
        path = self.folder / f"{hashlib.blake2b(frames.tobytes(), digest_size=16).hexdigest()}.npz"
        known = read_levels(path)
        if known is None:
            known = self._computed(frames)
            write_levels(path, known)
        return known

    def _computed(self, frames: np.ndarray) -> Levels:
        device = next(self.net.parameters()).device
        return flow_levels(self.net, torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).to(device))


def fill(corpus: Corpus, cache: FlowCache, shown: float, visible: bool = True) -> bool:
    """Flow of the corpus' own clips into ``corpus.flow``, where that is less work than the flow of every window that
    training shows and fits into the corpus' memory.

    Args:
        corpus: the training clips.
        cache: by which it is computed.
        shown: frames of all windows of the training.
        visible: show how far it is, and say why it is not done.

    Returns:
        Whether it is done; otherwise nothing is kept, and a window's flow is computed when it is shown.
    """
    lengths = corpus.lengths()
    frames = sum(lengths[index] for index in corpus.own)
    reason = f"training shows {shown:,.0f} frames of windows" if frames > shown else ""
    for index in _track([] if reason else corpus.own, "flow of the training clips", visible):
        if index not in corpus.flow:
            corpus.flow[index] = cache.levels(corpus[index].frames)
        size = sum(level.nbytes for level in corpus.flow[index]) / len(corpus.flow[index][0]) * frames
        if size > corpus.memory:
            corpus.flow.clear()
            reason = f"it would take {size / 1e9:.1f} GB, and data.memory is {corpus.memory / 1e9:.1f}"
            break
    if reason and visible:
        print(f"flow of {frames:,} training frames is not computed beforehand: {reason}", file=sys.stderr)
    return not reason


def weights_key(net: KeyframeNet) -> str:
    """A name for the flow network's weights."""
    assert net.flow is not None
    digest = hashlib.blake2b(digest_size=8)
    for tensor in net.flow.state_dict().values():
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def read_levels(path: Path) -> Levels | None:
    """What :func:`write_levels` wrote; None where it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return tuple(stored[f"level{n}"] for n in range(SCALES))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def write_levels(path: Path, levels: Levels) -> None:
    """Written under a temporary name, then renamed; a cache that cannot be written is no reason to stop."""
    stream = io.BytesIO()
    named: dict[str, Any] = {f"level{n}": level for n, level in enumerate(levels)}
    np.savez(stream, **named)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{id(levels)}.part")
        temporary.write_bytes(stream.getvalue())
        temporary.replace(path)
    except OSError:
        return


@torch.no_grad()
def flow_levels(net: KeyframeNet, frames: Tensor, chunk: int = 24) -> Levels:
    """Flow of each frame of a clip (T, 3, S, S) uint8 to its predecessor: levels (T, 2, h, w) float16, frame 0 zero."""
    parts: list[list[np.ndarray]] = []
    for start in range(0, len(frames) - 1, chunk):
        flows = net.flow_of_clip(as_float(frames[start : start + chunk + 1])[None])[:SCALES]
        parts.append([level.float().cpu().numpy().astype(np.float16) for level in flows])
    levels = [np.concatenate(level) for level in zip(*parts, strict=True)]
    return tuple(np.concatenate([np.zeros_like(level[:1]), level]) for level in levels)


def as_float(frames: Tensor) -> Tensor:
    """uint8 pictures to [0, 1]; done on the device, a quarter of the bytes travels."""
    return frames.float().div(255.0) if frames.dtype == torch.uint8 else frames


def _track(steps: Sequence[int], what: str, shown: bool) -> Iterable[int]:
    """The steps, with a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import track as bar

    console = Console(stderr=True)
    return bar(steps, what, console=console, transient=True, disable=not (shown and console.is_terminal))
