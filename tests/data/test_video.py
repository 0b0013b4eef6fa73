from fractions import Fraction

import numpy as np
import pytest

from faceimit.data.video import probe, read_frames, write_video
from faceimit.errors import InputError
from tests import video_files
from tests.video_files import number_of, numbered


def read(path):
    with read_frames(path) as video:
        return video, list(video)


def test_every_frame_comes_in_order_with_its_time(tmp_path):
    path = video_files.write(tmp_path / "a.mp4", numbered(12))
    video, frames = read(path)
    assert [frame.index for frame in frames] == list(range(12))
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(12) / 25)
    assert (video.info.fps, video.info.frames, video.info.width, video.info.height) == (25, 12, 64, 48)
    assert frames[0].image.shape == (48, 64, 3)
    assert frames[0].image.dtype == np.uint8
    assert video.note is None


def test_colour_is_rgb(tmp_path):
    _, frames = read(video_files.write(tmp_path / "a.mp4", numbered(2)))
    red = frames[0].image[4:16, 4:24].reshape(-1, 3).mean(axis=0)
    assert red[0] > 150
    assert max(red[1:]) < 50


def test_times_of_a_variable_rate_are_kept_and_the_usual_rate_is_named(tmp_path):
    times = [0, 40, 80, 120, 160, 200, 240, 280, 1280, 1320, 1360]
    video, frames = read(video_files.write(tmp_path / "a.mp4", numbered(11), times_ms=times))
    assert [round(frame.time_s * 1000) for frame in frames] == times
    assert video.info.fps == pytest.approx(25.0, rel=0.01)


def test_times_always_increase(tmp_path):
    _, frames = read(video_files.write(tmp_path / "a.mkv", numbered(6), times_ms=[500, 501, 502, 503, 504, 505]))
    assert frames[0].time_s == 0.0
    assert (np.diff([frame.time_s for frame in frames]) > 0).all()


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_video_is_set_upright(tmp_path, degrees):
    upright = numbered(3)
    stored = np.rot90(upright, degrees // 90, axes=(1, 2))  # the camera lay on its side, counter-clockwise
    path = video_files.turn(video_files.write(tmp_path / "a.mp4", stored), degrees)
    video, frames = read(path)
    assert frames[0].image.shape == upright[0].shape
    assert (video.info.width, video.info.height) == (64, 48)
    assert np.abs(frames[1].image.astype(int) - upright[1]).mean() < 8


def test_pixels_are_made_square(tmp_path):
    video, frames = read(video_files.write(tmp_path / "a.mp4", numbered(2), aspect=Fraction(2, 1)))
    assert frames[0].image.shape == (48, 128, 3)
    assert (video.info.width, video.info.height) == (128, 48)


def test_odd_sizes_and_other_containers(tmp_path):
    path = tmp_path / "a.mkv"
    video_files.write(path, numbered(3, width=70, height=50))
    _, frames = read(path)
    assert len(frames) == 3


def test_picked_frames_are_those_of_the_whole(tmp_path):
    path = video_files.write(tmp_path / "a.mp4", numbered(15))
    _, frames = read(path)
    with read_frames(path) as video:
        picked = list(video.pick([11, 3]))
    assert [frame.index for frame in picked] == [3, 11]
    for frame in picked:
        assert np.array_equal(frame.image, frames[frame.index].image)
        assert frame.time_s == frames[frame.index].time_s
    with read_frames(path) as video:
        assert list(video.pick([])) == []


def test_a_truncated_video_gives_what_decodes_with_a_note(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), dtype=np.uint8)
    path = video_files.cut(video_files.write(tmp_path / "a.mp4", noise, faststart=True), 0.6)
    video, frames = read(path)
    assert 5 < len(frames) < 25
    assert video.note == f"{path} is damaged: {len(frames)} of 30 frames decode and were used"  # its last one is half


@pytest.mark.parametrize("suffix", ["mkv", "mov", "flv"])
def test_a_file_shorter_than_it_says_is_truncated_whatever_it_counts(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), dtype=np.uint8)
    path = video_files.write(tmp_path / f"a.{suffix}", noise, faststart=suffix == "mov")
    video, frames = read(path)
    assert (len(frames), video.note, video.info.frames) == (30, None, 30)
    video, frames = read(video_files.cut(path, 0.6))
    assert 5 < len(frames) < 25
    assert video.note.startswith(f"{path} is {'truncated' if suffix == 'mkv' else 'damaged'}: {len(frames)} ")
    assert " of 30 frames" in video.note or ", 0.7 of 1.2 s, decode" in video.note


def test_damage_in_the_middle_loses_only_some_frames(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), dtype=np.uint8)
    path = video_files.write(tmp_path / "a.mp4", noise, faststart=True)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    path.write_bytes(content)
    video, frames = read(path)
    assert 15 < len(frames) < 30
    assert video.note == f"{path} is damaged: {len(frames)} of 30 frames decode and were used"


def test_one_frame_is_a_video(tmp_path):
    _, frames = read(video_files.write(tmp_path / "a.mp4", numbered(1)))
    assert len(frames) == 1
    assert frames[0].time_s == 0.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path, "does not exist"),
        (lambda path: path.mkdir() or path, "folder"),
        (lambda path: path.write_text("not a video\n" * 50) and path, "not a video"),
        (lambda path: path.write_bytes(b"") is None or path, "not a video"),
        (lambda path: video_files.cut(video_files.write(path, numbered(20)), 0.5), "not a video"),
        (video_files.write_sound, "no picture"),
    ],
)
def test_what_is_no_video_is_refused_in_one_sentence(tmp_path, make, words):
    path = tmp_path / "a.mp4"
    make(path)
    with pytest.raises(InputError, match=words) as caught:
        read_frames(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_memory_stays_flat(tmp_path):
    tracemalloc = pytest.importorskip("tracemalloc")
    path = video_files.write(tmp_path / "a.mp4", (image for image in np.tile(numbered(10), (30, 1, 1, 1))))
    with read_frames(path) as video:
        frames = iter(video)
        for _ in range(20):
            next(frames)
        tracemalloc.start()
        for _ in frames:
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 10 * 64 * 48 * 3


def test_write_video_round_trip_and_nothing_half_written(tmp_path):
    images = numbered(5)
    path = tmp_path / "new" / "a.mp4"
    write_video(path, images, fps=30000 / 1001)
    video, frames = read(path)
    assert video.info.fps == pytest.approx(29.97, abs=0.01)
    assert [number_of(frame.image) for frame in frames] == list(range(5))

    def failing():
        yield images[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left"):
        write_video(tmp_path / "b.mp4", failing(), fps=25)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_probe_closes_nothing_it_needs(tmp_path):
    assert probe(video_files.write(tmp_path / "a.mp4", numbered(4))).frames == 4
