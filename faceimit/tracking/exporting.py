"""From a checkpoint to a bundle: which networks, and what is known of their training."""

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from faceimit.bundle.export import Advance, check_target, write_bundle
from faceimit.bundle.format import LANDMARKS, MAPPER
from faceimit.bundle.golden import Networks
from faceimit.errors import InputError
from faceimit.keyframes.weights import read_network
from faceimit.nets.mapper import load_mapper
from faceimit.nets.pfld import load_pfld
from faceimit.tracking.checkpoints import KEY, load_task, read_checkpoint

SHIPPED, NONE = "shipped", "none"
# what each option takes: the task of the checkpoint, and the experiment that trains it
TASKS = {
    "--checkpoint": ("faceimit.tasks.keyframe.KeyframeTask", "keyframe_multitask"),
    "--landmarks": ("faceimit.tasks.landmark.LandmarkTask", "landmarks"),
    "--mapping": ("faceimit.tasks.control.ControlTask", "control_mapping"),
}
# weights files say what they are; flow.safetensors has no header
_HEADERS = {"faceimit-keyframe": "--checkpoint", "faceimit-landmarks": "--landmarks", "faceimit-mapper": "--mapping"}


def export_bundle(
    checkpoint: str | Path,
    out: str | Path,
    landmarks: str | Path | None = None,
    mapping: str | Path | None = None,
    quantize: str | None = None,
    robot: str = "ameca",
    advance: Advance = lambda *_: None,
) -> Path:
    """Export a bundle, proven to compute what torch computes.

    Args:
        checkpoint: of a keyframe task, a .safetensors weights file, or "shipped".
        out: folder to be made; a bundle that is there is replaced.
        landmarks: likewise for the landmarks; None: the shipped ones if there are any, "none": without.
        mapping: likewise for the mapping network.
        quantize: None or "int8".
        robot: name of the profile it is meant for.
        advance: hears which step begins, after how many, of how many.

    Returns:
        `out`.

    Raises:
        InputError: a checkpoint that cannot be read or is of another task, weights that are not finite, a graph that
            differs from torch, an unknown robot, or a folder that cannot be written.
    """
    out = Path(out)
    check_target(out)
    advance("reading the networks", 0, 1)
    networks = _keyframes(str(checkpoint))
    for graph, source in ((LANDMARKS, landmarks), (MAPPER, mapping)):
        _add(networks, graph, source)
    return write_bundle(networks, out, quantize, robot, advance)


def training_facts(path: Path) -> dict[str, Any]:
    """What is known of the training of a weights file or checkpoint: of its run, where it lies in one."""
    facts: dict[str, Any] = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    run = path.resolve().parent.parent
    if path.suffix == ".safetensors" or not (run / "config.yaml").is_file():
        return facts
    try:
        config = (run / "config.yaml").read_bytes()
        environment = json.loads((run / "environment.json").read_text())
        metrics = run / "metrics.json"
        facts |= {
            "experiment": yaml.safe_load(config).get("experiment"),
            "config_sha256": hashlib.sha256(config).hexdigest(),
            **{name: environment.get(name) for name in ("seed", "commit", "versions")},
            "figures": json.loads(metrics.read_text()) if metrics.is_file() else {},
        }
    except (OSError, ValueError, yaml.YAMLError, AttributeError) as error:
        raise InputError(f"run {run} cannot be read ({error}), give a checkpoint outside of it or repair it") from error
    return facts


def _keyframes(source: str) -> Networks:
    if source == SHIPPED:
        found = read_network()
        return Networks(*found, training={"keyframes": _shipped_facts("keyframe")})
    path = _checked(source, "--checkpoint")
    if path.suffix == ".safetensors":
        return Networks(*read_network(path), training={"keyframes": training_facts(path)})
    task = load_task(path, TASKS["--checkpoint"][0])
    name = "without_flow" if task.net.flow is None else "multitask"  # as faceimit-keyframes calls them
    return Networks(task.net, task.search, name, task.c_ref, training={"keyframes": training_facts(path)})


def _add(networks: Networks, graph: str, source: str | Path | None) -> None:
    """Landmarks or mapper, or why there are none."""
    option = "--landmarks" if graph == LANDMARKS else "--mapping"
    if source == NONE:
        networks.left_out[graph] = f"{option} none"
        return
    if source is None:
        if not resources.files("faceimit").joinpath("weights", f"{graph}.safetensors").is_file():
            networks.left_out[graph] = f"no {option} was given and this version of faceimit ships none"
            return
        source = SHIPPED
    if str(source) == SHIPPED:
        facts, net = _shipped_facts(graph), _weights(graph, SHIPPED)
    else:
        path = _checked(str(source), option)
        facts = training_facts(path)
        net = _weights(graph, path) if path.suffix == ".safetensors" else load_task(path, TASKS[option][0]).net
    networks.training[graph] = facts
    if graph == LANDMARKS:
        networks.landmarks = net
    else:
        networks.mapper = net


def _weights(graph: str, source: str | Path) -> Any:
    return load_pfld(source) if graph == LANDMARKS else load_mapper(source)


def _shipped_facts(name: str) -> dict[str, Any]:
    with resources.as_file(resources.files("faceimit").joinpath("weights", f"{name}.safetensors")) as path:
        if not path.is_file():
            raise InputError(f"this installation ships no {name} weights, give a checkpoint")
        return {**training_facts(path), "file": f"shipped {name}.safetensors"}


def _checked(source: str, option: str) -> Path:
    """The path, if its content is for this option.

    Raises:
        InputError: no such file, or of another task: which one, and what to give instead.
    """
    path = Path(source)
    if not path.is_file():
        raise InputError(f"{option} {path} does not exist, give a .ckpt of faceimit.train or a .safetensors file")
    wanted, experiment = TASKS[option]
    found = _kind(path)
    if found != wanted:
        name = found.rsplit(".", 1)[-1] if found else "nothing known"
        other = next((other for other, (task, _) in TASKS.items() if task == found), None)
        hint = f" (this one is for {other})" if other else ""
        raise InputError(
            f"{option} {path} holds {name}{hint}, not {wanted.rsplit('.', 1)[-1]}: "
            f"give a checkpoint of python -m faceimit.train experiment={experiment}"
        )
    return path


def _kind(path: Path) -> str | None:
    """The task a checkpoint or weights file was trained for."""
    if path.suffix != ".safetensors":
        return read_checkpoint(path).get(KEY, {}).get("task")
    content = path.read_bytes()
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        form = json.loads(header.get("__metadata__", {}).get("faceimit", "{}")).get("format", "")
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path} is no weights file or is damaged, give one that faceimit wrote") from error
    option = _HEADERS.get(form.rsplit("-", 1)[0])
    if option is None:
        return "flow weights" if any(name.startswith("extract.") for name in header) else None
    return TASKS[option][0]
