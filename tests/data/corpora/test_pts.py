"""Landmark files in every form they come in."""

import re

import numpy as np
import pytest

from faceimit.data.corpora.pts import parse_pts, read_landmarks, read_pts
from faceimit.errors import InputError
from tests.corpora import FRAMES, make_300vw, points, pts

LINES = [f"{x:.3f} {y:.3f}" for x, y in points() + 1]


@pytest.mark.parametrize(
    "text",
    [
        pts(points()),
        pts(points()).replace("\n", "\r\n"),
        pts(points()).replace(" ", "\t  "),
        re.sub(r"(?<=\d) (?=\d)", ", ", pts(points())),
        "n_points:68 { " + "  ".join(LINES) + " }",
        "version: 1 # comment\n// more\nN_Points = 68\n{" + "\n\n".join(LINES) + "}  trailing",
        "{\n" + "\n".join(LINES),
    ],
    ids=["plain", "crlf", "tabs", "commas", "one line", "comments", "no header, no end"],
)
def test_every_spelling_gives_the_same_points(text):
    np.testing.assert_allclose(parse_pts(text), points(), atol=1e-3)


def test_byte_order_marks(tmp_path):
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "x.pts").write_text(pts(points()), encoding=encoding)
        np.testing.assert_allclose(read_pts(tmp_path / "x.pts"), points(), atol=1e-3)


def test_the_first_pixel_is_zero():
    text = pts(np.zeros((68, 2)))
    assert "1.000 1.000" in text
    assert (parse_pts(text) == 0).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("version: 1", "between braces but there are none"),
        (pts(points()[:67]), "expected 68 points but got 67"),
        (pts(points()).replace("68", "66"), "says n_points: 66 but holds 68"),
        (pts(points())[:300], "the closing brace is missing"),
        (pts(points()).replace(LINES[3], "12.0 abc"), "expected coordinates but got 'abc'"),
    ],
)
def test_what_is_wrong_is_said(text, message, tmp_path):
    (tmp_path / "000001.pts").write_text(text)
    with pytest.raises(InputError, match=f"000001.pts: .*{message}"):
        read_pts(tmp_path / "000001.pts")


def test_frames_without_a_file_are_invalid_not_dropped(tmp_path):
    make_300vw(tmp_path, irregular=True)
    landmarks, valid, problems = read_landmarks(tmp_path / "001" / "annot", FRAMES)
    assert landmarks.shape == (FRAMES, 68, 2)
    assert valid.tolist() == [True, False, False, False, False, True]
    np.testing.assert_allclose(landmarks[0], points(1), atol=1e-3)  # 000001.pts is frame 0
    np.testing.assert_allclose(landmarks[5], points(6), atol=1e-3)
    assert np.isnan(landmarks[1:4]).all()
    told = {problem.path.name: problem.reason for problem in problems}
    assert set(told) == {"000003.pts", "000004.pts", "000005.pts", "000009.pts"}
    assert "frames 1 to 6" in told["000009.pts"]
    assert "not a number" in told["000005.pts"]


def test_numbers_without_leading_zeros_and_other_files(tmp_path):
    (tmp_path / "2.pts").write_text(pts(points()))
    (tmp_path / "x.pts").write_text(pts(points()))
    (tmp_path / "readme.txt").write_text("hello")
    _, valid, problems = read_landmarks(tmp_path, 3)
    assert valid.tolist() == [False, True, False]
    assert "expected a frame number" in problems[0].reason
