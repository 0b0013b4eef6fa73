"""Test pictures of a control or landmark run read again: errors of each control or group of points, faces."""

from typing import Any

import numpy as np

from faceimit.tracking.page import Figure, Tiles
from faceimit.tracking.report_figures import COLOURS, bar_figure, jpeg
from faceimit.tracking.report_measured import Job, Measured, spread

SIDE = 256  # pixels of a face with its points


def controls_again(job: Job) -> Measured:
    """Error of each control on every set of the test pictures, and the picture that is read worst."""
    from faceimit.face.controls import CONTROLS
    from faceimit.losses.control import known_controls
    from faceimit.metrics.control import ControlErrors, shares
    from faceimit.tasks.control import SETS

    names = getattr(job.data, "test_sets", ("robot",))
    loaders = job.data.test_dataloader()
    loaders = loaders if isinstance(loaders, list) else [loaders]
    errors: dict[str, np.ndarray] = {}
    worst: tuple[float, Any] = (-1.0, None)
    for place, (name, loader) in enumerate(zip(names, loaders, strict=True)):
        job.advance(f"reading controls, set {name}", place, len(names))
        metric = ControlErrors()
        for batch in loader:
            target, values = batch["controls"], job.task.net.values(batch["image"])
            known = known_controls(job.task.deviations(target), batch.get("gaze_known"))
            metric.update(values, target, known)
            off = ((shares(values) - shares(target)).abs() * known).mean(dim=1)
            if place == 0 and float(off.max()) > worst[0]:
                row = int(off.argmax())
                worst = float(off.max()), (batch["image"][row], target[row], values[row])
        errors[f"MAE{SETS[name]}"] = metric.by_control().numpy()
    rows = [
        {"control": control.name, "part": control.part} | {name: f"{values[i]:.5g}" for name, values in errors.items()}
        for i, control in enumerate(CONTROLS)
    ]
    return Measured(tables={"controls": rows}, figures=_worst_picture(*worst), note="all test pictures")


def _worst_picture(error: float, shown: Any) -> list[Figure]:
    if shown is None:
        return []
    from faceimit.face.controls import NAMES, NEUTRAL, SPAN

    image, target, values = shown
    picture = image.permute(1, 2, 0).numpy()
    series = {"true": (target.numpy() - NEUTRAL) / SPAN, "read from the picture": (values.numpy() - NEUTRAL) / SPAN}
    caption = f"The test picture with the largest error, {error:.3f} of the range on average"
    bars = bar_figure(NAMES, series, "deviation from neutral (share of the range)", f"{caption}, by control", caption)
    return [Figure(jpeg(picture, 90), "the test picture with the largest error", "That picture."), bars]


def landmarks_again(job: Job) -> Measured:
    """Error of each group of points on the test faces, and some of them from the worst to the best."""
    from faceimit.face.landmarks import GROUPS
    from faceimit.metrics.landmark import inter_ocular

    loader = job.data.test_dataloader()
    found: list[tuple[np.ndarray, bool, np.ndarray, np.ndarray, np.ndarray]] = []
    for place, batch in enumerate(loader):
        job.advance("placing points on test faces", place, len(loader))
        points, target = job.task.net(batch["image"]).points, batch["landmarks"]
        distance = (points - target).norm(dim=-1) / inter_ocular(target).unsqueeze(-1) * 100
        for row in range(len(points)):
            image = batch["image"][row].permute(1, 2, 0).numpy()
            found.append(
                (distance[row].numpy(), bool(batch["turned"][row]), image, target[row].numpy(), points[row].numpy())
            )
    rows = []
    kinds = {"NME": False, "NME_turned": True}
    for group, members in GROUPS.items():
        means = {
            name: np.mean([d[list(members)] for d, turned, *_ in found if turned == kind])
            for name, kind in kinds.items()
            if any(turned == kind for _, turned, *_ in found)
        }
        rows.append({"group": group} | {name: f"{value:.5g}" for name, value in means.items()})
    chosen = spread([-float(distance.mean()) for distance, *_ in found], job.clips)
    faces = [_face(*found[i][2:], float(found[i][0].mean())) for i in chosen]
    caption = "Test faces from the worst to the best: exact points hollow and white, ours filled and blue."
    sheet = Tiles(faces, heading="Faces", caption=caption)
    return Measured(sheets={"faces": sheet}, tables={"landmark_groups": rows}, note=f"{len(found)} test faces")


def _face(image: np.ndarray, target: np.ndarray, points: np.ndarray, error: float) -> Figure:
    """A face with its exact points and ours."""
    import cv2

    scale = SIDE / image.shape[0]
    picture = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    blue = tuple(int(COLOURS[5][i : i + 2], 16) for i in (1, 3, 5))
    for at, radius, colour, fill in ((target, 3, (255, 255, 255), 1), (points, 2, blue, -1)):
        for x, y in (at + 0.5) * scale - 0.5:
            cv2.circle(picture, (round(float(x)), round(float(y))), radius, colour, fill, cv2.LINE_AA)
    return Figure(jpeg(picture), f"a test face with an error of {error:.2f} %", f"NME {error:.2f} %")
