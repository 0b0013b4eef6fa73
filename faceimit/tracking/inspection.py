"""Inspection of a data set: the checks of :mod:`faceimit.data.checks`, each on as much of it as it needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from faceimit.data import targets
from faceimit.data.checks import leakage
from faceimit.data.checks.alignment import Alignment, align, picture_change
from faceimit.data.checks.coverage import Coverage, NextPose, coverage, next_poses
from faceimit.data.checks.events import Events, event_statistics, expression_change
from faceimit.data.checks.records import Track
from faceimit.data.checks.values import Distribution, Grain, distributions, grains
from faceimit.errors import InputError
from faceimit.face.blendshapes import BLENDSHAPES
from faceimit.keyframes.search import true_keyframes
from faceimit.tracking.inspection_sources import Source, spread

LOOKED_AT = 48  # clips whose pictures are decoded
LOOKED_FRAMES = 300  # of each of them, from its start
READ_CLIPS, READ_FRAMES = 500, 200_000  # clips and frames whose values are read
PRINTED = 12  # frames of a clip that are compared with other clips


@dataclass(frozen=True)
class Amount:
    """How much of the data set may be looked at; less is faster.

    Attributes:
        clips: whose values are read.
        frames: of values that are read, in all.
        pictured: clips whose pictures are decoded.
        pictures: decoded frames of each of these.
    """

    clips: int = READ_CLIPS
    frames: int = READ_FRAMES
    pictured: int = LOOKED_AT
    pictures: int = LOOKED_FRAMES


@dataclass
class Inspection:
    """What the checks found; what could not be checked is empty or None.

    Attributes:
        source: the data set.
        read: number of clips whose values were read.
        rows: number of valid frames among them.
        looked: numbers of the clips whose pictures were decoded.
        frames_looked: number of those pictures.
        values: distribution of each value.
        grains: granularity and noise of each value.
        coverage: of the space of values.
        proposals: poses to record next.
        alignments: clip number -> offset of pictures and labels.
        duplicates: frames that different splits (or clips, where there are no splits) share.
        compared: number of pictures compared for that.
        same_below: difference of pictures under which they count as the same, in grey levels.
        shared_people, shared_files: identity or file hash -> clips in several splits.
        repeated: clips made from the same file.
        events: statistics of the target score.
        unreadable: clips whose pictures or values cannot be read, and why.
    """

    source: Source
    read: int = 0
    rows: int = 0
    looked: list[int] = field(default_factory=list)
    frames_looked: int = 0
    values: list[Distribution] = field(default_factory=list)
    grains: list[Grain] = field(default_factory=list)
    coverage: Coverage | None = None
    proposals: list[NextPose] = field(default_factory=list)
    alignments: dict[int, Alignment] = field(default_factory=dict)
    duplicates: list[leakage.Duplicate] = field(default_factory=list)
    compared: int = 0
    same_below: float = float("nan")
    shared_people: dict[str, list[str]] = field(default_factory=dict)
    shared_files: dict[str, list[str]] = field(default_factory=dict)
    repeated: list[list[str]] = field(default_factory=list)
    events: Events | None = None
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def split(self) -> bool:
        """The data set has splits."""
        return any(fact.split for fact in self.source.facts)


Advance = Callable[[str, int, int], object]  # what is being done, how far, of how much


def inspect_source(source: Source, amount: Amount, advance: Advance = lambda *_: None) -> Inspection:
    """Run every check that a data set allows.

    Args:
        source: the data set.
        amount: how much to look at.
        advance: hears of the progress.
    """
    found = Inspection(source)
    found.shared_people = leakage.shared(source.facts, "identity")
    found.shared_files = leakage.shared(source.facts, "sha256")
    found.repeated = leakage.repeated(source.facts)
    if source.vocabulary is not None:
        check_values(found, read_tracks(found, amount, advance))
    check_pictures(found, amount, advance)
    return found


def read_tracks(found: Inspection, amount: Amount, advance: Advance) -> list[Track]:
    """Values of clips spread over the data set, until there are enough frames."""
    # from everywhere in turn, so that stopping early leaves no part out
    chosen = np.random.default_rng(0).permutation(spread(len(found.source.facts), amount.clips)).tolist()
    tracks, frames = [], 0
    for number, index in enumerate(chosen):
        advance("reading values", number, len(chosen))
        try:
            track = found.source.track(index)
        except InputError as error:
            found.unreadable[found.source.facts[index].name] = str(error)
            continue
        tracks.append(track)
        frames += len(track.valid)
        if frames >= amount.frames:
            break
    found.read = len(tracks)
    return sorted(tracks, key=lambda track: track.name)


def check_values(found: Inspection, tracks: Sequence[Track]) -> None:
    """Distributions, coverage, proposals, granularity, noise and events."""
    vocabulary = found.source.vocabulary
    if vocabulary is None or not tracks:
        return
    values = np.concatenate([track.values[track.valid] for track in tracks])
    found.rows = len(values)
    found.values = distributions(values, vocabulary)
    finite = values[np.isfinite(values).all(axis=1)]
    if len(finite) < 8:
        return
    found.grains = grains(tracks, vocabulary)
    found.coverage = coverage(vocabulary.normalised(finite))
    found.proposals = next_poses(finite, vocabulary)
    if vocabulary.names[: len(BLENDSHAPES)] == BLENDSHAPES:
        found.events = events_of(tracks)


def events_of(tracks: Sequence[Track]) -> Events | None:
    """Statistics of the score, scaled by the training split where there is one; None where nothing moves."""
    tracks = [track for track in tracks if track.fps > 0]
    changes = [expression_change(track) for track in tracks]
    training = [c for c, track in zip(changes, tracks, strict=True) if track.split in {"train", ""}]
    try:
        c_ref = targets.reference(training or changes)
    except InputError:
        return None
    fps = [track.fps for track in tracks]
    keyframes = [
        true_keyframes(targets.score(change, c_ref), rate).strong for change, rate in zip(changes, fps, strict=True)
    ]
    return event_statistics(changes, keyframes, fps, c_ref)


def check_pictures(found: Inspection, amount: Amount, advance: Advance) -> None:
    """Alignment of each clip looked at, and pictures that splits share."""
    facts = found.source.facts
    prints, steps = _Prints(), []
    for number, index in enumerate(chosen := picture_clips(found, amount.pictured)):
        advance("looking at pictures", number, len(chosen))
        try:
            pictures = list(found.source.pictures(index, amount.pictures))
            if not pictures:
                continue
            prints.add(index, pictures)
            stack = _stacked(pictures)
            if found.source.vocabulary is not None:
                found.alignments[index] = aligned(found.source, index, stack)
        except InputError as error:
            found.unreadable[facts[index].name] = str(error)
            continue
        steps.append(_thumb_steps(stack))
        found.looked.append(index)
        found.frames_looked += len(pictures)
    if found.looked:
        groups = [fact.split if found.split else fact.name for fact in facts]
        found.same_below = leakage.same_picture_below(np.concatenate(steps))
        made = prints.made()
        found.compared = len(made.clip)
        found.duplicates = leakage.near_duplicates(made, groups, found.same_below)


def picture_clips(found: Inspection, most: int) -> list[int]:
    """Clips to look at: as many of each split, spread over it."""
    facts = found.source.facts
    splits = sorted({fact.split for fact in facts})
    chosen: list[int] = []
    for split in splits:
        members = [i for i, fact in enumerate(facts) if fact.split == split and fact.frames != 0]
        chosen += [members[i] for i in spread(len(members), max(1, most // len(splits)))]
    return sorted(chosen)


def aligned(source: Source, index: int, pictures: np.ndarray) -> Alignment:
    """Offset of a clip between its first pictures (T', H, W) and its labels."""
    track, vocabulary = source.track(index), source.vocabulary
    if vocabulary is None:
        raise ValueError("a clip without labels has no offset")
    count = min(len(pictures), len(track.valid))
    return align(pictures[:count], vocabulary.normalised(track.values[:count]), track.valid[:count], track.fps)


class _Prints:
    """Fingerprints of some frames of each clip."""

    def __init__(self) -> None:
        self._pictures: list[np.ndarray] = []
        self._clips: list[int] = []
        self._frames: list[int] = []

    def add(self, clip: int, pictures: Sequence[np.ndarray | None]) -> None:
        for frame in spread(len(pictures), PRINTED):
            picture = pictures[frame]
            if picture is not None:
                self._pictures.append(picture)
                self._clips.append(clip)
                self._frames.append(frame)

    def made(self) -> leakage.Prints:
        return leakage.prints(self._pictures, self._clips, self._frames)


def _stacked(pictures: Sequence[np.ndarray | None]) -> np.ndarray:
    """(T, H, W) float32; NaN where there is no picture."""
    shape = next((picture.shape for picture in pictures if picture is not None), (1, 1))
    blank = np.full(shape, np.nan, dtype=np.float32)
    return np.stack([blank if picture is None else picture.astype(np.float32) for picture in pictures])


def _thumb_steps(stack: np.ndarray) -> np.ndarray:
    """RMS differences of the small pictures of leakage between frames in a row."""
    import cv2

    side = leakage.THUMB
    thumbs = np.stack([cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA) for picture in stack])
    return picture_change(thumbs)
