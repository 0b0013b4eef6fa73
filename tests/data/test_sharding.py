import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from faceimit.data import sharding
from faceimit.data.clipfile import save_clip
from faceimit.data.corpus import Corpus
from faceimit.data.virtual_pairs import PairBatches
from faceimit.data.windows import Windows
from tests.clips import blob_clip


class Numbers(torch.utils.data.Dataset):
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return {"value": torch.tensor(10 * index), "name": f"item {index}"}


@pytest.fixture
def as_process(monkeypatch):
    def become(rank, number):
        monkeypatch.setattr(sharding, "processes", lambda: (rank, number))

    return become


@pytest.mark.parametrize(("count", "number"), [(6, 2), (7, 2), (7, 3), (1, 2), (2, 5)])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_every_item_is_measured_once_in_batches_of_equal_number(as_process, count, number, batch_size):
    seen, batches = [], set()
    for rank in range(number):
        as_process(rank, number)
        loader = sharding.measured(Numbers(count), batch_size=batch_size)
        assert sharding.shards_itself(loader)
        batches.add(len(loader))
        for batch in loader:
            mine = sharding.once(batch)
            if mine is not None:
                assert [f"item {v // 10}" for v in mine["value"].tolist()] == mine["name"]
                assert (mine["value"] // 10).tolist() == mine["number"].tolist()
                seen += mine["number"].tolist()
    assert sorted(seen) == list(range(count))
    assert len(batches) == 1


def test_one_process_alone_is_left_as_it_was():
    loader = sharding.measured(Numbers(3), batch_size=2)
    batch = next(iter(loader))
    assert set(batch) == {"value", "name"}
    assert sharding.once(batch) == batch
    assert not sharding.shards_itself(loader)
    assert sharding.own(3) == [0, 1, 2]
    assert (sharding.own_steps(7), sharding.agreed(0.3), sharding.anybody(True)) == (7, 0.3, True)
    assert sharding.gathered({2: "c", 0: "a"}) == ["a", "c"]


def test_clips_have_one_owner_and_nobody_is_without(as_process):
    owners: list[int] = []
    for rank in range(3):
        as_process(rank, 3)
        owners += sharding.own(8)
    assert sorted(owners) == list(range(8))
    as_process(4, 5)
    assert sharding.own(2) == [0]
    assert sharding.own_steps(7) == 2


def test_a_process_reads_the_frames_of_its_own_clips_only(tmp_path, monkeypatch):
    clips = [blob_clip(seed, frames=20, size=32) for seed in range(4)]
    paths = [tmp_path / f"{clip.name}.npz" for clip in clips]
    for path, clip in zip(paths, clips, strict=True):
        save_clip(path, clip)
    whole, mine = Corpus(paths), Corpus(paths, own=[1, 3])
    assert mine.lengths() == whole.lengths()
    for a, b in zip(whole.labels, mine.labels, strict=True):  # what c_ref is made of
        np.testing.assert_array_equal(a.change, b.change)
    assert mine._bytes == whole._bytes / 2
    monkeypatch.setattr(mine, "frames", lambda index, *_: read.append(index) or whole.frames(index, *_))
    read: list[int] = []
    windows = Windows(mine, 0.3, 8, 30)
    for index in range(30):
        windows[index]
    assert set(read) == {1, 3}


def test_pairs_are_dealt_out_in_whole_batches_of_the_same_order(as_process):
    pair = np.array([-1, -1, 0, 0, 1, 1, -1, 2, 2, -1, -1, -1])
    rows = []
    for rank in range(2):
        as_process(rank, 2)
        batches = sharding.OwnBatches(PairBatches(pair, 3))
        torch.manual_seed(0)
        order = iter(DataLoader(Numbers(12), batch_sampler=batches))
        torch.manual_seed(100 + rank)  # as the train loader seeds each batch
        rows.append([row // 10 for batch in order for row in batch["value"].tolist()])
        assert len(batches) == 2
    assert sorted(rows[0] + rows[1]) == list(range(12))
