import pytest
import torch

from faceimit.errors import InputError
from faceimit.nets.warp import inside
from faceimit.tasks.flow import FlowTask, cropped, rate, smooth_noise


def batch(flow: bool = True) -> dict[str, object]:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (2, 5, 3, 40, 40), generator=generator, dtype=torch.uint8)
    item: dict[str, object] = {"frames": frames, "noise_free": torch.ones(2, dtype=torch.bool)}
    if flow:
        item["flow"] = torch.rand(2, 5, 2, 40, 40, generator=generator)
        item["occluded"] = torch.zeros(2, 5, 40, 40, dtype=torch.bool)
    return item


ALL = {"ssim": 1.0, "brightness": 1.0, "census": 1.0, "smoothness": 0.1, "known_warp": 1.0, "supervised": 1.0}


@pytest.mark.parametrize("term", [*ALL, "all"])
def test_every_term_trains(term):
    weights = ALL if term == "all" else {name: float(name == term) for name in ALL}
    task = FlowTask(**weights, occlusion=term in ("ssim", "all"), crop=32)
    loss = task.training_step(batch())
    loss.backward()
    gradients = [p.grad for p in task.net.parameters() if p.grad is not None]
    assert torch.isfinite(loss)
    assert any(g.abs().max() > 0 for g in gradients)
    assert all(torch.isfinite(g).all() for g in gradients)


def test_layers_are_used_when_there():
    item = batch(flow=False)
    item |= {name: torch.randint(0, 256, (2, 4, 40, 40), dtype=torch.uint8) for name in ("head", "hand")}
    item["background"] = torch.randint(0, 256, (2, 3, 40, 40), dtype=torch.uint8)
    assert torch.isfinite(FlowTask(ssim=0.0, crop=32).training_step(item))


def test_all_terms_off_is_no_loss():
    assert FlowTask(ssim=0.0, known_warp=0.0).training_step(batch()) == 0


def test_supervision_needs_flow():
    with pytest.raises(InputError, match="with_flow"):
        FlowTask(ssim=0.0, known_warp=0.0, supervised=1.0).training_step(batch(flow=False))


def test_monitor_is_among_the_metrics():
    assert FlowTask.monitor[0] in FlowTask.metrics
    assert len(set(FlowTask.metrics)) == len(FlowTask.metrics)


def test_measuring_counts_every_slice():
    task = FlowTask().eval()
    whole = {name: value[:1] for name, value in batch().items()}
    with torch.no_grad():
        task._measure("val", whole, every=1)
    errors = task.errors["val"]
    frames, target = whole["frames"][0].float() / 255, whole["flow"][0, 1:]
    with torch.no_grad():
        ours = torch.cat([task(frames[t - 1 : t], frames[t : t + 1]) for t in range(1, 5)])
    wanted = (ours - target).norm(dim=1)[inside(target)[:, 0]]
    assert float(errors["EPE"].compute()) == pytest.approx(float(wanted.mean()), rel=1e-4)
    assert float(errors["EPE_clean"].count) == wanted.numel()
    assert float(errors["EPE_noisy"].count) == 0
    assert 0 < float(errors["EPE_gap4"].count) <= 40 * 40
    task._take_rows()
    (row,) = task.tables()["clips"]
    assert row["EPE"] == pytest.approx(float(wanted.mean()), rel=1e-4)
    assert row["frames"] == 5


def test_a_few_steps_learn_a_fixed_pair():
    torch.manual_seed(0)
    task = FlowTask(lr=1e-3, corrupt=False)
    grain = torch.nn.functional.avg_pool2d(torch.rand(1, 3, 46, 46), 5, stride=1)
    previous, current = grain[..., 4:36, 4:36], grain[..., 4:36, 5:37]
    optimizer = torch.optim.Adam(task.net.parameters(), lr=1e-3)
    target = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 32, 32)
    errors = []
    for _ in range(12):
        loss = (task(previous, current) - target).norm(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(float(loss.detach()))
    assert min(errors[-3:]) < 0.6 * errors[0]


def test_rate():
    assert rate(0, 100, 1000) == pytest.approx(0.01)
    assert rate(300, 100, 1000) == 1
    assert rate(1000, 100, 1000) == pytest.approx(0.05)
    assert rate(750, 100, 1000) < rate(600, 100, 1000) < 1


def test_crop_and_blur():
    images = torch.rand(2, 3, 20, 24)
    assert cropped(images, 16).shape == (2, 3, 16, 16)
    assert cropped(images, 99).shape == (2, 3, 20, 20)
    assert smooth_noise(images, 0.0) is images
    assert smooth_noise(images, 1.0).shape == images.shape
    assert smooth_noise(images, 1.0).std() < images.std()
