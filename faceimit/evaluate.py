"""Measure a trained network and every baseline on the same clips.

python -m faceimit.evaluate checkpoint=RUN/checkpoints/best.ckpt
"""

import contextlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceimit.errors import InputError
from faceimit.tracking.cli import did_you_mean
from faceimit.tracking.command import run_configured

OURS = "faceimit"  # the row of the checkpoint
SHIPPED = "shipped"
NONE = "none"
TRUTH_NOTE = "the source of the truth: it was made by this annotator, on the whole pictures of these clips"


def evaluate(config: Mapping[str, Any], changed: Mapping[str, Any] | None = None) -> Path:
    """Score, choose search parameters on validation, measure on test, write the tables and plots.

    Args:
        config: plain, composed configuration (conf/evaluate.yaml).
        changed: what the user set on the command line; without a word on the data, those of the checkpoint's run are
            used.

    Returns:
        The folder of results.csv (one row a method), clips.csv (one a method and clip), results.json and plots.

    Raises:
        InputError: a checkpoint or data that cannot be read, an unknown method.
    """
    from faceimit.data.datamodule import ClipData, SyntheticFaces
    from faceimit.keyframes.blendshapes import BlendshapeScorer
    from faceimit.keyframes.methods import BLENDSHAPES_METHOD
    from faceimit.tracking import results
    from faceimit.tracking.comparison import CEILING, Split, ceiling, classical, compare, network
    from faceimit.tracking.environment import environment
    from faceimit.tracking.schema import Evaluation, build, check_fields, check_kind, check_target, resolve

    check_fields("", config, Evaluation)
    settings = data_settings(config, changed or {})
    check_target("data", settings)
    check_folder(config)
    names = chosen_methods(config["methods"])
    model, missing = blendshape_model(config)
    networks = {name: load(path) for name, path in named_checkpoints(config).items()}
    check_kind(resolve(settings["_target_"]), ClipData.kind, "evaluate measures on")
    data = build(settings)
    data.prepare_data()
    val, test = (Split.of(data.corpus(split), data.c_ref) for split in ("val", "test"))
    scorers = {name: network(scorer) for name, scorer in networks.items()}
    with results.progress(len(networks) + len(names) + 2) as advance, contextlib.ExitStack() as stack:
        scorers |= {name: classical(name, data.corpus("train")) for name in names}
        if model is not None:
            annotator = stack.enter_context(contextlib.closing(BlendshapeScorer(model, data.c_ref)))
            scorers[BLENDSHAPES_METHOD] = network(annotator)
        scorers[CEILING] = ceiling({id(val.corpus): val, id(test.corpus): test}, config["seed"])
        found = compare(scorers, val, test, advance)
    folder = out_folder(config)
    notes = {} if isinstance(data, SyntheticFaces) else {BLENDSHAPES_METHOD: TRUTH_NOTE}
    results.write(folder, found, test, environment(config["seed"]), data.c_ref, config["plots"], notes)
    results.show(found, notes)
    if missing:
        print(missing, file=sys.stderr)
    return folder


def chosen_methods(methods: Any) -> list[str]:
    """Names of classical methods; "all": every one.

    Raises:
        InputError: an unknown name.
    """
    from faceimit.keyframes.methods import BLENDSHAPES_METHOD, METHODS

    if methods == "all":
        return list(METHODS)
    if not isinstance(methods, list):
        raise InputError(f"expected methods to be all or a list but got {methods!r}, try methods=[frame_difference]")
    unknown = [name for name in methods if name not in {*METHODS, BLENDSHAPES_METHOD}]
    if unknown:
        valid = ", ".join((*METHODS, BLENDSHAPES_METHOD))
        raise InputError(f"unknown method {unknown[0]!r}, choose from {valid}")
    return [name for name in methods if name != BLENDSHAPES_METHOD]


def blendshape_model(config: Mapping[str, Any]) -> tuple[Path | None, str]:
    """The model file of the method blendshapes, or None and a line that says why that row is missing.

    The line is empty where the row was not asked for.

    Raises:
        InputError: it was asked for by name, or its file was given, but it cannot be had.
    """
    from faceimit.data.annotators.model import how_to_get, known_model_file, model_file
    from faceimit.keyframes.methods import BLENDSHAPES_METHOD

    if config["methods"] != "all":
        return (model_file(config["model"]) if BLENDSHAPES_METHOD in config["methods"] else None), ""
    path = known_model_file(config["model"])
    if path is None:
        return None, f"no row {BLENDSHAPES_METHOD}: there is no face model; {how_to_get()}"
    if importlib.util.find_spec("mediapipe") is None:
        return None, f"no row {BLENDSHAPES_METHOD}: MediaPipe is not installed, pip install 'faceimit[annotate]'"
    return path, ""


def named_checkpoints(config: Mapping[str, Any]) -> dict[str, str]:
    """The networks to measure, by the name they have in the table.

    Raises:
        InputError: another row has that name.
    """
    from faceimit.keyframes.methods import BLENDSHAPES_METHOD, METHODS
    from faceimit.tracking.comparison import CEILING

    first, others = config["checkpoint"], config["others"]
    taken = [name for name in (OURS, *METHODS, BLENDSHAPES_METHOD, CEILING) if name in others]
    if taken:
        raise InputError(f"others.{taken[0]}: a row of the table has that name, try +others.{taken[0]}_2=...")
    return ({} if first == NONE else {OURS: first}) | others


def data_settings(config: Mapping[str, Any], changed: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data the user asked for, else those the checkpoint's run was trained and tested on."""
    asked = {name.split(".")[0] for name in changed} & {"data", "budget", "seed", "cache"}
    run = run_of(config["checkpoint"])
    if asked or run is None:
        return config["data"]
    from faceimit.tracking.run_data import data_of
    from faceimit.tracking.runs import saved_config

    return data_of(run, saved_config(run))


def run_of(checkpoint: str) -> Path | None:
    """The run folder a checkpoint lies in."""
    path = Path(str(checkpoint))
    run = path.parents[1] if path.parent.name == "checkpoints" else None
    return run if run is not None and (run / "config.yaml").is_file() else None


def load(path: str) -> Any:
    """The scorer of a checkpoint, a .safetensors file or the shipped weights.

    Raises:
        InputError: there is none, or it is none of a keyframe task.
    """
    from faceimit.keyframes.weights import load_network, network_scorer

    if path == SHIPPED or path.endswith(".safetensors"):
        return load_network(None if path == SHIPPED else path)
    from faceimit.tracking.checkpoints import load_task

    if not Path(path).exists():
        near = did_you_mean(path, (SHIPPED, NONE))
        raise InputError(f"checkpoint {path} does not exist{near}, give RUN/checkpoints/best.ckpt, {SHIPPED} or {NONE}")
    task = load_task(path, "faceimit.tasks.keyframe.KeyframeTask")
    return network_scorer(task.net, task.search, Path(path).stem)


def out_folder(config: Mapping[str, Any]) -> Path:
    """Where the results go: the folder named, else one of its own for each evaluation."""
    from faceimit.tracking.evaluations import unused

    if config["out"] is not None:
        return Path(config["out"])
    run = run_of(config["checkpoint"])
    return unused((Path("runs") if run is None else run) / "evaluation")


def check_folder(config: Mapping[str, Any]) -> None:
    """Refuse, before the work, a folder that cannot be written or holds the results of something else.

    Raises:
        InputError: as said.
    """
    from faceimit.tracking.evaluations import FILES
    from faceimit.tracking.outputs import check_outputs

    folder = out_folder(config)
    if (folder / FILES[0]).is_file() and (folder / FILES[1]).is_file():
        print(f"the evaluation in {folder} will be replaced", file=sys.stderr)
    elif there := [name for name in FILES if (folder / name).exists()]:
        raise InputError(f"out={folder} holds a {there[0]} of something else, choose another folder")
    check_outputs({f"out={folder}:": folder / FILES[0]})


def main() -> int:
    """Compose the configuration from the command line and evaluate."""
    return run_configured(lambda config, changed: print(evaluate(config, changed)), root="evaluate")


if __name__ == "__main__":
    sys.exit(main())
