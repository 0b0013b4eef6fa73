"""Pairs of pictures and controls, in every shape a laboratory may bring."""

import json

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceimit.data.pair_values import checked, fault, indices
from faceimit.data.pairs import read_pairs, split_by_frame, split_by_sequence, write_pairs
from faceimit.errors import InputError
from faceimit.face.controls import HIGH, INDEX, LOW, NAMES, NEUTRAL
from tests.corpora import control_rows, make_pairs, picture

FOLDERS = ("json", "mapping", "lines", "csv")
TABLES = ("columns", "struct", "text", "list")
NEUTRAL_ROW = dict(zip(NAMES, NEUTRAL.tolist(), strict=True))


@pytest.fixture
def cache(tmp_path):
    return str(tmp_path / "cache")


def pictures(root, names):
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), picture(i)[..., ::-1])


@pytest.mark.parametrize("kind", [*FOLDERS, *TABLES])
def test_every_shape_gives_the_same_pairs(kind, tmp_path, cache):
    source = make_pairs(tmp_path / "pairs", kind)
    table = read_pairs(source, names=["table"] if kind == "list" else None, cache=cache)
    np.testing.assert_array_equal(table.values, control_rows(20))
    assert table.sequence.tolist() == [f"seq{i // 4:02d}" for i in range(20)]
    assert table.names[5] == "seq01/0001.png"
    for i in (0, 7, 19):
        np.testing.assert_array_equal(table.image(i), picture(i))
    assert not table.problems
    assert not table.dropped
    assert read_pairs(source, names=["table"] if kind == "list" else None, cache=cache).key == table.key


@pytest.mark.parametrize("quality", [None, 95])
def test_what_is_written_is_read(quality, tmp_path, cache):
    rows = control_rows(6)
    path = tmp_path / "out" / "pairs.parquet"
    given = ((picture(i), rows[i], f"take {i // 2}") for i in range(6))
    assert write_pairs(path, given, quality) == 6
    table = read_pairs(path, cache=cache)
    np.testing.assert_array_equal(table.values, rows)
    assert table.sequence.tolist() == ["take 0"] * 2 + ["take 1"] * 2 + ["take 2"] * 2
    for i in range(6):
        assert np.abs(table.image(i).astype(int) - picture(i)).mean() <= (0 if quality is None else 2)


def test_datasets_itself_shows_the_pictures(tmp_path):
    import datasets

    path = tmp_path / "pairs.parquet"
    write_pairs(path, [(picture(3), NEUTRAL, "a")])
    rows = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.column_names == ["image", "sequence", "frame", *NAMES]
    np.testing.assert_array_equal(np.array(rows[0]["image"]), picture(3))


def test_a_failed_writer_leaves_nothing(tmp_path):
    wrong = NEUTRAL.copy()
    wrong[INDEX["Jaw Yaw"]] = 4
    with pytest.raises(InputError, match=r"Jaw Yaw is 4 but its range is \[0, 1\]"):
        write_pairs(tmp_path / "pairs.parquet", [(picture(0), NEUTRAL, "a"), (picture(1), wrong, "a")])
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"end in \.parquet"):
        write_pairs(tmp_path / "pairs.csv", [])


def test_tables_in_folders_and_as_datasets_saves_them(tmp_path, cache):
    import datasets

    for name in ("b", "a"):
        write_pairs(tmp_path / "many" / f"{name}.parquet", [(picture(ord(name)), NEUTRAL, name)])
    table = read_pairs(tmp_path / "many", cache=cache)
    assert table.sequence.tolist() == ["a", "b"]
    saved = datasets.load_dataset("parquet", data_files=str(tmp_path / "many/a.parquet"), cache_dir=cache)
    saved.save_to_disk(str(tmp_path / "saved"))
    table = read_pairs(tmp_path / "saved", cache=cache)
    np.testing.assert_array_equal(table.image(0), picture(ord("a")))


def test_names_of_a_list_from_the_metadata(tmp_path, cache):
    path = make_pairs(tmp_path, "list")
    with pytest.raises(InputError, match=r"list without names, give them: names="):
        read_pairs(path, cache=cache)
    order = list(reversed(NAMES))
    stored = pq.read_table(path)
    turned = pa.array(control_rows(20)[:, ::-1].tolist())
    stored = stored.set_column(stored.column_names.index("controls"), "controls", turned)
    pq.write_table(stored.replace_schema_metadata({"names": json.dumps(order)}), path)
    np.testing.assert_array_equal(read_pairs(path, cache=cache).values, control_rows(20))


@pytest.mark.parametrize("spell", [str.lower, str.upper, lambda n: n.replace(" ", "_"), lambda n: n.replace(" ", "")])
def test_spellings_of_names(spell):
    assert indices([spell(name) for name in reversed(NAMES)]) == list(reversed(range(30)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Jaw Jaw": 0.5}, r"there is no control 'Jaw Jaw' \(did you mean Jaw Yaw\?\)"),
        ({"Elbow Twist": 0.5}, r"there is no control 'Elbow Twist' \(see faceimit.face.controls\)"),
        ({"Jaw Yaw": None}, "Jaw Yaw is missing or no number"),
        ({"Jaw Yaw": float("nan")}, "Jaw Yaw is missing or no number"),
        ({"Jaw Yaw": "wide"}, "Jaw Yaw is 'wide', which is no number"),
        ({"Jaw Yaw": 1.2}, r"Jaw Yaw is 1.2 but its range is \[0, 1\]"),
        ({"Gaze Target Phi": -131}, r"Gaze Target Phi is -131 but its range is \[-130, 130\]"),
        ({"jaw_yaw": 0.5}, "Jaw Yaw is given twice"),
    ],
)
def test_a_wrong_row_is_named(change, message):
    rows = [("a.png", NEUTRAL_ROW), ("b.png", NEUTRAL_ROW | change), ("c.png", NEUTRAL_ROW)]
    with pytest.raises(InputError, match=rf"row 1 \(b.png\): {message}.*on_error=drop"):
        checked(rows, None, "refuse")
    values, usable, bad = checked(rows, None, "drop")
    assert usable.tolist() == [True, False, True]
    assert [row.row for row in bad] == [1]
    np.testing.assert_array_equal(values[2], NEUTRAL)


def test_a_wrong_number_of_controls():
    less = {name: 0.5 for name in NAMES if name != "Jaw Yaw"}
    with pytest.raises(InputError, match="expected 30 controls but got 29: Jaw Yaw missing"):
        checked([("a", less)], None, "refuse")
    with pytest.raises(InputError, match="expected 30 controls but got 28"):
        checked([("a", [0.5] * 28)], ["table"], "refuse")
    with pytest.raises(InputError, match="expected 30 named values but got 7"):
        checked([("a", 7)], None, "refuse")
    with pytest.raises(InputError, match="expected 30 controls but got 2"):
        checked([], ["Jaw Yaw", "Jaw Pitch"], "refuse")


def test_a_table_of_wrong_rows_alone_is_refused_even_when_they_may_be_dropped():
    with pytest.raises(InputError, match="1 more of 2 rows are wrong"):
        checked([("a", {"x": 1}), ("b", {"x": 1})], None, "drop")


def test_rounding_is_no_error():
    assert fault(HIGH + 1e-4 * (HIGH - LOW)) is None
    assert fault(HIGH + 0.01 * (HIGH - LOW)) is not None
    values = checked([("a", (HIGH + 1e-4 * (HIGH - LOW)).astype(np.float32))], ["table"], "refuse")[0]
    assert (values <= HIGH).all()


def test_a_misspelt_column_is_named_and_others_are_let_be(tmp_path, cache):
    path = make_pairs(tmp_path, "columns")
    stored = pq.read_table(path)
    pq.write_table(stored.append_column("temperature", pa.array(np.zeros(20))), path)
    assert len(read_pairs(path, cache=cache)) == 20
    names = ["Jaw Jaw" if name == "Jaw Yaw" else name for name in stored.column_names]
    pq.write_table(stored.rename_columns(names), path)
    with pytest.raises(InputError, match=r"no control 'Jaw Jaw' \(did you mean Jaw Yaw\?\)"):
        read_pairs(path, cache=cache)


def test_more_shapes_of_folders(tmp_path):
    names = [f"smile_{i:03d}.png" for i in range(2)] + [f"frown_{i:03d}.png" for i in range(2)]
    values = control_rows(4)
    named = [dict(zip(NAMES, row.tolist(), strict=True)) for row in values]
    shapes = {
        "wrapped": {
            "names": list(NAMES),
            "data": [{"file_name": n, "values": v.tolist()} for n, v in zip(names, values, strict=True)],
        },
        "listed": {"names": list(NAMES)} | {n: v.tolist() for n, v in zip(names, values, strict=True)},
        "nested": {n: {"ctrl": v, "sequence": n[:5]} for n, v in zip(names, named, strict=True)},
        "flat": [{"Image": n, "time": 0.1} | v for n, v in zip(names, named, strict=True)],
    }
    for shape, content in shapes.items():
        pictures(tmp_path / shape, names)
        (tmp_path / shape / "labels.json").write_text(json.dumps(content))
        table = read_pairs(tmp_path / shape)
        np.testing.assert_array_equal(table.values, values)
        assert table.sequence.tolist() == ["smile", "smile", "frown", "frown"]
    pictures(tmp_path / "beside", names)
    for name, value in zip(names, named, strict=True):
        (tmp_path / "beside" / name).with_suffix(".json").write_text(json.dumps(value))
    table = read_pairs(tmp_path / "beside")
    np.testing.assert_array_equal(table.values, values[[2, 3, 0, 1]])  # by name


def test_csv_with_semicolons_a_byte_order_mark_and_windows_paths(tmp_path):
    names = ["a/ü 1.png", "b/2.png"]
    pictures(tmp_path, names)
    rows = control_rows(2)
    lines = [";".join(["filename", *(name.lower().replace(" ", "_") for name in NAMES), "note"])]
    lines += [
        ";".join([n.replace("/", "\\"), *map(repr, row.tolist()), "x"]) for n, row in zip(names, rows, strict=True)
    ]
    (tmp_path / "values.csv").write_text("\r\n".join(lines), encoding="utf-8-sig")
    table = read_pairs(tmp_path)
    np.testing.assert_array_equal(table.values, rows)
    assert table.sequence.tolist() == ["a", "b"]


def test_half_downloaded_pictures_are_listed_and_the_rest_is_used(tmp_path):
    make_pairs(tmp_path, "json")
    (tmp_path / "seq00/0000.png").unlink()
    (tmp_path / "seq01/0001.png").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "lone.png"), picture(0))
    table = read_pairs(tmp_path)
    assert len(table) == 18
    told = {problem.path.relative_to(tmp_path).as_posix(): problem.reason for problem in table.problems}
    assert told["seq00/0000.png"] == "the picture is not there"
    assert "empty" in told["seq01/0001.png"]
    assert told["."].startswith("2 of 20 pictures have no row")


def test_a_damaged_picture_is_named_when_it_is_read(tmp_path):
    make_pairs(tmp_path, "csv")
    (tmp_path / "seq00/0001.png").write_bytes(b"\x89PNG damaged")
    with pytest.raises(InputError, match=r"picture seq00/0001.png \(row 1\) .* it is damaged"):
        read_pairs(tmp_path).image(1)


def test_grey_and_transparent_pictures_are_rgb(tmp_path):
    make_pairs(tmp_path, "json")
    cv2.imwrite(str(tmp_path / "seq00/0000.png"), np.full((8, 8), 77, np.uint8))
    cv2.imwrite(str(tmp_path / "seq00/0001.png"), np.full((8, 8, 4), (3, 2, 1, 0), np.uint8))
    table = read_pairs(tmp_path)
    assert (table.image(0) == 77).all()
    assert (table.image(1) == (1, 2, 3)).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "found 20 pictures and no table"),
        ("{", "no JSON that can be read"),
        ("3", "expected .* to hold rows of pictures and controls but got a number"),
        ('[{"ctrl": {}}]', "row 0 of .* names no picture, expected one of image"),
        ('[{"image": "x.png", "ctrl": {}}]', "no row of the table has a picture .* looked for is x.png"),
    ],
)
def test_what_is_wrong_with_a_folder(content, message, tmp_path):
    make_pairs(tmp_path, "json")
    (tmp_path / "controls.json").unlink()
    if content is not None:
        (tmp_path / "controls.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_pairs(tmp_path)


def test_several_tables_must_be_chosen_from(tmp_path):
    make_pairs(tmp_path, "json")
    make_pairs(tmp_path, "csv")
    with pytest.raises(InputError, match=r"several tables \(controls.csv, controls.json\), give the path"):
        read_pairs(tmp_path)
    assert len(read_pairs(tmp_path / "controls.csv")) == 20


def test_sources_that_are_not_there(tmp_path, monkeypatch, cache):
    for slip in (tmp_path / "a", "tests/no_such_pairs"):  # in a folder that is here: no table of the hub
        with pytest.raises(InputError, match=f"pairs {slip} do not exist"):
            read_pairs(slip)
    with pytest.raises(InputError, match=r"pairs /no/such/place do not exist"):
        read_pairs("/no/such/place")
    import datasets

    def unreachable(name, **_):
        raise ConnectionError("the hub cannot be reached")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(InputError, match=r"cannot be fetched from the hub \(the hub cannot be reached\)"):
        read_pairs("someone/pairs", cache=cache)


def test_a_broken_or_strange_table(tmp_path, cache):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(InputError, match=r"table .*x.parquet cannot be read"):
        read_pairs(tmp_path / "x.parquet", cache=cache)
    pq.write_table(pa.table({"a": [1]}), tmp_path / "y.parquet")
    with pytest.raises(InputError, match="no column of pictures, its columns are a"):
        read_pairs(tmp_path / "y.parquet", cache=cache)
    pq.write_table(pa.table({"image": [b"x"], "a": [1]}), tmp_path / "z.parquet")
    with pytest.raises(InputError, match="has no controls, expected the columns Brow Inner Left"):
        read_pairs(tmp_path / "z.parquet", cache=cache)
    with pytest.raises(InputError, match="no column 'take' for the sequence"):
        read_pairs(make_pairs(tmp_path / "w", "columns"), sequence="take", cache=cache)


def test_sequences_are_never_shared():
    sequence = np.repeat([f"s{i}" for i in range(40)], np.arange(40) + 5)
    for seed in range(20):
        parts = split_by_sequence(sequence, seed=seed)
        found = {split: set(sequence[rows]) for split, rows in parts.items()}
        assert not found["train"] & found["val"]
        assert not found["train"] & found["test"]
        assert not found["val"] & found["test"]
        assert sorted(np.concatenate(list(parts.values()))) == list(range(len(sequence)))
        assert abs(len(parts["test"]) / len(sequence) - 0.2) < 0.03
    assert [len(parts[name]) for name in parts] == [len(split_by_sequence(sequence, seed=19)[name]) for name in parts]


def test_the_published_shares():
    parts = split_by_sequence(np.arange(11677).astype(str))
    assert len(parts["test"]) == 2336
    assert len(parts["train"]) + len(parts["val"]) == 9341


def test_frame_level_split_leaks_and_covers_all():
    sequence = np.repeat(["a", "b", "c", "d"], 50)
    parts = split_by_frame(200)
    assert [len(parts[name]) for name in ("train", "val", "test")] == [144, 16, 40]
    assert sorted(np.concatenate(list(parts.values()))) == list(range(200))
    assert set(sequence[parts["train"]]) & set(sequence[parts["test"]]) == {"a", "b", "c", "d"}


def test_too_few_sequences_say_what_to_do(tmp_path):
    pictures(tmp_path, [f"{i:04d}.png" for i in range(6)])
    rows = {f"{i:04d}.png": NEUTRAL_ROW for i in range(6)}
    (tmp_path / "controls.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match=r"there are 1: name their column .* or take block=500"):
        split_by_sequence(read_pairs(tmp_path).sequence)
    assert read_pairs(tmp_path, block=2).sequence.tolist() == ["block 0"] * 2 + ["block 1"] * 2 + ["block 2"] * 2
