"""Sentences of what the system refuses, and of what a file holds."""

import errno
import os

import pytest

from faceimit.errors import kind_of, remedy, unwritable
from faceimit.tracking.cli import run_command
from faceimit.tracking.files import write_bytes


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EACCES, "permissions"),
        (errno.EEXIST, "a file is where a folder must be"),
        (errno.ENOTDIR, "a file is where a folder must be"),
        (errno.EISDIR, "give the name of a file"),
        (errno.ENOENT, "check the path"),
        (errno.ENAMETOOLONG, "shorter"),
        (errno.EROFS, "another place"),
        (errno.EPIPE, "another place"),
    ],
)
def test_the_remedy_fits_the_reason(number, words, capsys):
    error = OSError(number, os.strerror(number), "a/b")
    assert words in remedy(error)
    assert ("space" in remedy(error)) == (number in {errno.ENOSPC, errno.EDQUOT})
    assert str(unwritable("a/b", error)) == f"cannot write a/b ({os.strerror(number)}), {remedy(error)}"
    if number != errno.EPIPE:  # a reader that has seen enough is no error

        def command(_):
            raise error

        assert run_command(command, []) == 2
        assert capsys.readouterr().err == f"error: a/b: {os.strerror(number).lower()}; {remedy(error)}\n"


def test_a_file_in_the_way_of_a_folder_is_not_a_full_disk(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(ValueError, match=r"a file is where a folder must be"):
        write_bytes(tmp_path / "a" / "b" / "c.json", b"")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "names and values"),
        ([1], "a list"),
        ("a", "text"),
        (None, "nothing"),
        (1, "a number"),
        (1.5, "a number"),
        (True, "true or false"),
        (b"", "something else"),
    ],
)
def test_what_a_file_holds_in_words(content, words):
    assert kind_of(content) == words
