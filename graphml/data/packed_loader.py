"""Batches of packed dialogues: seeded order, similar lengths together, shares for the ranks, prefetching to a GPU."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from graphml.data.packed import PackedDialogues
from graphml.ops import DialogueBatch

T = TypeVar("T")


class LengthBucketSampler(Sampler[list[int]]):
    """Batches of items of similar lengths, in an order that the seed and the epoch's number alone give.

    Each iteration is the next epoch, as in `EpochShuffle`; Lightning calls `set_epoch`. Every rank gets the same number
    of batches, and batches of one step have similar lengths on all ranks. An item comes once an epoch, except that the
    last step repeats some when fewer are left than there are ranks.

    Args:
        lengths: Length of each item.
        batch_size: Items in a batch of one rank, at least 1.
        shuffle: Another order each epoch, batches of similar lengths; else the items' own order.
        seed: Seed of the orders, not negative.
        bucket: Steps whose items are sorted by length together, at least 1: more makes lengths more alike, and the
            company of an item less random.
        rank: This process's number; default: that of `torch.distributed`, 0 when it is not in use.
        world_size: Number of processes; default likewise.

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        bucket: int = 8,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        for name, value, least in (("batch_size", batch_size, 1), ("bucket", bucket, 1), ("seed", seed, 0)):
            if value < least:
                raise ValueError(f"{name}: expected at least {least}, got {value}")
        if (rank is None) != (world_size is None) or not 0 <= (rank or 0) < (1 if world_size is None else world_size):
            raise ValueError(
                f"rank and world_size: expected 0 <= rank < world_size, or neither, got {rank}, {world_size}"
            )
        self.lengths = np.asarray(lengths)
        self.batch_size, self.shuffle, self.seed, self.bucket = batch_size, shuffle, seed, bucket
        self._share = (rank, world_size)
        self.epoch = 0

    @property
    def share(self) -> tuple[int, int]:
        """Rank and number of processes; asked at each epoch, because Lightning starts them after this was built."""
        rank, world_size = self._share
        if rank is not None and world_size is not None:
            return rank, world_size
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return 0, 1

    def set_epoch(self, epoch: int) -> None:
        """Choose the order.

        Args:
            epoch: Number of the epoch, from 0.
        """
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // (self.batch_size * self.share[1]))

    def __iter__(self) -> Iterator[list[int]]:
        # A generator: Lightning makes the iterator of a resumed run before it calls `set_epoch`, and this line waits
        # for the first batch.
        steps, (rank, world_size) = self._steps(), self.share
        self.epoch += 1
        for step in steps:
            complete = step if len(step) >= world_size else np.resize(step, world_size)
            yield complete[rank::world_size].tolist()

    def _steps(self) -> list[NDArray[np.int64]]:
        """Items of all ranks in each step of the epoch."""
        size = self.batch_size * self.share[1]
        order = np.arange(len(self.lengths))
        if not self.shuffle:
            return [order[start : start + size] for start in range(0, len(order), size)]
        rng = np.random.default_rng([self.seed, self.epoch])
        items = rng.permutation(order)
        items = items[np.lexsort((self.lengths[items], order // (size * self.bucket)))]
        steps = [items[start : start + size] for start in range(0, len(items), size)]
        return [steps[number] for number in rng.permutation(len(steps))]


class PackedLoader:
    """Batches of packed dialogues on the device to train on.

    Data that lie on that device need no workers, no copies and no waiting: a batch is a gather. Data on the host are
    gathered there, and sent to a GPU from pinned memory on a stream of their own while the batch before is used.

    It is an iterable of its own and no `DataLoader`, so that Lightning leaves the shares of distributed training to
    the sampler; `Trainer.fit` calls `sampler.set_epoch` all the same, and a run that stopped within an epoch goes on at
    the batch after its last.

    Args:
        data: The dialogues.
        batch_size: Dialogues in a batch of one rank, at least 1.
        shuffle: See `LengthBucketSampler`.
        index: ``[D]`` numbers of the dialogues to use, such as those of a split; default all.
        seed: Seed of the orders, not negative.
        bucket: See `LengthBucketSampler`.
        transform: Function applied to each batch on its device, such as `AddDialogueEdges`.
        device: Where the batches go; default: where the data lie.
        num_workers: Processes that gather, for data on the host; 0 gathers here.
        rank: See `LengthBucketSampler`.
        world_size: See `LengthBucketSampler`.

    Raises:
        ValueError: If an option is out of range, or workers are wanted for data on a GPU.
    """

    def __init__(
        self,
        data: PackedDialogues,
        batch_size: int,
        shuffle: bool = False,
        index: Sequence[int] | Tensor | None = None,
        seed: int = 0,
        bucket: int = 8,
        transform: Callable[[DialogueBatch], DialogueBatch] | None = None,
        device: torch.device | str | None = None,
        num_workers: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        if num_workers < 0 or (num_workers > 0 and data.device.type != "cpu"):
            least = "at least 0" if data.device.type == "cpu" else f"0 for data on {data.device}"
            raise ValueError(f"num_workers: expected {least}, got {num_workers}")
        chosen = torch.arange(len(data)) if index is None else torch.as_tensor(index, dtype=torch.int64).cpu()
        if chosen.dim() != 1 or chosen.numel() == 0 or int(chosen.min()) < 0 or int(chosen.max()) >= len(data):
            raise ValueError(f"index: expected a vector of dialogues 0 to {len(data) - 1}, at least one, got {index}")
        lengths = data.host_lengths[chosen].tolist()
        self.data, self.transform = data, transform
        self.device = data.device if device is None else torch.device(device)
        self.sampler = LengthBucketSampler(lengths, batch_size, shuffle, seed, bucket, rank, world_size)
        self.batch_sampler = self.sampler  # Lightning asks evaluation loaders for it by this name
        self.num_workers = num_workers
        self._index = chosen.tolist()
        self._given = self._skip = 0

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[DialogueBatch]:
        start, self._skip = self._skip, 0
        self._given = start
        for batch in self._on_device(start):
            self._given += 1
            yield batch if self.transform is None else self.transform(batch)

    def state_dict(self) -> dict[str, int]:
        """Tell how many batches of the current epoch have been given; Lightning asks for its checkpoints."""
        return {"given": self._given % len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on in the middle of an epoch.

        Args:
            state: What `state_dict` returned.
        """
        self._skip = state["given"]

    def _on_device(self, start: int) -> Iterator[DialogueBatch]:
        batches = self._gathered(start)
        if self.device.type == "cuda" and self.data.device.type == "cpu":
            return prefetched(batches, self.device)
        return (batch.to(self.device) for batch in batches)

    def _gathered(self, start: int) -> Iterator[DialogueBatch]:
        """Batches where the data lie, from a number on."""
        chosen = ([self._index[item] for item in items] for items in itertools.islice(self.sampler, start, None))
        if self.num_workers == 0:
            return map(self.data.select, chosen)
        generator = torch.Generator().manual_seed(self.sampler.seed)  # of the workers: the global one stays as it is
        return iter(
            DataLoader(
                self.data,
                batch_sampler=_Once(chosen),
                collate_fn=_unchanged,
                num_workers=self.num_workers,
                generator=generator,
            )
        )


class _Once(Sampler[list[int]]):
    """One epoch's batches, as `DataLoader` wants them."""

    def __init__(self, batches: Iterator[list[int]]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[list[int]]:
        return self.batches


def _unchanged(value: T) -> T:
    return value


def prefetched(batches: Iterator[DialogueBatch], device: torch.device) -> Iterator[DialogueBatch]:
    """Send each batch to a GPU while the one before it is in use.

    Args:
        batches: Batches on the host.
        device: The GPU.

    Yields:
        The batches on the GPU, ready for the current stream.
    """
    side = torch.cuda.Stream(device)
    waiting: tuple[DialogueBatch, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(side):
            sent = batch.pin_memory().to(device, non_blocking=True), side.record_event()
        if waiting is not None:
            yield _received(*waiting)
        waiting = sent
    if waiting is not None:
        yield _received(*waiting)


def _received(batch: DialogueBatch, copied: torch.cuda.Event) -> DialogueBatch:
    current = torch.cuda.current_stream(batch.speakers.device)
    current.wait_event(copied)

    def keep(tensor: Tensor) -> Tensor:
        tensor.record_stream(current)  # its memory belongs to the other stream, which must not reuse it too early
        return tensor

    return batch.apply(keep)
