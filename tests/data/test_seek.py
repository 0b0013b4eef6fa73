from fractions import Fraction

import av
import numpy as np
import pytest

from faceimit.data.seek import FrameFinder
from faceimit.data.video import read_frames
from tests import video_files

FRAMES = 60


def moving(count=FRAMES, width=64, height=48):
    """Noise that moves, so that every frame differs from the others and leans on its neighbours."""
    noise = np.random.default_rng(0).integers(0, 255, size=(height, width + count, 3), dtype=np.uint8)
    return np.stack([noise[:, t : t + width] for t in range(count)])


def encode(path, codec, options, times=None, base=Fraction(1, 25), offset=0):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = base
        for t, image in enumerate(moving()):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = offset + (t if times is None else times[t]), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


UNEVEN = np.cumsum([0, *np.random.default_rng(1).choice([20, 33, 40, 133], size=FRAMES - 1)]).tolist()
KINDS = {
    "intra only.avi": ("mjpeg", {}),
    "no B-frames.mp4": ("libx264", {"g": "10", "bf": "0"}),
    "B-frames.mp4": ("libx264", {"g": "17", "bf": "3", "b-pyramid": "normal"}),
    "open groups.mkv": ("libx264", {"g": "17", "bf": "3", "x264-params": "open-gop=1"}),
    "open groups.mp4": ("libx264", {"g": "17", "bf": "3", "x264-params": "open-gop=1"}),
    "scene cuts.ts": ("libx264", {"g": "23", "bf": "2"}),
    "old.avi": ("mpeg4", {"g": "12", "bf": "2"}),
    "old without B.avi": ("mpeg4", {"g": "12", "bf": "0"}),
    "mpeg2.mpg": ("mpeg2video", {"g": "15", "bf": "2"}),
    "hevc.mp4": ("libx265", {"x265-params": "keyint=16:bframes=3:log-level=none"}),
    "vp9.webm": ("libvpx-vp9", {"g": "20", "deadline": "realtime", "cpu-used": "8"}),
    "one group.mp4": ("libx264", {"g": "1000", "bf": "3"}),
    "refreshed.mp4": ("libx264", {"g": "20", "x264-params": "intra-refresh=1"}),
}  # fmt: skip


@pytest.fixture(params=[*KINDS, "uneven.mp4", "uneven.mkv", "late.mp4", "late.mkv"])
def video(request, tmp_path):
    """A file, its pictures and times decoded from the start."""
    path = tmp_path / request.param
    if request.param in KINDS:
        codec, options = KINDS[request.param]
        if codec not in av.codecs_available:
            pytest.skip(f"this PyAV has no {codec}")
        encode(path, codec, options)
    else:
        times = [40 * t for t in range(FRAMES)] if path.stem == "late" else UNEVEN
        offset = 5000 if path.stem == "late" else 0
        encode(path, "libx264", {"g": "13", "bf": "2"}, times, Fraction(1, 1000), offset)
    with read_frames(path) as frames:
        read = list(frames)
    return path, [frame.image for frame in read], np.array([frame.time_s for frame in read])


def window(finder, start, stop, needed=None):
    found = {}
    finder.read(start, stop, found.__setitem__, needed)
    return found


def test_every_window_is_as_decoded_from_the_start(video):
    path, images, times = video
    finder = FrameFinder(path, times)
    for start in (*range(0, len(times) - 5, 4), len(times) - 1, len(times)):
        stop = min(start + 5, len(times))
        found = window(finder, start, stop)
        assert list(found) == list(range(start, stop))
        assert all(np.array_equal(found[i], images[i]) for i in found), start
    assert finder.seeks == (path.name not in {"scene cuts.ts", "mpeg2.mpg", "old.avi"})


def count_decoded(monkeypatch):
    """How many packets go through the decoder."""
    packets = []
    whole = FrameFinder._decoded

    def decoded(self, *args):
        for frame in whole(self, *args):
            packets.append(frame)
            yield frame

    monkeypatch.setattr(FrameFinder, "_decoded", decoded)
    return packets


@pytest.mark.parametrize("name", ["no B-frames.mp4", "B-frames.mp4", "open groups.mkv"])
def test_it_decodes_no_more_than_two_groups(tmp_path, monkeypatch, name):
    path = encode(tmp_path / name, *KINDS[name])
    with read_frames(path) as frames:
        times = np.array([frame.time_s for frame in frames])
    packets = count_decoded(monkeypatch)
    finder = FrameFinder(path, times)
    for start in (30, 45, 55):
        packets.clear()
        window(finder, start, start + 3)
        assert finder.seeks
        assert 3 <= len(packets) < 40


def test_only_needed_pictures_are_made(tmp_path):
    path = encode(tmp_path / "a.mp4", *KINDS["B-frames.mp4"])
    needed = np.arange(FRAMES) % 3 == 0
    assert list(window(FrameFinder(path, np.arange(FRAMES) / 25), 20, 30, needed)) == [21, 24, 27]
    assert window(FrameFinder(path, np.arange(FRAMES) / 25), 20, 30, np.zeros(FRAMES, dtype=bool)) == {}
    with pytest.raises(IndexError, match="frames 50 to 70"):
        window(FrameFinder(path, np.arange(FRAMES) / 25), 50, 70)


def test_where_times_do_not_agree_it_decodes_from_the_start(tmp_path):
    path = encode(tmp_path / "a.mp4", *KINDS["B-frames.mp4"])
    with read_frames(path) as frames:
        images = [frame.image for frame in frames]
    finder = FrameFinder(path, np.arange(FRAMES) / 24)
    assert np.array_equal(window(finder, 40, 42)[41], images[41])
    assert not finder.seeks


def test_a_damaged_file_is_read_from_the_start(tmp_path):
    path = video_files.cut(encode(tmp_path / "a.ts", *KINDS["scene cuts.ts"]), 0.7)
    with read_frames(path) as frames:
        read = list(frames)
    finder = FrameFinder(path, np.array([frame.time_s for frame in read]), damaged=True)
    last = len(read) - 1
    assert np.array_equal(window(finder, last, last + 1)[last], read[last].image)
