"""Fingerprints of data: equal for equal data wherever they lie, different for the smallest change."""

from dataclasses import replace

import numpy as np
import pytest

from faceimit.data.clipfile import save_clip
from faceimit.data.fingerprint import fingerprint, identity
from faceimit.errors import InputError
from tests.clips import blob_clip


class Parts:
    def __init__(self, **parts):
        self._parts = parts

    def parts(self):
        return self._parts


def digest(*items):
    return fingerprint(Parts(train=list(items)))["train"]["digest"]


def test_clip_files_are_known_by_their_content_alone(tmp_path):
    clip = blob_clip(1)
    for folder in ("a/s0-t40/train", "b/s0-t40/train"):
        save_clip(tmp_path / folder / "0.npz", clip)
    a, b = (fingerprint(Parts(train=[tmp_path / name / "s0-t40/train/0.npz"])) for name in "ab")
    assert a == b
    assert a["train"]["items"] == 1
    assert a["train"]["set"] == "s0-t40/train"
    frames = clip.frames.copy()
    frames[0, 0, 0, 0] ^= 1
    save_clip(tmp_path / "c.npz", replace(clip, frames=frames))
    assert digest(tmp_path / "c.npz") != a["train"]["digest"]


def test_a_clip_in_memory_is_known_by_frames_and_annotation():
    clip = blob_clip(1)
    assert digest(clip) == digest(blob_clip(1))
    assert digest(clip) != digest(blob_clip(2))
    flipped = replace(clip, annotation=replace(clip.annotation, valid=~clip.annotation.valid))
    assert digest(clip) != digest(flipped)
    assert digest(clip, "a") != digest("a", clip)


def test_a_module_that_says_nothing_has_none():
    assert fingerprint(object()) == {}


def test_what_is_no_file_of_arrays_is_named(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK no more")
    with pytest.raises(InputError, match=r"x\.npz is no whole file"):
        identity(tmp_path / "x.npz")
    with pytest.raises(TypeError, match="ndarray"):
        identity(np.zeros(3))
