"""Batches of Ameca pairs."""

import cv2
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from faceimit.data.pair_cache import middle_square, squares
from faceimit.data.pair_module import ControlPairs
from faceimit.data.pairs import read_pairs, write_pairs
from faceimit.data.synthetic.generate import render_clip
from faceimit.errors import InputError
from faceimit.face.controls import NEUTRAL
from faceimit.tracking.config import conf_dir, plain
from faceimit.tracking.schema import check_target, parameters
from tests.corpora import control_rows, make_pairs, picture


def module(tmp_path, kind="columns", **options):
    source = tmp_path / "pairs"
    path = source if source.exists() else make_pairs(source, kind, sequences=10)
    path = source / f"{kind}.parquet" if (source / f"{kind}.parquet").exists() else path
    return ControlPairs(str(path), cache=str(tmp_path / "cache"), **({"size": 32, "batch_size": 8} | options))


@pytest.mark.parametrize("kind", ["columns", "json"])
def test_batches(kind, tmp_path):
    data = module(tmp_path, kind)
    data.prepare_data()
    batches = list(data.train_dataloader())
    batch = batches[0]
    assert batch["image"].shape == (8, 3, 32, 32)
    assert batch["image"].dtype == torch.uint8
    assert batch["controls"].dtype == torch.float32
    values = control_rows(40)
    for image, controls, row in zip(batch["image"], batch["controls"], batch["row"], strict=True):
        np.testing.assert_allclose(controls, values[row], rtol=1e-6)
        expected = cv2.resize(picture(int(row)), (32, 32), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
        assert np.abs(image.numpy().astype(int) - expected).mean() < 4  # red tells the row apart by 3 levels
        assert abs(int(image[0].float().mean()) - 3 * int(row)) <= 1
    rows = torch.cat([batch["row"] for batch in batches]).tolist()
    assert sorted(rows) == data.rows()["train"].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_no_sequence_is_in_two_splits(seed, tmp_path):
    data = module(tmp_path, seed=seed)
    loaders = (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
    seen = [{str(data.table.sequence[row]) for batch in loader for row in batch["row"].tolist()} for loader in loaders]
    assert all(seen)
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]
    assert len(set.union(*seen)) == 10


def test_rows_are_given_as_they_are_in_every_split(tmp_path):
    """Mirroring is the task's: a value clipped to the other side's range would not be what the picture shows."""
    data = module(tmp_path)
    for split in ("train", "val", "test"):
        for sample in data.pairs(split):
            np.testing.assert_array_equal(sample["image"].permute(1, 2, 0), data.images()[0][sample["row"]])
            np.testing.assert_allclose(sample["controls"], data.table.values[sample["row"]], rtol=1e-6)


def test_damaged_pictures_are_left_out_and_told(tmp_path, caplog):
    root = make_pairs(tmp_path / "pairs", "json", sequences=6)
    (root / "seq02/0001.png").write_bytes(b"broken")
    data = module(tmp_path, "json")
    rows = np.concatenate(list(data.rows().values()))
    assert len(rows) == 23
    assert 9 not in rows
    assert "row 9 (seq02/0001.png) is left out" in caplog.text


def test_the_squares_are_made_once_and_again_when_the_pictures_change(tmp_path):
    data = module(tmp_path, "json")
    data.prepare_data()
    files = set((tmp_path / "cache").iterdir())
    module(tmp_path, "json").prepare_data()
    assert set((tmp_path / "cache").iterdir()) == files
    cv2.imwrite(str(tmp_path / "pairs/seq00/0000.png"), picture(200)[..., ::-1])
    changed = module(tmp_path, "json")
    assert changed.images()[0][0, ..., 0].mean() == 3 * 200 % 256


def test_faces_are_cut_out_or_the_remedy_is_named(tmp_path):
    make_pairs(tmp_path / "pairs", "columns", sequences=3, length=1)
    data = module(tmp_path, crop="face")
    with pytest.raises(InputError, match=r"no face is found in them: try data.crop=resize"):
        data.prepare_data()


def test_a_face_is_cut_out_as_everywhere(tmp_path):
    frame = render_clip(4, identity=4, frames=2, size=128, clean=True).frames[0]
    wide = cv2.copyMakeBorder(frame, 40, 10, 90, 20, cv2.BORDER_REPLICATE)
    rows = [(wide, NEUTRAL, "a"), (np.zeros_like(wide), NEUTRAL, "b")]
    write_pairs(tmp_path / "pairs.parquet", rows)
    table = read_pairs(tmp_path / "pairs.parquet", cache=str(tmp_path / "cache"))
    found, valid = squares(table, tmp_path / "cache", 128, "face")
    assert valid.tolist() == [True, False]
    # the frame is a crop of that kind itself, so the face is where it was in it, which it is not in the wide picture
    off = [
        np.abs(cv2.blur(one, (9, 9)).astype(int) - cv2.blur(frame, (9, 9))).mean()
        for one in (found[0], middle_square(wide, 128))
    ]
    assert off[0] < 0.6 * off[1]


def test_the_middle_square():
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 20:60] = 200
    assert (middle_square(image, 20) == 200).all()
    assert (middle_square(np.full((10, 10, 3), 7, np.uint8), 30) == 7).all()


def test_frame_level_split_and_wrong_options(tmp_path):
    rows = module(tmp_path, split="frame").rows()
    assert [len(rows[name]) for name in ("train", "val", "test")] == [29, 3, 8]
    with pytest.raises(InputError, match="expected crop to be resize or face but got wide"):
        module(tmp_path, crop="wide").prepare_data()


def test_one_sequence_is_refused(tmp_path):
    write_pairs(tmp_path / "one.parquet", [(picture(i), NEUTRAL, "a") for i in range(4)])
    with pytest.raises(InputError, match="three or more sequences"):
        ControlPairs(str(tmp_path / "one.parquet"), cache=str(tmp_path / "cache"), size=16).rows()


def test_the_configuration_is_what_the_module_takes():
    node = OmegaConf.load(conf_dir() / "data" / "ameca.yaml")
    config = plain(OmegaConf.create({"cache": "c", "seed": 3, "data": node}))["data"]
    check_target("data", config)
    assert set(config) == {"_target_", *parameters(config)}
    assert (config["seed"], config["cache"]) == (3, "c/pairs")
    for change, message in (({"sizes": 3}, "no configuration key 'sizes'"), ({"split": "row"}, "expected data.split")):
        with pytest.raises(InputError, match=message):
            check_target("data", config | change)


def test_loader_processes_give_the_same_rows(tmp_path):
    here = [batch["row"].tolist() for batch in module(tmp_path).val_dataloader()]
    there = [batch["row"].tolist() for batch in module(tmp_path, workers=1).val_dataloader()]
    assert here == there
