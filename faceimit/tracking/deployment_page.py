"""What a recorded run looked like: a page with its figures, and a video of the camera beside the robot's face."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from faceimit.data.video import read_frames, write_video
from faceimit.face.controls import CONTROLS, NEUTRAL, SPAN
from faceimit.runtime.recording import VIDEO, Recording
from faceimit.tracking.page import Figure, Figures, Finding, Findings, Level, Page, Section, Table, legend_above, png

SIDE_BY_SIDE, TILE, LONGEST_S = "side_by_side.mp4", 256, 120.0
SHOWN_CONTROLS, SHOWN_KEYFRAMES, SHOWN_S = 6, 8, 60.0
FOLLOWED_S = 0.25  # after a target the servos are there
STAGE_TEXT = {
    "wait": "from the camera to the first look",
    "frame": "all work on a frame but its command; the networks may score while the robot is commanded",
    "track": "face tracker",
    "crop": "cutting the face out",
    "score": "flow and score networks",
    "search": "keyframe search",
    "read": "controls of a face crop",
    "plan": "trajectory",
    "send": "safety filter and driver",
    "end_to_end": "camera frame to the command that follows it",
    "keyframe_to_command": "keyframe to the command that shows it, look-ahead included",
}
FRAME_MS = 16.7  # the end-to-end time that leaves half of the time between frames at 30 fps


def deployment_page(summary: Mapping[str, Any], recording: Recording) -> str:
    """The page, as HTML.

    Args:
        summary: of the run, as ``--json`` writes it.
        recording: of the same run.
    """
    latency = summary["latency_ms"]
    rows = [[n, *(latency[n][p] for p in ("p50", "p95", "p99")), t] for n, t in _stages(latency)]
    table = Table(("stage", "p50 ms", "p95 ms", "p99 ms", "what"), rows)
    sections = [
        Section("What happened", [Findings(_findings(summary), "The run went as it should.")]),
        Section("Scores and commands", [Figures(_figures(recording))]),
        Section("Time of each stage", [Figures([_stage_figure(latency)]), table]),
    ]
    return Page(
        title=f"{summary['robot']} imitates {Path(str(summary['source'])).name}",
        sections=sections,
        subtitle=f"mode {summary['mode']}, {summary['seconds']:.1f} s, {summary['status']}",
        facts=_facts(summary),
        footer="Made by faceimit-deploy --record.",
    ).html()


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    end = summary["latency_ms"].get("end_to_end")
    counts = ("frames", "keyframes", "commands", "stale_holds", "dropped_frames")
    facts = [(name.replace("_", " "), f"{summary[name]:,}") for name in counts]
    facts += [("frames a second", f"{summary['fps']:.1f}")]
    return facts + ([("end to end, p95", f"{end['p95']:.1f} ms")] if end else [])


def _findings(summary: Mapping[str, Any]) -> list[Finding]:
    found = []
    if summary["error"]:
        found.append(Finding("bad", f"The run failed: {summary['error']}"))
    if summary["limit_violations"]:
        text = f"{summary['limit_violations']} commands broke a limit of the robot."
        found.append(Finding("bad", text, "Report this: the safety filter should not let it happen."))
    for name, text, advice in (
        ("dropped_frames", "Frames dropped", "Give the process more of the processor, or a smaller picture."),
        ("refused_readings", "Readings of the face that were not numbers, refused", "Check the mapping network."),
        ("stale_holds", "Times the robot held, since no face was seen for 150 ms", ""),
    ):
        if summary[name]:
            found.append(Finding("warn", f"{text}: {summary[name]:,}.", advice))
    found += [Finding("warn", f"{note}.") for note in summary["notes"]]
    end = summary["latency_ms"].get("end_to_end")
    if end:
        level: Level = "ok" if end["p95"] <= FRAME_MS else "warn"
        found.append(Finding(level, f"95 % of frames led to a command within {end['p95']:.1f} ms."))
    if not summary["limit_violations"]:
        found.append(Finding("ok", f"All {summary['commands']:,} commands kept the robot's limits."))
    return found


def _stages(latency: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, STAGE_TEXT.get(name, "")) for name in latency]


def _figures(recording: Recording) -> list[Figure]:
    keyframes = _keyframe_tiles(recording)
    held = _held(recording)
    grey = f" Grey: the robot held or went to neutral, {sum(b - a for a, b in held):.1f} s in all." if held else ""
    moved = f"The controls that moved most, from neutral, in shares of their range.{grey}"
    figures = [
        Figure(_score_plot(recording), "score over time with keyframes", f"Score and keyframes.{grey}", wide=True),
        Figure(_control_plot(recording), "controls over time", moved, wide=True),
    ]
    if keyframes is not None:
        caption = "Keyframes: the face, and below it the robot when it had followed."
        figures.append(Figure(keyframes, "face and robot at keyframes", caption, wide=True))
    return figures


def _score_plot(recording: Recording) -> bytes:
    figure, axes = _plot(1)
    times, _ = _times(recording)
    table = recording.tables["scores"]
    known = table["number"] < len(times)
    axes[0].plot(times[table["number"][known]], table["score"][known], lw=1, color="tab:blue", label="score")
    for i, number in enumerate(recording.tables["keyframes"]["number"]):
        if number < len(times):
            axes[0].axvline(times[number], color="tab:orange", lw=0.8, label="keyframe" if i == 0 else None)
    _shade(axes, recording)
    axes[0].set(ylabel="score", ylim=(-0.02, 1.02), xlabel="seconds")
    legend_above(figure, axes[0])
    return png(figure)


def _control_plot(recording: Recording) -> bytes:
    table = recording.tables["commands"]
    _, start = _times(recording)
    seconds = table["now"] - start
    shares = {name: (table[name] - NEUTRAL) / SPAN for name in ("target", "sent", "measured")}
    count = min(SHOWN_CONTROLS, len(CONTROLS))
    chosen = np.argsort(np.ptp(shares["sent"], axis=0) if len(seconds) else np.zeros(len(CONTROLS)))[::-1][:count]
    figure, axes = _plot(count)
    for axis, column in zip(axes, chosen, strict=True):
        for name, style in (("target", ":"), ("sent", "-"), ("measured", "--")):
            axis.plot(seconds, shares[name][:, column], style, lw=1, label=name)
        axis.set_ylabel(CONTROLS[column].name.replace(" ", "\n"), fontsize=7, rotation=0, ha="right", va="center")
        axis.margins(x=0)
    _shade(axes, recording)
    legend_above(figure, axes[0])
    axes[-1].set_xlabel("seconds")
    return png(figure)


def _held(recording: Recording) -> list[tuple[float, float]]:
    """From when to when the robot held for want of a face, in seconds from the first frame."""
    table, (_, start) = recording.tables["commands"], _times(recording)
    edges = np.flatnonzero(np.diff(table["holding"].astype(np.int8), prepend=0, append=0))
    seconds = np.append(table["now"], table["now"][-1:]) - start
    return [(float(seconds[a]), float(seconds[b])) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _shade(axes: Any, recording: Recording) -> None:
    for begin, end in _held(recording):
        for axis in axes:
            axis.axvspan(begin, end, color="0.85", zorder=0)


def _stage_figure(latency: Mapping[str, Any]) -> Figure:
    """Each stage's usual and slow times beside each other."""
    names = [name for name in latency if name != "keyframe_to_command"]
    figure, (axis,) = _plot(1, 0.35 * len(names))
    places = np.arange(len(names))
    for n, (share, colour) in enumerate((("p50", "tab:blue"), ("p95", "tab:orange"), ("p99", "tab:red"))):
        axis.barh(places + 0.27 * (n - 1), [latency[name][share] for name in names], 0.25, color=colour, label=share)
    axis.axvline(FRAME_MS, color="0.5", lw=1, ls="--", label=f"{FRAME_MS} ms")
    axis.set(yticks=places, yticklabels=names, xlabel="ms")
    axis.invert_yaxis()
    legend_above(figure, axis)
    return Figure(png(figure), "time of each stage", "Milliseconds a frame or command; dashed: the aim.", wide=True)


def _plot(rows: int, height: float = 0.7) -> tuple[Any, Any]:
    """A figure of so many rows, each so many inches high."""
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(12, 1.4 + height * rows), layout="constrained")
    return figure, np.atleast_1d(figure.subplots(rows, 1, sharex=True))


def _times(recording: Recording) -> tuple[np.ndarray, float]:
    """Seconds of each frame from the first on, and when that was on the run's clock."""
    captured = recording.tables["frames"]["captured"]
    start = float(captured[0]) if len(captured) else 0.0
    return captured - start, start


def _poses(recording: Recording, captured: np.ndarray) -> np.ndarray:
    """(T, 30) where the robot was at these times: measured, or sent where it does not tell."""
    table = recording.tables["commands"]
    poses = np.where(np.isfinite(table["measured"]), table["measured"], table["sent"]).astype(np.float64)
    return np.stack([np.interp(captured, table["now"], column) for column in poses.T], axis=1)


def _keyframe_tiles(recording: Recording) -> bytes | None:
    """Faces of the keyframes above the robot when it had followed the first target of them, or of a frame after."""
    frames, targets = recording.tables["frames"], recording.tables["targets"]
    numbers = recording.tables["keyframes"]["number"]
    usable = [
        (int(n), float(targets["decided"][t]) + FOLLOWED_S)
        for n, t in zip(numbers, np.searchsorted(targets["number"], numbers), strict=True)
        if n < len(frames["video"]) and frames["video"][n] >= 0 and t < len(targets["number"])
    ]
    step = max(1, -(-len(usable) // SHOWN_KEYFRAMES))
    usable = usable[::step]
    if not usable or not len(recording.tables["commands"]["now"]):
        return None
    from faceimit.data.synthetic.robot import RobotRenderer

    robots = RobotRenderer(128).render(_poses(recording, np.array([time for _, time in usable])))
    places = [int(frames["video"][number]) for number, _ in usable]
    with read_frames(recording.folder / VIDEO) as video:
        faces = {frame.index: _tile(frame.image, 128) for frame in video.pick(places)}
    columns = [np.concatenate([faces[place], robot]) for place, robot in zip(places, robots, strict=True)]
    columns += [np.full_like(columns[0], 255)] * (SHOWN_KEYFRAMES // 2 - len(columns))  # a few are not blown up
    sheet = np.concatenate(columns, axis=1)
    return cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()


def _tile(image: np.ndarray, side: int) -> np.ndarray:
    """The picture in a black square."""
    scale = side / max(image.shape[:2])
    width, height = round(image.shape[1] * scale), round(image.shape[0] * scale)
    tile = np.zeros((side, side, 3), dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    shrunk = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    tile[top : top + height, left : left + width] = shrunk
    return tile


def side_by_side(recording: Recording, fps: float) -> Path | None:
    """Write a video of the camera and the robot's face at the same moment, of the first two minutes.

    Args:
        recording: of the run.
        fps: frames per second.

    Returns:
        The file, None where no frame was recorded.
    """
    frames, commands = recording.tables["frames"], recording.tables["commands"]
    chosen = (frames["video"] >= 0) & (_times(recording)[0] <= LONGEST_S)
    if not chosen.any() or not len(commands["now"]):
        return None
    path = recording.folder / SIDE_BY_SIDE
    poses = _poses(recording, frames["captured"][chosen])
    write_video(path, _pairs(recording.folder / VIDEO, frames["video"][chosen], poses), fps)
    return path


def _pairs(video: Path, places: np.ndarray, poses: np.ndarray) -> Iterator[np.ndarray]:
    from faceimit.data.synthetic.robot import RobotRenderer

    renderer = RobotRenderer(TILE)
    pose_of = dict(zip(places.tolist(), poses, strict=True))
    with read_frames(video) as reader:
        for frame in reader.pick(list(pose_of)):
            robot = renderer.render(pose_of[frame.index][None])[0]
            yield np.concatenate([_tile(frame.image, TILE), robot], axis=1)
