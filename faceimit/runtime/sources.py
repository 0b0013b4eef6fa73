"""Where pictures come from: a video, a folder of pictures, a camera, a network stream, or a rendered performance."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from faceimit.data.video import DEFAULT_FPS, FASTEST, SLOWEST, read_frames, to_rgb
from faceimit.errors import InputError
from faceimit.robot.drivers.options import in_range
from faceimit.runtime.performance import performance

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "udp", "tcp")
CAMERA_FPS = 30.0
OPEN_S, READ_S = 5.0, 1.0  # a network stream that is silent for longer is opened anew


class SourceLostError(Exception):
    """No picture can be had now: unplugged, stalled or closed by the other side; it may come back."""


@dataclass(frozen=True)
class Picture:
    """A picture on its way to the robot.

    Attributes:
        index: 0-based, of all pictures captured in this run, counting those that are dropped later.
        captured: seconds on the run's monotonic clock at which it was there.
        image: (H, W, 3) uint8 RGB.
        time_s: seconds since the start of the recording it comes from; of a live source, since the run's start.
    """

    index: int
    captured: float
    image: np.ndarray
    time_s: float


class Source(Protocol):
    """Gives pictures.

    Attributes:
        name: for people.
        fps: usual number of pictures a second.
        live: pictures come when they come; otherwise they carry their time and can be had at any pace.
        note: one sentence on what was wrong with it, or None.
    """

    name: str
    fps: float
    live: bool
    note: str | None

    def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        """Seconds since the start (0 of a live source) and picture (H, W, 3) uint8 RGB; can be called again.

        Raises:
            SourceLostError: of a live source, which may be asked again.
        """
        ...

    def close(self) -> None:
        """Let go of it; another thread may still be waiting for a picture, which then ends with SourceLostError."""
        ...


class FileSource:
    """A video file."""

    live = False

    def __init__(self, path: Path) -> None:
        with read_frames(path) as video:
            self.fps = video.info.fps
        self.name, self.path = str(path), path
        self.note: str | None = None

    def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        """As :class:`Source`."""
        with read_frames(self.path) as video:
            for frame in video:
                yield frame.time_s, frame.image
            self.note = video.note

    def close(self) -> None:
        """Nothing is held."""


class FolderSource:
    """Pictures of a folder in the order of their names.

    Raises:
        InputError: there are none.
    """

    live = False

    def __init__(self, folder: Path, fps: float = DEFAULT_FPS) -> None:
        self.name, self.fps = str(folder), fps
        self.paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
        self.note: str | None = None
        if not self.paths:
            raise InputError(f"{folder} holds no pictures ({', '.join(PICTURES)}): give a folder that does, or a video")

    def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        """As :class:`Source`; what cannot be read is left out and noted."""
        broken: list[Path] = []
        for i, path in enumerate(self.paths):
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                broken.append(path)
                self.note = f"{len(broken)} of {len(self.paths)} pictures cannot be read, the first is {broken[0]}"
                continue
            yield i / self.fps, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        """Nothing is held."""


class CameraSource:
    """A camera by its number.

    Raises:
        InputError: it cannot be opened.
    """

    live = True

    def __init__(self, number: int) -> None:
        self.number, self.name = number, f"camera:{number}"
        self.note: str | None = None
        self._capture = self._opened()
        if self._capture is None:
            raise InputError(f"camera {number} cannot be opened: check that it is plugged in and free, or try camera:0")
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = rate if 1.0 <= rate <= 1000.0 else CAMERA_FPS

    def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        """As :class:`Source`."""
        if self._capture is None:
            self._capture = self._opened()
        while self._capture is not None:
            good, image = self._capture.read()
            if not good:
                break
            yield 0.0, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        self.close()
        raise SourceLostError(f"{self.name} gives no picture")

    def close(self) -> None:
        """Let go of the camera."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _opened(self) -> "cv2.VideoCapture | None":
        capture = cv2.VideoCapture(self.number)
        if not capture.isOpened():
            capture.release()
            return None
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture


class StreamSource:
    """A network stream: RTSP, or motion JPEG over HTTP, and whatever else FFmpeg opens.

    Raises:
        InputError: it cannot be opened.
    """

    live = True

    def __init__(self, url: str) -> None:
        self.name, self._url = _without_password(url), url
        self.note: str | None = None
        try:
            container = self._opened()
        except SourceLostError as error:
            raise InputError(f"{error}: check the address and that the sender runs") from error
        rate = container.streams.video[0].average_rate
        self.fps = float(rate) if rate and 1.0 <= float(rate) <= 1000.0 else DEFAULT_FPS
        self._first: Any = container

    def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        """As :class:`Source`."""
        import av

        container, self._first = self._first or self._opened(), None
        try:
            for frame in container.decode(video=0):
                yield 0.0, to_rgb(frame)
        except (av.FFmpegError, OSError) as error:
            raise SourceLostError(f"{self.name} broke off ({_reason(error)})") from error
        finally:
            container.close()
        raise SourceLostError(f"{self.name} was ended by the sender")

    def close(self) -> None:
        """Let go of a stream nobody has asked pictures of."""
        container, self._first = self._first, None
        if container is not None:
            container.close()

    def _opened(self) -> Any:
        import av

        options = {"fflags": "nobuffer", "rtsp_transport": "tcp", "probesize": "500000", "analyzeduration": "500000"}
        try:
            container = av.open(self._url, timeout=(OPEN_S, READ_S), options=options)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceLostError(f"stream {self.name} cannot be opened ({_reason(error)})") from error
        if not container.streams.video:
            container.close()
            raise SourceLostError(f"stream {self.name} has no picture")
        return container


def open_source(spec: str | None, fps: float | None = None, say: Callable[[str], None] = lambda *_: None) -> Source:
    """The source a user names: a file, a folder, ``camera:N``, a URL; None: a performance rendered on first use.

    Args:
        spec: as above.
        fps: of a folder of pictures; 25 if None.
        say: is told what takes long.

    Raises:
        InputError: there is no such source, or `fps` is out of range or not its own to choose.
    """
    if fps is not None and (spec is None or not Path(spec).is_dir()):
        raise InputError(
            f"--fps {fps:g} is for a --source that is a folder of pictures: leave it out, or name a folder"
        )
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what it cannot open is said here
    if spec is None:
        return FileSource(performance(say=say))
    if spec.startswith("camera:"):
        number = spec.removeprefix("camera:")
        if not number.isdecimal():
            raise InputError(f"expected camera:N with a number but got {spec!r}, try camera:0")
        return CameraSource(int(number))
    if "://" in spec:
        if spec.split("://")[0].lower() not in SCHEMES:
            raise InputError(f"expected a URL of {', '.join(SCHEMES)} but got {_without_password(spec)!r}")
        return StreamSource(spec)
    path = Path(spec)
    if path.is_dir():
        in_range(fps := DEFAULT_FPS if fps is None else fps, SLOWEST, FASTEST, "--fps")
        return FolderSource(path, fps)
    return FileSource(path)


def _without_password(url: str) -> str:
    """The URL without what stands before an @, which is nobody's business in a log."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
