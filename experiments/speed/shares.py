"""Where the time goes: operators of a keyframe training step, and of one streaming step of the score."""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from latency import feed, graph, network
from torch.profiler import ProfilerActivity, profile
from training import SETTINGS, Bare, repeated

from faceimit.tracking.config import composed, plain
from faceimit.tracking.schema import build

MOST = 8  # operators that get a row of their own
PLURAL = 4  # steps: one of them trains the flow as well, as conf/profile/for/keyframe_multitask_cpu.yaml sets it


def of_training(work: Path, rounds: int) -> list[dict[str, Any]]:
    """Rows of a training step without Lightning, by torch's own operators, each without those it calls.

    Args:
        work: folder for rendered faces.
        rounds: of :data:`PLURAL` steps.
    """
    experiment, small = SETTINGS["keyframe"]
    config = plain(composed([f"experiment={experiment}", "profile=cpu", "logger=none", f"cache={work}", *small]))
    torch.manual_seed(0)
    data, task = build(config["data"]), build(config["task"])
    data.prepare_data()
    data.setup("fit")
    bare, batches = Bare(task.train(), ""), repeated(data)
    given = [next(batches) for _ in range(PLURAL)]
    bare(given[0], 0)
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        for _ in range(rounds):
            for number, batch in enumerate(given):
                bare(batch, number)
    spent = Counter({event.key: event.self_cpu_time_total for event in watched.key_averages()})
    return _rows("training step", spent, rounds * PLURAL * 1e3)


def of_score(steps: int) -> list[dict[str, Any]]:
    """Rows of a streaming step of the score in ONNX Runtime, float32, one thread, by kinds of nodes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "score")
        session = onnxruntime.InferenceSession(graph("score"), options, providers=["CPUExecutionProvider"])
        inputs = [feed("score", given) for given in network("score").inputs]
        for step in range(steps):
            session.run(None, inputs[step % len(inputs)])
        events = json.loads(Path(session.end_profiling()).read_text())
    spent: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    return _rows("score, ONNX float32", spent, steps * 1e3)


def _rows(what: str, spent: Counter[str], microseconds: float) -> list[dict[str, Any]]:
    """The dearest operators and the rest; `microseconds` make a millisecond a step."""
    whole = sum(spent.values())
    most = spent.most_common(MOST)
    parts = [*most, ("all others", whole - sum(time for _, time in most)), ("together", whole)]
    return [
        {"table": "profile", "what": what, "part": name, "cpu_ms": time / microseconds, "share": time / whole}
        for name, time in parts
    ]
