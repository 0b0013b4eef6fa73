"""Listing without decoding: folders, odd names, shares of identities, and memory."""

import tracemalloc

import pytest

from faceimit.data.corpora import CORPORA, list_corpus
from faceimit.data.corpora.listing import Problem, Source, entries, kept_apart, shares, walk
from faceimit.data.corpora.voxceleb import find
from faceimit.errors import InputError
from tests.corpora import make_300vw, make_caer, make_videos, make_voxceleb

MAKERS = {"voxceleb": make_voxceleb, "300vw": make_300vw, "caer": make_caer, "videos": make_videos}


@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.parametrize("irregular", [False, True])
def test_no_identity_is_in_two_splits(corpus, irregular, tmp_path):
    listing = list_corpus(corpus, MAKERS[corpus](tmp_path / "root", irregular=irregular))
    seen = {split: {source.identity for source in listing.split(split)} for split in ("train", "val", "test")}
    assert all(seen.values())
    assert not seen["train"] & seen["val"]
    assert not seen["train"] & seen["test"]
    assert not seen["val"] & seen["test"]


@pytest.mark.parametrize("corpus", CORPORA)
def test_names_are_unique_and_lead_back_to_the_file(corpus, tmp_path):
    listing = list_corpus(corpus, MAKERS[corpus](tmp_path / "root", irregular=True))
    assert len({source.name for source in listing.sources}) == len(listing.sources)
    assert all(listing.root / source.relative == source.path for source in listing.sources)
    assert all(source.path.is_file() for source in listing.sources)


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_listing_is_the_same_each_time(corpus, tmp_path):
    root = MAKERS[corpus](tmp_path / "root", irregular=True)
    assert list_corpus(corpus, root) == list_corpus(corpus, str(root))


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_missing_root_is_named(corpus, tmp_path):
    with pytest.raises(InputError, match=r"nowhere to be the folder of .* but it does not exist"):
        list_corpus(corpus, tmp_path / "nowhere")


@pytest.mark.parametrize("corpus", CORPORA)
def test_an_empty_root_is_refused(corpus, tmp_path):
    with pytest.raises(InputError, match=str(tmp_path)):
        list_corpus(corpus, tmp_path)


@pytest.mark.parametrize("corpus", ["voxceleb", "300vw", "caer"])
def test_the_right_root_is_found_one_level_down_and_up(corpus, tmp_path):
    root = MAKERS[corpus](tmp_path / "a" / "root")
    for wrong in (root.parent, next(path for path in sorted(root.iterdir()) if path.is_dir())):
        with pytest.raises(InputError, match=f"expected {wrong} to be the folder .* try {root}$"):
            list_corpus(corpus, wrong)


def test_a_root_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file, give its folder"):
        list_corpus("caer", tmp_path / "file")


def test_an_unknown_corpus_names_its_neighbour(tmp_path):
    with pytest.raises(InputError, match="no corpus 'voxcelb', did you mean voxceleb"):
        list_corpus("voxcelb", tmp_path)


def test_shares_leave_something_for_training():
    for count in range(1, 30):
        people = [f"p{i}" for i in range(count)]
        val, test, train = shares(people, (0.1, 0.1), seed=0)
        assert sorted(val | test | train) == sorted(people)
        assert train
        assert bool(val) == (count > 1)
        assert bool(test) == (count > 2)
    assert [len(part) for part in shares(map(str, range(200)), (0.1, 0.2), 0)] == [20, 40, 140]


def test_shares_depend_on_the_seed_and_the_names_alone():
    people = [f"p{i}" for i in range(50)]
    assert shares(people, (0.2,), 3) == shares(reversed(people), (0.2,), 3)
    assert shares(people, (0.2,), 3) != shares(people, (0.2,), 4)
    with pytest.raises(InputError, match="sum below 1"):
        shares(people, (0.5, 0.5), 0)


def test_an_identity_in_two_splits_is_moved_to_the_later():
    split_of, moved = kept_apart({"train": ["a", "b", "c"], "val": ["c"], "test": ["b"]})
    assert split_of == {"a": "train", "b": "test", "c": "val"}
    assert moved == [("b", "train", "test"), ("c", "train", "val")]


def test_walk_ends_in_a_loop_and_skips_hidden(tmp_path):
    (tmp_path / "a" / ".b").mkdir(parents=True)
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "._x").write_text("")
    (tmp_path / "a" / "x").write_text("")
    assert list(walk(tmp_path)) == [("", []), ("a", ["x"])]
    assert entries(tmp_path) == (["a"], [])


def test_walking_a_large_tree_needs_little_memory(tmp_path):
    for person in range(20):
        folder = tmp_path / "dev" / "mp4" / f"id{person:05d}" / "v"
        folder.mkdir(parents=True)
        for k in range(200):
            (folder / f"{k:05d}.mp4").write_bytes(b"x")
    tracemalloc.start()
    count = sum(isinstance(item, Source) for item in find(tmp_path, 0.1, 0.1, 0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 4000
    assert peak < 600_000  # 4000 records would be 2 MB


def test_a_problem_reads_as_a_sentence(tmp_path):
    assert str(Problem(tmp_path / "x.mp4", "an empty file, fetch it again")).endswith(
        "x.mp4: an empty file, fetch it again"
    )
