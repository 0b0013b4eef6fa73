"""Tables in READMEs are those of the CSV files."""

from pathlib import Path

import pytest

from faceimit.errors import InputError
from faceimit.tracking import readme
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
        "| frame_difference | 0.600 | 12 |",
    ]
    assert filled(result, tmp_path) == result


def test_missing_files_and_columns_are_told(tmp_path):
    assert "not measured yet" in filled(text("method"), tmp_path)
    (tmp_path / "r.csv").write_text(CSV)
    with pytest.raises(
        InputError, match=r"r\.csv has no column 'F2' for a table of a README, choose from method, seed"
    ):
        filled(text("method | F2"), tmp_path)


@pytest.mark.parametrize("fields", ["data = a", ""])
def test_a_table_of_no_columns_is_told_with_those_there_are(tmp_path, fields):
    (tmp_path / "r.csv").write_text(CSV)
    comment = text(fields) if fields else text("").replace(" | ", "")
    with pytest.raises(InputError, match=r"r\.csv in a README to name a column but got none, choose from method, seed"):
        filled(comment, tmp_path)


def test_a_title_may_hold_an_equals_sign_and_a_row_may_end_early(tmp_path):
    (tmp_path / "r.csv").write_text(CSV + "short\n")
    result = filled(text("method | F1: F1 (k=2) | data"), tmp_path)
    assert "| method | F1 (k=2) | data |" in result
    assert "| short |  |  |" in result


def test_the_command_says_in_one_sentence_what_is_wrong(tmp_path, monkeypatch, capsys):
    (tmp_path / "r.csv").write_text(CSV)
    (tmp_path / "README.md").write_text(text("F2"))
    monkeypatch.setattr(readme, "readmes", lambda root: [tmp_path / "README.md"])
    monkeypatch.setattr("sys.argv", ["readme", "--check"])
    assert readme.main() == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'r.csv'} has no column 'F2'")


@pytest.mark.parametrize("path", readmes(ROOT), ids=lambda path: path.parent.name)
def test_readmes_are_in_step_with_the_results(path):
    assert filled(path.read_text(), path.parent) == path.read_text(), "run python -m faceimit.tracking.readme"
