"""Read any video as a stream of upright RGB frames with their true times (PyAV).

Frames are decoded one at a time, so memory stays flat however long the video is. Rotation and pixel aspect ratio
in the file are applied; times come from the file, so a variable frame rate is kept, never assumed away.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from faceimit.errors import InputError, unwritable

DEFAULT_FPS = 25.0
SLOWEST, FASTEST = 0.1, 1000.0  # frames per second; a file that claims others is wrong about itself
# Packets looked at to find the usual frame interval of a variable-rate stream (about 20 s of video).
PROBED_PACKETS = 600
# A damaged stream is given up after this many packets in a row that do not decode (about 10 s of video).
MAX_BAD_PACKETS = 300
# A file that gives less of the frames, or of the seconds, that it says it holds is called truncated.
LEAST_SHARE = 0.9


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before it is decoded.

    Attributes:
        path: as given.
        fps: nominal frames per second: the usual interval, also of a variable-rate video.
        frames: expected number of frames, or None where the file does not say.
        width, height: of the upright picture in square pixels.
    """

    path: Path
    fps: float
    frames: int | None
    width: int
    height: int


@dataclass(frozen=True)
class Frame:
    """One decoded picture.

    Attributes:
        index: 0-based place in the order of display.
        time_s: seconds since the first frame, strictly increasing.
        image: (H, W, 3) uint8 RGB, upright, square pixels.
    """

    index: int
    time_s: float
    image: np.ndarray


class VideoReader:
    """Iterate once over the frames of a video; a context manager that closes the file.

    After the iteration ``note`` holds one sentence when the file was damaged or cut short, else None, and ``read`` the
    number of frames delivered. Made by :func:`read_frames`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.read = 0
        self._damaged = False
        self._end_s: float | None = None  # of the last frame, once the file has been read to its end
        self.info = probe(self.path)
        self._container = open_video(self.path)
        self._stream = video_stream(self._container, self.path)
        self._aspect = pixel_aspect(self._stream)
        self._expected, self._length = self._stream.frames, _length(self._container, self._stream)

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    @property
    def note(self) -> str | None:
        """What is wrong with the file, as far as it was read."""
        if not self._damaged and (self._end_s is None or not self._cut_short()):
            return None
        fault = "damaged" if self._damaged else "truncated"
        if self._end_s is None:
            return f"{self.path} is damaged: the frames that decode were used"
        used = f"{self.read} of {self._expected} frames" if self._expected else f"{self.read} frames"
        if self._length and not self._expected:
            used += f", {self._end_s:.1f} of {self._length:.1f} s,"
        return f"{self.path} is {fault}: {used} decode and were used"

    def _cut_short(self) -> bool:
        if self._expected:
            return self.read < LEAST_SHARE * self._expected
        return self._length is not None and self._end_s is not None and self._end_s < LEAST_SHARE * self._length

    def __iter__(self) -> Iterator[Frame]:
        """Frames in the order of display."""
        return self._frames(None)

    def pick(self, indices: Collection[int]) -> Iterator[Frame]:
        """Only the frames of these numbers, in the order of display; the others are decoded but never made pictures."""
        wanted = set(indices)
        return self._frames(wanted) if wanted else iter(())

    def _frames(self, wanted: set[int] | None) -> Iterator[Frame]:
        last = None if wanted is None else max(wanted)
        time_s, clock = 0.0, _Clock(1.0 / self.info.fps)
        for frame in self._decoded():
            time_s = clock.seconds(frame.time)
            if wanted is None or self.read in wanted:
                yield Frame(self.read, time_s, to_rgb(frame, self._aspect))
            self.read += 1
            if last is not None and self.read > last:
                return
        self._end_s = time_s + 1.0 / self.info.fps if self.read else 0.0

    def _decoded(self) -> Iterator[av.VideoFrame]:
        bad_in_a_row = 0
        for packet in _packets(self._container, self._stream):
            if packet is None:
                self._damaged = True
                return
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.FFmpegError:
                self._damaged = True
                bad_in_a_row += 1
                if bad_in_a_row >= MAX_BAD_PACKETS:
                    return
                continue
            bad_in_a_row = 0
            yield from frames


class _Clock:
    """Strictly increasing seconds since the first frame from a file's time stamps.

    Missing or repeated stamps (broken muxers) would make time stand still: there the usual step is taken instead.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._start: float | None = None
        self._last: float | None = None

    def seconds(self, stamp: float | None) -> float:
        if self._start is None:
            self._start = stamp
        if self._last is None:
            self._last = 0.0
        elif stamp is None or self._start is None or stamp - self._start <= self._last:
            self._last += self._step
        else:
            self._last = stamp - self._start
        return self._last


def read_frames(path: str | os.PathLike[str]) -> VideoReader:
    """Open a video for one pass: a context manager that iterates over its frames.

    Raises:
        InputError: the file is missing, unreadable, no video, or none of its frames decodes.
    """
    return VideoReader(path)


def write_video(path: str | os.PathLike[str], images: Iterable[np.ndarray], fps: float, crf: int = 18) -> None:
    """Write an H.264 .mp4, whole or not at all.

    Args:
        path: where to.
        images: (H, W, 3) uint8 RGB, all of one size, H and W even.
        fps: frames per second.
        crf: quality, 0 (lossless) to 51.

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}.mp4")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _encode(unfinished, images, fps, crf)
        unfinished.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _encode(path: Path, images: Iterable[np.ndarray], fps: float, crf: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(60000))
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(crf), "preset": "veryfast"}
        for i, image in enumerate(images):
            if i == 0:
                stream.height, stream.width = image.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def to_rgb(frame: av.VideoFrame, pixel_aspect: float = 1.0) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a decoded frame, upright; ``pixel_aspect`` is the width of a pixel over its height."""
    image = frame.to_ndarray(format="rgb24", width=round(frame.width * pixel_aspect), height=frame.height)
    # PyAV gives the counter-clockwise turn that makes the picture upright, as numpy's rot90 counts.
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def probe(path: Path) -> VideoInfo:
    """What can be known of a video from the start of its file.

    Raises:
        InputError: the file is missing, unreadable, no video, or none of its frames decodes.
    """
    with open_video(path) as container:
        stream = video_stream(container, path)
        frame = _first_frame(container, stream)
        if frame is None:
            raise InputError(f"{path} holds no frame that decodes: it is damaged, try to copy or export it again")
        height, width = to_rgb(frame, pixel_aspect(stream)).shape[:2]
        fps = _steady_rate(stream)
        expected = stream.frames or None
        if expected is None and fps and (length := _length(container, stream)):
            expected = round(length * fps)
    fps = fps or _usual_rate(path)
    return VideoInfo(path, fps if SLOWEST <= fps <= FASTEST else DEFAULT_FPS, expected, width, height)


def _first_frame(container: "av.container.InputContainer", stream: "av.VideoStream") -> av.VideoFrame | None:
    bad = 0
    for packet in _packets(container, stream):
        try:
            frames = packet.decode() if packet is not None else []
        except av.FFmpegError:
            frames, bad = [], bad + 1
        if frames:
            return frames[0]
        if bad >= MAX_BAD_PACKETS:
            break
    return None


def pixel_aspect(stream: "av.VideoStream") -> float:
    """Width of a pixel over its height."""
    ratio = stream.sample_aspect_ratio
    return float(ratio) if ratio and 0.2 < float(ratio) < 5.0 else 1.0


def _length(container: "av.container.InputContainer", stream: "av.VideoStream") -> float | None:
    """Seconds of picture that a file says it holds, None where it does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    told = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))  # Matroska's way
    if told:
        hours, minutes, seconds = (float(part) for part in told.groups())
        return 3600 * hours + 60 * minutes + seconds
    return container.duration / av.time_base if container.duration else None


def _steady_rate(stream: "av.VideoStream") -> float | None:
    """Frames per second if the container's mean and base rate agree, else None: the rate varies or is unknown."""
    mean, base = stream.average_rate, stream.base_rate
    if not mean:
        return None
    return float(mean) if not base or abs(float(mean) / float(base) - 1.0) < 0.02 else None


def _usual_rate(path: Path) -> float:
    """Frames per second from the median interval of the first packets, without decoding them."""
    stamps: list[float] = []
    with open_video(path) as container:
        stream = video_stream(container, path)
        for packet in _packets(container, stream):
            if packet is None or len(stamps) >= PROBED_PACKETS:
                break
            if packet.pts is not None and packet.time_base:
                stamps.append(float(packet.pts * packet.time_base))
    steps = np.diff(np.unique(stamps))
    return float(1.0 / np.median(steps)) if len(steps) else DEFAULT_FPS


def open_video(path: Path) -> "av.container.InputContainer":
    """The file, opened with PyAV.

    Raises:
        InputError: the file is missing, unreadable or no video.
    """
    if not path.exists():
        raise InputError(f"video {path} does not exist: check the path")
    if path.is_dir():
        raise InputError(f"{path} is a folder: give one video file")
    try:
        return av.open(str(path))
    except PermissionError as error:
        raise InputError(f"video {path} may not be read: check its permissions") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{path} is not a video that can be read, or it is cut off: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def video_stream(container: "av.container.InputContainer", path: Path) -> "av.VideoStream":
    """The first picture stream of an open file.

    Raises:
        InputError: there is none.
    """
    if not container.streams.video:
        raise InputError(f"{path} has no picture, only sound or data: give a video with a picture")
    return container.streams.video[0]


def _packets(container: "av.container.InputContainer", stream: "av.VideoStream") -> Iterator["av.Packet | None"]:
    """Packets of the stream; None once where the file breaks off."""
    packets = container.demux(stream)
    while True:
        try:
            yield next(packets)
        except StopIteration:
            return
        except av.FFmpegError:
            yield None
            return
