import csv
import json

import numpy as np
import pytest

from faceimit.data.corpus import Corpus
from faceimit.data.windows import reference_change
from faceimit.metrics.keyframe import NAMES
from faceimit.tracking import results
from faceimit.tracking.comparison import CEILING, Split, ceiling, classical, clip_rows, compare, network
from tests.clips import blob_clip


@pytest.fixture(scope="module")
def splits():
    train = Corpus([blob_clip(seed) for seed in range(2)])
    c_ref = reference_change(train.labels)
    val, test = (Split.of(Corpus([blob_clip(first + i) for i in range(3)]), c_ref) for first in (10, 20))
    return train, val, test


@pytest.fixture(scope="module")
def found(splits):
    train, val, test = splits
    scorers = {name: classical(name, train) for name in ("frame_difference", "random")}
    scorers[CEILING] = ceiling({id(val.corpus): val, id(test.corpus): test}, seed=3)
    return compare(scorers, val, test)


def test_methods_rank_as_they_should(found):
    by_name = {result.name: result.errors for result in found}
    assert list(by_name) == ["frame_difference", "random", CEILING]
    assert by_name["frame_difference"]["F1"] > by_name["random"]["F1"]  # the hole is all that moves in these clips
    assert by_name[CEILING]["correlation"] > 0.95


def test_clip_rows_add_up_to_the_table(found, splits):
    rows = clip_rows(found, splits[2])
    mine = [row["E_n"] for row in rows if row["method"] == "random"]
    assert np.mean(mine) == pytest.approx(found[1].errors["E_n"])
    assert {row["clip"] for row in rows} == {"blob20", "blob21", "blob22"}


def test_ceiling_is_seeded(splits):
    _, val, test = splits
    known = {id(val.corpus): val, id(test.corpus): test}
    one, two, other = (ceiling(known, seed)(val.corpus, 1) for seed in (0, 0, 1))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


class Echo:
    """Scores a crop by its mean, one frame late."""

    def start(self, fps):
        self.held = []

    def push(self, crop):
        late, self.held = self.held, [float("nan") if crop is None else float(crop.mean())]
        return late

    def finish(self):
        return self.held


def test_network_gives_every_frame_its_score(splits):
    corpus = splits[2].corpus
    scores = network(Echo())(corpus, 0)
    assert scores == pytest.approx(corpus[0].frames.mean(axis=(1, 2, 3)))


def test_written_results_can_be_read_again(found, splits, tmp_path):
    environment = {"seed": 0, "commit": {"id": "abc", "dirty": False}}
    results.write(tmp_path, found, splits[2], environment, 0.25, plots=1)
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [row["method"] for row in rows] == [result.name for result in found]
    for name in NAMES:
        value = found[0].errors[name]
        assert rows[0][name] == "" if np.isnan(value) else float(rows[0][name]) == pytest.approx(value, rel=1e-4)
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["c_ref"] == 0.25
    assert content["test"]["number"] == 3
    assert (tmp_path / "plots" / "blob20.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "plots").iterdir())) == 1


def test_the_table_shows_every_method(found, capsys):
    results.show(found)
    shown = capsys.readouterr().err
    assert all(result.name in shown for result in found)
