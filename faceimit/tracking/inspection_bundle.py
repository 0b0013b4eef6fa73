"""Inspection of an exported bundle: verified as on a robot, then what it holds, what it reads, how long it takes."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

import faceimit
from faceimit.bundle.format import GOLDEN, LANDMARKS, MANIFEST, MAPPER, STEP, read_files, read_manifest
from faceimit.bundle.load import Bundle, load_bundle
from faceimit.bundle.parity import GOLDEN_FPS, PICTURES, Golden, measure, stream_scores, unpack_golden
from faceimit.face.controls import SPAN
from faceimit.tracking.page import (
    Figure,
    Figures,
    Finding,
    Findings,
    Mark,
    Page,
    Section,
    Table,
    Text,
    Tiles,
    canvas,
    svg,
)

RUNS = 60  # timed runs of each graph
FRAME_MS = 16.7  # for all graphs of a frame: half of the time between frames at 30 fps
KEPT = 0.01  # part of the parity's tolerance that another machine's rounding usually stays under
ENDS = 0.02  # of its range: so near to an end a control is called at it
USES = {STEP: "flow and score of a frame", LANDMARKS: "68 points of a face", MAPPER: "30 controls of a face"}


def is_bundle(path: Path) -> bool:
    """Whether a folder looks like one of ``faceimit-export``."""
    return (path / MANIFEST).is_file()


@dataclass(frozen=True)
class BundleInspection:
    """What was found.

    Attributes:
        path: of the bundle.
        manifest: as read.
        errors: largest error of each graph on the golden crops, here, in the units of the manifest's parity.
        times: ms of each timed run by graph, one thread.
        golden: crops and what torch said of them.
        scores: (N,) of the golden crops, here; NaN without a face.
        controls: (K, 30) of the first K golden crops, here; None without a mapping network.
    """

    path: Path
    manifest: Mapping[str, Any]
    errors: Mapping[str, float]
    times: Mapping[str, np.ndarray]
    golden: Golden
    scores: np.ndarray
    controls: np.ndarray | None

    @property
    def frame_ms(self) -> float:
        """p95 of the graphs that a frame needs on its way to a command, in ms."""
        return float(sum(np.percentile(self.times[name], 95) for name in (STEP, MAPPER) if name in self.times))

    @property
    def findings(self) -> list[Finding]:
        """The verdicts."""
        return list(_findings(self))


def inspect_bundle(path: Path, advance: Callable[[str, int, int], object] = lambda *_: None) -> BundleInspection:
    """Verify a bundle, run and time its graphs.

    Args:
        path: folder of ``faceimit-export``.
        advance: hears of the progress.

    Raises:
        InputError: not a bundle, damaged, altered, or it does not compute here what it did when it was exported.
    """
    advance("verifying", 0, 3)
    bundle = load_bundle(path)
    manifest = read_manifest(path)
    golden = unpack_golden(read_files(path, manifest)[GOLDEN])
    advance("comparing with the golden values", 1, 3)
    errors = measure(bundle, golden, manifest["graphs"])
    scores = stream_scores(bundle.score_stream(GOLDEN_FPS), golden.crops, golden.valid)
    controls = np.stack([bundle.controls(c) for c in golden.crops[:PICTURES]]) if bundle.has_controls else None
    advance("timing", 2, 3)
    return BundleInspection(path, manifest, errors, _times(bundle, golden), golden, scores, controls)


def bundle_page(found: BundleInspection) -> Page:
    """The whole report."""
    manifest, keyframes = found.manifest, found.manifest["keyframes"]
    size = sum(entry["bytes"] for entry in manifest["files"].values())
    facts = [
        ("robot", manifest["robot"]),
        ("size", f"{size / 1e6:.1f} MB"),
        ("a frame, p95 of one thread", f"{found.frame_ms:.1f} ms"),
        ("crop", f"{keyframes['crop']['size']} px"),
        ("look-ahead", f"{keyframes['look_ahead']} frames"),
    ]
    sections = [
        Section("Findings", [Findings(found.findings)]),
        Section("Graphs", [_graphs(found), Figures([_time_figure(found)])]),
        Section("Keyframes", [_settings(keyframes)]),
        Section("Golden crops", [_tiles(found)]),
        Section("Controls", [_controls(found)]),
        Section("Where it comes from", [_origin(manifest), *_costs(manifest)]),
        Section("How this was measured", [Text([_how()])]),
    ]
    return Page(
        title=found.path.resolve().name,
        sections=[section for section in sections if section.blocks],
        subtitle=f"inference bundle at {found.path}",
        facts=facts,
        footer=f"faceimit {faceimit.__version__}",
    )


def bundle_json(found: BundleInspection) -> dict[str, Any]:
    """Everything in numbers; what is not known is null."""
    return {
        "path": str(found.path),
        "kind": "bundle",
        "findings": [vars(finding) for finding in found.findings],
        "manifest": dict(found.manifest),
        "max_abs_error": dict(found.errors),
        "ms": {
            name: {f"p{p}": float(np.percentile(values, p)) for p in (50, 95, 99)}
            for name, values in found.times.items()
        },
        "golden_scores": [float(score) if np.isfinite(score) else None for score in found.scores],
    }


def _times(bundle: Bundle, golden: Golden) -> dict[str, np.ndarray]:
    """Milliseconds of each run, the first few left out."""
    faces = golden.crops[golden.valid]
    stream = bundle.score_stream(GOLDEN_FPS)
    work: dict[str, Callable[[np.ndarray], object]] = {STEP: stream.push}
    if bundle.has_landmarks:
        work[LANDMARKS] = bundle.landmarks
    if bundle.has_controls:
        work[MAPPER] = bundle.controls
    return {name: _timed(run, faces)[RUNS // 6 :] for name, run in work.items()}


def _timed(run: Callable[[np.ndarray], object], faces: np.ndarray) -> np.ndarray:
    times = []
    for number in range(RUNS + RUNS // 6):
        began = time.perf_counter()
        run(faces[number % len(faces)])
        times.append(1e3 * (time.perf_counter() - began))
    return np.array(times)


def _findings(found: BundleInspection) -> Iterator[Finding]:
    manifest = found.manifest
    yield Finding("ok", f"Size and SHA-256 of all {len(manifest['files'])} files agree with the manifest.")
    for name, error in found.errors.items():
        parity = manifest["parity"][name]
        text = f"The {name} graph gives the golden values to within {error:.1g} ({parity['unit']})"
        near = error > max(KEPT * parity["tolerance"], 10 * parity["max_abs_error"])
        advice = "Another onnxruntime or processor than at the export: measure before trusting it." if near else ""
        yield Finding("warn" if near else "ok", f"{text}, where {parity['tolerance']:.1g} is allowed.", advice)
    for name, reason in manifest["left_out"].items():
        yield Finding("warn", f"There is no {name} graph: {reason}.", _without(name))
    if found.frame_ms > FRAME_MS:
        text = f"Score and controls of a frame take {found.frame_ms:.1f} ms (p95) here, more than {FRAME_MS} ms."
        yield Finding("warn", text, "Stop other work on this machine, or export with --quantize int8.")
    else:
        yield Finding("ok", f"Score and controls of a frame take {found.frame_ms:.1f} ms (p95) here.")
    here = onnxruntime.__version__
    if (then := manifest["versions"].get("onnxruntime")) != here:
        yield Finding("warn", f"It was exported with onnxruntime {then}, and here is {here}.")
    if manifest["keyframes"]["c_ref"] is None:
        yield Finding(
            "warn", "The change of expression that scores 1 (c_ref) is not known.", "Export a run's checkpoint."
        )


def _without(name: str) -> str:
    return "Without it no robot can be driven." if name == MAPPER else "Only the geometric route needs it."


def _graphs(found: BundleInspection) -> Table:
    rows = []
    for name, graph in found.manifest["graphs"].items():
        entry, parity = found.manifest["files"][graph["file"]], found.manifest["parity"][name]
        p50, p95 = np.percentile(found.times[name], (50, 95))
        held = Mark("ok" if found.errors[name] <= parity["tolerance"] else "bad")
        numbers = (entry["bytes"] / 1e6, float(p50), float(p95), found.errors[name], parity["tolerance"])
        rows.append([name, USES[name], graph["quantised"] or "float32", *numbers, held, entry["sha256"][:12]])
    columns = ("graph", "gives", "numbers", "MB", "p50 ms", "p95 ms", "largest error", "allowed", "", "SHA-256")
    return Table(columns, rows)


def _time_figure(found: BundleInspection) -> Figure:
    figure, axis = canvas((5.6, 1.2 + 0.35 * len(found.times)))
    names = list(found.times)
    axis.boxplot([found.times[name] for name in names], orientation="horizontal", tick_labels=names, widths=0.5)
    axis.axvline(FRAME_MS, color="0.6", linestyle=":")
    axis.set_xlim(left=0)
    axis.set_xlabel("ms a run, one thread (dotted: what a frame may take in all)")
    return Figure(svg(figure), "box plot of the time of each graph")


def _settings(keyframes: Mapping[str, Any]) -> Table:
    search = keyframes["search"]
    rows: list[list[Any]] = [
        ["method", keyframes["name"], "that the scores are called by"],
        ["c_ref", keyframes["c_ref"], "change of expression an interval of 40 ms that scores 1"],
        ["context", keyframes["context"], "frames before a frame that its score rests on"],
        ["look-ahead", keyframes["look_ahead"], "frames after it until its score is final"],
        ["prominence", search["prominence"], "of a peak of the score that is a keyframe"],
        ["height", search["height"], "that the score of a keyframe has at least"],
        ["gap", f"{search['gap_ms']:g} ms", "at least, between keyframes"],
        ["smoothing", f"{search['smooth_ms']:g} ms", "standard deviation, of the score before the search"],
    ]
    return Table(("setting", "value", "meaning"), [[name, str(value), text] for name, value, text in rows])


def _tiles(found: BundleInspection) -> Tiles:
    items = []
    for crop, valid, score, wanted in zip(
        found.golden.crops, found.golden.valid, found.scores, found.golden.outputs["scores"], strict=True
    ):
        data = cv2.imencode(".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))[1].tobytes()
        text = f"{score:.3f} (torch {wanted:.3f})" if valid else "pushed as no face"
        items.append(Figure(data, "golden crop", text))
    return Tiles(
        items, caption="In the order they are pushed; under each its score here and that of torch at the export."
    )


def _controls(found: BundleInspection) -> Table:
    rows = []
    for number, control in enumerate(found.manifest["controls"]):
        read = [] if found.controls is None else [float(values[number]) for values in found.controls]
        span = float(SPAN[number])
        low, high = control["low"] + ENDS * span, control["high"] - ENDS * span
        at_end = any(value <= low or value >= high for value in read)
        note = "at an end of its range" if at_end and low < control["neutral"] < high else ""
        rows.append(
            [control["name"], control["low"], control["high"], control["neutral"], control["unit"], *read, note]
        )
    faces = [] if found.controls is None else [f"face {i + 1}" for i in range(len(found.controls))]
    columns = ("control", "low", "high", "neutral", "unit", *faces, "note")
    return Table(columns, rows, caption="Ranges in the manifest, and what is read of the first golden crops.")


def _origin(manifest: Mapping[str, Any]) -> Table:
    rows: list[list[Any]] = []
    for network, told in manifest["training"].items():
        for name, value in (told if isinstance(told, Mapping) else {"": told}).items():
            if isinstance(value, Mapping):
                rows += [[network, f"{name}/{key}", _cell(item)] for key, item in value.items()]
            else:
                rows.append([network, name, _cell(value)])
    rows += [["versions", name, version or "not installed"] for name, version in manifest["versions"].items()]
    return Table(("of", "what", "value"), rows)


def _cell(value: Any) -> str | float | int:
    return value if isinstance(value, int | float) else str(value)


def _costs(manifest: Mapping[str, Any]) -> list[Table]:
    cost = manifest["quantisation"]
    if cost is None:
        return []
    return [Table(("figure", "value"), [[name, _cell(value)] for name, value in cost.items()], "What int8 costs")]


def _how() -> str:
    return (
        f"Loaded as a robot loads it: sizes, SHA-256, golden values. Each graph was run {RUNS} times in a row with one "
        "thread on the golden crops; other work on the machine is part of the times. The whole way from camera to "
        "command is timed by faceimit-deploy."
    )
