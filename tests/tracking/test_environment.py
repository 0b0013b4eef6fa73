"""What is recorded of the code: a patch that brings uncommitted changes back, bounded, and nothing private."""

import subprocess

import pytest

from faceimit.tracking.environment import changes, commit


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    (folder / "faceimit").mkdir(parents=True)
    git(folder, "init", "-q")
    (folder / "faceimit" / "a.py").write_text("a = 1\n")
    (folder / "faceimit" / "gone.py").write_text("b = 1\n")
    (folder / "faceimit" / "raw.bin").write_bytes(bytes(range(256)))
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_a_clean_checkout_has_no_changes(checkout):
    assert changes(checkout) == (b"", [])
    about = commit(checkout / "faceimit")
    assert len(about["id"]) == 40
    assert not about["dirty"]


def test_what_the_commands_leave_in_a_checkout_is_no_change_of_the_code(checkout):
    (checkout / "store").mkdir()
    (checkout / "store" / "clips.parquet").write_bytes(b"PAR1")
    (checkout / "talk.json").write_text("{}")
    assert changes(checkout) == (b"", [])
    assert commit(checkout / "faceimit")["dirty"] is False
    (checkout / "faceimit" / "new.py").write_text("c = 1\n")
    assert commit(checkout / "faceimit")["dirty"] is True


def test_the_patch_brings_every_change_back(checkout, tmp_path):
    git(checkout.parent, "clone", "-q", "checkout", "other")
    (checkout / "faceimit" / "a.py").write_bytes("a = 'ä'\n".encode("latin-1"))
    (checkout / "faceimit" / "gone.py").unlink()
    (checkout / "faceimit" / "raw.bin").write_bytes(bytes(range(255, -1, -1)))
    (checkout / "faceimit" / "new.py").write_text("c = 1\n")
    (checkout / ".env").write_text("KEY=secret\n")
    (checkout / "faceimit" / "notes.txt").write_text("mine\n")
    patch, left_out = changes(checkout / "faceimit")
    assert left_out == []
    assert b"secret" not in patch
    assert b"mine" not in patch
    assert commit(checkout / "faceimit")["dirty"]
    (tmp_path / "diff.patch").write_bytes(patch)
    git(tmp_path / "other", "apply", str(tmp_path / "diff.patch"))
    contents = [
        {path.name: path.read_bytes() for path in (folder / "faceimit").iterdir() if path.suffix != ".txt"}
        for folder in (checkout, tmp_path / "other")
    ]
    assert contents[0] == contents[1]


def test_what_does_not_fit_is_named(checkout):
    (checkout / "faceimit" / "a.py").write_text("a = 2\n")
    (checkout / "faceimit" / "big.py").write_text("x = 1\n" * 1000)
    patch, left_out = changes(checkout, limit=1000)
    assert left_out == ["faceimit/big.py"]
    assert b"a = 2" in patch
    assert len(patch) <= 1000


def test_below_somebody_elses_checkout_nothing_is_known(checkout):
    (checkout / "venv" / "faceimit").mkdir(parents=True)
    (checkout / ".gitignore").write_text("venv\n")
    assert commit(checkout / "venv" / "faceimit") == {"id": None, "dirty": None}
    assert changes(checkout / "venv" / "faceimit") == (b"", [])
