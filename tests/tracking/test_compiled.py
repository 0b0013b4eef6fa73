import pytest
import pytorch_lightning as pl
import torch

from faceimit.errors import InputError
from faceimit.tasks.keyframe import KeyframeTask
from faceimit.tracking.compiled import compiled
from tests.tasks.test_keyframe import SMALL, Blobs, trainer


def fitted(setting, folder=None):
    pl.seed_everything(0, verbose=False)
    task = KeyframeTask(**SMALL | {"dropout": 0.0}, flow=False, warmup=1)
    job = trainer(max_epochs=1, callbacks=compiled(setting))
    job.fit(task, Blobs(window=6, batch_size=2, steps=3, augmentation=None))
    if folder is not None:
        job.save_checkpoint(folder / "a.ckpt")
    return task


def test_a_compiled_training_is_the_same_and_its_checkpoint_loads_without(tmp_path):
    seen = []

    def backend(graph, inputs):  # as eager, and counts
        seen.append(len(graph.graph.nodes))
        return graph.forward

    torch.compiler.reset()
    torch._dynamo.register_backend(backend, name="counting")
    task, plain = fitted("counting", tmp_path), fitted(False)
    assert sum(seen) > 50
    state = torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"]
    assert list(state) == list(plain.state_dict())
    other = KeyframeTask(**SMALL, flow=False)
    other.load_state_dict(state)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(task.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_false_is_nothing_and_an_unknown_backend_is_named():
    assert compiled(False) == []
    assert compiled(True)[0].backend == "inductor"
    with pytest.raises(InputError, match=r"one of .*inductor.* but got fast"):
        compiled("fast")
