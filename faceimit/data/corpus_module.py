"""Real corpora to train on: VoxCeleb, 300VW, CAER and plain folders of videos, with an annotation store."""

import hashlib
import sys
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from faceimit.data.corpora import Problem
from faceimit.data.crop_cache import make_crops
from faceimit.data.datamodule import SPLITS, Augmentation, ClipData
from faceimit.data.gather import Gathered, gather, lacking, listed, no_shared_identity, without_empty_splits
from faceimit.data.store import Store
from faceimit.data.stored import LazyClip
from faceimit.data.whole import written_whole
from faceimit.errors import InputError
from faceimit.ranges import Count, Frames, PartShare, Positive, Side, Weight, Whole
from faceimit.words import plural


class CorpusClips(ClipData):
    """Clips of a corpus on the disk.

    Videos that the store does not hold yet are annotated first, where a root is given; what cannot be used is listed
    in ``<cache>/left_out/``, and training goes on with the rest.

    Args:
        corpus: "voxceleb", "300vw", "caer" or "videos" (:mod:`faceimit.data.corpora`).
        root: its folder; None: the videos are where they were when they were annotated.
        store: annotation store (:mod:`faceimit.data.store`); None: one under the cache, made of the root.
        cache: folder for stores, crops and lists.
        val_share, test_share: of the identities, where the corpus has no such split itself; None: its reader's.
        split_seed: of that choice; None: its reader's.
        annotator: of what the store lacks (:class:`faceimit.data.annotators.protocol.AnnotatorSpec`); None: what the
            store lacks is left out.
        model: its model file; None: its own choice.
        processes: that annotate and make crops at the same time.
        size: side of the crops in pixels.
        max_frames: longer clips are cut into segments of at most so many frames.
        crops: "video": cut out of the videos whenever they are needed; "jpeg": once, and kept in the cache.
        verify: compare the checksum of every video as well as its size.
        window, batch_size, steps, candidates, augmentation, c_ref, workers, memory: of
            :class:`faceimit.data.datamodule.ClipData`.
    """

    def __init__(
        self,
        corpus: str,
        root: str | None = None,
        store: str | None = None,
        cache: str = ".cache",
        val_share: PartShare | None = None,
        test_share: PartShare | None = None,
        split_seed: Whole | None = None,
        annotator: str | None = "mediapipe",
        model: str | None = None,
        processes: Count = 1,
        size: Side = 128,
        max_frames: Frames = 1000,
        crops: Literal["video", "jpeg"] = "video",
        verify: bool = False,
        window: Frames = 24,
        batch_size: Count = 6,
        steps: Count | None = None,
        candidates: Count = 2,
        augmentation: Augmentation | None = None,
        c_ref: Positive | None = None,
        workers: Whole = 0,
        memory: Weight = 2e9,
    ) -> None:
        super().__init__(window, batch_size, steps, candidates, augmentation, c_ref, workers, memory)
        if root is None and store is None:
            raise InputError(f"{corpus} needs its folder or a store of it, try data.root=FOLDER or data.store=STORE")
        options = {"val": val_share, "test": test_share, "seed": split_seed}
        self.options = {name: value for name, value in options.items() if value is not None}
        self.corpus_name, self.root, self.cache = corpus, root, Path(cache)
        self.store = Store(store if store is not None else self.cache / "stores" / f"{corpus}-{_short(root)}")
        self.annotator, self.model, self.processes = annotator, model, processes
        self.size, self.max_frames, self.crops, self.verify = size, max_frames, crops, verify
        self._prepared = False

    def prepare_data(self) -> None:
        """Annotate what the store lacks, make the crops, list what is left out."""
        if self._prepared:  # the trainer asks before the test again
            return
        failed = self._annotate() if self.root is not None and self.annotator is not None else []
        self.__dict__.pop("gathered", None)  # the store may hold more now
        tried = {problem.path for problem in failed}
        self._report([*failed, *(problem for problem in self.gathered.problems if problem.path not in tried)])
        for split in SPLITS:
            self.sources(split)
        self._prepared = True

    def sources(self, split: str) -> list[LazyClip]:
        """Segments of the clips of a split."""
        clips = self.gathered.clips[split]
        if self.crops == "jpeg":
            clips = [replace(clip, crops=self._jpegs[clip.name]) for clip in clips]
        return [part for clip in clips for part in clip.segments(self.max_frames)]

    @cached_property
    def gathered(self) -> Gathered:
        """Whole clips of all splits.

        Raises:
            InputError: wrong root or store, or a split without clips.
        """
        listing = listed(self.corpus_name, self.root, self.store, self.options)
        if not self.store.path.is_dir():
            raise InputError(f"{self.store.path} holds no annotations yet, try data.annotator=mediapipe")
        found = gather(listing, self.store, self.size, self.cache / "digests", self.verify, self.options)
        no_shared_identity(found.clips)
        return without_empty_splits(found, self.corpus_name)

    @cached_property
    def _jpegs(self) -> dict[str, Any]:
        clips = [clip for split in SPLITS for clip in self.gathered.clips[split]]
        return make_crops(clips, self.cache / "crops", self.processes)

    def _annotate(self) -> list[Problem]:
        """What could not be annotated."""
        from faceimit.data.annotators.protocol import AnnotatorSpec
        from faceimit.data.annotators.run import annotate

        listing = listed(self.corpus_name, self.root, self.store, self.options)
        missing = lacking(listing, self.store)
        if not missing:
            return []
        print(f"annotating {plural(len(missing), 'video')} into {self.store.path}", file=sys.stderr)
        assert self.annotator is not None
        return annotate(missing, self.store.path, AnnotatorSpec(self.annotator, self.model), self.processes).failed

    def _report(self, problems: list[Problem]) -> None:
        """A line on stderr and a list in the cache."""
        if not problems:
            return
        path = self.cache / "left_out" / f"{self.corpus_name}-{_short(self.root or str(self.store.path))}.txt"
        with written_whole(path) as unfinished:
            unfinished.write_text("".join(f"{problem}\n" for problem in problems), encoding="utf-8")
        used = sum(map(len, self.gathered.clips.values()))
        lines = plural(len(problems), "line")
        print(f"{self.corpus_name}: {used} clips are used; what is not, and why: {path} ({lines})", file=sys.stderr)


def _short(root: str | None) -> str:
    """A few letters that stand for a folder."""
    return hashlib.sha256(str(Path(root or "").absolute()).encode()).hexdigest()[:8]
