"""Self-supervised flow: SSIM over the pyramid on true frame pairs, known warps as exact supervision, optional terms."""

from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from faceimit.data.known_warp import KnownWarpParams, corrupt, corrupted, joined, layered_pair, warped_pair
from faceimit.data.sharding import anybody, gathered, numbered, once
from faceimit.errors import InputError
from faceimit.losses.endpoint import endpoint_loss
from faceimit.losses.occlusion import visible_by_consistency
from faceimit.losses.photometric import brightness_loss, census_loss
from faceimit.losses.smoothness import smoothness_loss
from faceimit.losses.ssim import blur, resize_to, ssim_pyramid_loss
from faceimit.metrics.classical_flow import dis, farneback, flow_of_pairs
from faceimit.metrics.flow import EndPointError, endpoint_error
from faceimit.metrics.flow_chain import chained_flow
from faceimit.nets.fastflownet import FastFlowNet, FlowPyramid, load_flow_weights
from faceimit.nets.warp import warp
from faceimit.ranges import Count, Positive, Side, Weight, Whole
from faceimit.tasks.schedule import planned_steps

GAPS = (1, 2, 4)
SLICES = ("EPE", "EPE_moving", "EPE_noisy", "EPE_clean", "EPE_gap2", "EPE_gap4")
CLASSICAL = ("farneback", "dis")
MOVING = 0.5  # px


def _names() -> tuple[str, ...]:
    own = [f"{stage}/{name}" for stage in ("val", "test") for name in SLICES]
    return (*own, *(f"test/{name}_{method}" for name in SLICES for method in CLASSICAL), "train/loss")


class FlowTask(LightningModule):
    """Trains FastFlowNet; every term is a weight, 0 switches it off.

    Batches are those of :class:`faceimit.data.flow_clips.FlowClips`; any batch with frames (B, T >= 2, 3, S, S) uint8
    trains, one with flow and occluded also measures.

    Args:
        lr: peak learning rate of AdamW; linear warm-up, then down to 5 % along a cosine from the middle of the run on.
        weight_decay: of AdamW.
        warmup: steps.
        ssim: multi-scale SSIM, F_{t-1} warped by the flow against F_t, over full resolution and the fine levels.
        brightness: gain-normalised brightness difference.
        census: soft census distance.
        smoothness: edge-aware smoothness of the full-resolution flow.
        occlusion: leave out what forward and backward flow do not agree on (doubles the work on true pairs).
        known_warp: exact supervision by known warps of single frames, and of layers where the batch has them.
        supervised: exact flow of rendered clips at gap 1, an upper reference only.
        denoise: px, both frames are blurred this much before they are compared, or warping gains by smoothing noise.
        corrupt: let the network see frames with added noise, light and compression while the clean ones are compared.
        gap: largest distance of the frames of a true pair.
        crop: side of the training crops in pixels.
        net: keyword arguments of FastFlowNet.
        weights: "none", "shipped" or a file.
    """

    learns_from = "clips with exact flow"
    metrics = _names()
    monitor = ("val/EPE", "min")

    def __init__(
        self,
        lr: Positive = 8e-4,
        weight_decay: Weight = 1e-4,
        warmup: Whole = 100,
        ssim: Weight = 1.0,
        brightness: Weight = 0.0,
        census: Weight = 0.0,
        smoothness: Weight = 0.0,
        occlusion: bool = False,
        known_warp: Weight = 1.0,
        supervised: Weight = 0.0,
        denoise: Weight = 0.7,
        corrupt: bool = True,
        gap: Count = 4,
        crop: Side = 96,
        net: Mapping[str, Any] | None = None,
        weights: str = "none",
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = load_flow_weights(FastFlowNet(**dict(net or {})), weights).to(memory_format=torch.channels_last)
        stages = {stage: nn.ModuleDict({name: EndPointError() for name in SLICES}) for stage in ("val", "test")}
        stages |= {method: nn.ModuleDict({name: EndPointError() for name in SLICES}) for method in CLASSICAL}
        self.errors = nn.ModuleDict(stages)
        self._example: dict[str, Any] = {}
        self._clips: dict[int, dict[str, Any]] = {}  # by clip number
        self._rows: list[dict[str, Any]] = []  # of the last validation or test

    def forward(self, previous: Tensor, current: Tensor) -> Tensor:
        """Flow of frame t to t-1 at full resolution: two (N, 3, H, W) in [0, 1] RGB -> (N, 2, H, W) px."""
        return self.net.full(self.net(previous, current), (previous.shape[-2], previous.shape[-1]))

    # -- training ---------------------------------------------------------------------------------------------------

    def training_step(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Sum of the weighted terms."""
        hp = self.hparams
        total = self.net.mask[0].weight.new_zeros(())
        if hp.known_warp:
            total = total + hp.known_warp * self._logged("known_warp", self._known_warp_loss(batch))
        if hp.ssim or hp.brightness or hp.census or hp.smoothness:
            total = total + self._true_pair_loss(batch["frames"])
        if hp.supervised:
            total = total + hp.supervised * self._logged("supervised", self._supervised_loss(batch))
        return self._logged("loss", total)

    def _logged(self, name: str, value: Tensor) -> Tensor:
        if self._trainer is not None:
            self.log(f"train/{name}", value.detach(), prog_bar=name == "loss")
        return value

    def _known_warp_loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        generator, params, side = torch.default_generator, KnownWarpParams(), self.hparams.crop
        stills = cropped(batch["frames"][:, 0].float() / 255, side).cpu()  # (B, 3, c, c)
        pairs = [warped_pair(stills, generator, params)]
        if "head" in batch:
            stack = torch.cat([batch["head"], batch["hand"], batch["background"]], dim=1).float() / 255  # (B, 11, S, S)
            heads, hands, backgrounds = cropped(stack, side).cpu().split([4, 4, 3], dim=1)
            pairs.append(layered_pair(heads, hands, backgrounds, generator, params))
        pair = corrupted(joined(pairs), generator, params)
        target, visible = pair.flow.to(self.device), pair.visible.to(self.device)
        pyramid = self._flow(pair.previous.to(self.device), pair.current.to(self.device))
        return endpoint_loss(self.net.full(pyramid, (side, side)), pyramid.flows, target, visible, fine=1.0)

    def _true_pair_loss(self, frames: Tensor) -> Tensor:
        previous, current = self._true_pair(frames)
        before, now = self._as_filmed(previous, current) if self.hparams.corrupt else (previous, current)
        pyramid = self._flow(before, now)
        size = (int(current.shape[-2]), int(current.shape[-1]))
        full, visible = self.net.full(pyramid, size), None
        if self.hparams.occlusion:
            with torch.no_grad():
                reverse = self.net.full(self._flow(now, before), size)
            visible = visible_by_consistency(full, reverse)
        return self._photometric(previous, current, full, pyramid, visible)

    def _true_pair(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Two frames of each window, 1 to `gap` apart, either way round: (B, T, 3, S, S) -> two (B, 3, c, c)."""
        last = frames.shape[1] - 1
        gap = int(torch.randint(1, min(self.hparams.gap, last) + 1, ()))
        start = int(torch.randint(0, last - gap + 1, ()))
        pair = frames[:, [start, start + gap]] if torch.rand(()) < 0.5 else frames[:, [start + gap, start]]
        crops = cropped(pair.flatten(1, 2).float() / 255, self.hparams.crop)  # (B, 6, c, c)
        return crops[:, :3], crops[:, 3:]

    def _photometric(
        self, previous: Tensor, current: Tensor, full: Tensor, pyramid: FlowPyramid, visible: Tensor | None
    ) -> Tensor:
        hp = self.hparams
        before, now = (smooth_noise(x, hp.denoise) for x in (previous, current))
        total = full.new_zeros(())
        if hp.ssim:
            flows = (full, *(flow for flow in pyramid.flows if min(flow.shape[-2:]) >= 6))
            value = ssim_pyramid_loss(before, now, flows, visible=None if visible is None else visible.float())
            total = total + hp.ssim * self._logged("ssim", value)
        warped = warp(before, full)
        if hp.brightness:
            total = total + hp.brightness * self._logged("brightness", brightness_loss(warped, now, visible))
        if hp.census:
            total = total + hp.census * self._logged("census", census_loss(warped, now, visible))
        if hp.smoothness:
            quarter = (full.shape[-2] // 2, full.shape[-1] // 2)
            value = smoothness_loss(resize_to(full, quarter), resize_to(now, quarter))
            total = total + hp.smoothness * self._logged("smoothness", value)
        return total

    def _supervised_loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        if "flow" not in batch:
            raise InputError("task.supervised needs exact flow in the training batches, set data.with_flow=true")
        pair = torch.cat([batch["frames"][:, 0], batch["frames"][:, 1]], dim=1).float() / 255  # (B, 6, S, S)
        everything = torch.cat([pair, batch["flow"][:, 1], batch["occluded"][:, 1:2].float()], dim=1)
        crops = cropped(everything, self.hparams.crop, turn=False)
        previous, current = self._as_filmed(crops[:, :3], crops[:, 3:6])
        pyramid = self._flow(previous, current)
        full = self.net.full(pyramid, (crops.shape[-2], crops.shape[-1]))
        return endpoint_loss(full, pyramid.flows, crops[:, 6:8], crops[:, 8:9] < 0.5, fine=1.0)

    def _as_filmed(self, previous: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        pair = corrupt(previous.cpu(), current.cpu(), torch.default_generator, KnownWarpParams())
        return pair[0].to(self.device), pair[1].to(self.device)

    def _flow(self, previous: Tensor, current: Tensor) -> FlowPyramid:
        layout = torch.channels_last
        return self.net(previous.contiguous(memory_format=layout), current.contiguous(memory_format=layout))

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW; warm-up, constant, cosine."""
        hp = self.hparams
        optimizer = torch.optim.AdamW(self.net.parameters(), lr=hp.lr, weight_decay=hp.weight_decay)
        steps = planned_steps(self.trainer)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, hp.warmup, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any) -> None:
        """Clip to norm 1, whatever the trainer says: single large motions would throw the net off."""
        self.clip_gradients(optimizer, gradient_clip_val=1.0, gradient_clip_algorithm="norm")

    # -- measuring --------------------------------------------------------------------------------------------------

    def validation_step(self, batch: Mapping[str, Any]) -> None:
        """EPE of every fourth frame of a clip."""
        if (mine := once(batch)) is not None:
            self._measure("val", mine, every=4)

    def test_step(self, batch: Mapping[str, Any]) -> None:
        """EPE of every frame, beside Farneback and DIS."""
        if (mine := once(batch)) is not None:
            self._measure("test", mine, every=1)

    def _measure(self, stage: str, batch: Mapping[str, Any], every: int) -> None:
        frames, noise_free = batch["frames"][0], bool(batch.get("noise_free", torch.tensor(False)).any())
        if "flow" not in batch:
            return
        number = numbered(batch, self._clips)
        name = str(batch["name"][0]) if "name" in batch else str(number)
        row: dict[str, Any] = {"clip": name, "frames": len(frames), "noise_free": noise_free}
        self._clips[number] = row
        for gap in GAPS:
            if gap >= len(frames):
                continue
            target, visible = chained_flow(batch["flow"][0], batch["occluded"][0], gap)
            previous, current = frames[:-gap][::every], frames[gap:][::every]
            target, visible = target[::every], visible[::every]
            ours = torch.cat([self(a.float() / 255, b.float() / 255) for a, b in _chunks(previous, current)])
            self._count(stage, ours, target, visible, gap, noise_free)
            if gap == 1:
                row["EPE"] = float(endpoint_error(ours, target, visible))
            if gap == 2:
                self._keep_example(current, target, ours)
            if stage == "test":
                pictures = [x.permute(0, 2, 3, 1).cpu().numpy() for x in (previous, current)]
                for method, compute in (("farneback", farneback()), ("dis", dis())):
                    flow = torch.from_numpy(flow_of_pairs(compute, *pictures)).to(target)
                    if gap == 1:
                        row[f"EPE_{method}"] = float(endpoint_error(flow, target, visible))
                    self._count(method, flow, target, visible, gap, noise_free)

    def _keep_example(self, frames: Tensor, target: Tensor, flow: Tensor) -> None:
        busiest = int(target.norm(dim=1).mean(dim=(1, 2)).argmax())
        picture = frames[busiest].permute(1, 2, 0).cpu().numpy()
        flows = {"exact": target[busiest], "ours": flow[busiest]}
        self._example = {"frame": picture} | {name: x.float().cpu().numpy() for name, x in flows.items()}

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """EPE of each clip of the last validation or test, of neighbouring frames."""
        return {"clips": self._rows}

    def figures(self) -> dict[str, Any]:
        """Frame, exact flow and ours of the last clip measured, as a Matplotlib figure."""
        if not self._example:
            return {}
        from faceimit.metrics.flow_picture import flow_figure

        frame = self._example["frame"]
        return {"flow": flow_figure(frame, {k: v for k, v in self._example.items() if k != "frame"})}

    def _count(self, who: str, flow: Tensor, target: Tensor, visible: Tensor, gap: int, noise_free: bool) -> None:
        errors = self.errors[who]
        if gap > 1:
            errors[f"EPE_gap{gap}"].update(flow, target, visible)
            return
        errors["EPE"].update(flow, target, visible)
        errors["EPE_moving"].update(flow, target, visible & (target.norm(dim=1) > MOVING))
        errors["EPE_clean" if noise_free else "EPE_noisy"].update(flow, target, visible)

    def on_validation_epoch_end(self) -> None:
        """Log and forget."""
        self._report("val", "val", "")
        self._take_rows()

    def on_test_epoch_end(self) -> None:
        """Log ours and the classical ones."""
        self._report("test", "test", "")
        self._take_rows()
        for name in CLASSICAL:
            self._report(name, "test", f"_{name}")

    def _take_rows(self) -> None:
        self._rows = gathered(self._clips)
        self._clips.clear()

    def _report(self, who: str, stage: str, suffix: str) -> None:
        for name, metric in self.errors[who].items():
            if anybody(float(metric.count) > 0, self.device):  # a slice that no clip fell into has no error
                self.log(f"{stage}/{name}{suffix}", metric.compute().float(), prog_bar=name == "EPE", sync_dist=True)
            metric.reset()


def rate(step: int, warmup: int, steps: float) -> float:
    """Factor of the learning rate: linear warm-up, constant, cosine to 5 % over the second half."""
    from math import cos, pi

    done = min(1.0, step / steps)
    tail = 1.0 if done < 0.5 else 0.05 + 0.95 * 0.5 * (1 + cos(pi * (2 * done - 1)))
    return min(1.0, (step + 1) / max(1, warmup)) * tail


def cropped(images: Tensor, side: int, turn: bool = True) -> Tensor:
    """A random square of `side` pixels, one for all, mirrored half of the time: (N, C, H, W) -> (N, C, s, s).

    `turn` = False never mirrors, for images that hold flow.
    """
    height, width = images.shape[-2:]
    side = min(side, height, width)
    row = int(torch.randint(height - side + 1, ()))
    column = int(torch.randint(width - side + 1, ()))
    crop = images[..., row : row + side, column : column + side]
    return crop.flip(-1) if turn and torch.rand(()) < 0.5 else crop


def smooth_noise(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of `sigma` px, edges repeated: (N, C, H, W) -> the same; sigma 0 leaves the picture as it is."""
    if sigma <= 0:
        return images
    radius = max(1, round(2 * sigma))
    padded = nn.functional.pad(images, (radius,) * 4, mode="replicate")
    return blur(padded, 2 * radius + 1, sigma)


def _chunks(previous: Tensor, current: Tensor, size: int = 16) -> zip:
    return zip(previous.split(size), current.split(size), strict=True)
