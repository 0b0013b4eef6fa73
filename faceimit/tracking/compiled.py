"""``torch.compile`` of the network while it trains."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from faceimit.errors import InputError


class Compiled(Callback):
    """Compiles a task's ``net`` in place for training; whole clips, of any length, are measured without.

    The weights keep their names, so a checkpoint loads with and without.

    Args:
        backend: of ``torch.compile``, such as "inductor".

    Raises:
        InputError: there is no such backend.
    """

    def __init__(self, backend: str = "inductor") -> None:
        names = torch.compiler.list_backends(())
        if backend not in names:
            raise InputError(f"expected compile to be true, false or one of {', '.join(names)} but got {backend}")
        self.backend = backend

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compile at the first step."""
        pl_module.net.compile(backend=self.backend)

    def on_validation_start(self, *_: Any, **__: Any) -> None:
        """Each length of a clip would be compiled anew."""
        torch.compiler.set_stance("force_eager")

    on_test_start = on_validation_start

    def on_validation_end(self, *_: Any, **__: Any) -> None:
        """Back to training."""
        torch.compiler.set_stance("default")

    on_test_end = on_exception = on_validation_end


def compiled(setting: bool | str) -> list[Callback]:
    """The callbacks of the setting ``compile``: false, true (inductor) or a backend of ``torch.compile``."""
    return [Compiled("inductor" if setting is True else setting)] if setting else []
