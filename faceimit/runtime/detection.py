"""The search of the whole picture for a face, beside the loop instead of in it.

dlib looks through a whole picture for 40 to 150 ms, several pictures' worth. A face whose place is known is found in
5 ms, which stays in the loop.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from faceimit.data.crop import CropBox
from faceimit.data.faces import Face, FaceDetector

WAIT_S = 0.02  # without a face there is nothing to score, and so much time to spare between two pictures
STALE_S = 0.5  # where a face was so long ago says little


class BackgroundDetector:
    """A detector whose fine search hardly waits: one that takes longer is answered by a later call.

    The coarse search, a third of it and what the tracker needs at once after a quick move, stays where it is.

    The tracker asks again as long as it has no face, and confirms what is found in the picture of that moment.

    Args:
        finder: looks through whole pictures, in a thread of its own.
        detector: looks where a face is known to be; another one, for neither need be safe in two threads at once.
    """

    def __init__(self, finder: FaceDetector, detector: FaceDetector) -> None:
        self._finder, self._detector = finder, detector
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="find")
        self._search: Future[list[Face]] | None = None
        self._began = 0.0

    def find(self, image: np.ndarray, fine: bool = False) -> list[Face]:
        """Faces of the picture with which the search that has just ended began; none while one is under way."""
        asked = time.monotonic()
        if self._search is not None and self._search.done() and asked - self._began > STALE_S:
            self._search = None  # nobody asked for it in time
        if self._search is None and not fine:
            return self._detector.find(image)
        if self._search is None:
            self._search, self._began = self._pool.submit(self._finder.find, image, fine), asked
        try:
            found = self._search.result(WAIT_S)
        except TimeoutError:
            return []
        self._search = None
        return found

    def locate(self, image: np.ndarray, near: CropBox, zoom: float = 1.0) -> Face | None:
        """As the detector."""
        return self._detector.locate(image, near, zoom)

    def close(self) -> None:
        """Wait for the search under way, then let go."""
        self._pool.shutdown()
        self._finder.close()
        self._detector.close()
