"""Tables in READMEs are those of the CSV files."""

from pathlib import Path

import pytest

from faceimit.errors import InputError
from faceimit.tracking.readme import filled, readmes

ROOT = Path(__file__).parents[2]
CSV = "method,seed,data,F1,n\nours,0,a,0.90,3\nours,1,a,0.80,5\nframe_difference,0,a,0.6,12\nours,0,b,0.1,1\n"


def text(fields):
    return f"x\n<!-- table: r.csv | {fields} -->\nold\n<!-- end of table -->\ny\n"


def test_a_table_is_made_from_its_csv(tmp_path):
    (tmp_path / "r.csv").write_text(CSV)
    result = filled(text("data = a | method: Method | F1: F1@2 | n"), tmp_path)
    assert result.splitlines()[2:6] == [
        "| Method | F1@2 | n |",
        "|---|---|---|",
        "| ours | 0.850 ± 0.071 | 4.00 ± 1.41 |",
        "| frame difference | 0.600 | 12 |",
    ]
    assert filled(result, tmp_path) == result


def test_missing_files_and_columns_are_told(tmp_path):
    assert "not measured yet" in filled(text("method"), tmp_path)
    (tmp_path / "r.csv").write_text(CSV)
    with pytest.raises(InputError, match="has no column F2, choose from method"):
        filled(text("method | F2"), tmp_path)


@pytest.mark.parametrize("path", readmes(ROOT), ids=lambda path: path.parent.name)
def test_readmes_are_in_step_with_the_results(path):
    assert filled(path.read_text(), path.parent) == path.read_text(), "run python -m faceimit.tracking.readme"
