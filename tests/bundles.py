"""A bundle of tiny untrained networks, exported once a test run, and ways to damage one."""

import fcntl
import json
from pathlib import Path

import numpy as np
import torch

from faceimit.bundle.format import MANIFEST, file_entry, seal
from faceimit.keyframes.search import SearchParams
from faceimit.keyframes.weights import pack_network
from faceimit.nets.keyframe import KeyframeNet
from faceimit.nets.mapper import ControlMapper, pack_mapper
from faceimit.nets.pfld import PFLD, pack_pfld
from faceimit.tracking.exporting import export_bundle

NET = {"backbone": "compact", "size": 64, "width": 16}
PFLD_NET = {"width": 0.125, "size": 64}
MAPPER_NET = {"size": 64, "width": 8, "channels": 2, "hidden": 8}
SEARCH = SearchParams(prominence=0.02, gap_ms=80.0, smooth_ms=20.0)


def lively(net: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Weights that make much of their inputs, so that an error shows."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in net.named_parameters():
        if value.ndim > 1 and not name.startswith("flow."):
            value.data = torch.randn(value.shape, generator=generator) * 1.2 / value[0].numel() ** 0.5
    return net.eval()


def network(**changes) -> KeyframeNet:
    torch.manual_seed(0)
    return lively(KeyframeNet(**{**NET, **changes}))


def weights(folder: Path) -> dict[str, Path]:
    """Weights files of the three tiny networks."""
    torch.manual_seed(0)
    content = {
        "keyframe": pack_network(network(), NET, SEARCH, "tiny", c_ref=0.3, half=False),
        "landmarks": pack_pfld(lively(PFLD(**PFLD_NET)), PFLD_NET, half=False),
        "mapper": pack_mapper(lively(ControlMapper(**MAPPER_NET)), MAPPER_NET, half=False),
    }
    for name, data in content.items():
        (folder / f"{name}.safetensors").write_bytes(data)
    return {name: folder / f"{name}.safetensors" for name in content}


def exported(shared: Path) -> Path:
    """The tiny bundle below a folder that all test processes share: the first makes it, the others wait for it."""
    with (shared / "bundle.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "tiny_bundle").exists():
            files = weights(shared)
            export_bundle(files["keyframe"], shared / "tiny_bundle", files["landmarks"], files["mapper"])
    return shared / "tiny_bundle"


def crops(count: int, seed: int = 0, size: int = 128) -> np.ndarray:
    """(T, S, S, 3) uint8: smooth patterns that drift, by up to ten pixels a frame."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size] / size * 2 * np.pi
    pictures = []
    x = y = 0.0
    for _ in range(count):
        x, y = x + generator.normal() * 0.2, y + generator.normal() * 0.2
        waves = [np.sin(a * (rows + y)) * np.cos(b * (columns + x)) for a, b in ((2, 3), (5, 1), (1, 4))]
        pictures.append(127 + 110 * np.stack(waves, axis=-1))
    return np.array(pictures).astype(np.uint8)


def reseal(folder: Path, change=None) -> None:
    """Make the manifest agree with the files again, as a forger would, after `change` of it."""
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["digest"]
    for name in manifest["files"]:
        if (folder / name).is_file():
            manifest["files"][name] = file_entry((folder / name).read_bytes())
    if change is not None:
        change(manifest)
    (folder / MANIFEST).write_bytes(seal(manifest))
