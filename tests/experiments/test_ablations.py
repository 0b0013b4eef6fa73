import csv

import pytest

from experiments.ablations import run as ablations
from faceimit.errors import InputError
from faceimit.tracking.config import changed_values, composed, plain
from faceimit.tracking.schema import check

TINY = (
    "budget.clips={train: 1, val: 1, test: 1}", "budget.frames=20", "data.renderers=0", "data.size=64",
    "data.window=6", "data.batch_size=2", "task.size=32", "task.width=16",
)  # fmt: skip


def configured(variant):
    return plain(composed(ablations.overrides(variant, 0, 60)))


def test_every_variant_changes_what_it_says_and_nothing_else():
    base = configured(ablations.VARIANTS[0])
    for variant in ablations.VARIANTS[1:]:
        config = configured(variant)
        check(config)
        changed = changed_values(config, variant.overrides)
        assert changed_values(base, variant.overrides) != changed, variant.name
        assert all(value == changed[f"task.{name}"] for name, value in config["task"].items()
                   if value != base["task"][name] and name != "flow_weights"), variant.name  # fmt: skip
        assert all(config[part] == base[part] for part in ("data", "budget", "trainer")), variant.name


def test_names_are_unique():
    names = [variant.name for variant in ablations.VARIANTS]
    assert len(set(names)) == len(names)
    assert names[0] == ablations.BASE


def test_it_trains_once_and_writes_table_and_plot(tmp_path, monkeypatch):
    words = ["--variants", "base", "no flow", "--steps", "1", "--table", str(tmp_path / "t.csv"), "--runs",
             str(tmp_path / "runs"), "--set", *TINY, f"cache={tmp_path / 'cache'}"]  # fmt: skip
    ablations.run(words)
    rows = {row["variant"]: row for row in csv.DictReader((tmp_path / "t.csv").open())}
    assert list(rows) == ["base", "no flow"]
    assert float(rows["base"]["EPE"]) > 0
    assert rows["no flow"]["EPE"] == ""
    assert float(rows["base"]["F1_to_base"]) == 0
    assert rows["no flow"]["changed"] == "task.flow=false"
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(ablations, "trained", None)
    before = (tmp_path / "t.csv").read_bytes()
    ablations.run(words)
    assert (tmp_path / "t.csv").read_bytes() == before


def test_differences_are_those_of_the_same_seed():
    rows = [
        {"variant": name, "seed": seed, "F1": value, "correlation": ""}
        for name, seed, value in (("base", "0", 0.5), ("other", "0", 0.4), ("base", "1", 0.7), ("other", "1", 0.8))
    ]
    rows.append({"variant": "other", "seed": "2", "F1": 0.3, "correlation": ""})
    found = [row["F1_to_base"] for row in ablations.compared(rows)]
    assert found == [0.0, pytest.approx(-0.1), 0.0, pytest.approx(0.1), ""]
    assert {row["correlation_to_base"] for row in ablations.compared(rows)} == {""}


def test_an_unknown_variant_is_named(tmp_path):
    with pytest.raises(InputError, match="there is no 'casual', did you mean 'causal'"):
        ablations.run(["--variants", "casual", "--runs", str(tmp_path), "--table", str(tmp_path / "t.csv")])
