"""Networks -> a bundle's folder: graphs, parity with torch, manifest; written whole or not at all. Needs torch."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import Any

from faceimit.bundle import graphs
from faceimit.bundle.format import (
    FORMAT,
    GOLDEN,
    LANDMARKS,
    MANIFEST,
    MAPPER,
    STEP,
    file_entry,
    file_name,
    read_manifest,
    seal,
)
from faceimit.bundle.golden import Networks, golden_values, long_values
from faceimit.bundle.load import Bundle, load_bundle
from faceimit.bundle.parity import TOLERANCES, Golden, measure, pack_golden, refuse, stream_scores
from faceimit.bundle.quantize import QUANTISED_TOLERANCE, quantise_step
from faceimit.data.videos import CROP_VERSION
from faceimit.errors import InputError, unwritable
from faceimit.face.controls import CONTROLS
from faceimit.keyframes.weights import CROP
from faceimit.nets.finite import check_finite
from faceimit.robot.profile import load_profile

Advance = Callable[[str, int, int], None]
QUANTISATIONS = ("int8",)
_PACKAGES = ("faceimit", "numpy", "onnx", "onnxruntime", "onnxscript", "torch")


def write_bundle(
    networks: Networks,
    out: Path,
    quantise: str | None = None,
    robot: str = "ameca",
    advance: Advance = lambda *_: None,
) -> Path:
    """Export, compare with torch, write, and load what was written.

    Args:
        networks: what goes in.
        out: folder to be made; a bundle that is there is replaced, anything else is refused.
        quantise: "int8" or None.
        robot: name of the profile the bundle is meant for.
        advance: hears which step begins, after how many, of how many.

    Raises:
        InputError: weights that are not finite, a graph that differs from torch, an unknown robot or quantisation, or
            a folder that cannot be written.
    """
    if quantise not in (None, *QUANTISATIONS):
        raise InputError(f"expected quantize to be one of {', '.join(QUANTISATIONS)} but got {quantise!r}, try int8")
    check_target(out)
    profile = load_profile(robot)
    for what, net in (("keyframe", networks.score), (LANDMARKS, networks.landmarks), (MAPPER, networks.mapper)):
        if net is not None:
            check_finite(net.state_dict(), f"the {what} network")
    begin = _steps(networks, quantise, advance)
    content = _graphs(networks, begin)
    manifest = {**_description(networks, content), "robot": profile.name}
    begin("comparing with torch")
    golden = golden_values(networks, CROP)
    manifest["parity"] = _parity(manifest, content, golden, long_values(networks, CROP))
    if quantise:
        begin("8-bit integers, and what they cost")
        content[STEP], golden = _quantised(manifest, content, golden)
    begin(f"writing {out.name}")
    return _write(out, manifest, content, pack_golden(golden))


def check_target(out: Path) -> None:
    """Refuse a folder that holds something else than a bundle, all of which is replaced, before anything is computed.

    Raises:
        InputError: naming it.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"{out} is there and is no folder, give another --out")
    if out.is_dir() and any(out.iterdir()):
        try:
            own = {MANIFEST, *read_manifest(out)["files"]}
        except InputError as error:
            raise InputError(f"{out} is there and is no whole bundle, empty it or give another --out") from error
        foreign = sorted(path.name for path in out.iterdir() if path.name not in own)
        if foreign:
            raise InputError(f"{foreign[0]} in {out} is no part of the bundle there, move it or give another --out")


def _steps(networks: Networks, quantise: str | None, advance: Advance) -> Callable[[str], None]:
    """To be called with the name of each step as it begins."""
    networks_in = sum(net is not None for net in (networks.score, networks.landmarks, networks.mapper))
    total, done = networks_in + (3 if quantise else 2), count()
    return lambda what: advance(what, next(done), total)


def _graphs(networks: Networks, begin: Callable[[str], None]) -> dict[str, bytes]:
    begin("graph of the score")
    content = {STEP: graphs.step_graph(networks.score, CROP)}
    if networks.landmarks is not None:
        begin("graph of the landmarks")
        content[LANDMARKS] = graphs.landmark_graph(networks.landmarks, CROP)
    if networks.mapper is not None:
        begin("graph of the mapping")
        content[MAPPER] = graphs.mapper_graph(networks.mapper, CROP)
    return content


def _description(networks: Networks, content: Mapping[str, bytes]) -> dict[str, Any]:
    net = networks.score
    return {
        "format": FORMAT,
        "graphs": {name: {"file": file_name(name), "opset": graphs.OPSET, "quantised": None} for name in content},
        "left_out": networks.left_out,
        "keyframes": {
            "name": networks.name,
            "crop": {"size": CROP, "version": CROP_VERSION, "colours": "RGB", "type": "uint8"},
            "score": {"low": 0.0, "high": 1.0},
            "c_ref": networks.c_ref,
            "look_ahead": net.look_ahead,
            "context": net.context,
            "search": asdict(networks.search),
        },
        "controls": [
            {"name": c.name, "low": c.low, "high": c.high, "neutral": c.neutral, "unit": c.unit} for c in CONTROLS
        ],
        "training": networks.training,
        "quantisation": None,
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _parity(manifest: Mapping[str, Any], content: Mapping[str, bytes], *values: Golden) -> dict[str, Any]:
    """Largest error of each graph over all golden values, refused beyond its tolerance."""
    bundle = Bundle(manifest, content)
    found = [measure(bundle, golden, content) for golden in values]
    errors = {name: max(errors[name] for errors in found) for name in content}
    refuse(errors, TOLERANCES, "what torch computes")
    units = {STEP: "score", LANDMARKS: "side of the crop, confidence", MAPPER: "range of the control"}
    return {
        name: {"max_abs_error": error, "tolerance": TOLERANCES[name], "unit": units[name]}
        for name, error in errors.items()
    }


def _quantised(manifest: dict[str, Any], content: Mapping[str, bytes], golden: Golden) -> tuple[bytes, Golden]:
    """The step in int8, golden scores of its own, and in the manifest what it costs."""
    small, cost = quantise_step(manifest, content[STEP])
    scores = stream_scores(Bundle(manifest, {STEP: small}).score_stream(30.0), golden.crops, golden.valid)
    manifest["graphs"][STEP]["quantised"] = "int8"
    manifest["quantisation"] = cost
    manifest["parity"][STEP]["tolerance"] = QUANTISED_TOLERANCE
    return small, Golden(golden.crops, golden.valid, {**golden.outputs, "scores": scores})


def _write(out: Path, manifest: dict[str, Any], content: Mapping[str, bytes], golden: bytes) -> Path:
    """Into a folder beside, which is loaded as any bundle is, then renamed."""
    files = {file_name(name): graph for name, graph in content.items()} | {GOLDEN: golden}
    manifest["files"] = {name: file_entry(data) for name, data in files.items()}
    files[MANIFEST] = seal(manifest)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise unwritable(out, error) from error
    try:
        for name, data in files.items():
            _write_file(folder / name, data)
        folder.chmod(0o755)
        load_bundle(folder)
        _move(folder, out)
    except OSError as error:
        raise unwritable(out, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return out


def _write_file(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _move(folder: Path, out: Path) -> None:
    """Put a finished folder in the place of `out`."""
    if not out.exists():
        folder.rename(out)
        return
    aside = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    out.rename(aside / "old")
    try:
        folder.rename(out)
    except OSError:
        (aside / "old").rename(out)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
