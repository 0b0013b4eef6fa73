"""Batches and random numbers that depend on the seed and the batch number alone, so that a resumed run repeats them."""

import random
from collections.abc import Callable, Iterator, Sized
from typing import Any, Protocol

import numpy as np
import torch

from faceimit.data.sharding import processes, shards_itself


class Loader(Sized, Protocol):
    """What is needed of a data loader: a length and an iterator."""

    def __iter__(self) -> Iterator[Any]: ...


def seed_all(*key: int) -> None:
    """Seed the global generators of torch, numpy and random from a tuple of non-negative integers."""
    words = np.random.SeedSequence(key).generate_state(3)
    torch.manual_seed(int(words[0]))
    np.random.seed(int(words[1]))  # noqa: NPY002  libraries still draw from the global generator
    random.seed(int(words[2]))


class ReplayLoader:
    """A train loader that continues at any batch as if it had never stopped.

    The generators are seeded from (seed, epoch) before the order of an epoch is drawn, from (seed, epoch, batch)
    before a batch is loaded and again before it is trained on; where several processes train, each but the first adds
    its rank to the latter two. Batches before the position are loaded and dropped, so that loader processes, which draw
    from one stream, arrive where they were.

    Args:
        loader: the loader proper; it and its data set draw from the global generators or none.
        seed: of the run.
        position: number of training batches the run has drawn so far, asked when an epoch begins.
    """

    def __init__(self, loader: Loader, seed: int, position: Callable[[], int]) -> None:
        self.loader = loader
        self.seed = seed
        self.position = position

    def __len__(self) -> int:
        """Batches in a whole epoch."""
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        """The batches of the current epoch from the current position on."""
        epoch, offset = divmod(self.position(), len(self))
        for name in ("sampler", "batch_sampler"):
            tell = getattr(getattr(self.loader, name, None), "set_epoch", None)
            if tell is not None:
                tell(epoch)
        seed_all(self.seed, epoch)
        rank, _ = processes()
        mine = (rank,) if rank else ()
        batches = iter(self.loader)
        for number in range(len(self)):
            seed_all(self.seed, epoch, number, 0, *mine)
            batch = next(batches)
            seed_all(self.seed, epoch, number, 1, *mine)
            if number >= offset:
                yield batch

    # The position is the trainer's, which its checkpoint holds already. Lightning takes a loader that has these two
    # for one that can continue within an epoch.
    def state_dict(self) -> dict[str, Any]:
        """Nothing besides the trainer's own count."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


def replayable(data: Any, trainer: Any, seed: int) -> Any:
    """`data` (a LightningDataModule) with its train loader wrapped.

    Where several processes train, a loader that does not deal out its items by itself
    (:mod:`faceimit.data.sharding`) stays as it is, for Lightning to deal them out.
    """
    original = data.train_dataloader

    def position() -> int:
        return trainer.fit_loop.epoch_loop.batch_progress.total.ready

    def wrapped() -> Any:
        loader = original()
        together = trainer.world_size > 1 and not shards_itself(loader)
        return loader if together else ReplayLoader(loader, seed, position)

    data.train_dataloader = wrapped
    return data
