from types import SimpleNamespace

import pytest
import torch

from faceimit.data.clipfile import save_clip
from faceimit.errors import InputError
from faceimit.face.controls import CONTROLS, HIGH, LOW, NEUTRAL
from faceimit.face.landmarks import GROUPS, OUTER_EYE_CORNERS
from faceimit.keyframes.search import SearchParams
from faceimit.tracking import report_recompute
from faceimit.tracking.report_flow import flow_again
from faceimit.tracking.report_keyframes import keyframes_again
from faceimit.tracking.report_measured import Job
from faceimit.tracking.report_readings import controls_again, landmarks_again
from faceimit.tracking.report_recompute import measured_again
from faceimit.tracking.report_record import read_run
from tests.clips import blob_clip
from tests.inspected import FolderClips
from tests.run_folders import make_run, write_rows


def job_of(run, task, data, clips=2):
    heard = []
    return Job(run, task, data, clips, lambda *step: heard.append(step))


@pytest.fixture
def data(tmp_path):
    for split, seeds in (("train", (1,)), ("val", (2,)), ("test", (3, 4, 5))):
        for seed in seeds:
            save_clip(tmp_path / "data" / split / f"{seed}.npz", blob_clip(seed, frames=30, size=32))
    return FolderClips(str(tmp_path / "data"))


@pytest.fixture
def task(monkeypatch):
    """Scores a clip by how dark it is; no network."""

    def score(net, frames, fps):
        dark = (frames.float().mean(dim=1) < 40).float().mean(dim=(1, 2))
        return (dark.diff(prepend=dark[:1]).abs() * 20).clip(0, 1)

    monkeypatch.setattr("faceimit.nets.keyframe.score_clip", score)
    return SimpleNamespace(net=SimpleNamespace(flow=None), search=SearchParams())


def test_all_clips_are_scored_where_their_errors_were_not_recorded(tmp_path, data, task):
    found = keyframes_again(job_of(read_run(make_run(tmp_path / "r")), task, data))
    assert {row["clip"] for row in found.tables["clips"]} == {"blob3", "blob4", "blob5"}
    assert len(found.clips) == len(found.sheets) == 2
    assert all(len(clip.score) == 30 for clip in found.clips)
    tiles = found.sheets[found.clips[0].name].items
    assert tiles
    assert all(tile.data.startswith(b"\xff\xd8") and " s, " in tile.caption for tile in tiles)


def test_only_the_worst_and_the_best_are_scored_where_errors_were_recorded(tmp_path, data, task):
    folder = make_run(tmp_path / "r")
    rows = [{"clip": f"blob{seed}", "F1": f1} for seed, f1 in ((3, 0.5), (4, 0.1), (5, 0.9))]
    write_rows(folder / "tables" / "clips.csv", rows)
    found = keyframes_again(job_of(read_run(folder), task, data))
    assert [clip.name for clip in found.clips] == ["blob4", "blob5"]
    assert found.tables == {}


def test_errors_of_controls_are_shares_of_their_ranges(tmp_path):
    values = torch.tensor(NEUTRAL).repeat(4, 1).float()
    off = values.clone()
    off[:, 0] += 0.1 * float(HIGH[0] - LOW[0])
    net = SimpleNamespace(values=lambda image: off[: len(image)])
    task = SimpleNamespace(net=net, deviations=torch.zeros_like)
    batch = {"image": torch.zeros(4, 3, 8, 8, dtype=torch.uint8), "controls": values}
    data = SimpleNamespace(test_dataloader=lambda: [[batch], [batch]], test_sets=("robot", "human"))
    found = controls_again(job_of(read_run(make_run(tmp_path / "r", "control")), task, data))
    rows = found.tables["controls"]
    assert [row["control"] for row in rows] == [control.name for control in CONTROLS]
    assert [float(rows[0][name]) for name in ("MAE", "MAE_human")] == pytest.approx([0.1, 0.1], abs=1e-4)
    assert float(rows[1]["MAE"]) == pytest.approx(0.0, abs=1e-6)
    assert len(found.figures) == 2


def test_errors_of_points_are_percent_of_the_eyes_distance_by_group(tmp_path):
    target = torch.rand(6, 68, 2, generator=torch.Generator().manual_seed(0)) * 20
    target[:, list(OUTER_EYE_CORNERS)] = torch.tensor([[10.0, 10.0], [30.0, 10.0]])
    points = target.clone()
    points[:, list(GROUPS["jaw"]), 0] += 1.0
    task = SimpleNamespace(net=lambda image: SimpleNamespace(points=points))
    turned = torch.tensor([False, False, False, True, True, True])
    batch = {"image": torch.zeros(6, 3, 64, 64, dtype=torch.uint8), "landmarks": target, "turned": turned}
    data = SimpleNamespace(test_dataloader=lambda: [batch])
    found = landmarks_again(job_of(read_run(make_run(tmp_path / "r", "landmark")), task, data, clips=3))
    errors = {row["group"]: (float(row["NME"]), float(row["NME_turned"])) for row in found.tables["landmark_groups"]}
    assert errors["jaw"] == pytest.approx((5.0, 5.0), rel=1e-4)
    assert errors["nose_base"] == (0.0, 0.0)
    assert len(found.sheets["faces"].items) == 3


@pytest.mark.parametrize("recorded", [False, True])
def test_flow_is_measured_at_visible_pixels(tmp_path, recorded):
    frames = torch.randint(0, 255, (1, 4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    flow = torch.zeros(1, 4, 2, 32, 32)
    flow[:, :, 0, :, :16] = 9.0
    occluded = torch.zeros(1, 4, 32, 32, dtype=torch.bool)
    occluded[..., :16] = True
    batch = {"frames": frames, "flow": flow, "occluded": occluded, "name": ["a clip"]}

    def task(previous, current):
        moved = torch.zeros(len(previous), 2, 32, 32)
        moved[:, 1] = 0.5
        return moved

    folder = make_run(tmp_path / "r", "flow")
    if recorded:
        write_rows(folder / "tables" / "clips.csv", [{"clip": "a clip", "EPE": 1.0}])
    data = SimpleNamespace(test_dataloader=lambda: [batch, batch | {"name": ["other"]}])
    found = flow_again(job_of(read_run(folder), task, data, clips=1))
    assert len(found.figures) == 1
    if recorded:
        assert found.tables == {}
    else:
        assert [row["clip"] for row in found.tables["clips"]] == ["a clip", "other"]
        assert float(found.tables["clips"][0]["EPE"]) == pytest.approx(0.5)
        assert float(found.tables["clips"][0]["EPE_farneback"]) > 0


def test_what_cannot_be_measured_again_is_said(tmp_path):
    run = read_run(make_run(tmp_path / "r"))
    run.config["task"]["_target_"] = "somewhere.OtherTask"
    with pytest.raises(InputError, match="OtherTask, which --recompute does not know"):
        measured_again(run, 1, print)
    other = read_run(make_run(tmp_path / "s"))
    (other.folder / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(InputError, match="no checkpoint"):
        measured_again(other, 1, print)


def test_the_change_that_scores_1_comes_from_the_checkpoint(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr("faceimit.tracking.checkpoints.load_task", lambda *_: SimpleNamespace(c_ref=0.4))
    monkeypatch.setattr("faceimit.tracking.schema.build", seen.update)
    monkeypatch.setitem(
        report_recompute.MEASURES, "KeyframeTask", lambda job: report_recompute.Measured(note=f"{job.clips} clips")
    )
    found = measured_again(read_run(make_run(tmp_path / "r")), 3, lambda *_: None)
    assert seen["c_ref"] == 0.4
    assert found.note == "3 clips, from best.ckpt"
