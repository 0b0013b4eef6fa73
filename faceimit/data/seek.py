"""Some frames of a video without decoding it from the start, the same in every bit as if it had been."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np

from faceimit.data.video import open_video, pixel_aspect, read_frames, to_rgb, video_stream

# Seconds before the first wanted frame at which a key frame is looked for, one after the other: containers are
# searched by decoding time, which runs ahead of the time of display where there are B-frames.
EARLIER_S = (0.0, 0.5, 2.0, 8.0, float("inf"))
# Time stamps that differ by less than this are the same.
SAME_S = 1e-4

# Containers with an index and a time stamp of its own for every picture; of others (.ts, .mpg) the stamps after a seek
# may belong to another picture.
INDEXED = {"avi", "matroska", "mov", "mp4", "webm"}

Use = Callable[[int, np.ndarray], None]


class FrameFinder:
    """Windows of frames of one video, by frame number.

    It seeks to the last key frame before a window and decodes from there, and checks the time stamp of every frame
    against the known times: where they do not agree (missing or repeated stamps, an index that lies) it decodes
    from the start instead, as it does for damaged files.

    Args:
        path: video file.
        times: (T,) seconds of all frames since the first one, as :func:`faceimit.data.video.read_frames` says them.
        damaged: the file does not decode without errors.
    """

    def __init__(self, path: str | os.PathLike[str], times: np.ndarray, damaged: bool = False) -> None:
        self.path, self.times = Path(path), np.asarray(times, dtype=np.float64)
        self.seeks = not damaged
        self._origin: float | None = None

    def read(self, start: int, stop: int, use: Use, needed: np.ndarray | None = None) -> None:
        """Hand the frames of [start, stop) over, in order.

        Args:
            start: first frame.
            stop: frame after the last, at most T.
            use: is called with the frame number and the picture, (H, W, 3) uint8 RGB; where a seek has failed half
                way it is called for all of them again.
            needed: (T,) bool, the pictures to make at all; None: all.

        Raises:
            InputError: the file cannot be read.
            IndexError: not within the video.
        """
        if not 0 <= start <= stop <= len(self.times):
            raise IndexError(f"frames {start} to {stop} are not within a video of {len(self.times)}")
        wanted = [i for i in range(start, stop) if needed is None or needed[i]]
        if not wanted:
            return
        start, stop = wanted[0], wanted[-1] + 1
        if self.seeks and start > 0:
            self.seeks = self._by_seeking(start, stop, use, set(wanted))
            if self.seeks:
                return
        with read_frames(self.path) as video:
            for frame in video.pick(wanted):
                use(frame.index, frame.image)

    def _by_seeking(self, start: int, stop: int, use: Use, wanted: set[int]) -> bool:
        """Whether all frames were found."""
        with open_video(self.path) as container:
            stream = video_stream(container, self.path)
            if not INDEXED & set(container.format.name.split(",")):
                return False
            try:
                if self._origin is None:
                    self._origin = next(container.decode(stream)).time
                if self._origin is None or stream.time_base is None:
                    return False
                for earlier in EARLIER_S:
                    seconds = max(self.times[start] - earlier, -1.0) + self._origin
                    container.seek(int(seconds / stream.time_base), stream=stream, backward=True)
                    if self._from_here(container, stream, start, stop, use, wanted):
                        return True
                    if self.times[start] <= earlier:
                        break
            except (av.FFmpegError, StopIteration):
                return False
        return False

    def _from_here(
        self,
        container: "av.container.InputContainer",
        stream: "av.VideoStream",
        start: int,
        stop: int,
        use: Use,
        wanted: set[int],
    ) -> bool:
        """Decode on from where the container stands; whether that was at or before a key frame before `start`."""
        aspect, expected, sound = pixel_aspect(stream), start, False
        for frame in self._decoded(container, stream, start):
            index = self._index(frame)
            # frames shown before the key frame may lean on others before it that were never decoded
            sound = sound or bool(frame.key_frame)
            if index is None or (sound and index > expected):
                return False
            if not sound or index < expected:
                continue
            if index in wanted:
                use(index, to_rgb(frame, aspect))
            expected += 1
            if expected == stop:
                return True
        return False

    def _decoded(
        self, container: "av.container.InputContainer", stream: "av.VideoStream", start: int
    ) -> Iterator[av.VideoFrame]:
        """Frames from here on; of those before `start` the ones nothing leans on may be left out."""
        assert self._origin is not None
        first = self.times[start] + self._origin - SAME_S
        for packet in container.demux(stream):
            if packet.size and packet.pts is None:  # .avi with B-frames: libav guesses, otherwise after a seek
                return
            early = packet.pts is not None and float(packet.pts * packet.time_base) < first
            stream.codec_context.skip_frame = "NONREF" if early else "DEFAULT"
            yield from packet.decode()

    def _index(self, frame: av.VideoFrame) -> int | None:
        """Its frame number by its time stamp, None if no frame has this time."""
        if frame.time is None:
            return None
        assert self._origin is not None
        time_s = frame.time - self._origin
        after = int(np.searchsorted(self.times, time_s - SAME_S))
        found = after < len(self.times) and abs(self.times[after] - time_s) < SAME_S
        return after if found else None
