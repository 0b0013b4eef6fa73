"""One file's work, the same in every engine: look whether it is done already, annotate it, write its part."""

import functools
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from faceimit.data.annotators.model import checksum
from faceimit.data.annotators.protocol import Annotator, AnnotatorSpec, make_annotator
from faceimit.data.corpora.listing import Source
from faceimit.data.store import SCHEMA_VERSION, ClipInfo, Store
from faceimit.data.videos import CROP_VERSION
from faceimit.errors import InputError

Status = Literal["done", "skipped", "failed", "stop"]


@dataclass(frozen=True)
class Job:
    """A file to annotate.

    Attributes:
        source: the file.
        known: what the store says of it, or None.
    """

    source: Source
    known: ClipInfo | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        source: of the job.
        status: ``stop``: the store cannot be written, no other file would fare better.
        reason: why it failed, or what is worth knowing of a file that did not; one sentence or "".
        frames: read and annotated.
    """

    source: Source
    status: Status
    reason: str = ""
    frames: int = 0


class Engine(Protocol):
    """Does jobs in parallel; what comes back is in the order in which they end, one outcome for each job.

    `workers` is how many are done at a time; None: as many as there are cores.
    """

    def __call__(
        self, jobs: Iterable[Job], store: Path, spec: AnnotatorSpec, workers: int | None
    ) -> Generator[Outcome, None, None]: ...


def do(job: Job, store: Path, spec: AnnotatorSpec) -> Outcome:
    """Annotate a file into the store unless that is done; whatever goes wrong with it becomes its outcome."""
    source = job.source
    try:
        annotator = _annotator(spec)
        if job.known is not None and is_current(job.known, source, annotator):
            return _kept(job.known, source, store)
        clip = annotator.annotate(source)
    except Exception as error:  # a library that fails on one file must not end the others
        return Outcome(source, "failed", in_a_sentence(error))
    try:
        Store(store).write(clip)
    except (InputError, OSError) as error:
        return Outcome(source, "stop", in_a_sentence(error))
    return Outcome(source, "done", clip.note, clip.frames)


def is_current(known: ClipInfo, source: Source, annotator: Annotator) -> bool:
    """Whether the store's row is what this annotator would say of this file."""
    made_by = (known.annotator, known.annotator_version, known.model_sha256, known.crop_version, known.schema_version)
    wanted = (annotator.name, annotator.version, annotator.model_sha256, CROP_VERSION, SCHEMA_VERSION)
    if made_by != wanted or known.bytes != source.path.stat().st_size:
        return False
    return known.sha256 == checksum(source.path)


def in_a_sentence(error: BaseException) -> str:
    """What an error says, with its kind unless it is written for users."""
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) and text else f"{type(error).__name__}: {text}".rstrip(": ")


def _kept(known: ClipInfo, source: Source, store: Path) -> Outcome:
    """A file that is done; one that was moved since is remembered at its new place."""
    place = str(source.path.absolute())
    if (known.source, known.relative) != (place, source.relative):
        rows = Store(store)
        rows.write(replace(rows.read(known.name), source=place, relative=source.relative))
    return Outcome(source, "skipped", known.note)


@functools.lru_cache(maxsize=1)
def _annotator(spec: AnnotatorSpec) -> Annotator:
    """One a process: some take long to load."""
    return make_annotator(spec)


def close_annotator(spec: AnnotatorSpec) -> None:
    """Let go of this process's annotator, if it was needed."""
    if _annotator.cache_info().currsize:
        _annotator(spec).close()
        _annotator.cache_clear()
