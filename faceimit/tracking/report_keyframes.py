"""Test clips of a keyframe run scored again: errors, scores with their keyframes, contact sheets."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from faceimit.tracking.page import Figure, Tiles, png
from faceimit.tracking.report_figures import COLOURS, INK, ClipScore, tile
from faceimit.tracking.report_measured import Job, Measured, spread
from faceimit.tracking.report_record import Row, RunRecord
from faceimit.tracking.report_tables import number
from faceimit.words import plural

MOST_TILES = 16  # of a contact sheet
TOLERANCE = 2  # frames
HIT, WEAK, EXTRA, MISSED = "hit", "on a weak peak", "too many", "missed"
FRAMED = {HIT: COLOURS[2], WEAK: COLOURS[5], EXTRA: COLOURS[1], MISSED: INK}


def keyframes_again(job: Job) -> Measured:
    """All test clips where the errors of each were not recorded, else a few; those are from the worst to the best."""
    from faceimit.tracking.comparison import Split

    split = Split.of(job.data.corpus("test"), job.data.c_ref)
    names = split.corpus.names
    known = recorded_f1(job.run)
    few = spread([known[name] for name in names], job.clips) if all(name in known for name in names) else None
    todo = list(range(len(names))) if few is None else few
    found = {}
    for place, index in enumerate(todo):
        job.advance("scoring test clips", place, len(todo))
        found[index] = _scored(job.task, split, index)
    rows = [] if few is not None else _clip_rows(job.task, split, [found[index] for index in todo])
    chosen = spread([float(row["F1"] or 1.0) for row in rows], job.clips) if few is None else few
    drawn = [found[index] for index in chosen]
    sheets = {clip.name: _sheet(clip, split.corpus[i].frames) for i, clip in zip(chosen, drawn, strict=True)}
    figures = _flow_of_pair(job.task, split.corpus[chosen[0]].frames, drawn[0].target)
    return Measured(drawn, sheets, {"clips": rows} if rows else {}, figures, plural(len(todo), "test clip"))


def recorded_f1(run: RunRecord) -> dict[str, float]:
    """F1 of each test clip, as the run or its evaluation recorded it; a clip without keyframes has none to miss."""
    rows = run.tables.get("clips", [])
    first = rows[0].get("method") if rows else None
    ours = [row for row in rows if row.get("method") == first and "clip" in row]
    return {row["clip"]: 1.0 if (f1 := number(row.get("F1"))) is None else f1 for row in ours}


def _scored(task: Any, split: Any, index: int) -> ClipScore:
    import torch

    from faceimit.keyframes.search import find_keyframes
    from faceimit.nets.keyframe import score_clip

    clip, truth, fps = split.corpus[index], split.truths[index], split.corpus.fps[index]
    frames = torch.from_numpy(np.ascontiguousarray(clip.frames.transpose(0, 3, 1, 2)))
    score = score_clip(task.net, frames, fps).numpy().astype(np.float64)
    score = np.where(np.isfinite(split.scores[index]), score, np.nan)
    found = find_keyframes(score, fps, task.search)
    return ClipScore(clip.name, fps, score, split.scores[index], found, list(truth.strong), list(truth.weak))


def _clip_rows(task: Any, split: Any, clips: Sequence[ClipScore]) -> list[Row]:
    from faceimit.tracking.comparison import Result, clip_rows
    from faceimit.tracking.results import rounded

    found = Result("faceimit", task.search, {}, [clip.score for clip in clips], [tuple(c.keyframes) for c in clips])
    return [{name: str(value) for name, value in rounded(row).items()} for row in clip_rows([found], split)]


def verdicts(found: Sequence[int], true: Sequence[int], weak: Sequence[int]) -> dict[int, str]:
    """What is to be said of each keyframe: found ones are hits, too many or on a weak peak, true ones may be missed.

    One-to-one within the tolerance, the nearest pairs first.
    """
    said = dict.fromkeys(found, EXTRA)
    free = set(found)
    for others, word in ((true, HIT), (weak, WEAK)):
        pairs = sorted((abs(f - t), f, t) for f in free for t in others if abs(f - t) <= TOLERANCE)
        taken: set[int] = set()
        for _, f, t in pairs:
            if f in free and t not in taken:
                said[f] = word
                free.discard(f)
                taken.add(t)
        if word == HIT:
            said |= {t: MISSED for t in others if t not in taken and t not in said}
    return dict(sorted(said.items()))


def _sheet(clip: ClipScore, frames: np.ndarray) -> Tiles:
    """Faces at the keyframes found, and at those that were missed."""
    words = verdicts(clip.keyframes, clip.true, clip.weak)
    kept = [list(words)[i] for i in np.linspace(0, len(words) - 1, min(MOST_TILES, len(words))).round().astype(int)]
    items = [
        tile(
            frames[at],
            f"frame {at} of {clip.name}, {words[at]}",
            f"{at / clip.fps:.2f} s, {words[at]}",
            FRAMED[words[at]],
        )
        for at in kept
    ]
    some = f" ({len(kept)} of {len(words)} shown)" if len(kept) < len(words) else ""
    caption = f"Faces at the keyframes found and at those missed{some}; a hit is within ±{TOLERANCE} frames."
    return Tiles(items, heading=f"Keyframes of {clip.name}", caption=caption)


def _flow_of_pair(task: Any, frames: np.ndarray, target: np.ndarray) -> list[Figure]:
    """The flow between the two frames where most happens, if the network has a flow branch."""
    if task.net.flow is None or len(frames) < 2:
        return []
    import torch

    from faceimit.tasks.flow_cache import as_float
    from faceimit.tasks.pictures import flow_figure

    at = max(1, int(np.nanargmax(np.where(np.isfinite(target), target, -1.0))))
    pair = frames[at - 1 : at + 1]
    moved = task.net.flow_of_clip(as_float(torch.from_numpy(pair).permute(0, 3, 1, 2)[None]))[0][0]
    caption = (
        f"Frames {at - 1} and {at} and the flow between them: hue is its direction, colourless where nothing moves."
    )
    picture = png(flow_figure(pair[0], pair[1], moved.float().numpy()), dpi=120)
    return [Figure(picture, "two frames and the flow between them", caption, wide=True)]
