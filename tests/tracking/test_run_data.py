import pytest

from faceimit.tracking.run_data import data_of

DATA = {"_target_": "some.Data", "root": ".cache/rendered", "real_cache": ".cache/gone", "store": None}
DATA |= {"crops": "video"}


@pytest.mark.parametrize("told", [{"runs": "runs", "run_dir": None}, {"runs": "elsewhere", "run_dir": "runs/a/b"}])
def test_a_run_is_looked_at_from_elsewhere_with_its_own_cache(tmp_path, monkeypatch, told):
    run = tmp_path / "there" / "runs" / "a" / "b"
    run.mkdir(parents=True)
    for name in (".cache/rendered", "video"):
        (tmp_path / "there" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert data_of(run, told | {"data": DATA}) == DATA | {"root": str(tmp_path / "there" / ".cache" / "rendered")}
    monkeypatch.chdir(tmp_path / "there")
    assert data_of(run, told | {"data": DATA}) == DATA


@pytest.mark.parametrize("told", [{}, {"runs": "/runs"}, {"run_dir": "runs/b"}])
def test_where_a_run_that_has_moved_was_trained_is_not_known(tmp_path, monkeypatch, told):
    (tmp_path / ".cache" / "rendered").mkdir(parents=True)
    monkeypatch.chdir("/")
    assert data_of(tmp_path / "runs" / "a", told | {"data": DATA}) == DATA
