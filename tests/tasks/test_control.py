import io

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from faceimit.errors import InputError
from faceimit.face.controls import INDEX, NAMES
from faceimit.losses.control import control_loss, known_controls
from faceimit.metrics.control import neutral_like, normalised_error
from faceimit.nets.placement import STEADY, in_face, placed, points_at
from faceimit.tasks.control import ControlTask
from faceimit.tracking.checkpoints import load_task
from tests.control_pairs import FACE, Cartoons, rows

SMALL = {"size": 64, "width": 16, "channels": 8, "hidden": 32, "delta": 0.05, "lr": 2e-3, "warmup": 3}


def trainer(**options):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return pl.Trainer(accelerator="cpu", enable_model_summary=False, num_sanity_val_steps=0, **quiet, **options)


def batch_of(*items):
    return torch.utils.data.default_collate([row for item in items for row in item])


@pytest.fixture(scope="module")
def fitted():
    pl.seed_everything(0, verbose=False)
    task, data = ControlTask(**SMALL), Cartoons()
    job = trainer(max_epochs=10, check_val_every_n_epoch=10)
    job.fit(task, data)
    return task, data, job


def test_it_learns_and_logs_what_it_declares(fitted):
    task, data, job = fitted
    logged = {name for name in job.callback_metrics if not name.startswith("train/")}
    assert {"train/points", "train/finder"} <= set(job.callback_metrics)
    shown = {name for name in task.metrics if name.startswith("val/") and not name.endswith(("_frames", "_real"))}
    assert logged == shown
    assert set(job.callback_metrics) <= set(task.metrics)
    measured = trainer().test(task, data, verbose=False)[0]
    assert set(measured) == {name.replace("val/", "test/") for name in shown - {"val/score"}}
    true = torch.stack([row["controls"] for row in data.test_dataloader()[0].dataset])
    still = normalised_error(neutral_like(true), true).mean()
    assert measured["test/MAE"] < 0.65 * still
    assert measured["test/cosine_centred_human"] > 0.8
    tables = task.tables()
    assert {"controls", "controls_human"} <= set(tables)
    assert [row["control"] for row in tables["controls"]] == list(NAMES)
    errors = [row["MAE"] for row in tables["controls"] if row["MAE"] is not None]
    assert np.mean(errors) == pytest.approx(measured["test/MAE"])
    assert max(errors) == pytest.approx(measured["test/MAE_worst"])
    roll = tables["controls"][INDEX["Head Roll"]]
    assert roll["MAE_in_unit"] == pytest.approx(40 * roll["MAE"])


def test_loss_weighs_people_and_leaves_out_the_gaze_of_shut_eyes():
    task = ControlTask(**SMALL, human=3.0)
    robot, human = rows(6, 0), rows(2, 1, human=True)
    for row in human:
        row["controls"][[INDEX["Eyelid Upper Left"], INDEX["Eyelid Upper Right"]]] = -1.0
    batch = {name: value for name, value in batch_of(robot, human).items() if name != "landmarks"}
    task.eval()
    found = float(task.losses(batch)["controls"].detach())
    target = task.deviations(batch["controls"])
    predicted, known = task.net(batch["image"]).deviations, known_controls(target)
    assert not known[6:, INDEX["Gaze Target Phi"]].any()
    parts = [control_loss(predicted[i], target[i], known[i], delta=0.05) for i in (slice(0, 6), slice(6, 8))]
    assert found == pytest.approx(float((0.75 * parts[0] + 0.25 * 3.0 * parts[1]).detach()), rel=1e-4)


def with_landmarks(count=16, seed=0):
    """Cartoons that lie elsewhere and turned in their pictures, and landmarks that say where."""
    generator = torch.Generator().manual_seed(seed)
    batch = batch_of(rows(count, seed))
    angle, places = (
        0.2 * torch.randn(count, generator=generator),
        0.5 + 0.05 * torch.randn(count, 2, generator=generator),
    )
    placement = torch.cat([0.3 * torch.stack([angle.cos(), angle.sin()], dim=1), places], dim=1)
    return batch | {"landmarks": points_at(placement, FACE) * batch["image"].shape[-1] - 0.5}


def test_landmarks_train_the_finder_and_their_head():
    pl.seed_everything(0, verbose=False)
    task = ControlTask(**SMALL, augmentation={}, matching=0.1).train()
    batch = with_landmarks()
    batch["pair"] = torch.arange(len(batch["image"])) // 2
    side = batch["image"].shape[-1]
    task.net.expect((batch["landmarks"] + 0.5) / side)
    task.log = task.log_dict = lambda *a, **k: None
    task.training_step(batch, 0).backward()
    moved = {name for name, p in task.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert {"net.finder.head.out.weight", "net.points.out.weight", "net.heads.lip.out.weight"} <= moved
    task.eval()
    task.strength = None
    true = placed((batch["landmarks"] + 0.5) / side, task.net.shape)
    values, output = task.losses(batch), task.net(batch["image"], true)
    distance = (points_at(true, output.points) * side - 0.5 - batch["landmarks"]).norm(dim=-1)
    scale = true[:, :2].norm(dim=1, keepdim=True) * side
    assert float(values["points"].detach()) == pytest.approx(float((distance / scale).mean().detach()), rel=0.05)


def test_unknown_points_count_neither_as_right_nor_as_wrong():
    task = ControlTask(**SMALL, augmentation={}).eval()
    batch, side = with_landmarks(), 64
    task.net.expect((batch["landmarks"] + 0.5) / side)
    task.strength = None
    batch["landmarks"][:, :17] += 4.0
    batch["landmarks"][:, 48:] += 2.0
    known = task.losses(batch)
    unknown = dict(batch, landmarks=batch["landmarks"].clone())
    unknown["landmarks"][:, :17] = torch.nan
    values = task.losses(unknown)
    assert float(values["finder"].detach()) == pytest.approx(float(known["finder"].detach()), rel=1e-5)
    true = placed(((batch["landmarks"] + 0.5) / side)[:, list(STEADY)], task.net.shape[list(STEADY)])
    found = task.net(batch["image"], true).points[:, 17:]
    distance = (found - in_face((batch["landmarks"] + 0.5) / side, true)[:, 17:]).norm(dim=-1).clamp(max=0.3).mean()
    assert float(values["points"].detach()) == pytest.approx(float(distance.detach()), rel=1e-3)
    assert float(known["points"].detach()) > 1.2 * float(distance.detach())
    sum(values.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in task.parameters())


def test_a_batch_of_robot_pictures_alone_needs_no_domain():
    task = ControlTask(**SMALL, matching=1.0, augmentation={}).train()
    batch = {name: value for name, value in batch_of(rows(4, 0)).items() if name in ("image", "controls")}
    values = task.losses(batch)
    assert set(values) == {"controls"}
    values["controls"].backward()


def test_checkpoint_is_plain_and_names_its_controls(fitted, tmp_path):
    task, _, job = fitted
    path = tmp_path / "a.ckpt"
    job.save_checkpoint(path)
    content = torch.load(path, weights_only=True)
    name = "faceimit.tasks.control.ControlTask"
    content["faceimit"] = {"task": name, "arguments": SMALL}
    torch.save(content, path)
    again = load_task(path, name)
    picture = rows(1, 5)[0]["image"][None]
    assert torch.equal(again.net(picture).deviations, task.eval().net(picture).deviations)

    controls = content["state_dict"]["net._extra_state"]["controls"]
    assert controls == list(NAMES)
    controls[INDEX["Neck Roll"]] = "Ear Wiggle"
    torch.save(content, path)
    with pytest.raises(InputError, match=r"Ear Wiggle.*Neck Roll"):
        load_task(path, name)


def test_it_can_start_from_a_weights_file(fitted, tmp_path):
    from faceimit.nets.mapper import pack_mapper

    task, _, _ = fitted
    path = tmp_path / "a.safetensors"
    path.write_bytes(pack_mapper(task.net, task.net_arguments()))
    again = ControlTask(**SMALL, start=str(path))
    picture = rows(1, 5)[0]["image"][None]
    assert torch.allclose(again.eval().net(picture).deviations, task.eval().net(picture).deviations, atol=1e-2)
    with pytest.raises(InputError, match="another network than"):
        ControlTask(**SMALL | {"width": 24}, start=str(path))


def test_figure_shows_picture_and_bars(fitted):
    assert ControlTask(**SMALL).figures() == {}
    figure = fitted[0].figures()["controls"]
    stream = io.BytesIO()
    figure.savefig(stream, format="rgba", dpi=50)
    assert np.frombuffer(stream.getvalue(), np.uint8).std() > 1
