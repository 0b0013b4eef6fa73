"""A corpus of 10,000 clips is listed in little memory, and an epoch of its windows takes no more."""

import gc
import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from faceimit.data.corpus import Corpus
from faceimit.data.digest import digest_of
from faceimit.data.store import Store
from faceimit.data.stored import LazyClip
from faceimit.data.windows import WholeClips, Windows
from tests.stores import stored

CLIPS, FRAMES, SIZE = 10_000, 50, 64
MB = 2**20


class Grey:
    """Crops made when they are asked for, as if decoded."""

    def read(self, start, stop):
        return np.full((stop - start, SIZE, SIZE, 3), start % 256, dtype=np.uint8)


def resident():
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def listing(store, info, digest):
    """One annotated clip under 10,000 names, each with a digest of its own, as a corpus of the disk has it."""
    change = np.random.default_rng(0).random((CLIPS, FRAMES), dtype=np.float32)
    copies = (replace(digest, change=row, boxes=digest.boxes.copy(), times=digest.times.copy()) for row in change)
    return [LazyClip(info, store, f"person {n}", one, Grey(), SIZE, 0, FRAMES) for n, one in enumerate(copies)]


def test_memory_of_a_large_listing_stays_flat(tmp_path):
    store = Store(tmp_path / "S")
    store.write(stored("clip", FRAMES))
    info = store.info("clip")
    digest = replace(digest_of(store, info), valid=np.ones(FRAMES, dtype=bool))
    before = resident()  # with the libraries that read a store
    clips = listing(store, info, digest)
    pictures = sum(clip.nbytes for clip in clips) / MB
    corpus = Corpus(clips, memory=20 * MB)
    windows = Windows(corpus, 0.4, 16, 1000)
    listed = resident()
    assert pictures > 5000
    assert listed - before < 60  # 25 bytes a frame of digests, 5 of labels, and what Python adds a clip
    peaks = []
    for index in range(300):
        random.seed(index)
        assert windows[index]["frames"].shape == (16, 3, SIZE, SIZE)
        if index % 50 == 49:
            peaks.append(resident())
    whole = WholeClips(corpus, 0.4)
    for index in range(0, CLIPS, 200):
        assert len(whole[index]["score"]) == FRAMES
    assert max(peaks) - peaks[0] < 8
    assert resident() - listed < 30
