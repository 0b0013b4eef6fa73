import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from faceimit.data.clipfile import save_clip
from faceimit.data.corpus import Corpus
from faceimit.data.datamodule import ClipData
from faceimit.data.labels import labels_of
from faceimit.data.transforms import Strength
from faceimit.data.windows import WholeClips, Windows, longest_run, reference_change, usable_starts
from faceimit.errors import InputError
from faceimit.face.records import Annotation
from tests.clips import blob_clip

STILL = dict.fromkeys(Strength.__dataclass_fields__, 0.0)


@pytest.fixture(scope="module")
def corpus():
    return Corpus([blob_clip(seed) for seed in range(3)])


def with_gap(clip, start, stop):
    valid = np.ones(len(clip.frames), dtype=bool)
    valid[start:stop] = False
    old = clip.annotation
    return replace(clip, annotation=Annotation(old.blendshapes, old.pose, valid))


def test_labels_follow_the_definitions(corpus):
    labels = labels_of(corpus[0])
    assert labels.valid.all()
    # c is the length of the velocity wherever both are known
    length = np.sqrt((labels.velocity[1:] ** 2).sum(axis=1))
    assert labels.change[1:] == pytest.approx(length, abs=1e-6)


def test_windows_never_touch_invalid_frames():
    clip = with_gap(blob_clip(0), 18, 21)
    windows = Windows(Corpus([clip]), 0.3, 10, 40)
    for index in range(40):
        random.seed(index)
        assert windows[index]["valid"].all()
    assert longest_run(labels_of(clip).valid) == 18
    with pytest.raises(InputError, match="no clip has 30 valid frames"):
        Windows(Corpus([clip]), 0.3, 30, 4)


def test_usable_starts():
    valid = np.array([1, 1, 1, 0, 1, 1, 1, 1], dtype=bool)
    assert usable_starts(valid, 3).tolist() == [0, 4, 5]
    assert usable_starts(valid, 9).tolist() == []


def test_windows_depend_on_the_global_seed_alone(corpus):
    windows = Windows(corpus, 0.3, 12, 10, Strength())
    found = []
    for _ in range(2):
        random.seed(7)
        found.append(windows[3])
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name]), name


def test_backwards_the_step_into_a_frame_is_the_step_that_left_it(corpus):
    windows = Windows(corpus, 1.0, 12, 10, Strength(**(STILL | {"reverse": 1.0})), candidates=1)
    windows._choose = lambda generator: (0, 5)
    clip, labels = corpus[0], corpus.labels[0]
    sample = windows[0]
    assert np.array_equal(sample["frames"][0].permute(1, 2, 0).numpy(), clip.frames[16])
    # frame 15 follows frame 16: the change is that between 15 and 16, kept at index 16, the other way round
    assert float(sample["change"][1]) == pytest.approx(float(labels.change[16]))
    assert sample["velocity"][1].numpy() == pytest.approx(-labels.velocity[16])


def test_known_flow_follows_its_frames():
    corpus = Corpus([blob_clip(0)])
    corpus.flow[0] = (np.arange(40, dtype=np.float16)[:, None, None, None] * np.ones((1, 2, 8, 8), dtype=np.float16),)
    windows = Windows(corpus, 1.0, 6, 4)
    windows._choose = lambda generator: (0, 7)
    assert windows[0]["known_flow"][0][:, 0, 0, 0].tolist() == [7, 8, 9, 10, 11, 12]


def test_shapes_and_types(corpus):
    random.seed(0)
    sample = Windows(corpus, 0.3, 12, 4, Strength())[0]
    assert sample["frames"].shape == (12, 3, 64, 64)
    assert sample["frames"].dtype == torch.uint8
    assert sample["score"].shape == sample["change"].shape == sample["valid"].shape == (12,)
    assert sample["velocity"].shape == (12, 55)
    assert float(sample["score"].min()) >= 0
    assert float(sample["score"].max()) <= 1
    whole = WholeClips(corpus, 0.3)[1]
    assert whole["frames"].shape[0] == 40
    assert whole["name"] == "blob1"


def test_files_are_read_again_when_memory_is_short(tmp_path, corpus):
    paths = []
    for index in range(3):
        paths.append(tmp_path / f"{index}.npz")
        save_clip(paths[-1], corpus[index])
    tight = Corpus(paths, memory=1)
    assert len(tight._kept) == 1
    for index in (2, 0, 1, 0):
        assert np.array_equal(tight[index].frames, corpus[index].frames)
    with pytest.raises(InputError, match="holds no clips"):
        Corpus([])


class Blobs(ClipData):
    def sources(self, split):
        first = {"train": 0, "val": 10, "test": 20}[split]
        return [blob_clip(first + i) for i in range(2)]


def test_batches_are_moved_on_the_device():
    data = Blobs(window=12, batch_size=2, steps=1, augmentation=STILL | {"shift": 0.2, "rotation": 20.0})
    batch = next(iter(data.train_dataloader()))
    assert batch["placement"].shape == (2, 12, 2, 3)
    moved = data.on_after_batch_transfer(batch, 0)
    assert "placement" not in moved
    assert moved["frames"].shape == batch["frames"].shape
    assert not torch.equal(moved["frames"], batch["frames"])
    assert torch.equal(moved["score"], batch["score"])
    whole = next(iter(data.test_dataloader()))
    assert data.on_after_batch_transfer(whole, 0) is whole


def test_datamodule_batches_and_reference():
    data = Blobs(window=12, batch_size=2, steps=3, augmentation={})
    batches = list(data.train_dataloader())
    assert len(batches) == 3
    assert batches[0]["frames"].shape == (2, 12, 3, 64, 64)
    assert data.c_ref == pytest.approx(reference_change(data.corpus("train").labels))
    names = {batch["name"][0] for batch in data.test_dataloader()}
    assert names.isdisjoint({"blob0", "blob1", "blob10", "blob11"})


def test_counts_say_what_was_trained_on():
    counts = Blobs(window=12, batch_size=2, c_ref=0.3).counts()
    assert counts["c_ref"] == pytest.approx(0.3)
    assert (counts["train/clips"], counts["val/frames"], counts["test/valid"]) == (2, 80, 80)
