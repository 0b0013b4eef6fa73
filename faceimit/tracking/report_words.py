"""What the figures of runs mean: words, units and which way is better, by the name a task logs them under."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

Better = Literal["lower", "higher", ""]
STAGES = ("test", "val", "train")


@dataclass(frozen=True)
class Meaning:
    """Of a figure.

    Attributes:
        text: what it is, for people.
        unit: "" for a share or a plain number.
        better: which way; "" where neither is.
    """

    text: str
    unit: str = ""
    better: Better = "lower"

    @property
    def axis(self) -> str:
        """The label of an axis that shows it."""
        return f"{self.text} ({self.unit})" if self.unit else self.text


# a name's meaning is that of the longest beginning that stands here, and of what follows it in QUALIFIERS
MEANINGS: dict[str, Meaning] = {
    "F1": Meaning("F1 of the keyframes at ±2 frames, pooled over clips", better="higher"),
    "precision": Meaning("share of the keyframes found that are true", better="higher"),
    "recall": Meaning("share of the true keyframes that are found", better="higher"),
    "E_n": Meaning("keyframes too many or too few in a clip", "keyframes"),
    "E_n_100": Meaning("keyframes too many or too few in 100 frames", "keyframes"),
    "E_l_ordinal": Meaning("distance of the x-th keyframe from the x-th true one", "frames"),
    "E_l_matched": Meaning("distance of keyframes from the true ones, best one-to-one match", "frames"),
    "E_l_near": Meaning("distance of the hits within ±2 frames", "frames"),
    "correlation": Meaning("correlation with the true score", better="higher"),
    "mse": Meaning("squared error of the score"),
    "slope": Meaning("squared error of the score's slope"),
    "velocity": Meaning("squared error of expression and pose velocities"),
    "ssim": Meaning("photometric loss of the flow (SSIM)"),
    "known_warp": Meaning("error of the flow of known warps"),
    "census": Meaning("photometric loss of the flow (census)"),
    "smoothness": Meaning("loss of flow that is not smooth"),
    "brightness": Meaning("photometric loss of the flow (brightness)"),
    "occlusion": Meaning("loss of the flow's occlusion"),
    "EPE": Meaning("end-point error of the flow at visible pixels", "px"),
    "NME": Meaning("mean distance of the points, of the outer eye corners' distance", "%"),
    "FR": Meaning("faces with an NME above 8 %", "%"),
    "AUC": Meaning("area under the curve of faces by their NME, up to 8 %", better="higher"),
    "jitter": Meaning("trembling of the points on a still face, of the eye corners' distance", "%"),
    "calibration": Meaning("expected error of the confidence"),
    "points": Meaning("loss of the points"),
    "pose": Meaning("loss of the head pose"),
    "scale": Meaning("loss of the points' scales", better="lower"),
    "MAE": Meaning("error of the controls, share of the range"),
    "MAE_worst": Meaning("error of the worst control, share of the range"),
    "cosine_raw": Meaning("cosine of the control vectors, raw", better="higher"),
    "cosine_centred": Meaning("cosine of the control vectors, mean-centred", better="higher"),
    "controls": Meaning("loss of the control values"),
    "finder": Meaning("loss of the face finder"),
    "matching": Meaning("loss of matching human and robot"),
    "score": Meaning("what the best checkpoint is chosen by"),
    "loss": Meaning("loss"),
    "seconds": Meaning("duration of the training", "s", ""),
    "steps": Meaning("optimiser steps", "", ""),
}
QUALIFIERS: dict[str, str] = {
    "turned": "heads turned far",
    "no_jaw": "without the jaw line",
    "frames": "on other frames of the training sequences, to show that leak",
    "human": "read from people's faces",
    "real": "read from the faces of real people",
    "farneback": "by OpenCV's Farneback",
    "dis": "by OpenCV's DIS",
    "moving": "where something moves",
    "noisy": "noisy clips",
    "clean": "clips without noise",
    "gap2": "frames 2 apart",
    "gap4": "frames 4 apart",
}
# what a reader looks at first, in this order
HEADLINES = (
    "F1", "E_n", "E_l_matched", "correlation", "EPE", "EPE_moving", "NME", "NME_no_jaw", "FR", "jitter", "MAE",
    "MAE_worst", "cosine_centred", "cosine_raw",
)  # fmt: skip
CLASSICAL = ("farneback", "dis")


def meaning(name: str) -> Meaning | None:
    """Of a figure such as ``test/NME_turned``, a column such as ``F1``; None for one that nobody has described."""
    stage, _, base = name.rpartition("/")
    begin = max((known for known in MEANINGS if base == known or base.startswith(f"{known}_")), key=len, default=None)
    if begin is None:
        return None
    found, rest = MEANINGS[begin], base[len(begin) + 1 :]
    if stage == "train":  # every training figure is a loss, even the one named after a correlation
        found = replace(found, better="lower", text=found.text if found.better != "higher" else f"{begin} loss")
    while rest:
        qualifier = next((known for known in QUALIFIERS if rest == known or rest.startswith(f"{known}_")), None)
        if qualifier is None:
            return None
        found, rest = replace(found, text=f"{found.text}, {QUALIFIERS[qualifier]}"), rest[len(qualifier) + 1 :]
    return found


def said(name: str) -> str:
    """What a figure is, with its unit; "" for one that nobody has described."""
    found = meaning(name)
    return found.axis if found else ""


def better(name: str) -> Better:
    """Which way is better; "" where it is not known."""
    found = meaning(name)
    return found.better if found else ""


def best(name: str, values: Iterable[float | None]) -> float | None:
    """The best of them, None where there is no best: fewer than two, all alike, or no better direction."""
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(set(known)) < 2 or not better(name):
        return None
    return min(known) if better(name) == "lower" else max(known)


def headlines(metrics: Mapping[str, float], most: int = 5) -> list[str]:
    """Names of the figures to show first: of the test where there was one, else of the validation."""
    for stage in ("test", "val"):
        found = [f"{stage}/{name}" for name in HEADLINES if f"{stage}/{name}" in metrics]
        if found:
            return found[:most]
    return [name for name in metrics if name.startswith("test/")][:most]


def in_order(names: Iterable[str]) -> list[str]:
    """Base names as a reader expects them: headlines, then what is described, then the rest."""
    places = {name: place for place, name in enumerate(dict.fromkeys((*HEADLINES, *MEANINGS)))}
    return sorted(dict.fromkeys(names), key=lambda name: (places.get(name, len(places)), name))
