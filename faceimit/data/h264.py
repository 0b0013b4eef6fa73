"""H.264 and back: what a video call or a file of a camera leaves of pictures."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np


def through_h264(
    frames: Sequence[np.ndarray] | np.ndarray, crf: float, fps: float, key_every: int | None = None
) -> list[np.ndarray]:
    """Encode and decode with libx264; one thread, so that the bytes do not depend on the machine's cores.

    Args:
        frames: T pictures (H, W, 3) uint8 RGB, even sizes.
        crf: constant rate factor, 0 to 51, the larger the worse.
        fps: frames per second.
        key_every: frames from one key frame to the next; None: the encoder's own.

    Returns:
        T pictures of the same size.
    """
    import av

    height, width = frames[0].shape[:2]
    coded = BytesIO()
    with av.open(coded, "w", format="mp4") as target:
        stream = target.add_stream("libx264", rate=max(1, round(fps)))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1
        stream.options = {"crf": f"{crf:g}", "preset": "veryfast", "threads": "1"}
        if key_every is not None:
            stream.gop_size = key_every
        for frame in frames:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        target.mux(stream.encode())
    coded.seek(0)
    with av.open(coded, "r") as source:
        source.streams.video[0].thread_count = 1
        found = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    assert len(found) == len(frames)
    return found
