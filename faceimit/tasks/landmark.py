"""Training of the landmark network on single faces."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from faceimit.data.landmark_module import CATEGORIES
from faceimit.data.sharding import once
from faceimit.errors import InputError
from faceimit.face.landmarks import GROUPS
from faceimit.losses.landmark import category_weight, pfld_loss, point_distance, pose_weight, scale_likelihood
from faceimit.metrics.landmark import NAMES, Calibration, Jitter, LandmarkErrors
from faceimit.nets.pfld import PFLD, TOLERANCE, Landmarks, confidence, load_pfld
from faceimit.ranges import Positive, Share, Side, Weight, Whole
from faceimit.tasks.schedule import adamw_with_cosine

NET_ARGUMENTS = ("width", "size", "local")
STILL_NOISE = 2.0  # grey levels, standard deviation of the sensor noise of the jitter measurement
LOOKS = 8  # at each still face
STILL = 8  # one face in so many is looked at as a still one
Batch = Mapping[str, Tensor]


class LandmarkTask(pl.LightningModule):
    """PFLD trained with its pose- and category-weighted loss, and the scale of each point by likelihood.

    Args:
        width, size, local: of :class:`faceimit.nets.pfld.PFLD`.
        start: where the network starts, to fine-tune: "none", "shipped" or a .safetensors file.
        norm: of the point errors: "squared" (paper) or "distance".
        floor: weight of a face whose pose is known exactly (:func:`faceimit.losses.landmark.pfld_loss`), paper: 0.
        categories: how much faces are weighted by how rare their kind is, in [0, 1]; paper: 1.
        pose: weight of the pose branch's own loss.
        parts: weight of the points as the head alone, and the local branch alone, have them.
        scale: weight of the likelihood of the points' scales.
        lr: peak learning rate of AdamW.
        weight_decay: of all weights.
        warmup: steps until the peak; then the rate falls along a cosine to 1 % at the end.
    """

    learns_from = "single faces with landmarks"
    metrics = (
        *(f"train/{name}" for name in ("loss", "points", "pose", "scale")),
        *(f"{stage}/{name}{kind}" for stage in ("val", "test") for name in NAMES for kind in ("", "_turned")),
        *(f"{stage}/{name}" for stage in ("val", "test") for name in ("jitter", "calibration")),
    )
    monitor = ("val/NME", "min")

    def __init__(
        self,
        width: Positive = 0.25,
        size: Side = 112,
        local: bool = True,
        start: str = "none",
        norm: Literal["squared", "distance"] = "distance",
        floor: Weight = 1.0,
        categories: Share = 0.5,
        pose: Weight = 1.0,
        parts: Weight = 0.3,
        scale: Weight = 0.1,
        lr: Positive = 2e-3,
        weight_decay: Weight = 1e-4,
        warmup: Whole = 100,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = PFLD(width, size, local).to(memory_format=torch.channels_last)
        if start != "none":
            load_start(self.net, start)
        self.register_buffer("shares", torch.full((len(CATEGORIES),), 1 / len(CATEGORIES)))
        self.errors = nn.ModuleDict({kind: LandmarkErrors() for kind in ("facing", "turned")})
        self.jitter, self.calibration = Jitter(), Calibration()
        self._groups: list[dict[str, Any]] = []
        self._shown: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    # ------------------------------------------------------------------ training

    def on_fit_start(self) -> None:
        """Take what the loss and the network must know of the training faces."""
        points, shares = self.trainer.datamodule.statistics()  # type: ignore[attr-defined]
        self.shares.copy_(torch.from_numpy(shares))
        if self.hparams["start"] == "none":
            self.net.mean.copy_(torch.from_numpy(points))

    def losses(self, batch: Batch, output: Landmarks) -> dict[str, Tensor]:
        """Every loss by name, unweighted; distances in percent of the crop's side."""
        assert output.pose is not None
        settings, percent = self.hparams, 100 / batch["image"].shape[-1]
        share = settings["categories"]
        weight = 1 - share + share * category_weight(batch["category"], self.shares)
        points, target = output.points * percent, batch["landmarks"] * percent
        shared = (batch["known"], output.pose, batch["pose"], weight, settings["norm"], settings["floor"])
        distance = point_distance(points, target)
        value = pfld_loss(points, target, *shared)
        if self.net.local is not None:  # each must be able to do without the other
            value = value + settings["parts"] * sum(pfld_loss(p * percent, target, *shared) for p in output.parts)
        return {
            "points": value,
            "pose": pose_weight(output.pose, batch["pose"]).mean(),
            "scale": scale_likelihood(distance, output.scale * percent, batch["known"]),
        }

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        values = self.losses(batch, self.net(batch["image"]))
        total = values["points"] + self.hparams["pose"] * values["pose"] + self.hparams["scale"] * values["scale"]
        self.log("train/loss", total.detach(), prog_bar=True)
        self.log_dict({f"train/{name}": value.detach() for name, value in values.items()})
        return total

    def configure_optimizers(self) -> Any:
        return adamw_with_cosine(self, self.net)

    # ------------------------------------------------------------------ validation and test

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        if (mine := once(batch)) is not None:
            self._measure(mine)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        if (mine := once(batch)) is not None:
            self._measure(mine)

    def on_validation_epoch_end(self) -> None:
        values = self._report("val")
        words = f"NME {values['NME']:.2f} % (turned {values['NME_turned']:.2f} %)  jitter {values['jitter']:.3f} %"
        if self.trainer.is_global_zero and self.trainer.progress_bar_callback is not None:
            self.trainer.progress_bar_callback.print(f"epoch {self.current_epoch}: {words}")

    def on_test_epoch_end(self) -> None:
        self._report("test")

    def _measure(self, batch: Batch) -> None:
        output, target = self.net(batch["image"]), batch["landmarks"]
        for kind, rows in (("facing", ~batch["turned"]), ("turned", batch["turned"])):
            if rows.any():
                self.errors[kind].update(output.points[rows], target[rows])
        side = batch["image"].shape[-1]
        right = point_distance(output.points, target) < TOLERANCE * side
        self.calibration.update(confidence(output.scale, side), right)
        self.jitter.update(self._looks(batch["image"][~batch["turned"] & (batch["number"] % STILL == 0)]))
        picture = batch["image"][0].permute(1, 2, 0).cpu().numpy()
        self._shown = picture, target[0].cpu().numpy(), output.points[0].float().cpu().numpy()

    def _looks(self, images: Tensor) -> Tensor:
        """The same pictures (N, 3, S, S), each time with other sensor noise: points (LOOKS, N, 68, 2).

        The noise of a look is the same for every picture and at each validation, however the pictures are dealt out.
        """
        generator = torch.Generator().manual_seed(0)
        points = []
        for _ in range(LOOKS):
            noise = STILL_NOISE * torch.randn(images.shape[1:], generator=generator).to(images.device)
            points.append(self.net((images + noise).round().clamp(0, 255)).points)
        return torch.stack(points)

    def _report(self, stage: str) -> dict[str, float]:
        values: dict[str, Tensor] = {"jitter": self.jitter.compute(), "calibration": self.calibration.compute()}
        for kind, suffix in (("facing", ""), ("turned", "_turned")):
            values |= {f"{name}{suffix}": value for name, value in self.errors[kind].compute().items()}
        found = {name: float(value) for name, value in values.items()}
        finite = {f"{stage}/{name}": value for name, value in found.items() if np.isfinite(value)}
        self.log_dict(finite, sync_dist=True)
        self._groups = self._by_group()
        for metric in (*self.errors.values(), self.jitter, self.calibration):
            metric.reset()
        return found

    def _by_group(self) -> list[dict[str, Any]]:
        columns = {}
        for kind, suffix in (("facing", ""), ("turned", "_turned")):
            with self.errors[kind].sync_context():
                columns[f"NME{suffix}"] = self.errors[kind].by_group()
        return [
            {"group": group, "points": len(places)}
            | {name: found[group] if np.isfinite(found[group]) else None for name, found in columns.items()}
            for group, places in GROUPS.items()
        ]

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Error of each group of points in the last validation or test."""
        return {"landmark_groups": self._groups}

    def net_arguments(self) -> dict[str, Any]:
        """What the network was built with, in plain types."""
        return {name: self.hparams[name] for name in NET_ARGUMENTS}

    def figures(self) -> dict[str, Any]:
        """The face validated last, its points and ours, as a Matplotlib figure."""
        if self._shown is None:
            return {}
        from matplotlib.figure import Figure

        picture, target, points = self._shown
        figure = Figure(figsize=(4, 4))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(picture)
        axes.plot(*target.T, "o", markersize=4, markerfacecolor="none", color="white", label="exact")
        axes.plot(*points.T, ".", markersize=3, color="lime", label="ours")
        axes.legend(loc="lower right")
        axes.set_axis_off()
        return {"landmarks": figure}


def load_start(net: PFLD, source: str) -> None:
    """Fill all but the pose branch from a weights file.

    Raises:
        InputError: the file is missing, damaged, or of a network of another shape.
    """
    state = {name: tensor for name, tensor in load_pfld(source).state_dict().items() if not name.startswith("pose.")}
    try:
        net.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise InputError(f"weights {source} are of another network than this task's, try task.start=none") from error
