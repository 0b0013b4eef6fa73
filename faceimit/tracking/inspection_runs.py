"""The data of a training run as something to inspect: what its data module hands out, with the run's figures."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from faceimit.data.checks.records import ClipFacts, Track, expressions
from faceimit.data.clipfile import load_clip
from faceimit.data.datamodule import ClipData
from faceimit.data.pair_module import ControlPairs
from faceimit.data.stored import LazyClip
from faceimit.errors import InputError
from faceimit.face.records import Clip
from faceimit.tracking.inspection_pairs import PairSource
from faceimit.tracking.inspection_sources import SPLITS, Source, clip_pictures, file_facts, file_track, track_of
from faceimit.tracking.run_data import data_of
from faceimit.tracking.runs import saved_config
from faceimit.tracking.schema import build, check_target


class RunSource(Source):
    """Clips that a run was trained, validated and tested on.

    Args:
        path: of the run.
        clips: of each split: clip files, clips, or clips of a store.
    """

    kind = "data of a training run"

    def __init__(self, path: Path, clips: Mapping[str, Sequence[Path | Clip | LazyClip]]) -> None:
        self.path, self.vocabulary = path, expressions()
        self._clips = [clip for split in clips.values() for clip in split]
        self.facts = [_facts(clip, split) for split, found in clips.items() for clip in found]

    def track(self, index: int) -> Track:
        clip, fact = self._clips[index], self.facts[index]
        if isinstance(clip, Path):
            return file_track(clip, fact)
        known = clip.annotation() if isinstance(clip, LazyClip) else clip.annotation
        return track_of(fact, known.blendshapes, known.pose, known.valid)

    def pictures(self, index: int, most: int) -> Iterator[np.ndarray | None]:
        clip = self._clips[index]
        if isinstance(clip, LazyClip):
            count = min(most, len(clip))
            yield from clip_pictures(clip.frames(0, count), clip.annotation().valid[:count])
            return
        whole = load_clip(clip) if isinstance(clip, Path) else clip
        yield from clip_pictures(whole.frames[:most], whole.annotation.valid[:most])


def run_source(path: Path) -> Source:
    """The data of a run folder.

    Raises:
        InputError: no run, its data are gone, damaged or of a kind that cannot be inspected.
    """
    config = saved_config(path)
    settings = data_of(path, config)
    check_target("data", settings)
    data = build(settings)
    source: Source
    if isinstance(data, ControlPairs):
        source = PairSource(path, data.table, data.rows())
    elif isinstance(data, ClipData):
        data.prepare_data()
        source = RunSource(path, {split: data.sources(split) for split in SPLITS})
    else:
        name = config["data"]["_target_"].rsplit(".", 1)[-1]
        raise InputError(f"the data of run {path} ({name}) are no clips or pairs, inspect its data.root instead")
    source.kind = RunSource.kind
    source.about = [*source.about, ("experiment", str(config["experiment"])), ("seed", str(config["seed"]))]
    source.metrics = _metrics(path)
    return source


def _facts(clip: Path | Clip | LazyClip, split: str) -> ClipFacts:
    if isinstance(clip, Path):
        return replace(file_facts(clip, clip.parent.parent), split=split)
    if isinstance(clip, LazyClip):
        valid = int(clip.digest.valid[clip.start : clip.stop].sum())
        return ClipFacts(clip.name, split, clip.identity, len(clip), clip.fps, valid, clip.size, clip.size)
    height, width = clip.frames.shape[1:3]
    valid = int(clip.annotation.valid.sum())
    return ClipFacts(clip.name, split, clip.identity, len(clip.frames), clip.fps, valid, width, height)


def _metrics(path: Path) -> dict[str, Any]:
    try:
        return json.loads((path / "metrics.json").read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(f"{path / 'metrics.json'} is no whole JSON file ({error}), train the run anew") from error
