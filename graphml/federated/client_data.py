"""The data of one client, as its training and its evaluation see them."""

import abc
from collections.abc import Iterator
from typing import Any

import torch
from torch_geometric.data import Batch, Data

from graphml.data import DialogueBatch, PackedDialogues
from graphml.data.link_datamodule import with_seeds

STAGES = ("train", "val", "test")


class ClientData(abc.ABC):
    """Batches of each stage, and how many examples they hold."""

    @abc.abstractmethod
    def batches(self, stage: str, generator: torch.Generator | None = None) -> Iterator[Any]:
        """One pass over a stage's examples.

        Args:
            stage: ``train``, ``val`` or ``test``.
            generator: Where the order comes from; None for the order of the data.
        """

    @abc.abstractmethod
    def num_examples(self, stage: str) -> int:
        """Number of labelled examples of a stage: the weight of this client in an average.

        Args:
            stage: ``train``, ``val`` or ``test``.
        """

    def everything(self, stage: str) -> Any:
        """All examples of a stage in one batch, for statistics.

        Args:
            stage: ``train``, ``val`` or ``test``.

        Raises:
            NotImplementedError: If no task takes statistics of such data.
        """
        raise NotImplementedError(f"{type(self).__name__} has no statistics for a task to keep")


class NodeData(ClientData):
    """A graph whose masks are the stages; one batch is all of it.

    Args:
        data: The client's graph.
    """

    def __init__(self, data: Data) -> None:
        self.data = data

    def batches(self, stage: str, generator: torch.Generator | None = None) -> Iterator[Data]:
        """The graph, once; not even once where it has no node in the stage."""
        if self.num_examples(stage):
            yield self.data

    def num_examples(self, stage: str) -> int:
        """Nodes in the stage's mask."""
        return int(self.data[f"{stage}_mask"].sum())


class GraphsData(ClientData):
    """Graphs in mini-batches.

    Args:
        graphs: Graphs of each stage.
        batch_size: Graphs in a batch, at least 1.
    """

    def __init__(self, graphs: dict[str, list[Data]], batch_size: int) -> None:
        self.graphs, self.batch_size = graphs, batch_size

    def batches(self, stage: str, generator: torch.Generator | None = None) -> Iterator[Data]:
        """Batches of the stage's graphs."""
        graphs = self.graphs[stage]
        for chosen in _chunks(len(graphs), self.batch_size, generator):
            yield Batch.from_data_list([graphs[number] for number in chosen])

    def num_examples(self, stage: str) -> int:
        """Graphs of the stage."""
        return len(self.graphs[stage])


class LinksData(ClientData):
    """A knowledge graph; batches of training are some of its triples, the other stages are one batch.

    Args:
        data: Graph with ``edge_index`` [2, T], ``edge_type`` [T] and a mask [T] for each stage.
        batch_size: Training triples in a batch, at least 1.
    """

    def __init__(self, data: Data, batch_size: int) -> None:
        self.data, self.batch_size = data, batch_size

    def batches(self, stage: str, generator: torch.Generator | None = None) -> Iterator[Data]:
        """The graph, with the ``seeds`` of a batch in training; not even once where it has no triple in the stage."""
        size = self.num_examples(stage)
        if stage != "train":
            yield from [self.data] if size else []
            return
        training = self.data.train_mask.nonzero().squeeze(1)
        for chosen in _chunks(size, self.batch_size, generator):
            yield with_seeds(self.data, training[chosen])

    def num_examples(self, stage: str) -> int:
        """Triples in the stage's mask."""
        return int(self.data[f"{stage}_mask"].sum())


class DialoguesData(ClientData):
    """Packed dialogues in mini-batches.

    Args:
        data: All dialogues, shared by the clients.
        index: Numbers of the client's dialogues of each stage.
        batch_size: Dialogues in a batch, at least 1.
    """

    def __init__(self, data: PackedDialogues, index: dict[str, list[int]], batch_size: int) -> None:
        self.data, self.index, self.batch_size = data, index, batch_size

    def batches(self, stage: str, generator: torch.Generator | None = None) -> Iterator[Any]:
        """Batches of the stage's dialogues."""
        index = self.index[stage]
        for chosen in _chunks(len(index), self.batch_size, generator):
            yield self.data.select([index[number] for number in chosen])

    def everything(self, stage: str) -> DialogueBatch:
        """All dialogues of a stage.

        Args:
            stage: ``train``, ``val`` or ``test``.
        """
        return self.data.select(self.index[stage])

    def num_examples(self, stage: str) -> int:
        """Dialogues of the stage."""
        return len(self.index[stage])


def _chunks(size: int, batch_size: int, generator: torch.Generator | None) -> Iterator[list[int]]:
    order = torch.arange(size) if generator is None else torch.randperm(size, generator=generator)
    for chosen in order.split(batch_size) if size else ():
        yield chosen.tolist()
