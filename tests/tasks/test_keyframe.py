import math

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from faceimit.data.datamodule import ClipData
from faceimit.tasks import keyframe as task_module
from faceimit.tasks.keyframe import LOSSES, KeyframeTask
from tests.clips import blob_clip

SMALL = {"backbone": "compact", "size": 32, "width": 16, "flow_weights": "none", "dropout": 0.1}


class Blobs(ClipData):
    def sources(self, split):
        first = {"train": 0, "val": 10, "test": 20}[split]
        return [blob_clip(first + i) for i in range(3)]


def trainer(**options):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return pl.Trainer(accelerator="cpu", enable_model_summary=False, num_sanity_val_steps=0, **quiet, **options)


@pytest.fixture(scope="module")
def fitted():
    pl.seed_everything(0, verbose=False)
    task = KeyframeTask(**SMALL, flow=False, lr=5e-3, warmup=5)
    data = Blobs(window=16, batch_size=4, steps=25, augmentation=None)
    job = trainer(max_epochs=2)
    job.fit(task, data)
    return task, data, job


def test_it_learns_and_logs_what_it_declares(fitted):
    task, data, job = fitted
    logged = set(job.callback_metrics)
    assert {name for name in task.metrics if name.startswith("val/")} <= logged
    measured = trainer().test(task, data, verbose=False)[0]
    assert set(measured) == {name for name in task.metrics if name.startswith("test/")}
    assert measured["test/correlation"] > 0.8
    assert measured["test/F1"] > 0.8
    assert task.c_ref == pytest.approx(data.c_ref)
    rows = task.tables()["clips"]
    assert [row["clip"] for row in rows] == ["blob20", "blob21", "blob22"]
    assert np.mean([row["E_n"] for row in rows]) == pytest.approx(measured["test/E_n"])
    clip, row = task.scores()[0], rows[0]
    assert len(clip["score"]) == len(clip["target"]) == row["frames"]
    assert (len(clip["keyframes"]), len(clip["true"])) == (row["found"], row["true"])


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "bf16-mixed", "max_epochs": 1},
        {"max_epochs": -1, "max_steps": -1, "max_time": {"seconds": 1}},
    ],
)
def test_it_trains_as_on_a_gpu_and_until_the_time_is_up(options):
    pl.seed_everything(0, verbose=False)
    task = KeyframeTask(**SMALL, flow=False, warmup=2)
    data = Blobs(window=8, batch_size=2, steps=2, augmentation=None)
    job = trainer(**options)
    job.fit(task, data)
    assert job.global_step >= 2
    measured = trainer(precision=options.get("precision")).test(task, data, verbose=False)[0]
    assert np.isfinite(measured["test/F1"])


def test_total_is_the_weighted_sum_and_flow_is_trained():
    pl.seed_everything(0, verbose=False)
    task = KeyframeTask(**SMALL, joint=1, ssim=0.7, census=0.2, smoothness=0.1)
    batch = next(iter(Blobs(window=4, batch_size=2, steps=1).train_dataloader()))
    task.log = task.log_dict = lambda *a, **k: None
    torch.manual_seed(1)
    total = task.training_step(batch, 0)
    torch.manual_seed(1)
    output = task.net(batch["frames"].float() / 255, batch["fps"], 1)
    values = task.losses(batch, output, 1)
    assert set(values) == set(task.weights) == set(LOSSES)
    assert float(total) == pytest.approx(sum(float(task.weights[n] * v) for n, v in values.items()), rel=1e-4)
    total.backward()
    assert all(p.grad is not None for n, p in task.net.flow.named_parameters() if "mask" not in n)


def test_terms_without_weight_are_left_out_and_occlusion_looks_back(monkeypatch):
    torch.manual_seed(0)
    window = torch.rand(1, 1, 3, 64, 64).repeat(2, 4, 1, 1, 1)
    window[:, 2:] = window[:, 2:].roll(3, dims=-1)  # moves once, from frame 1 to frame 2
    task = KeyframeTask(**(SMALL | {"flow_weights": "shipped"}), ssim=0.0, census=1.0, occlusion=True)
    flow = task.net.flow_of_clip(window)
    terms = task._flow_terms(window, flow)
    assert list(terms) == ["census"]
    asked = {}
    monkeypatch.setattr(task_module, "flow_terms", lambda *given: asked.setdefault("reverse", given[-1]))
    task._flow_terms(window, flow)
    forward, reverse = (x[0].view(2, 3, 2, *x[0].shape[-2:]) for x in (flow, [asked["reverse"]]))
    moved = [x[:, :, 0].abs().mean(dim=(-2, -1)).argmax(dim=1).tolist() for x in (forward, reverse)]
    assert moved == [[1, 1], [1, 1]]
    assert float((forward + reverse)[:, 1, 0].median().abs()) < 0.3 * float(forward[:, 1, 0].median().abs())


def test_checkpoint_keeps_search_and_reference_in_plain_types(fitted, tmp_path):
    task, _, job = fitted
    path = tmp_path / "a.ckpt"
    job.save_checkpoint(path)
    content = torch.load(path, weights_only=True)
    other = KeyframeTask(**SMALL, flow=False)
    other.on_load_checkpoint(content)
    assert (other.search, other.c_ref) == (task.search, task.c_ref)
    assert other.net_arguments()["kernels"] == [5, 3]


def test_rate_warms_up_and_falls():
    task = KeyframeTask(**SMALL, flow=False, warmup=10, steps=100)
    rates = [task._rate(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1, rel=0.01)
    assert max(rates) == pytest.approx(rates[9], rel=0.05)
    assert rates[100] == pytest.approx(0.01)
    assert all(math.isfinite(rate) for rate in rates)


def test_figures_show_score_and_flow(fitted):
    task = KeyframeTask(**SMALL)
    assert task.figures() == {}
    batch = next(iter(fitted[1].val_dataloader()))
    task.eval()._score_batch(batch)
    drawn = task.figures()
    assert set(drawn) == {"score", "flow"}
    assert all(np.asarray(figure.canvas.buffer_rgba()).std() > 1 for figure in map(rendered, drawn.values()))


def rendered(figure):
    figure.canvas.draw()
    return figure


def test_reused_flow_is_that_of_the_starting_weights():
    task = KeyframeTask(**SMALL, joint=1, joint_every=2, reuse_flow=True, warmup=1)
    before = {name: p.detach().clone() for name, p in task.net.flow.named_parameters()}
    data = Blobs(window=10, batch_size=2, steps=6, augmentation={})
    trainer(max_epochs=1, limit_val_batches=0).fit(task, data)
    corpus = data.corpus("train")
    assert sorted(corpus.flow) == [0, 1, 2]
    assert corpus.flow[0][0].shape == (40, 2, 16, 16)
    assert any((before[name] != p).any() for name, p in task.net.flow.named_parameters())
