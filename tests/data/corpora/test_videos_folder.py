"""Plain folders and lists of videos."""

import time

import pytest

from faceimit.data.corpora import list_corpus
from faceimit.data.corpora.videos import _groups
from faceimit.errors import InputError
from tests.corpora import make_videos, videos


def names(listing):
    return [source.name for source in listing.sources]


def people(listing, split):
    return {source.identity for source in listing.split(split)}


def test_videos_in_the_root_are_people_of_their_own(tmp_path):
    listing = list_corpus("videos", make_videos(tmp_path, count=20))
    assert len({source.identity for source in listing.sources}) == 20
    assert [len(listing.split(split)) for split in ("train", "val", "test")] == [16, 2, 2]


def test_a_sub_folder_is_a_person(tmp_path):
    listing = list_corpus("videos", make_videos(tmp_path, people=5, count=2))
    assert {source.identity for source in listing.sources} == {f"person {i}" for i in range(5)}
    assert [len(people(listing, split)) for split in ("train", "val", "test")] == [3, 1, 1]


def test_one_sub_folder_is_not_one_person(tmp_path):
    make_videos(tmp_path / "clips", count=5)
    (tmp_path / "notes").mkdir()
    listing = list_corpus("videos", tmp_path)
    assert names(listing)[0] == "clips/clip0"
    assert len({source.identity for source in listing.sources}) == 5


def test_the_folders_own_split_is_kept(tmp_path):
    for split in ("train", "Val", "test"):
        videos([tmp_path / split / "anna" / "a.mp4", tmp_path / split / f"{split}.mp4"])
    listing = list_corpus("videos", tmp_path)
    assert people(listing, "test") == {"anna", "test/test"}
    assert people(listing, "val") == {"Val/Val"}
    assert people(listing, "train") == {"train/train"}
    assert ["anna is in train and test" in problem.reason for problem in listing.problems] == [True, False]


def test_irregular_names(tmp_path):
    listing = list_corpus("videos", make_videos(tmp_path, irregular=True))
    found = names(listing)
    assert "Žofie – 日本 1" in found
    assert "deep/er/x" in found
    assert "clip0.mp4" in found
    assert "clip0.avi" in found
    assert "text" in found  # no video inside, but only decoding can tell
    assert not any("hid" in name or "._" in name or "loop" in name for name in found)
    told = {problem.path.name: problem.reason for problem in listing.problems}
    assert set(told) == {"broken.mp4", "empty.mp4", "half.mp4.part", "link.mp4"}
    assert "another name of" in told["link.mp4"]
    same = {source.identity for source in listing.sources if source.name.startswith("clip0.")}
    assert same == {"clip0"}


def test_a_link_to_a_place_outside_is_used_once(tmp_path):
    videos([tmp_path / "store" / "1.mp4"])
    root = tmp_path / "root"
    root.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (root / name).symlink_to(tmp_path / "store" / "1.mp4")
    listing = list_corpus("videos", root)
    assert names(listing) == ["a"]
    assert "another name of" in listing.problems[0].reason


def test_lists_of_files_and_folders(tmp_path):
    make_videos(tmp_path / "one", count=2)
    make_videos(tmp_path / "two", count=2)
    given = [tmp_path / "two", tmp_path / "one" / "clip0.mp4", tmp_path / "two" / "clip1.mp4", tmp_path / "two"]
    listing = list_corpus("videos", given)
    assert sorted(names(listing)) == ["one/clip0", "two/clip0", "two/clip1"]
    single = list_corpus("videos", tmp_path / "one" / "clip1.mp4")
    assert names(single) == ["clip1"]
    assert single.root == tmp_path / "one"


def test_nothing_given_or_nothing_there(tmp_path):
    with pytest.raises(InputError, match="empty list"):
        list_corpus("videos", [])
    (tmp_path / "x.mp4").write_bytes(b"")
    with pytest.raises(InputError, match=r"holds no video that can be used \(.*x\.mp4: an empty file"):
        list_corpus("videos", tmp_path)


def test_a_long_list_of_files_takes_time_in_proportion(tmp_path):
    given = [tmp_path / str(i) / "a.mp4" for i in range(10000)]
    begun = time.process_time()
    assert sum(len(files) for _, _, files in _groups(tmp_path, given, [])) == 10000
    assert time.process_time() - begun < 5  # 40 s when each folder looked through all files
