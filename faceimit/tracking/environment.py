"""What a run ran on: versions, commit, hardware."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "av", "dlib-bin", "hydra-core", "matplotlib", "numba", "numpy", "opencv-python-headless", "pytorch-lightning",
    "scipy", "torch", "torchmetrics", "torchvision", "wandb",
)  # fmt: skip


def environment(seed: int) -> dict[str, Any]:
    """A JSON-ready record: seed, command, versions, commit (with a flag for changes not committed), hardware."""
    return {
        "seed": seed,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "versions": versions(),
        "commit": commit(Path(__file__).parent),
        "hardware": hardware(),
    }


def versions() -> dict[str, str]:
    """Installed versions of faceimit and of what its numbers depend on."""
    from faceimit import __version__

    found = {"faceimit": __version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit(folder: Path) -> dict[str, Any]:
    """``{"id": sha, "dirty": bool}`` of the checkout `folder` is in; both None where it is in none."""
    try:
        sha = _git(folder, "rev-parse", "HEAD")
        return {"id": sha, "dirty": bool(_git(folder, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {"id": None, "dirty": None}


def hardware() -> dict[str, Any]:
    """Processor, usable cores, memory in GiB, names of the GPUs."""
    import torch

    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
