"""The torchmetrics classes: agreement with the functions, batches, merged states, two processes."""

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp

from faceimit.metrics import matching
from faceimit.metrics.keyframe import NAMES, KeyframeError, KeyframeErrors


def _clips(count: int = 7) -> list[tuple[list[int], list[int], int, list[int]]]:
    rng = np.random.default_rng(3)
    clips = []
    for i in range(count):
        frames = int(rng.integers(20, 120))
        p, g, w = (sorted(rng.choice(frames, size=n, replace=False).tolist()) for n in rng.integers(0, 9, 3))
        clips.append(([] if i == 2 else p, [] if i == 4 else g, frames, w))
    return clips


def _reference(clips) -> dict[str, float]:
    numbers = [abs(len(p) - len(g)) for p, g, _, _ in clips]
    result = {"E_n": np.mean(numbers), "E_n_100": 100 * sum(numbers) / sum(n for _, _, n, _ in clips)}
    for name, function in (
        ("ordinal", matching.location_error_ordinal),
        ("matched", matching.location_error_matched),
        ("near", lambda p, g: matching.location_error_matched(p, g, 2)),
    ):
        pairs = [function(p, g) for p, g, _, _ in clips]
        result[f"E_l_{name}"] = np.mean([distance / n for distance, n in pairs if n])
    result["F1"] = matching.f1(*([clip[i] for clip in clips] for i in (0, 1, 3)))
    return result


def _filled(clips) -> KeyframeErrors:
    metric = KeyframeErrors()
    for clip in clips:
        metric.update(*clip)
    return metric


def test_class_and_functions_agree():
    values = _filled(_clips()).compute()
    assert tuple(values) == NAMES
    for name, expected in _reference(_clips()).items():
        assert values[name].item() == pytest.approx(expected), name


@pytest.mark.parametrize("name", NAMES)
def test_single_errors_are_scalars(name):
    metric, clips = KeyframeError(name), _clips()
    for clip in clips:
        metric.update(*clip)
    assert metric.compute() == _filled(clips).compute()[name]
    metric.reset()
    assert metric.clips == 0


def test_tensors_are_taken_too():
    p, g, frames, w = _clips()[0]
    metric = KeyframeErrors()
    metric.update(torch.tensor(p), torch.tensor(g), frames, torch.tensor(w))
    torch.testing.assert_close(metric.compute(), _filled(_clips()[:1]).compute(), equal_nan=True)


def test_merged_states_equal_one_pass():
    first, second = _filled(_clips()[:3]), _filled(_clips()[3:])
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), _filled(_clips()).compute())


def test_nothing_predicted_and_nothing_true():
    metric = KeyframeErrors()
    metric.update([], [], 100)
    values = metric.compute()
    assert values["E_n"] == 0
    assert values["F1"] == 1
    assert torch.isnan(values["E_l_matched"])


def test_unknown_error_is_named():
    with pytest.raises(ValueError, match="E_n"):
        KeyframeError("E_x")


def _one_of_two(rank: int, store: str) -> dict[str, float]:
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    try:
        return {name: value.item() for name, value in _filled(_clips()[rank::2]).compute().items()}
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without distributed")
def test_two_processes_give_the_value_of_one(tmp_path):
    store = f"file://{tmp_path}/store"
    # One child only: starting an interpreter with torch is what takes the time.
    child = mp.get_context("spawn").Process(target=_one_of_two, args=(1, store))
    child.start()
    values = _one_of_two(0, store)
    child.join()
    assert child.exitcode == 0
    assert values == pytest.approx({name: value.item() for name, value in _filled(_clips()).compute().items()})
