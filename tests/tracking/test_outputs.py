import os
import subprocess
import sys
from pathlib import Path

import pytest

from faceimit.errors import InputError
from faceimit.tracking.outputs import check_new, check_output_folder, check_outputs, write_output


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.json").write_text("{}")
    (tmp_path / "talk.mp4").write_text("a video")
    os.link("talk.mp4", "same.mp4")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("talk.mp4", "--json talk.mp4 would overwrite what is read from"),
        ("same.mp4", "would overwrite what is read from"),
        ("bundle/manifest.json", "would overwrite what is read from"),
        ("bundle", "--json bundle is a folder, give a file name such as bundle/out"),
        ("talk.mp4/a.json", "cannot write talk.mp4/a.json"),
        ("-", "/dev/stdout"),
    ],
)
def test_what_cannot_be_written_is_named(place, name, sentence):
    with pytest.raises(InputError, match=sentence):
        check_outputs({"--json": Path(name), "--plot": None}, ["talk.mp4", "bundle", None, "camera:0"])
    assert (place / "talk.mp4").read_text() == "a video"


def test_endings_and_equal_names(place):
    with pytest.raises(InputError, match=r"--plot writes .png but got a.gif, name it such as a.png"):
        check_outputs({"--plot": Path("a.gif")}, suffixes={"--plot": (".png",)})
    with pytest.raises(InputError, match="--plot and --sheet have the same name"):
        check_outputs({"--plot": Path("a.png"), "--sheet": Path("x/../a.png")})


def test_what_can_be_written_passes_and_leaves_nothing(place):
    before = sorted(place.rglob("*"))
    outputs = {"--json": Path("new/folder/a.json"), "--plot": Path("/dev/stdout"), "--sheet": Path("bundle/new.png")}
    check_outputs(outputs, ["talk.mp4", "bundle"], {"--plot": (".png",)})
    check_output_folder("--out", Path("new/folder"), ["talk.mp4"])
    assert sorted(place.rglob("*")) == before


def test_a_page_in_a_folder_that_is_read_is_made_anew(place):
    Path("bundle/page.html").write_text("an older page")
    check_outputs({"--out": Path("bundle/page.html")}, ["bundle"])
    with pytest.raises(InputError, match="would overwrite what is read"):
        check_outputs({"--out": Path("bundle/page.html")}, ["bundle/page.html"])


def test_what_must_be_new_replaces_nothing(place):
    check_new("--example", Path("new.json"))
    with pytest.raises(InputError, match=r"--example: talk\.mp4 is there already"):
        check_new("--example", Path("new.json"), Path("talk.mp4"))


@pytest.mark.parametrize(
    ("name", "sentence"), [("talk.mp4", "is a file"), (".", "would overwrite"), ("bundle", "over")]
)
def test_a_folder_that_would_replace_something(place, name, sentence):
    with pytest.raises(InputError, match=sentence):
        check_output_folder("--out", Path(name), ["bundle"])


def test_a_link_stays_and_a_file_is_whole(place):
    Path("link.json").symlink_to("target.json")
    write_output(Path("link.json"), b"new")
    assert Path("link.json").is_symlink()
    assert Path("target.json").read_bytes() == b"new"


def test_the_standard_output_may_be_a_pipe(place):
    code = """
from pathlib import Path
from faceimit.tracking.outputs import check_outputs, write_output
check_outputs({"--json": Path("/dev/stdout")})
write_output(Path("/dev/stdout"), b"numbers")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("numbers", "")


def test_in_a_file_the_standard_output_holds_the_output_alone(place):
    code = """
import sys
from pathlib import Path
from faceimit.tracking.cli import run_command
from faceimit.tracking.outputs import write_output
def command(words):
    print("said before")
    write_output(Path("/dev/stdout"), b"numbers")
    print("said after")
sys.exit(run_command(command))
"""
    Path("log").write_text("kept ")
    with Path("log").open("a") as log:
        words = [sys.executable, "-c", code, "--json", "/dev/stdout"]
        done = subprocess.run(words, stdout=log, stderr=subprocess.PIPE, text=True, check=True)
    assert Path("log").read_text() == "kept numbers"
    assert done.stderr == "said before\nsaid after\n"


def test_whoever_reads_a_pipe_may_have_seen_enough():
    read, write = os.pipe()
    os.close(read)
    with pytest.raises(BrokenPipeError):
        write_output(Path(f"/dev/fd/{write}"), b"new")
    os.close(write)
