"""``faceimit-keyframes``: scores and keyframes of any video, as JSON, a plot and a contact sheet."""

import argparse
import sys
from array import array
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np

from faceimit.data.crop import CropBox, crop_face
from faceimit.data.video import VideoInfo, probe, read_frames
from faceimit.data.videos import CropStream
from faceimit.errors import InputError
from faceimit.keyframes.blendshapes import BlendshapeScorer
from faceimit.keyframes.methods import BLENDSHAPES_METHOD, METHODS, UNTUNED_SEARCH, make_method
from faceimit.keyframes.search import At, SearchParams, find_keyframes
from faceimit.keyframes.stream import MethodScorer, StreamingScorer
from faceimit.tracking import keyframe_report
from faceimit.tracking.cli import CommandParser, did_you_mean, run_command
from faceimit.tracking.keyframe_report import TILE, Detection
from faceimit.tracking.outputs import PICTURE_ENDINGS, check_outputs, write_output
from faceimit.words import plural

DESCRIPTION = """\
Find the frames of a face video at which the expression changes most.

Without --checkpoint, --bundle or --method the weights shipped with faceimit are used. Frames without a face have no
score. --json writes {"video", "fps", "frames", "method", "scores", "keyframes", "valid", "times"}: a score in [0, 1]
(null: no face), a validity and a time in seconds for every frame; keyframes are 0-based frame numbers."""
EXAMPLE = """\
  python -m faceimit.data.example_video talk.mp4
  faceimit-keyframes talk.mp4 --json talk.json --plot talk.png --sheet talk_sheet.png"""

# A classical method has no scale of its own: this percentile of its raw scores over the video becomes 1.
REFERENCE_PERCENTILE = 95.0
# Frame intervals that differ more than this from the usual one make a video one of variable rate.
STEADY = 0.2
NAMES = (*METHODS, BLENDSHAPES_METHOD)
NOWHERE = (float("nan"),) * 3  # the box of a frame without a face


def main() -> None:
    """The command ``faceimit-keyframes``."""
    sys.exit(run_command(detect))


def detect(arguments: Sequence[str]) -> None:
    """Score a video, search its keyframes, write what was asked for.

    Raises:
        InputError: bad arguments, an unreadable video, no face, outputs that cannot be written.
    """
    args = _parser().parse_args(arguments)
    outputs = {"scores": args.json, "plot": args.plot, "contact sheet": args.sheet}
    outputs = {what: path for what, path in outputs.items() if path is not None}
    endings = {"--plot": PICTURE_ENDINGS, "--sheet": PICTURE_ENDINGS}
    inputs = [args.video, args.bundle, args.checkpoint, args.model, args.faces]
    check_outputs({"--json": args.json, "--plot": args.plot, "--sheet": args.sheet}, inputs, endings)
    info = probe(args.video)
    with _loading():
        scorer = make_scorer(args)
    try:
        found = score_video(info, scorer, args.at, args.faces)
    finally:
        if isinstance(scorer, BlendshapeScorer):
            scorer.close()
    if found.note:
        print(f"note: {found.note}", file=sys.stderr)
    for path, content in _render(found, args).items():
        write_output(path, content)
    print(summary(found, outputs))


def make_scorer(args: argparse.Namespace) -> StreamingScorer:
    """The scorer that --method, --checkpoint, --bundle or none of them stands for."""
    if args.device is not None and (args.method or args.bundle):
        where = f"--method {args.method}" if args.method else f"--bundle {args.bundle}"
        raise InputError(f"--device {args.device} is for networks of a checkpoint, leave it out with {where}")
    if args.method == BLENDSHAPES_METHOD:
        return BlendshapeScorer(args.model)
    if args.model is not None:
        raise InputError(f"--model {args.model} is for --method {BLENDSHAPES_METHOD}: give both or neither")
    if args.method is not None:
        if args.method not in METHODS:
            near = did_you_mean(args.method, NAMES)
            raise InputError(f"unknown method {args.method!r}{near}, choose one of {', '.join(NAMES)}")
        return MethodScorer(make_method(args.method), UNTUNED_SEARCH)
    if args.bundle is not None:
        from faceimit.bundle.load import load_bundle

        return load_bundle(args.bundle).score_stream()
    return _network_scorer(args.checkpoint, args.device or "cpu")


def _network_scorer(checkpoint: Path | None, device: str) -> StreamingScorer:
    """Of a training run's checkpoint, of a weights file, or of the weights shipped with the package."""
    from faceimit.keyframes.weights import load_network, network_scorer

    if checkpoint is not None and not checkpoint.is_file():
        raise _no_checkpoint(checkpoint)
    if checkpoint is None or checkpoint.suffix == ".safetensors":
        return load_network(checkpoint, device)
    from faceimit.tracking.checkpoints import load_task

    task = load_task(checkpoint, "faceimit.tasks.keyframe.KeyframeTask")
    return network_scorer(task.net, task.search, "without_flow" if task.net.flow is None else "multitask", device)


def _no_checkpoint(path: Path) -> InputError:
    best = path / "checkpoints" / "best.ckpt"
    if best.is_file():
        return InputError(f"--checkpoint {path} is the folder of a run, give {best}")
    there = path.parent.iterdir() if path.parent.is_dir() else ()
    near = did_you_mean(path.name, [file.name for file in there if file.suffix in {".ckpt", ".safetensors"}])
    what = "is a folder" if path.is_dir() else "does not exist"
    return InputError(f"--checkpoint {path} {what}{near}, give RUN/checkpoints/best.ckpt or a .safetensors file")


def score_video(info: VideoInfo, scorer: StreamingScorer, at: At = "peak", faces: str = "dlib") -> Detection:
    """Score every frame of a video in one pass with flat memory, then search the keyframes.

    Args:
        info: of the video.
        scorer: gives the scores.
        at: ``peak`` or ``apex``, see :class:`faceimit.keyframes.search.SearchParams`.
        faces: face detector, see :func:`faceimit.data.faces.make_detector`.

    Raises:
        InputError: the video has a single frame, or no face in it.
    """
    scores, times, boxes = array("f"), array("d"), array("f")  # all that grows with the video: 24 bytes a frame
    with CropStream(info.path, scorer.size, faces) as stream, _progress(info) as bar:
        scorer.start(info.fps)
        for frame in stream:
            scores.extend(scorer.push(frame.crop))
            times.append(frame.time_s)
            boxes.extend(NOWHERE if frame.box is None else astuple(frame.box))
            bar.advance()
        bar.finish()
        scores.extend(scorer.finish())
        note = stream.note
    places = np.array(boxes, dtype=np.float32).reshape(-1, 3)
    _check_content(info.path, places)
    values = np.array(scores, dtype=np.float32)
    if isinstance(scorer, MethodScorer):
        values = _scaled(values)
    params = replace(scorer.params, at=at)
    keyframes = search_in_time(values, np.array(times), info.fps, params)
    return Detection(str(info.path), scorer.name, info.fps, values, np.array(times), places, keyframes, note)


def search_in_time(scores: np.ndarray, times: np.ndarray, fps: float, params: SearchParams) -> tuple[int, ...]:
    """Keyframes of scores (T,) at ``times`` (T,) in seconds, whatever the intervals between them.

    A search counts in frames. Where the rate varies the scores are first put on an even clock of ``fps``, and each
    keyframe found is moved to the frame shown at its time.
    """
    if len(times) < 2 or np.abs(np.diff(times) * fps - 1.0).max() <= STEADY:
        return find_keyframes(scores, fps, params)
    ticks = np.arange(0.0, times[-1] + 0.5 / fps, 1.0 / fps)
    shown = np.clip(np.searchsorted(times, ticks + 0.25 / fps, side="right") - 1, 0, len(times) - 1)
    even = np.interp(ticks, times, np.nan_to_num(scores))
    even[np.isnan(scores[shown])] = np.nan
    nearest = [int(np.abs(times - ticks[tick]).argmin()) for tick in find_keyframes(even, fps, params)]
    return tuple(sorted({frame for frame in nearest if np.isfinite(scores[frame])}))


def _check_content(video: Path, boxes: np.ndarray) -> None:
    if len(boxes) == 1:
        raise InputError(f"{video} has a single frame, but a change of expression needs two: give a longer video")
    if not np.isfinite(boxes).any():
        raise InputError(
            f"no face found in the {plural(len(boxes), 'frame')} of {video}: "
            "give a video in which a face looks towards the camera and fills at least a tenth of the picture"
        )


def _scaled(raw: np.ndarray) -> np.ndarray:
    """Raw scores (T,) of a classical method to [0, 1]; NaN stays."""
    known = raw[np.isfinite(raw)]
    top = float(np.percentile(known, REFERENCE_PERCENTILE)) if known.size else 0.0
    return np.clip(raw / top, 0.0, 1.0).astype(np.float32) if top > 0.0 else np.minimum(raw, 0.0)


def _render(found: Detection, args: argparse.Namespace) -> dict[Path, bytes]:
    """Every output as bytes, so that nothing is written before all of them are ready."""
    files = {}
    if args.json is not None:
        files[args.json] = keyframe_report.as_json(found)
    if args.plot is not None:
        files[args.plot] = keyframe_report.score_plot(found)
    if args.sheet is not None:
        files[args.sheet] = keyframe_report.contact_sheet(found, _keyframe_crops(found))
    return files


def _keyframe_crops(found: Detection) -> dict[int, np.ndarray]:
    """Crops of the keyframes shown, in a second pass over the video: keeping every crop would fill the memory."""
    crops = {}
    with read_frames(found.video) as video:
        for frame in video.pick(keyframe_report.shown_keyframes(found)):
            box = CropBox(*found.boxes[frame.index].tolist())
            crops[frame.index] = crop_face(frame.image, box, TILE)
    return crops


def summary(found: Detection, outputs: dict[str, Path]) -> str:
    """What was found and where it is, for the terminal."""
    valid, count = found.valid, len(found.keyframes)
    face = "" if valid.all() else f", a face in {valid.sum()} of them"
    frames, keyframes = plural(len(valid), "frame"), plural(count, "keyframe")
    lines = [f"{found.video}: {frames} at {found.fps:.5g} fps{face}; {keyframes} by {found.method}"]
    if found.keyframes and not outputs:
        long = bool(found.times[-1] >= 120.0)
        lines += [f"  frame {frame:5d}  {keyframe_report.clock(found.times[frame], long)}" for frame in found.keyframes]
    lines += [f"  {what:13s} {path}" for what, path in outputs.items()]
    return "\n".join(lines)


def _loading() -> AbstractContextManager[object]:
    """Something that turns on stderr, where that is a terminal: networks and what runs them take seconds to load."""
    from rich.console import Console

    console = Console(stderr=True)
    return console.status("loading") if console.is_terminal else nullcontext()


class _progress:  # noqa: N801  used as a function
    """A bar on stderr where that is a terminal; ``with _progress(info) as bar: bar.advance()``."""

    def __init__(self, info: VideoInfo) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(info.path.name, total=info.frames)

    def __enter__(self) -> "_progress":
        self._bar.__enter__()
        return self

    def advance(self) -> None:
        """A frame was read."""
        self._bar.advance(self._task)

    def finish(self) -> None:
        """All were; networks still have the last ones to score."""
        self._bar.update(self._task, description="scoring the last frames")

    def __exit__(self, *error: object) -> None:
        self._bar.stop()


def _parser() -> CommandParser:
    parser = CommandParser(DESCRIPTION, EXAMPLE, prog="faceimit-keyframes")
    parser.add_argument("video", type=Path, metavar="VIDEO", help="any video with a face in it")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--checkpoint",
        type=Path,
        metavar="CKPT",
        help="a checkpoint of python -m faceimit.train, or a .safetensors weights file",
    )
    source.add_argument("--bundle", type=Path, metavar="DIR", help="a bundle of faceimit-export; needs no torch")
    source.add_argument(
        "--method",
        metavar="NAME",
        help=f"a classical method ({', '.join(METHODS)}), or {BLENDSHAPES_METHOD}: the change of MediaPipe's "
        "blendshapes, as the true score is defined, 1 at 0.40",
    )
    parser.add_argument(
        "--model",
        metavar="TASK_FILE",
        help=f"face_landmarker .task file for --method {BLENDSHAPES_METHOD}; fetched once if none is given",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write scores and keyframes")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the score over time with the keyframes")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="draw a contact sheet of the keyframes")
    parser.add_argument(
        "--at", choices=("peak", "apex"), default="peak", help="fastest change, or the settled expression after it"
    )
    parser.add_argument("--device", help="where a network runs: cpu (default), cuda, cuda:1 ...")
    parser.add_argument(
        "--faces", default="dlib", metavar="DETECTOR", help="dlib (default) or a MediaPipe face_landmarker .task file"
    )
    return parser


if __name__ == "__main__":
    main()
