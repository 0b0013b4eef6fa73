"""A run to look at while it goes on, or later: camera, score with keyframes, targets and sent values, in rerun."""

import os
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from faceimit.data.quiet import without_chatter
from faceimit.errors import InputError
from faceimit.face.controls import LOW, NAMES, PARTS, SPAN
from faceimit.runtime.loop import Command, Decision

PICTURE_EVERY_S, LONGER_SIDE = 0.1, 320
WAIT_S = 2.0  # at the end, for a viewer to take what is left
_SHOWN = tuple(part for part in PARTS if part not in {"neck", "nose"})


class View:
    """Sends a run to rerun's viewer, to a file, or to both; an observer of the loop.

    Args:
        live: open the viewer.
        file: an .rrd file.

    Raises:
        InputError: rerun is not installed, its viewer does not start, or there is no screen for it.
    """

    def __init__(self, live: bool, file: Path | None = None) -> None:
        self._rr = rerun()
        self._stream = self._rr.RecordingStream("faceimit")
        self._shown_at = float("-inf")
        blueprint = self._layout()
        try:
            if live:
                self._open()
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
            sinks = [self._rr.GrpcSink()] if live else []
            sinks += [self._rr.FileSink(str(file))] if file is not None else []
            self._stream.set_sinks(*sinks, default_blueprint=blueprint)
        except (RuntimeError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"rerun's viewer does not start ({reason}), give --record instead") from error

    def decided(self, decision: Decision) -> None:
        """As :class:`faceimit.runtime.loop.Observer`."""
        rr, percept = self._rr, decision.percept
        self._time(percept.captured)
        if not percept.captured - self._shown_at < PICTURE_EVERY_S:
            self._shown_at = percept.captured
            self._picture(decision)
        if np.isfinite(decision.score):
            self._stream.log("score/value", rr.Scalars([decision.score]))
        if percept.keyframes:
            self._stream.log("score/keyframe", rr.Scalars([decision.score if np.isfinite(decision.score) else 0.0]))

    def commanded(self, command: Command) -> None:
        """As :class:`faceimit.runtime.loop.Observer`."""
        self._time(command.now)
        for part in _SHOWN:
            indices = list(PARTS[part])
            for what, values in (("target", command.target), ("sent", command.sent)):
                shares = ((values - LOW) / SPAN)[indices]
                self._stream.log(f"{part}/{what}", self._rr.Scalars(shares))

    def close(self) -> None:
        """Write what is left.

        Raises:
            RuntimeError: the viewer was closed before the end.
        """
        try:
            self._stream.flush(timeout_sec=WAIT_S)
        finally:
            self._stream.disconnect()

    def _open(self) -> None:
        """Start the viewer. Without a screen it starts, too, dies a moment later, and leaves everybody waiting for it.

        Raises:
            InputError: there is no screen.
            RuntimeError: it does not start.
        """
        if sys.platform == "linux" and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
            raise InputError(
                "--view needs a screen (neither DISPLAY nor WAYLAND_DISPLAY is set), give --record instead"
            )
        beside = Path(sys.executable).with_name("rerun")
        path = str(beside) if beside.is_file() else None
        with without_chatter():
            self._rr.spawn(connect=False, recording=self._stream, executable_path=path)

    def _time(self, seconds: float) -> None:
        self._stream.set_time("run", duration=seconds)

    def _picture(self, decision: Decision) -> None:
        image, box = decision.picture.image, decision.percept.box
        scale = min(1.0, LONGER_SIDE / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self._stream.log("camera", self._rr.Image(small).compress(jpeg_quality=80))
        corner = [] if box is None else [[(box.x - box.side / 2) * scale, (box.y - box.side / 2) * scale]]
        sides = [] if box is None else [[box.side * scale] * 2]
        self._stream.log("camera/face", self._rr.Boxes2D(mins=corner, sizes=sides))

    def _layout(self) -> Any:
        rr, blueprint = self._rr, self._rr.blueprint
        for part in _SHOWN:
            names = [NAMES[i] for i in PARTS[part]]
            for what in ("target", "sent"):
                self._stream.log(f"{part}/{what}", rr.SeriesLines(names=[f"{n} {what}" for n in names]), static=True)
        self._stream.log("score/value", rr.SeriesLines(names="score"), static=True)
        self._stream.log("score/keyframe", rr.SeriesPoints(names="keyframe", marker_sizes=5), static=True)
        plots = [blueprint.TimeSeriesView(origin=part, name=part) for part in ("score", *_SHOWN)]
        camera = blueprint.Spatial2DView(origin="camera", name="camera")
        return blueprint.Blueprint(blueprint.Horizontal(camera, blueprint.Grid(*plots), column_shares=[1, 2]))


def rerun() -> Any:
    """The package rerun.

    Raises:
        InputError: it is not installed.
    """
    os.environ.setdefault("RUST_LOG", "off")  # its library and viewer comment on everything; what matters is said here
    try:
        import rerun as package
    except ImportError as error:
        raise InputError("rerun is not installed: pip install 'faceimit[view]'") from error
    return package
