"""Test clips of a flow run measured again: errors of each beside OpenCV's methods, pictures of the flow."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from faceimit.tracking.page import Figure, png
from faceimit.tracking.report_measured import Job, Measured, spread
from faceimit.tracking.report_record import Row
from faceimit.words import plural

CHUNK = 16  # pairs of frames at a time


def flow_again(job: Job) -> Measured:
    """Flow of every test clip where their errors were not recorded, else of a few."""
    loader, recorded = job.data.test_dataloader(), "clips" in job.run.tables
    count = min(job.clips, len(loader)) if recorded else len(loader)
    rows: list[Row] = []
    shown = []
    for place, batch in enumerate(islice(loader, count)):
        job.advance("computing flow of test clips", place, count)
        errors, pictures = _clip(job.task, batch)
        rows.append({"clip": _name(batch, place), "frames": str(len(batch["frames"][0])), **errors})
        shown.append(pictures)
    chosen = spread([-float(row["EPE"]) for row in rows], job.clips)
    figures = [_flow_picture(rows[i], *shown[i]) for i in chosen]
    return Measured(tables={} if recorded else {"clips": rows}, figures=figures, note=plural(count, "test clip"))


def _clip(task: Any, batch: Mapping[str, Any]) -> tuple[Row, tuple[np.ndarray, dict[str, np.ndarray]]]:
    """End-point errors of a clip by method, and its most moving frame with the flows there."""
    from faceimit.metrics.classical_flow import dis, farneback, flow_of_pairs
    from faceimit.metrics.flow_chain import chained_flow

    frames = batch["frames"][0]
    target, visible = (x.numpy() for x in chained_flow(batch["flow"][0], batch["occluded"][0], 1))
    previous, current = (x.permute(0, 2, 3, 1).numpy() for x in (frames[:-1], frames[1:]))
    flows = {"EPE": np.concatenate(list(_chunks(task, frames)))}
    for name, method in (("farneback", farneback()), ("dis", dis())):
        flows[f"EPE_{name}"] = flow_of_pairs(method, previous, current)
    off = {name: np.hypot(*np.moveaxis(flow - target, 1, 0)) for name, flow in flows.items()}
    at = int(np.hypot(target[:, 0], target[:, 1]).mean(axis=(1, 2)).argmax())
    shown = {"exact": target[at], "ours": flows["EPE"][at], "Farneback": flows["EPE_farneback"][at]}
    return {name: f"{values[visible].mean():.5g}" for name, values in off.items()}, (current[at], shown)


def _chunks(task: Any, frames: Any) -> Iterator[np.ndarray]:
    for start in range(0, len(frames) - 1, CHUNK):
        part = frames[start : start + CHUNK + 1].float() / 255
        yield task(part[:-1], part[1:]).float().numpy()


def _name(batch: Mapping[str, Any], place: int) -> str:
    name = batch.get("name", str(place))
    return str(name[0] if isinstance(name, list | tuple) else name)


def _flow_picture(row: Row, frame: np.ndarray, flows: Mapping[str, np.ndarray]) -> Figure:
    from faceimit.metrics.flow_picture import flow_figure

    caption = f"{row['clip']}: its most moving pair; end-point error of the clip {float(row['EPE']):.3f} px."
    alt = f"frame, exact flow, ours and Farneback's of clip {row['clip']}"
    return Figure(png(flow_figure(frame, flows), dpi=110), alt, caption, wide=True)
