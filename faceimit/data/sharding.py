"""What of the data is a process's own when several train together; one alone owns everything.

Training: each process draws windows from its own clips, about as many as each other. Validation and test: every item is
measured by one process. Where items do not divide, some processes see an item again to stay in step with the others
(a batch less would leave them waiting for each other), and :func:`once` leaves those out of the figures.
"""

from collections.abc import Iterator, Mapping, Sized
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler

NUMBER, REPEATED = "number", "repeated"
T = TypeVar("T")


def processes() -> tuple[int, int]:
    """(rank, number) of the processes that train together: (0, 1) for one alone."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def own(count: int) -> list[int]:
    """Numbers of the items, of `count`, that this process owns: each item has one owner, but a process without any
    would own the first of another's.
    """
    rank, number = processes()
    return list(range(rank, count, number)) or [rank % count]


def own_steps(steps: int) -> int:
    """Batches of an epoch of `steps` batches that each process trains on."""
    return -(-steps // processes()[1])


class Share(Dataset[dict[str, Any]]):
    """The items of a data set that this process measures, as many as every other process does.

    Items gain ``number``, that in the whole set, and ``repeated``, whether it is another process's.
    """

    def __init__(self, items: Dataset[Any]) -> None:
        rank, number = processes()
        self.items = items
        self.count = len(items)  # type: ignore[arg-type]
        self.places = range(rank, -(-self.count // number) * number, number)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        place = self.places[index]
        extra = {NUMBER: place % self.count, REPEATED: torch.tensor(place >= self.count)}
        return self.items[place % self.count] | extra


def measured(items: Dataset[Any], **options: Any) -> DataLoader:
    """Loader of this process's share for validation or test; `options` of ``DataLoader``."""
    if processes()[1] == 1:
        return DataLoader(items, **options)
    share = Share(items)
    return DataLoader(share, sampler=as_given(share), **options)


def as_given(items: Dataset[Any]) -> DistributedSampler | None:
    """All items in order: a sampler by which Lightning knows that they are this process's own already."""
    return None if processes()[1] == 1 else DistributedSampler(items, num_replicas=1, rank=0, shuffle=False)


def shuffled(items: Dataset[Any], own: bool = False) -> dict[str, Any]:
    """How a ``DataLoader`` shuffles: alone by the global generator, together each process a part of the same order.

    Args:
        items: of all processes.
        own: the items are this process's own already, as many as those of each other.
    """
    rank, number = processes()
    if number == 1:
        return {"shuffle": True}
    if own:
        return {"sampler": DistributedSampler(items, num_replicas=1, rank=0, shuffle=True, seed=rank)}
    return {"sampler": DistributedSampler(items, num_replicas=number, rank=rank, shuffle=True)}


class OwnBatches(Sampler[list[int]]):
    """Every n-th batch of a batch sampler, the same number for each process; all must draw the same order.

    Args:
        batches: of the whole epoch, whose order comes from torch's global generator.
    """

    def __init__(self, batches: Any) -> None:
        self.batches = batches
        self.rank, self.number = processes()

    def __len__(self) -> int:
        return max(1, len(self.batches) // self.number)

    def __iter__(self) -> Iterator[list[int]]:
        order = list(self.batches)  # now, not at the first batch, when the generators differ
        return iter([order[(step * self.number + self.rank) % len(order)] for step in range(len(self))])


def shards_itself(loader: Any) -> bool:
    """Whether a train loader gives each process its own, so that nobody must deal the items out again."""
    samplers = (getattr(loader, name, None) for name in ("sampler", "batch_sampler"))
    return any(isinstance(sampler, DistributedSampler | OwnBatches) for sampler in samplers)


def once(batch: Mapping[str, Any]) -> dict[str, Any] | None:
    """A batch of :func:`measured` without the items another process measures; None where nothing is left."""
    if REPEATED not in batch:
        return dict(batch)
    keep = ~batch[REPEATED]
    if not bool(keep.any()):
        return None
    if bool(keep.all()):
        return dict(batch)
    return {name: _rows(values, keep) for name, values in batch.items()}


def _rows(values: Any, keep: Tensor) -> Any:
    if isinstance(values, Tensor):
        return values[keep]
    return [value for value, kept in zip(values, keep.tolist(), strict=True) if kept]


def gathered(found: Mapping[int, T]) -> list[T]:
    """What each process found of its items, by number: of all items in order, the same list in every process."""
    if processes()[1] == 1:
        return [found[number] for number in sorted(found)]
    parts: list[Any] = [None] * processes()[1]
    distributed.all_gather_object(parts, dict(found))
    everything: dict[int, T] = {}
    for part in parts:
        everything |= part
    return [everything[number] for number in sorted(everything)]


def agreed(value: float, device: torch.device | str = "cpu") -> float:
    """The first process's value, in all of them."""
    if processes()[1] == 1:
        return value
    told = torch.tensor(value, dtype=torch.float64, device=device)
    distributed.broadcast(told, 0)
    return float(told)


def fewest(count: int) -> int:
    """The least count of any process."""
    if processes()[1] == 1:
        return count
    counts: list[Any] = [0] * processes()[1]
    distributed.all_gather_object(counts, count)
    return min(counts)


def anybody(asks: bool, device: torch.device | str = "cpu") -> bool:
    """Whether any process asks for it."""
    return largest(float(asks), device) > 0


def largest(value: float, device: torch.device | str = "cpu") -> float:
    """The greatest value of any process, exact to float32."""
    if processes()[1] == 1:
        return value
    values = torch.tensor(value, dtype=torch.float32, device=device)
    distributed.all_reduce(values, distributed.ReduceOp.MAX)
    return float(values)


def numbered(batch: Mapping[str, Any], seen: Sized) -> int:
    """Number of the one item of a batch in its whole set; one process alone sees them in order."""
    return int(batch[NUMBER][0]) if NUMBER in batch else len(seen)
