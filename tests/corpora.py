"""Tiny trees in the true layout of each corpus, with the irregularities of the real ones where asked for."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from faceimit.data.corpora.caer import EMOTIONS
from faceimit.face.controls import HIGH, LOW, NAMES, NEUTRAL
from tests import video_files

FRAMES = 6


def video(path: Path, frames: int = FRAMES, side: int = 64) -> Path:
    """One tiny video, written where asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return video_files.write(path, video_files.numbered(frames, side, side))


def videos(paths: list[Path], frames: int = FRAMES) -> None:
    """Many tiny videos of the same pictures: each suffix is encoded once and copied."""
    first: dict[str, Path] = {}
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in first:
            shutil.copyfile(first[path.suffix], path)
        else:
            first[path.suffix] = video(path, frames)


def make_voxceleb(
    root: Path, people: int = 6, irregular: bool = False, splits: tuple[str, str] = ("dev", "test")
) -> Path:
    """``dev/mp4/idXXXXX/<YouTubeID>/NNNNN.mp4`` with txt/: two thirds of the people in dev, the others in test.

    Irregular: a text without video, a video without text, an empty and a cut-off file, an unfinished download, a person
    without video, one in both splits, a folder that is no person, ._ files, a unicode YouTube folder with a space.
    """
    paths = []
    for i in range(people):
        split = splits[0] if i < people * 2 // 3 else splits[1]
        for k in range(2):
            paths.append(root / split / "mp4" / f"id{10001 + i}" / f"yt-_{i}" / f"{k + 1:05d}.mp4")
            text = Path(str(paths[-1]).replace("/mp4/", "/txt/")).with_suffix(".txt")
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(f"Identity  : \tid{10001 + i}\n\nFRAME \tX \tY \tW \tH \n000000 \t0.3 \t0.2 \t0.4 \t0.5 \n")
    if irregular:
        paths += [root / splits[1] / "mp4" / "id10001" / "shared" / "00001.mp4"]
        paths += [root / splits[0] / "mp4" / "id10002" / "é ü 漢" / "00001.mp4"]
    videos(paths)
    if irregular:
        first = root / splits[0] / "mp4" / "id10001" / "yt-_0"
        (first / "00003.mp4").write_bytes(b"")
        (first / "00004.mp4.part").write_bytes(b"half")
        (first / "._00001.mp4").write_bytes(b"mac")
        shutil.copyfile(first / "00001.mp4", first / "00005.mp4")
        video_files.cut(first / "00005.mp4", 0.3)
        (root / splits[0] / "txt" / "id10001" / "yt-_0" / "00009.txt").write_text("FRAME\n")
        (root / splits[0] / "mp4" / "id10777").mkdir()
    return root


def points(shift: float = 0.0) -> np.ndarray:
    """(68, 2) float64 pixel coordinates counted from 0, inside a picture of 64 pixels."""
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    return np.stack([32 + 20 * np.cos(angle), 32 + 20 * np.sin(angle)], axis=1) + shift


def pts(values: np.ndarray) -> str:
    """A .pts file of points counted from 0."""
    lines = [f"{x:.3f} {y:.3f}" for x, y in values + 1]
    return "\n".join(["version: 1", "n_points:  68", "{", *lines, "}", ""])


def make_300vw(root: Path, numbers: tuple[int, ...] = (1, 2, 3, 114, 203, 410), irregular: bool = False) -> Path:
    """``NNN/vid.avi`` with ``NNN/annot/NNNNNN.pts``; the defaults hold one test video of each category.

    Irregular: frames without .pts (2), with an empty (3), short (4) and NaN (5) one and beyond the end of the first
    video; a video without annotation, with an empty annot/, annotations without video, an empty vid.avi, extra/.
    """
    videos([root / f"{number:03d}" / "vid.avi" for number in numbers])
    for number in numbers:
        annot = root / f"{number:03d}" / "annot"
        annot.mkdir()
        for frame in range(1, FRAMES + 1):
            (annot / f"{frame:06d}.pts").write_text(pts(points(frame)))
    if irregular:
        annot = root / f"{numbers[0]:03d}" / "annot"
        (annot / "000002.pts").unlink()
        (annot / "000003.pts").write_text("")
        (annot / "000004.pts").write_text(pts(points()[:60]))
        (annot / "000005.pts").write_text(pts(points()).replace(f"{points()[7, 0] + 1:.3f}", "NaN", 1))
        (annot / f"{FRAMES + 3:06d}.pts").write_text(pts(points()))
        (annot / "._000001.pts").write_bytes(b"mac")
        videos([root / "007" / "vid.avi", root / "009" / "vid.avi"])
        (root / "009" / "annot").mkdir()
        shutil.copytree(root / f"{numbers[1]:03d}" / "annot", root / "010" / "annot")
        (root / "011").mkdir()
        (root / "011" / "vid.avi").write_bytes(b"")
        (root / "extra").mkdir()
    return root


def make_caer(root: Path, clips: int = 2, irregular: bool = False) -> Path:
    """``{train,validation,test}/{Anger,...}/NNNN.avi``.

    Irregular: a missing emotion, an empty one, pictures instead of clips, a misspelt emotion, a broken file.
    """
    paths = [
        root / split / emotion / f"{k + 1:04d}.avi"
        for split in ("train", "validation", "test")
        for emotion in EMOTIONS
        for k in range(clips)
    ]
    videos(paths)
    if irregular:
        shutil.rmtree(root / "test" / "Sad")
        for path in (root / "test" / "Fear").iterdir():
            path.unlink()
        for path in (root / "test" / "Happy").iterdir():
            path.rename(path.with_suffix(".png"))
        (root / "train" / "Angr").mkdir()
        (root / "train" / "Anger" / "9999.avi").write_bytes(b"no video at all")
        (root / "train" / "Anger" / "9998.avi").write_bytes(b"")
    return root


def make_videos(root: Path, people: int = 0, count: int = 6, irregular: bool = False) -> Path:
    """A plain folder: videos in the root, or in a sub-folder a person.

    Irregular: unicode, spaces, upper-case suffixes, hidden and ._ files, same stem twice, symbolic links (a second
    name, a broken one, a loop), an empty file, one that is no video, an unfinished download, other files.
    """
    folders = [root / f"person {i}" for i in range(people)] or [root]
    videos([folder / f"clip{k}.mp4" for folder in folders for k in range(count)])
    if irregular:
        home = folders[0]
        videos(
            [home / "Žofie – 日本 1.MP4", home / "clip0.avi", home / "deep" / "er" / "x.mkv", home / ".hid" / "h.mp4"]
        )
        (home / "._clip0.mp4").write_bytes(b"mac")
        (home / "link.mp4").symlink_to(home / "clip0.mp4")
        (home / "broken.mp4").symlink_to(home / "gone.mp4")
        (home / "loop").symlink_to(root, target_is_directory=True)
        (home / "empty.mp4").write_bytes(b"")
        (home / "text.mp4").write_text("no video")
        (home / "half.mp4.part").write_bytes(b"half")
        (home / "notes.txt").write_text("notes")
    return root


def control_rows(count: int, seed: int = 0) -> np.ndarray:
    """(N, 30) float64 control values in their units, around neutral."""
    spread = 0.15 * (HIGH - LOW) * np.random.default_rng(seed).standard_normal((count, len(NAMES)))
    return np.clip(NEUTRAL + spread, LOW, HIGH)


def picture(number: int, side: int = 48) -> np.ndarray:
    """(H, W, 3) uint8 RGB: red grows with the number, the left half is dark in green."""
    image = np.full((side, side, 3), 128, dtype=np.uint8)
    image[..., 0] = 3 * number % 256
    image[:, : side // 2, 1] = 20
    return image


def make_pairs(root: Path, kind: str = "json", sequences: int = 5, length: int = 4) -> Path:
    """Pairs of pictures and controls; returns what :func:`faceimit.data.pairs.read_pairs` is given.

    Kinds of folder: "json" (rows with "image" and "ctrl"), "mapping" (file: {name: value}), "lines" (JSON lines), "csv"
    (a column a control). Kinds of table: "columns", "struct", "text" (a JSON string), "list".
    """
    rows = control_rows(sequences * length)
    names = [f"seq{s:02d}/{k:04d}.png" for s in range(sequences) for k in range(length)]
    if kind in {"columns", "struct", "text", "list"}:
        return _pair_table(root, kind, names, rows)
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), picture(i)[..., ::-1])
    values = [dict(zip(NAMES, map(float, row), strict=True)) for row in rows]
    pairs = [{"image": name, "ctrl": value} for name, value in zip(names, values, strict=True)]
    if kind == "json":
        (root / "controls.json").write_text(json.dumps(pairs))
    elif kind == "mapping":
        (root / "controls.json").write_text(json.dumps(dict(zip(names, values, strict=True))))
    elif kind == "lines":
        (root / "controls.jsonl").write_text("\n".join(map(json.dumps, pairs)) + "\n")
    else:
        lines = [",".join(["image", *NAMES])]
        lines += [",".join([name, *(repr(float(v)) for v in row)]) for name, row in zip(names, rows, strict=True)]
        (root / "controls.csv").write_text("\n".join(lines) + "\n")
    return root


def _pair_table(root: Path, kind: str, names: list[str], rows: np.ndarray) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    root.mkdir(parents=True, exist_ok=True)
    encoded = [cv2.imencode(".png", picture(i)[..., ::-1])[1].tobytes() for i in range(len(names))]
    columns: dict[str, object] = {
        "image": [{"bytes": data, "path": name} for data, name in zip(encoded, names, strict=True)],
        "sequence": [name.split("/")[0] for name in names],
    }
    values = [dict(zip(NAMES, map(float, row), strict=True)) for row in rows]
    if kind == "columns":
        columns |= {name: rows[:, i] for i, name in enumerate(NAMES)}
    elif kind == "struct":
        columns["controls"] = values
    elif kind == "text":
        columns["controls"] = [json.dumps(value) for value in values]
    else:
        columns["controls"] = [list(map(float, row)) for row in rows]
    path = root / f"{kind}.parquet"
    pq.write_table(pa.table(columns), path)
    return path
