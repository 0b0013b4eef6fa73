"""What can be inspected: each kind of data set seen as clips with facts, values over time and pictures."""

import json
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from faceimit.data.checks.records import ClipFacts, Track, Vocabulary, expressions
from faceimit.data.clipfile import load_clip
from faceimit.data.corpora.listing import Listing
from faceimit.data.crop import CropBox, crop_face
from faceimit.data.store import ClipInfo, Store
from faceimit.data.video import probe, read_frames
from faceimit.errors import InputError
from faceimit.face.pose import pose_from_rotation
from faceimit.words import plural

SIDE = 64  # pixels of the grey pictures that the checks look at
PROBED = 300  # videos of a corpus that are opened for their length, rate and size
SPLITS = ("train", "val", "test")
PAIRS = "Ameca pairs"


class Source(ABC):
    """A data set to inspect.

    Attributes:
        kind: what it is, for the title.
        path: where it is.
        facts: of every clip.
        vocabulary: what the frames are labelled with; None: not labelled.
        about: (name, value) that only this kind has.
        problems: what could not be used and why, a sentence each.
        metrics: figures of a run.
    """

    kind: str
    path: Path
    facts: list[ClipFacts]
    vocabulary: Vocabulary | None = None
    about: Sequence[tuple[str, str]] = ()
    problems: Sequence[str] = ()
    metrics: Mapping[str, float] = {}

    @abstractmethod
    def track(self, index: int) -> Track:
        """Values over time of a clip."""

    @abstractmethod
    def pictures(self, index: int, most: int) -> Iterator[np.ndarray | None]:
        """The first frames of a clip as (SIDE, SIDE) grey pictures in [0, 255], None where there is no face.

        Raises:
            InputError: the pictures cannot be read.
        """


class StoreSource(Source):
    """An annotation store; pictures come from the annotated videos, cut out along the stored boxes.

    Args:
        path: of the store.
        videos: the annotated folder, where it has moved since; None: where it was.
    """

    kind = "annotation store"

    def __init__(self, path: Path, videos: Path | None = None) -> None:
        self.path, self._store, self._videos = path, Store(path), videos
        self._store.check()
        self._infos = self._store.infos()
        self.facts = [_stored_facts(info) for info in self._infos]
        self.vocabulary = expressions()
        models = {(info.annotator, info.annotator_version, info.model_sha256[:8]) for info in self._infos}
        self.about = [("annotator", ", ".join(" ".join(filter(None, model)) for model in sorted(models)))]
        self.problems = [f"{info.relative}: {info.note}" for info in self._infos if info.note]

    def track(self, index: int) -> Track:
        info = self._infos[index]
        stored = self._store.columns(info.name, ["blendshapes", "matrices", "valid"])
        pose = _pose_of(stored["matrices"], stored["valid"])
        return track_of(self.facts[index], stored["blendshapes"], pose, stored["valid"])

    def pictures(self, index: int, most: int) -> Iterator[np.ndarray | None]:
        info = self._infos[index]
        path = Path(info.source) if self._videos is None else self._videos / info.relative
        boxes = self._store.columns(info.name, ["boxes"])["boxes"]
        with read_frames(path) as video:
            for frame in video.pick(range(min(most, len(boxes)))):
                box = boxes[frame.index]
                yield _small(frame.image, CropBox(*box.tolist())) if np.isfinite(box).all() else None


class ClipSource(Source):
    """Clip files (.npz) of face crops, such as the rendered faces."""

    kind = "rendered clips"

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        self.path, self.vocabulary = path, expressions()
        self._files, self.facts, problems = [], [], []
        for file in files:
            try:
                self.facts.append(file_facts(file, path))
                self._files.append(file)
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                problems.append(f"{file.name} is no whole clip file ({error})")
        self.problems = problems
        if not self.facts:
            raise InputError(f"none of the {len(files)} .npz files in {path} is a clip of face crops, check the path")

    def track(self, index: int) -> Track:
        return file_track(self._files[index], self.facts[index])

    def pictures(self, index: int, most: int) -> Iterator[np.ndarray | None]:
        clip = load_clip(self._files[index])
        yield from clip_pictures(clip.frames[:most], clip.annotation.valid[:most])


class VideoSource(Source):
    """A corpus of videos that nobody has annotated; of many videos some are opened."""

    def __init__(self, listing: Listing) -> None:
        self.kind, self.path = f"{listing.corpus} corpus", listing.root
        self._listing = listing
        opened = set(spread(len(listing.sources), PROBED))
        self.facts = [
            self._opened(i) if i in opened else ClipFacts(s.name, s.split, s.identity, None, float("nan"))
            for i, s in enumerate(listing.sources)
        ]
        notes = [fact.note for fact in self.facts if fact.note]
        if len(notes) == len(self.facts):
            raise InputError(f"none of {plural(len(notes), 'video')} can be read; {notes[0]}")
        self.problems = [*notes, *(str(problem) for problem in listing.problems)]
        labels = sorted({source.label for source in listing.sources if source.label})
        self.about = [("labels", ", ".join(labels))] if labels else []

    def track(self, index: int) -> Track:
        raise InputError(f"{self.path} has no annotations, make them with faceimit-annotate")

    def pictures(self, index: int, most: int) -> Iterator[np.ndarray | None]:
        with read_frames(self._listing.sources[index].path) as video:
            for frame in video.pick(range(most)):
                height, width = frame.image.shape[:2]
                yield _small(frame.image, CropBox((width - 1) / 2, (height - 1) / 2, min(width, height)))

    def _opened(self, index: int) -> ClipFacts:
        source = self._listing.sources[index]
        try:
            info = probe(source.path)
        except InputError as error:
            return ClipFacts(source.name, source.split, source.identity, 0, float("nan"), note=str(error))
        valid = None if source.landmarks is None else len(list(source.landmarks.glob("[0-9]*.pts")))
        if valid is not None and info.frames is not None:
            valid = min(valid, info.frames)
        return ClipFacts(
            source.name, source.split, source.identity, info.frames, info.fps, valid, info.width, info.height
        )


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the numbers below `count`, evenly spread, all of them where they are fewer."""
    if count <= most:
        return list(range(count))
    return np.unique(np.linspace(0, count - 1, most).round().astype(int)).tolist()


def _stored_facts(info: ClipInfo) -> ClipFacts:
    size = (info.width, info.height)
    return ClipFacts(info.name, "", "", info.frames, info.fps, info.valid_frames, *size, info.sha256, info.note)


def _pose_of(matrices: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """(T, 3) radians; 0 where not valid."""
    pose = np.zeros((len(matrices), 3))
    if valid.any():
        pose[valid] = pose_from_rotation(matrices[valid].astype(np.float64))
    return pose


def file_facts(file: Path, root: Path) -> ClipFacts:
    """Facts of a clip file without reading its pictures."""
    with np.load(file, allow_pickle=False) as stored:
        header = json.loads(stored["header"].tobytes())
        valid = int(stored["valid"].sum())
    shape = _shape_in(file, "frames")
    split = next((part for part in reversed(file.parts[:-1]) if part in SPLITS), "")
    name = file.relative_to(root).with_suffix("").as_posix()
    return ClipFacts(name, split, header["identity"], shape[0], float(header["fps"]), valid, shape[2], shape[1])


def file_track(file: Path, fact: ClipFacts) -> Track:
    """Values over time of a clip file, without reading its pictures."""
    with np.load(file, allow_pickle=False) as stored:
        return track_of(fact, stored["blendshapes"], stored["pose"], stored["valid"])


def track_of(fact: ClipFacts, blendshapes: np.ndarray, pose: np.ndarray, valid: np.ndarray) -> Track:
    """Values over time from (T, 52) blendshapes and (T, 3) pose in radians."""
    values = np.concatenate([blendshapes.astype(np.float64), np.degrees(pose.astype(np.float64))], axis=1)
    return Track(fact.name, fact.split, fact.fps, values, valid)


def _shape_in(file: Path, key: str) -> tuple[int, ...]:
    """Shape of an array in an .npz, from its header alone."""
    with zipfile.ZipFile(file) as archive, archive.open(f"{key}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return read(stream)[0]


def clip_pictures(frames: np.ndarray, valid: np.ndarray) -> Iterator[np.ndarray | None]:
    """Face crops (T, S, S, 3) as small grey pictures, None where not valid."""
    for picture, ok in zip(frames, valid, strict=True):
        side = picture.shape[0]
        yield _small(picture, CropBox((side - 1) / 2, (side - 1) / 2, side)) if ok else None


def _small(image: np.ndarray, box: CropBox) -> np.ndarray:
    import cv2

    return cv2.cvtColor(crop_face(image, box, SIDE), cv2.COLOR_RGB2GRAY)
