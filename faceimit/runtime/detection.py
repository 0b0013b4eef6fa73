"""The search of the whole picture for a face, beside the loop instead of in it.

dlib looks through a whole picture for 40 to 150 ms, several pictures' worth. A face whose place is known is found in
5 ms, which stays in the loop.
"""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from faceimit.data.crop import CropBox
from faceimit.data.faces import Face, FaceDetector


class BackgroundDetector:
    """A detector whose ``find`` never waits: it answers what the search begun by an earlier call has found.

    The tracker asks again as long as it has no face, and confirms what is found in the picture of that moment.

    Args:
        finder: looks through whole pictures, in a thread of its own.
        detector: looks where a face is known to be; another one, for neither need be safe in two threads at once.
    """

    def __init__(self, finder: FaceDetector, detector: FaceDetector) -> None:
        self._finder, self._detector = finder, detector
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="find")
        self._search: Future[list[Face]] | None = None

    def find(self, image: np.ndarray, fine: bool = False) -> list[Face]:
        """Faces of the picture given when the search that has just ended began; none while one is under way."""
        if self._search is None:
            self._search = self._pool.submit(self._finder.find, image, fine)
            return []
        if not self._search.done():
            return []
        found, self._search = self._search.result(), None
        return found

    def locate(self, image: np.ndarray, near: CropBox, zoom: float = 1.0) -> Face | None:
        """As the detector."""
        return self._detector.locate(image, near, zoom)

    def close(self) -> None:
        """Wait for the search under way, then let go."""
        self._pool.shutdown()
        self._finder.close()
        self._detector.close()
