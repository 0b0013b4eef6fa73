"""The data of a run, wherever the run is looked at from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

PLACES = ("root", "cache", "store")  # settings of data that are, or end as, folders or files


def data_of(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the data of a run; relative folders are those beside the run, where they are still there.

    A run was trained with folders relative to where the command was given; from elsewhere its cache would be rendered
    and annotated anew.

    Args:
        folder: of the run.
        config: it was trained with.
    """
    origin = _trained_in(folder.resolve(), config)
    if origin is None or origin == Path.cwd():
        return dict(config["data"])

    def found(name: str, value: Any) -> Any:
        named = isinstance(value, str) and any(name == place or name.endswith(f"_{place}") for place in PLACES)
        return str(origin / value) if named and (origin / value).exists() else value

    return {name: found(name, value) for name, value in config["data"].items()}


def _trained_in(folder: Path, config: Mapping[str, Any]) -> Path | None:
    """The folder in which the training was begun, as far as the run's place tells."""
    told = config.get("run_dir") or config.get("runs")
    if not isinstance(told, str) or Path(told).is_absolute():
        return None
    places = (parent for parent in folder.parents if folder.is_relative_to(parent / told))
    return next(places, None)
