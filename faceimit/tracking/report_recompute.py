"""Test clips of a run measured again from its best checkpoint: what older runs did not record, and contact sheets.

Only the test split is opened. Rendered clips that are not in the cache any more are rendered again.
"""

from collections.abc import Callable
from dataclasses import replace

from faceimit.errors import InputError
from faceimit.tracking.report_flow import flow_again
from faceimit.tracking.report_keyframes import keyframes_again
from faceimit.tracking.report_measured import Job, Measured
from faceimit.tracking.report_readings import controls_again, landmarks_again
from faceimit.tracking.report_record import RunRecord
from faceimit.tracking.run_data import data_of

MEASURES: dict[str, Callable[[Job], Measured]] = {
    "KeyframeTask": keyframes_again,
    "ControlTask": controls_again,
    "LandmarkTask": landmarks_again,
    "FlowTask": flow_again,
}


def measured_again(run: RunRecord, clips: int, advance: Callable[[str, int, int], None]) -> Measured:
    """Load the best checkpoint, open the run's own test data, measure and draw.

    Args:
        run: the run.
        clips: test clips (or faces) to draw.
        advance: hears what is done, how far, of how much.

    Raises:
        InputError: no checkpoint, a damaged one, data that are gone, or a task that nobody can measure here.
    """
    if run.task not in MEASURES:
        raise InputError(f"run {run.folder} trained {run.task}, which --recompute does not know, leave it out")
    if run.checkpoint is None:
        raise InputError(f"run {run.folder} has no checkpoint to measure again, leave --recompute out")
    import torch

    from faceimit.tracking.checkpoints import load_task
    from faceimit.tracking.schema import build

    advance("opening the checkpoint", 0, 1)
    task = load_task(run.checkpoint, run.config["task"]["_target_"])
    settings = data_of(run.folder, run.config)
    if settings.get("c_ref", 0) is None:  # as the checkpoint knows it, without opening the training clips
        settings = settings | {"c_ref": task.c_ref}
    advance("opening the test data", 0, 1)
    with torch.inference_mode():
        found = MEASURES[run.task](Job(run, task, build(settings), clips, advance))
    return replace(found, note=f"{found.note}, from {run.checkpoint.name}")
