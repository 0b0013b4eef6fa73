import numpy as np
import pytest
import torch

from faceimit.data import videos
from faceimit.data.pairs import decoded, read_pairs, write_pairs
from faceimit.data.synthetic.generate import render_clip
from faceimit.data.synthetic.robot_motion import draw_controls, draw_performance
from faceimit.data.synthetic.robot_pairs import HUMAN, ROBOT, Settings, load_sequence, pair_frames, prepare
from faceimit.data.synthetic.robot_table import robot_rows
from faceimit.data.virtual_pairs import PairBatches, VirtualPairs
from faceimit.errors import InputError
from faceimit.face.controls import HIGH, INDEX, LOW, SPAN

COUNTS = {"train": 6, "val": 3, "test": 5}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> VirtualPairs:
    root = tmp_path_factory.mktemp("virtual")
    module = VirtualPairs(str(root), COUNTS, frames=4, size=48, held=0.3, batch_size=8, renderers=0)
    module.prepare_data()
    return module


def test_batches_are_what_the_task_expects(data):
    batch = next(iter(data.train_dataloader()))
    count = len(batch["domain"])
    assert (batch["image"].dtype, batch["image"].shape) == (torch.uint8, (count, 3, 48, 48))
    assert (batch["controls"].dtype, batch["controls"].shape) == (torch.float32, (count, 30))
    assert (batch["domain"].dtype, batch["pair"].dtype, batch["gaze_known"].dtype) == (
        torch.int64,
        torch.int64,
        torch.bool,
    )
    values = batch["controls"].numpy()
    assert (values >= LOW - 1e-5).all()
    assert (values <= HIGH + 1e-5).all()


def test_each_row_is_shown_once_an_epoch_and_partners_together(data):
    rows = data.part("train")
    assert rows.images is data.part("test/frames").images, "pictures are not copied"
    pair = rows.columns["pair"]
    batches = list(PairBatches(pair, 8))
    assert sorted(i for batch in batches for i in batch) == list(range(len(rows)))
    assert len(batches) <= len(PairBatches(pair, 8))
    for batch in batches:
        numbers = pair[batch][pair[batch] >= 0]
        assert (np.unique(numbers, return_counts=True)[1] == 2).all()


def test_partners_show_the_same_expression_in_different_domains(data):
    rows = data.rows("train").columns
    paired = np.unique(rows["pair"][rows["pair"] >= 0])
    assert len(paired) == 2 * 4
    for number in paired:
        first, second = np.flatnonzero(rows["pair"] == number)
        assert {rows["domain"][first], rows["domain"][second]} == {ROBOT, HUMAN}
        np.testing.assert_array_equal(rows["controls"][first], rows["controls"][second])


def test_parts_hold_what_they_are_called(data):
    assert (data.part("test/robot").columns["domain"] == ROBOT).all()
    assert (data.part("test/human").columns["domain"] == HUMAN).all()
    held, trained = data.part("test/frames").columns, data.part("train").columns
    assert set(held["sequence"]) <= set(trained["sequence"]), "frames have neighbours in training: that is the leak"
    assert not set(held["picture"]) & set(trained["picture"])
    assert [len(x.dataset) for x in data.test_dataloader()] == [5 * 4, len(held["domain"]), 2 * 4]
    assert (data.part("test/robot").columns["pair"] == -1).all()
    with pytest.raises(InputError, match="no part"):
        data.part("test/people")


def test_people_can_be_left_out(data):
    alone = VirtualPairs(str(data.root), COUNTS, frames=4, size=48, humans=False, renderers=0)
    assert (alone.part("train").columns["domain"] == ROBOT).all()
    assert (alone.part("train").columns["pair"] == -1).all()


@pytest.fixture(scope="module")
def with_people(data, tmp_path_factory):
    """The same sequences, two rendered performances, and two 'real' people to train on, one to test on."""
    people = {"performances": 2, "performances_root": str(tmp_path_factory.mktemp("rendered"))}
    real = {"real": "FOLDER", "real_names": {"train": ["a", "b"], "test": ["c"]}, "real_share": 0.5, "every": 20}
    settings = {"frames": 4, "size": 48, "held": 0.3, "batch_size": 8, "renderers": 0}
    module = VirtualPairs(str(data.root), COUNTS, **settings, **people, **real)
    clips = {name: render_clip(1, seed, frames=30, size=48) for seed, name in enumerate("abc")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(videos, "load_real", lambda root, names, size, cache: [clips[name] for name in names])
        yield module


def test_performances_and_real_people_are_trained_on(data, with_people):
    rows, before = with_people.rows("train"), data.rows("train")
    np.testing.assert_array_equal(rows.columns["controls"][: len(before)], before.columns["controls"])
    np.testing.assert_array_equal(rows.columns["pair"][: len(before)] >= 0, before.columns["pair"] >= 0)
    assert len(rows) == len(before) + 2 * 5 + 2 * 2, "every 20th of 100 and of 30 frames"
    assert (rows.columns["domain"][len(before) :] == HUMAN).all()
    assert (rows.columns["pair"][len(before) :] == -1).all()

    train = with_people.part("train").columns
    real = np.isnan(train["landmarks"]).any(axis=(1, 2))  # their jaw line is not known
    assert real.mean() == pytest.approx(0.5, abs=0.02)
    assert set(train["sequence"][real]) <= {8, 9}
    kept = data.part("train").columns["picture"]
    assert set(kept) < set(train["picture"]), "no picture of the sequences is lost"
    assert len(next(iter(with_people.train_dataloader()))["image"]) >= 6


def test_real_people_are_a_set_of_the_splits_that_name_them(data, with_people):
    assert with_people.val_sets == data.val_sets == ("robot", "human")
    assert with_people.test_sets == ("robot", "frames", "human", "real")
    assert [len(loader.dataset) for loader in with_people.test_dataloader()][-1] == 30
    assert len(with_people.part("test/human")) == len(data.part("test/human"))
    assert {"train/performances", "train/real", "test/real"} <= set(with_people.parts())
    with pytest.raises(InputError, match="no part"):
        with_people.part("val/real")


def test_what_is_there_is_not_rendered_again_and_what_is_missing_is(data):
    settings = Settings(0, 4, 48)
    paths = prepare(data.root, {"val": 3}, settings, workers=0, progress=False)["val"]
    before = [path.stat().st_mtime_ns for path in paths]
    content = paths[1].read_bytes()
    paths[1].unlink()
    again = prepare(data.root, {"val": 3}, settings, workers=0, progress=False)["val"]
    assert [path.stat().st_mtime_ns for path in again][::2] == before[::2]
    np.testing.assert_array_equal(load_sequence(paths[1]).images, pair_frames(50_000_001, 4, 48).images)
    assert len(paths[1].read_bytes()) == len(content)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "00000.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match=r"00000\.npz is no whole sequence"):
        load_sequence(tmp_path / "00000.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sequences": {"train": 5, "val": 1, "test": 5}}, "at least 2 sequences but got 1"),
        ({"real_names": {"tests": ["a"]}}, "a split 'tests'"),
        ({"performances": 4}, "performances need a folder"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        VirtualPairs(**({"root": str(tmp_path), "sequences": COUNTS} | change))


def test_movements_cover_the_ranges_and_keep_the_face_in_view():
    rng = np.random.default_rng(0)
    values = np.concatenate([draw_controls(rng, 24, kind) for _ in range(60) for kind in ("free", "rollout")])
    assert (values >= LOW).all()
    assert (values <= HIGH).all()
    spread = np.quantile(values, 0.99, axis=0) - np.quantile(values, 0.01, axis=0)
    assert (spread / SPAN > 0.75).all()
    pitch = values[:, INDEX["Head Pitch"]] - values[:, INDEX["Neck Pitch"]]
    assert pitch.min() > -42.01
    assert pitch.max() < 36.01
    shapes, pose = draw_performance(rng, 24)
    assert shapes.shape == (24, 52)
    assert pose.shape == (24, 3)
    assert 0 <= shapes.min() <= shapes.max() <= 1


def test_the_robot_can_be_written_as_a_table_of_pairs(tmp_path):
    path = tmp_path / "virtual.parquet"
    assert write_pairs(path, robot_rows(3, 2, 48, 0)) == 6
    table = read_pairs(path)
    assert len(set(table.sequence)) == 3
    assert table.values.shape == (6, 30)
    made = pair_frames(40_000_000, 2, 48)
    np.testing.assert_array_equal(decoded(table.encoded(0)), made.images[0])
    np.testing.assert_allclose(table.values[0], made.controls[0], rtol=1e-6)
