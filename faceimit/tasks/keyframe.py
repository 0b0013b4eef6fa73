"""Training of the keyframe score, jointly with the flow it looks through."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from faceimit.data.corpus import Corpus
from faceimit.data.sharding import gathered, numbered, once
from faceimit.errors import InputError
from faceimit.keyframes.search import SearchParams, Truth, find_keyframes, true_keyframes
from faceimit.keyframes.tuning import tune
from faceimit.keyframes.weights import starting_weights
from faceimit.losses.joint import TERMS, flow_terms
from faceimit.losses.score import correlation_loss, score_loss, slope_loss, velocity_loss
from faceimit.metrics.correlation import pearson
from faceimit.metrics.keyframe import NAMES, KeyframeErrors
from faceimit.nets.fastflownet import load_flow_weights
from faceimit.nets.keyframe import SCALES, KeyframeNet, KeyframeOutput, score_clip
from faceimit.ranges import Count, PartShare, Positive, Side, Weight, Whole
from faceimit.tasks import pictures
from faceimit.tasks.clip_records import Scored, clip_rows, score_records
from faceimit.tasks.flow_cache import FlowCache, as_float, fill
from faceimit.tasks.schedule import cosine, planned_steps, time_used

LOSSES = ("mse", "slope", "velocity", "correlation", *TERMS)
NET_ARGUMENTS = ("backbone", "flow", "inputs", "affine", "size", "width", "kernels", "look_ahead", "dropout", "scales")
Batch = Mapping[str, Any]
RECORDED = 16  # clips whose score is kept


class KeyframeTask(pl.LightningModule):
    """Keyframe score and flow trained together: total = sum of weighted losses (seed paper: SSIM and MSE).

    Args:
        backbone, flow, inputs, affine, size, width, kernels, look_ahead, dropout, scales: of
            :class:`faceimit.nets.keyframe.KeyframeNet`.
        flow_weights: where the flow network starts: "shipped", "none" or a .safetensors file.
        start: where the whole network starts, to fine-tune: "none", "shipped" or a .safetensors file of such a network.
        joint: windows of a batch whose losses train the flow as well; null: all of them, 0: the flow stays as it is.
        joint_every: steps from one such batch to the next.
        reuse_flow: compute the flow of the training clips once, with the weights it starts from, for the windows that
            do not train it; without it the flow network runs on them too, three times the time on a CPU.
        flow_cache: folder where that flow is kept for the next run; null: nowhere.
        mse, slope, velocity, correlation: weights of the score's losses.
        ssim, census, smoothness: weights of the flow's own (:func:`faceimit.losses.joint.flow_terms`); 0: left out.
        occlusion: leave out of ssim and census what forward and backward flow do not agree on; computes the flow of the
            windows that train it twice.
        optimizer: "adamw" or "sgd" (momentum 0.9).
        lr: peak learning rate.
        flow_lr: factor on it for the flow network.
        weight_decay: of all weights.
        warmup: steps until the peak; then the rate falls along a cosine to 1 % at the end, 0: it stays as it is.
        steps: of the whole training, for the schedule; null: the trainer's epochs times its batches.
    """

    learns_from = "clips of faces"
    metrics = (
        *(f"train/{name}" for name in ("loss", *LOSSES)),
        *(f"val/{name}" for name in ("loss", "mse", "slope", "correlation", *NAMES)),
        *(f"test/{name}" for name in ("mse", "slope", "correlation", *NAMES)),
    )
    monitor = ("val/loss", "min")

    def __init__(
        self,
        backbone: str = "resnet50",
        flow: bool = True,
        inputs: Literal["pair", "frame"] = "pair",
        affine: bool = True,
        size: Side = 96,
        width: Count = 128,
        kernels: Sequence[Count] = (5, 3),
        look_ahead: Whole = 3,
        dropout: PartShare = 0.5,
        scales: Count = SCALES,
        flow_weights: str = "shipped",
        start: str = "none",
        joint: Whole | None = None,
        joint_every: Count = 1,
        reuse_flow: bool = False,
        flow_cache: str | None = None,
        mse: Weight = 1.0,
        slope: Weight = 2.0,
        velocity: Weight = 10.0,
        correlation: Weight = 0.0,
        ssim: Weight = 0.1,
        census: Weight = 0.0,
        smoothness: Weight = 0.0,
        occlusion: bool = False,
        optimizer: Literal["adamw", "sgd"] = "adamw",
        lr: Positive = 1e-3,
        flow_lr: Weight = 0.1,
        weight_decay: Weight = 1e-2,
        warmup: Whole = 30,
        steps: Count | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = KeyframeNet(backbone, flow, inputs, affine, size, width, kernels, look_ahead, dropout, scales)
        if self.net.flow is not None:
            load_flow_weights(self.net.flow, flow_weights)
        if start != "none":
            load_start(self.net, start)
        self.weights = {"mse": mse, "slope": slope, "velocity": velocity, "correlation": correlation}
        self.weights |= {"ssim": ssim, "census": census, "smoothness": smoothness}
        self.joint, self.joint_every = joint, joint_every
        self.search = SearchParams()
        self.c_ref: float | None = None
        self._logged: dict[str, Tensor] = {}
        self._shown: tuple[Scored, Tensor] | None = None  # the clip scored last, and its frames
        self._scored: dict[int, Scored] = {}  # by clip number
        self._clips: list[Scored] = []  # of the last validation or test

    # ------------------------------------------------------------------ training

    def losses(self, batch: Batch, output: KeyframeOutput, joint: int | None = None) -> dict[str, Tensor]:
        """Every loss by name, unweighted; the flow's own over the windows it learns from."""
        valid = batch["valid"]
        values = {
            "mse": score_loss(output.score, batch["score"], valid),
            "slope": slope_loss(output.score, batch["score"], valid),
            "velocity": velocity_loss(output.velocity, batch["velocity"], valid),
            "correlation": correlation_loss(output.score, batch["score"], valid),
        }
        if output.flow is not None and joint != 0:
            values |= self._flow_terms(as_float(batch["frames"][:joint]), output.flow)
        return values

    def _flow_terms(self, frames: Tensor, flow: Sequence[Tensor]) -> dict[str, Tensor]:
        """The flow's own losses on windows (J, T, 3, S, S) in [0, 1]."""
        reverse = None
        if self.hparams["occlusion"]:
            with torch.no_grad():  # from T-1 down to 0 the flow of a frame is that to the one after it
                backwards = self.net.flow_of_clip(frames.flip(1))[0]  # (J (T-1), 2, h, w)
            reverse = backwards.unflatten(0, (len(frames), -1)).flip(1).flatten(0, 1)
        previous, current = frames[:, :-1].flatten(0, 1), frames[:, 1:].flatten(0, 1)
        return flow_terms(previous, current, flow, self.weights, reverse)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        joint = self.joint if batch_idx % self.joint_every == 0 else 0
        output = self.net(as_float(batch["frames"]), batch["fps"], joint, batch.get("known_flow"))
        values = self.losses(batch, output, joint)
        total = torch.stack([self.weights[name] * value for name, value in values.items()]).sum()
        self.log("train/loss", total, prog_bar=True)
        # what only some steps train is logged as it was last, in a resumed run as well
        self._logged |= {name: value.detach() for name, value in values.items()}
        self.log_dict({f"train/{name}": value for name, value in self._logged.items()})
        return total

    def configure_optimizers(self) -> Any:
        settings = self.hparams
        flow = [] if self.net.flow is None else list(self.net.flow.parameters())
        theirs = {id(parameter) for parameter in flow}
        own = [parameter for parameter in self.net.parameters() if id(parameter) not in theirs]
        groups = [{"params": own, "lr": settings["lr"]}]
        if flow:
            groups.append({"params": flow, "lr": settings["lr"] * settings["flow_lr"]})
        if settings["optimizer"] == "sgd":
            optimizer: torch.optim.Optimizer = torch.optim.SGD(
                groups, momentum=0.9, weight_decay=settings["weight_decay"]
            )
        else:
            optimizer = torch.optim.AdamW(groups, weight_decay=settings["weight_decay"])
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _rate(self, step: int) -> float:
        """Warm-up, then a cosine over what is left of the training."""
        warmup = self.hparams["warmup"]
        if warmup == 0:
            return 1.0
        total = self.hparams["steps"] or planned_steps(self.trainer)
        return cosine(max(step / total, time_used(self._trainer)), step, warmup)

    def on_fit_start(self) -> None:  # before the clock of the time limit starts
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        self.c_ref = float(data.c_ref)
        if self.hparams["reuse_flow"] and self.net.flow is not None and self.joint is not None:
            self._compute_flow(data.corpus("train"))

    @torch.no_grad()
    def _compute_flow(self, corpus: Corpus) -> None:
        """Flow of all training clips with the weights it starts from, whatever a resumed run has made of them."""
        start = KeyframeNet(**self.net_arguments())
        assert start.flow is not None
        load_flow_weights(start.flow, self.hparams["flow_weights"])
        if self.hparams["start"] != "none":
            load_start(start, self.hparams["start"])
        cache = FlowCache(self.hparams["flow_cache"], start.eval().to(self.device))
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        shown = planned_steps(self.trainer) * data.batch_size * data.window
        fill(corpus, cache, shown, self.trainer.is_global_zero)

    # ------------------------------------------------------------------ validation and test

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        if (mine := once(batch)) is not None:
            self._score_batch(mine)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        if (mine := once(batch)) is not None:
            self._score_batch(mine)

    def on_validation_epoch_end(self) -> None:
        scored = self._take_scored()  # of all processes: the search is chosen on all clips
        truths = [true_keyframes(clip.target, clip.fps) for clip in scored]
        if not self.trainer.sanity_checking:
            self.search = tune([clip.score for clip in scored], truths, [clip.fps for clip in scored])
        values = self._evaluate(scored, truths)
        values["loss"] = values["mse"] * self.weights["mse"] + values["slope"] * self.weights["slope"]
        self.log_dict({f"val/{name}": value for name, value in values.items()}, sync_dist=True)
        self.print_progress(values)

    def on_test_epoch_end(self) -> None:
        scored = self._take_scored()
        values = self._evaluate(scored, [true_keyframes(clip.target, clip.fps) for clip in scored])
        self.log_dict({f"test/{name}": value for name, value in values.items()}, sync_dist=True)

    def _take_scored(self) -> list[Scored]:
        self._clips = gathered(self._scored)
        self._scored.clear()
        return self._clips

    def print_progress(self, values: Mapping[str, float]) -> None:
        """One line a validation, above the progress bar."""
        shown = {name: values[name] for name in ("F1", "E_n", "E_l_matched", "correlation")}
        words = "  ".join(f"{name} {value:.3f}" for name, value in shown.items())
        if self.trainer.is_global_zero and self.trainer.progress_bar_callback is not None:
            self.trainer.progress_bar_callback.print(f"epoch {self.current_epoch}: {words}")

    def _score_batch(self, batch: Batch) -> None:
        predicted = score_clip(self.net, batch["frames"][0], float(batch["fps"][0])).numpy().astype(np.float64)
        valid = batch["valid"][0].cpu().numpy()
        target = batch["score"][0].cpu().numpy().astype(np.float64)
        both = [np.where(valid, values, np.nan) for values in (predicted, target)]
        scored = Scored(both[0], both[1], float(batch["fps"][0]), str(batch["name"][0]))
        self._scored[numbered(batch, self._scored)] = scored
        self._shown = scored, batch["frames"][0]

    def _evaluate(self, scored: Sequence[Scored], truths: Sequence[Truth]) -> dict[str, float]:
        errors, squares, slopes, correlations = KeyframeErrors(sync_on_compute=False), [], [], []
        for clip, truth in zip(scored, truths, strict=True):
            score, target, fps = clip.score, clip.target, clip.fps
            errors.update(find_keyframes(score, fps, self.search), truth.strong, len(score), truth.weak)
            squares.append(np.nanmean((score - target) ** 2))
            slopes.append(np.nanmean((np.diff(score) - np.diff(target)) ** 2))
            correlations.append(pearson(score, target))
        means = {"mse": np.mean(squares), "slope": np.mean(slopes), "correlation": np.mean(correlations)}
        found = {name: float(value) for name, value in errors.compute().items()}
        return found | {name: float(value) for name, value in means.items()}

    # ------------------------------------------------------------------ what a checkpoint holds besides the weights

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        logged = {name: float(value) for name, value in self._logged.items()}
        checkpoint["keyframe"] = {"search": asdict(self.search), "c_ref": self.c_ref, "logged": logged}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        stored = checkpoint["keyframe"]
        self.search, self.c_ref = SearchParams(**stored["search"]), stored["c_ref"]
        self._logged = {name: torch.tensor(value) for name, value in stored["logged"].items()}

    def net_arguments(self) -> dict[str, Any]:
        """What the network was built with, in plain types."""
        return {name: self.hparams[name] for name in NET_ARGUMENTS} | {"kernels": list(self.hparams["kernels"])}

    # ------------------------------------------------------------------ pictures for the loggers

    def figures(self) -> dict[str, Any]:
        """The scores of the clip scored last, and the flow of its most eventful pair."""
        if self._shown is None:
            return {}
        clip, frames = self._shown
        score, target, fps = clip.score, clip.target, clip.fps
        found, truth = find_keyframes(score, fps, self.search), true_keyframes(target, fps).strong
        drawn = {"score": pictures.score_figure(score, target, fps, found, truth, f"the clip {clip.name}")}
        if self.net.flow is not None:
            at = max(1, int(np.nanargmax(np.where(np.isfinite(target), target, -1.0))))
            pair = frames[at - 1 : at + 1]
            with torch.no_grad():
                flow = self.net.flow_of_clip(as_float(pair[None]))[0][0].float().cpu().numpy()
            previous, current = pair.permute(0, 2, 3, 1).cpu().numpy()
            drawn["flow"] = pictures.flow_figure(previous, current, flow)
        return drawn

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Errors of each clip of the last validation or test."""
        return {"clips": clip_rows(self._clips, self.search)}

    def scores(self) -> list[dict[str, Any]]:
        """Scores and keyframes of the first of those clips."""
        return score_records(self._clips[:RECORDED], self.search)


def load_start(net: KeyframeNet, source: str) -> None:
    """Fill the whole network from a weights file.

    Raises:
        InputError: the file is missing, damaged, or of a network of another shape.
    """
    state = starting_weights(None if source == "shipped" else source)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"weights {source} are of another network than this task's, try task.start=none") from error
