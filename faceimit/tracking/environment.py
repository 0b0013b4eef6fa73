"""What a run ran on: versions, commit with uncommitted changes, hardware."""

import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PATCH_LIMIT = 2**20  # bytes
# what is compared and kept of files that Git does not know yet: our code and settings, nothing private beside them
NEW_FILES = ("faceimit", "conf", "sweeps", "experiments")
NEW_SUFFIXES = (".py", ".yaml", ".yml", ".toml", ".j2")
HERE = Path(__file__).parent


def environment(seed: int) -> dict[str, Any]:
    """A JSON-ready record: seed, command and where it ran, versions, commit, hardware."""
    return {
        "seed": seed,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "folder": str(Path.cwd()),
        "python": platform.python_version(),
        "versions": versions(),
        "commit": commit(HERE),
        "hardware": hardware(),
    }


def versions() -> dict[str, str]:
    """Installed versions of faceimit and of everything it asks for, extras included where they are there."""
    from faceimit import __version__

    found = {"faceimit": __version__}
    for requirement in metadata.requires("faceimit") or []:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {name: found[name] for name in sorted(found)}


def commit(folder: Path) -> dict[str, Any]:
    """``{"id": sha, "dirty": bool}`` of the checkout `folder` is in; both None where no checkout tracks it.

    Dirty is what :func:`changes` finds: videos, stores and reports that were written into the checkout are no code.
    """
    try:
        if not _git(folder, "ls-files", "."):  # installed below somebody else's checkout
            return {"id": None, "dirty": None}
        sha = _git(folder, "rev-parse", "HEAD").decode().strip()
        return {"id": sha, "dirty": any(_changed(_root(folder)))}
    except (OSError, subprocess.SubprocessError):
        return {"id": None, "dirty": None}


def changes(folder: Path = HERE, limit: int = PATCH_LIMIT) -> tuple[bytes, list[str]]:
    """What is not committed in the checkout `folder` is in, for ``git apply`` on its commit.

    Args:
        folder: anywhere in the checkout.
        limit: bytes of the patch; whole files that do not fit any more are left out.

    Returns:
        The patch, and the names of the changed files that it leaves out; both empty where no checkout tracks `folder`.
    """
    try:
        if not _git(folder, "ls-files", "."):
            return b"", []
        root = _root(folder)
        known, new = _changed(root)
        parts = {name: _git(root, "diff", "--binary", "--no-renames", "HEAD", "--", name) for name in known}
        parts |= {name: _added(root, name, limit) for name in new}
    except (OSError, subprocess.SubprocessError):
        return b"", []
    return _bounded(parts, limit)


def hardware() -> dict[str, Any]:
    """Processor, what torch makes of it, usable cores, memory in GiB, names of the GPUs."""
    import torch

    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(pages / 2**30, 1),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _root(folder: Path) -> Path:
    return Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())


def _changed(root: Path) -> tuple[list[str], list[str]]:
    """Changed files that Git knows, and our code and settings that it does not know yet."""
    known = _names(_git(root, "diff", "--name-only", "--no-renames", "-z", "HEAD"))
    new = _names(_git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *NEW_FILES))
    return known, [name for name in new if name.endswith(NEW_SUFFIXES)]


def _names(listed: bytes) -> list[str]:
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def _added(root: Path, name: str, limit: int) -> bytes:
    """Patch that adds a file Git does not know; of one beyond the limit as many bytes, which will not fit either."""
    if (root / name).stat().st_size > limit:
        return bytes(limit + 1)
    return _git(root, "diff", "--binary", "--no-index", "--", "/dev/null", name, codes=(0, 1))


def _bounded(parts: dict[str, bytes], limit: int) -> tuple[bytes, list[str]]:
    """The smallest parts that fit, joined, and the names of the others."""
    kept, size = set(), 0
    for name in sorted(parts, key=lambda name: len(parts[name])):
        size += len(parts[name])
        if size <= limit:
            kept.add(name)
    return b"".join(parts[name] for name in parts if name in kept), sorted(set(parts) - kept)


def _git(folder: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> bytes:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False, timeout=10)
    if done.returncode not in codes:
        raise subprocess.CalledProcessError(done.returncode, done.args)
    return done.stdout
