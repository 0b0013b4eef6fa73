"""Training of the mapping network: pictures of the robot, and of people with retargeted controls, -> 30 values."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from faceimit.data.control_augment import Augmentation, ControlStrength, augment
from faceimit.data.sharding import anybody, once
from faceimit.errors import InputError
from faceimit.face.controls import CONTROLS, NAMES, NEUTRAL, SPAN
from faceimit.losses.control import control_loss, known_controls, matching_loss, place_loss
from faceimit.metrics.control import NAMES_OF_ERRORS, ControlErrors
from faceimit.nets.mapper import ControlMapper, load_mapper
from faceimit.nets.placement import STEADY, in_face, placed, points_at, shaken
from faceimit.ranges import Count, PartShare, Positive, Side, Weight, Whole
from faceimit.tasks.schedule import adamw_with_cosine

NET_ARGUMENTS = ("backbone", "size", "width", "channels", "hidden", "dropout")
# What a loader of the data module shows, by the name the module gives it, and how its figures are called.
SETS = {"robot": "", "frames": "_frames", "human": "_human", "real": "_real"}
HUMAN = 1  # of a batch's `domain`
Batch = Mapping[str, Tensor]


class ControlTask(pl.LightningModule):
    """Controls as deviations from neutral, gaze left out where eyes are shut, pairs of human and robot matched.

    Args:
        backbone, size, width, channels, hidden, dropout: of :class:`faceimit.nets.mapper.ControlMapper`.
        start: where the network starts, to fine-tune: "none", "shipped" or a .safetensors file.
        loss: "huber" or "mse", of :func:`faceimit.losses.control.control_loss`.
        delta: where Huber's loss turns straight, as a share of the range.
        human: weight of the pictures of people, beside 1 of the robot's.
        points: weight of the landmarks in the upright face and of the finder, where landmarks are given.
        matching: weight of :func:`faceimit.losses.control.matching_loss`; 0 switches it off.
        augmentation: fields of :class:`faceimit.data.control_augment.ControlStrength` to change; None: none at all.
        lr: peak learning rate of AdamW.
        weight_decay: of all weights.
        warmup: steps until the peak; then the rate falls along a cosine to 1 % at the end.
    """

    learns_from = "pictures with control values"
    metrics = (
        *(f"train/{name}" for name in ("loss", "controls", "points", "finder", "matching")),
        *(f"{stage}/{name}{kind}" for stage in ("val", "test") for name in NAMES_OF_ERRORS for kind in SETS.values()),
        "val/score",
    )
    monitor = ("val/score", "min")

    def __init__(
        self,
        backbone: str = "compact",
        size: Side = 96,
        width: Count = 64,
        channels: Count = 8,
        hidden: Count = 64,
        dropout: PartShare = 0.0,
        start: str = "none",
        loss: Literal["huber", "mse"] = "huber",
        delta: Positive = 0.2,
        human: Weight = 1.0,
        points: Weight = 1.0,
        matching: Weight = 0.0,
        augmentation: Augmentation | None = None,
        lr: Positive = 2e-3,
        weight_decay: Weight = 1e-3,
        warmup: Whole = 100,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = ControlMapper(backbone, size, width, channels, hidden, dropout)
        if start != "none":
            load_start(self.net, start)
        self.net = self.net.to(memory_format=torch.channels_last)
        self.strength = None if augmentation is None else ControlStrength(**augmentation)
        self.errors = nn.ModuleDict({kind: ControlErrors() for kind in SETS})
        self._tables: dict[str, list[dict[str, Any]]] = {}
        self._shown: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    # ------------------------------------------------------------------ training

    def deviations(self, controls: Tensor) -> Tensor:
        """(B, 30) in the table's units -> deviations from neutral as shares of the range."""
        return (controls - self.net.neutral) / self.net.span

    def on_fit_start(self) -> None:
        """Take the mean face and where it lies from a first batch of training data, where that has landmarks."""
        if self.hparams["start"] != "none":
            return
        batch = next(iter(self.trainer.datamodule.train_dataloader()))  # type: ignore[attr-defined]
        if "landmarks" in batch:
            whole = batch["landmarks"].isfinite().flatten(1).all(dim=1)
            self.net.expect(((batch["landmarks"][whole] + 0.5) / batch["image"].shape[-1]).to(self.device))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Every loss by name, unweighted but for people against robot."""
        images, target, landmarks = batch["image"], self.deviations(batch["controls"]), batch.get("landmarks")
        known = known_controls(target, batch.get("gaze_known"))
        if self.strength is not None:
            images, target, landmarks = augment(images, target, self.strength, landmarks)
        if landmarks is None:
            output, values = self.net(images), {}
        else:
            seen = landmarks.isfinite().all(dim=-1)
            points = (landmarks.nan_to_num() + 0.5) / images.shape[-1]  # shares of the side
            placement = placed(points[:, list(STEADY)], self.net.shape[list(STEADY)])
            placement = shaken(placement) if self.training else placement
            output = self.net(images, placement)
            steady = points_at(output.found, self.net.shape[list(STEADY)])
            values = {
                "points": place_loss(output.points, in_face(points, placement), seen),
                "finder": place_loss(steady, points[:, list(STEADY)], seen[:, list(STEADY)]),
            }
        values["controls"] = self._control_loss(batch, output.deviations, target, known)
        if self.hparams["matching"] and "pair" in batch:
            values["matching"] = matching_loss(output.features, batch["pair"])
        return values

    def _control_loss(self, batch: Batch, found: Tensor, target: Tensor, known: Tensor) -> Tensor:
        """Of people and robot by their share of the batch."""
        kind, delta = self.hparams["loss"], self.hparams["delta"]
        human = batch["domain"] == HUMAN if "domain" in batch else torch.zeros_like(target[:, 0], dtype=torch.bool)
        share = human.float().mean()
        weights = ((1 - share, ~human), (share * self.hparams["human"], human))
        parts = [weight * control_loss(found[rows], target[rows], known[rows], kind, delta) for weight, rows in weights]
        return parts[0] + parts[1]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        values = self.losses(batch)
        points, matching = self.hparams["points"], self.hparams["matching"]
        weights = {"controls": 1.0, "points": points, "finder": 4 * points, "matching": matching}
        total = torch.stack([weights[name] * value for name, value in values.items()]).sum()
        self.log("train/loss", total.detach(), prog_bar=True)
        self.log_dict({f"train/{name}": value.detach() for name, value in values.items()})
        return total

    def configure_optimizers(self) -> Any:
        return adamw_with_cosine(self, self.net)

    # ------------------------------------------------------------------ validation and test

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        if (mine := once(batch)) is not None:
            self._measure(mine, self._sets("val")[dataloader_idx])

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        if (mine := once(batch)) is not None:
            self._measure(mine, self._sets("test")[dataloader_idx])

    def on_validation_epoch_end(self) -> None:
        values = self._report("val")
        score = sum(value for name, value in values.items() if name.startswith("MAE") and "worst" not in name)
        self.log("val/score", score, sync_dist=True)
        words = "  ".join(f"{name} {value:.4f}" for name, value in values.items() if "raw" not in name)
        if self.trainer.is_global_zero and self.trainer.progress_bar_callback is not None:
            self.trainer.progress_bar_callback.print(f"epoch {self.current_epoch}: {words}")

    def on_test_epoch_end(self) -> None:
        self._report("test")

    def _sets(self, stage: str) -> Sequence[str]:
        """What each loader of the data module shows; a module that does not say has one, of the robot."""
        return getattr(getattr(self.trainer, "datamodule", None), f"{stage}_sets", ("robot",))

    def _measure(self, batch: Batch, name: str) -> None:
        target = batch["controls"]
        values = self.net.values(batch["image"])
        known = known_controls(self.deviations(target), batch.get("gaze_known"))
        self.errors[name].update(values, target, known)
        picture = batch["image"][0].permute(1, 2, 0).cpu().numpy()
        self._shown = picture, target[0].cpu().numpy(), values[0].float().cpu().numpy()

    def _report(self, stage: str) -> dict[str, float]:
        """Log the figures of every set that was shown, and forget it."""
        found: dict[str, float] = {}
        self._tables = {}
        for name, metric in self.errors.items():
            if anybody(len(metric) > 0, self.device):
                found |= {f"{error}{SETS[name]}": float(value) for error, value in metric.compute().items()}
                with metric.sync_context():
                    self._tables[f"controls{SETS[name]}"] = control_rows(metric.by_control())
            metric.reset()
        finite = {f"{stage}/{name}": value for name, value in found.items() if np.isfinite(value)}
        self.log_dict(finite, sync_dist=True)
        return found

    def net_arguments(self) -> dict[str, Any]:
        """What the network was built with, in plain types."""
        return {name: self.hparams[name] for name in NET_ARGUMENTS}

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Error of each control in the sets measured last: of the robot, and of the others."""
        return self._tables

    def figures(self) -> dict[str, Any]:
        """The picture validated last, its controls and ours as bars, as a Matplotlib figure."""
        if self._shown is None:
            return {}
        from matplotlib.figure import Figure

        picture, target, values = self._shown
        figure = Figure(figsize=(8, 5), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.imshow(picture)
        left.set_axis_off()
        rows = np.arange(len(NAMES))
        right.barh(rows - 0.2, (target - NEUTRAL) / SPAN, 0.4, color="#22303c", label="true")
        right.barh(rows + 0.2, (values - NEUTRAL) / SPAN, 0.4, color="#2a9d8f", label="ours")
        right.set_yticks(rows, NAMES, fontsize=6)
        right.set_xlabel("deviation from neutral, share of the range")
        figure.legend(frameon=False, loc="outside upper right", ncols=2)
        return {"controls": figure}


def control_rows(errors: Tensor) -> list[dict[str, Any]]:
    """(30,) normalised errors -> a row a control: its error as a share of the range and in its unit; None: unknown."""
    rows = []
    for control, error in zip(CONTROLS, errors.tolist(), strict=True):
        known = np.isfinite(error)
        about = {"control": control.name, "part": control.part, "unit": control.unit}
        span = control.high - control.low
        rows.append(about | {"MAE": error if known else None, "MAE_in_unit": error * span if known else None})
    return rows


def load_start(net: ControlMapper, source: str) -> None:
    """Fill a network from a weights file.

    Raises:
        InputError: the file is missing, damaged, of other controls, or of a network of another shape.
    """
    try:
        net.load_state_dict(load_mapper(source).state_dict())
    except RuntimeError as error:
        raise InputError(f"weights {source} are of another network than this task's, try task.start=none") from error
