import contextlib
import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceimit.data import store as store_module
from faceimit.data.store import ARRAYS, INFO, Store
from faceimit.errors import InputError
from tests.stores import same, stored

NAMES = ["b/2", "a/1", "c", "é/ü 3"]


def content(path):
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_a_row_comes_back_as_it_was_written(tmp_path):
    store = Store(tmp_path / "S")
    clip = stored("é/ü 3", note="cut off", boxes=np.full((12, 3), np.nan))
    store.write(clip)
    for _ in range(2):
        found = store.read("é/ü 3")
        assert same(found, clip)
        assert all(getattr(found, name).dtype == dtype for name, (dtype, _) in ARRAYS.items())
        store.pack()


def test_names_and_infos_before_and_after_packing(tmp_path):
    store = Store(tmp_path)
    assert store.names() == []
    for name in NAMES:
        store.write(stored(name, frames=len(name), valid=np.arange(len(name)) > 0))
    for _ in range(2):
        assert store.names() == sorted(NAMES)
        assert [info.name for info in store.infos()] == sorted(NAMES)
        info = store.info("b/2")
        assert (info.frames, info.valid_frames, info.fps, info.note) == (3, 2, 25.0, "")
        assert "a/1" in store
        assert "a" not in store
        assert store.columns("b/2", ["valid", "boxes"])["valid"].tolist() == [False, True, True]
        store.pack()
    assert list((tmp_path / "parts").iterdir()) == []


def test_order_of_writing_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "SHARD_CLIPS", 3)
    for folder, names in (("one", NAMES), ("other", NAMES[::-1])):
        store = Store(tmp_path / folder)
        for name in names[:2]:
            store.write(stored(name))
        if folder == "other":  # packed twice: rows that were read back are written as they were
            store.pack()
        for name in names[2:]:
            store.write(stored(name))
        store.pack()
    one, other = content(tmp_path / "one"), content(tmp_path / "other")
    assert len(one) == 2
    assert one == other


def test_shards_are_bounded_and_rows_read_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "SHARD_FRAMES", 30)
    store = Store(tmp_path)
    for i in range(5):
        store.write(stored(f"{i}", frames=14))
    store.pack()
    shards = sorted(tmp_path.glob("clips-*.parquet"))
    assert sorted(pq.ParquetFile(path).metadata.num_row_groups for path in shards) == [1, 2, 2]
    assert all(pq.ParquetFile(path).metadata.row_group(0).num_rows == 1 for path in shards)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", range(9))
def test_a_kill_while_packing_loses_nothing(tmp_path, monkeypatch, step):
    """Old shards, a new clip and a newer version of an old one; packing dies after `step` changes on the disk."""
    monkeypatch.setattr(store_module, "SHARD_CLIPS", 2)
    store = Store(tmp_path)
    for name in NAMES:
        store.write(stored(name))
    store.pack()
    store.write(stored("aa"))
    newer = stored("c", seed=1)
    store.write(newer)
    left = [step]

    def counted(change):
        def run(*args, **kwargs):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return change(*args, **kwargs)

        return run

    with monkeypatch.context() as patch:
        for name in ("replace", "unlink", "rename"):
            patch.setattr(f"pathlib.Path.{name}", counted(getattr(type(tmp_path), name)))
        with contextlib.suppress(Killed):
            store.pack()
    for _ in range(2):
        after = Store(tmp_path)
        assert after.names() == sorted([*NAMES, "aa"])
        assert [info.name for info in after.infos()] == after.names()
        assert all(same(after.read(name), stored(name)) for name in ["aa", "a/1", "b/2"])
        assert same(after.read("c"), newer)
        after.pack()
    straight = Store(tmp_path / "straight")
    for clip in [*(stored(name) for name in ["aa", *NAMES] if name != "c"), newer]:
        straight.write(clip)
    straight.pack()
    shards = {p.name: p.read_bytes() for p in tmp_path.glob("clips-*.parquet")}
    assert shards == {p.name: p.read_bytes() for p in straight.path.glob("clips-*.parquet")}


def test_unfinished_files_are_no_clips(tmp_path):
    store = Store(tmp_path)
    store.write(stored("a"))
    (tmp_path / "parts" / ".x.parquet.abc").write_bytes(b"PAR1 half")
    (tmp_path / ".clips.parquet.abc").write_bytes(b"PAR1 half")
    store.check()
    assert Store(tmp_path).names() == ["a"]


def test_another_process_may_pack_meanwhile(tmp_path):
    writer, reader = Store(tmp_path), Store(tmp_path)
    writer.write(stored("a"))
    writer.pack()
    assert "a" in reader
    writer.write(stored("b"))
    assert "b" in reader
    writer.pack()
    assert {"a", "b"} == {name for name in ("a", "b", "c") if name in reader}
    assert same(reader.read("a"), stored("a"))


def test_what_is_no_store(tmp_path):
    with pytest.raises(InputError, match=r"nowhere does not exist.*faceimit-annotate"):
        Store(tmp_path / "nowhere").check()
    with pytest.raises(InputError, match=r"holds no clips-\*\.parquet"):
        Store(tmp_path).check()
    with pytest.raises(InputError, match=r"no clip 'b'"):
        Store(tmp_path).read("b")


def test_another_version_and_a_damaged_file_are_named(tmp_path):
    store = Store(tmp_path / "S")
    store.write(stored("a"))
    store.pack()
    (shard,) = store.path.glob("clips-*.parquet")
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"{shard.name}.*delete it"):
        Store(store.path).check()
    with pytest.raises(InputError, match=rf"{shard.name}.*delete it"):
        Store(store.path).names()
    pq.write_table(pa.table({"name": ["a"]}), shard)
    with pytest.raises(InputError, match=rf"{shard.name}.*version 1 but its version is none"):
        Store(store.path).check()


def test_wrong_shapes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected boxes"):
        Store(tmp_path).write(stored("a", boxes=np.zeros((3, 3))))
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "S").write_text("a file")
    with pytest.raises(InputError, match="cannot write"):
        Store(tmp_path / "S").write(stored("a"))


def test_huggingface_datasets_reads_it(tmp_path):
    datasets = pytest.importorskip("datasets")
    store = Store(tmp_path / "S")
    clips = [stored(name, frames=5 + i) for i, name in enumerate(sorted(NAMES))]
    for clip in clips:
        store.write(clip)
    store.pack()
    table = datasets.load_dataset(
        "parquet", data_files=str(store.path / "clips-*.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert set(table.column_names) == {*INFO, *ARRAYS}
    assert table.features["landmarks"] == datasets.List(datasets.List(datasets.List(datasets.Value("float16"), 3), 478))
    for row, clip in zip(table, clips, strict=True):
        assert row["name"] == clip.name
        for name in ARRAYS:
            assert np.array_equal(np.array(row[name]), getattr(clip, name)), name
    shutil.rmtree(tmp_path / "cache")


def test_what_killed_writers_left_is_removed(tmp_path):
    store = Store(tmp_path)
    store.write(stored("a"))
    half = f".{store._part('a').name}.x1", f".{store._part('b').name}.x2", f".{store._part('c').name}.x3"
    for name in half:
        (tmp_path / "parts" / name).write_bytes(b"half")
    (tmp_path / ".clips.parquet.x4").write_bytes(b"half")
    for old in (tmp_path / "parts" / half[1], tmp_path / ".clips.parquet.x4"):
        os.utime(old, (0, 0))
    for _ in range(2):  # the second time there is nothing to pack
        store.pack()
        left = sorted(p.name for p in tmp_path.rglob("*") if p.is_file())
        assert left == sorted([half[2], store._listed()[0].name])  # that one may be being written just now
        (tmp_path / ".clips.parquet.x5").write_bytes(b"half")
        os.utime(tmp_path / ".clips.parquet.x5", (0, 0))
