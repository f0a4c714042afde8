"""Published protocols of federated node classification: split, evaluation and selection, by name.

Figures of different protocols cannot be compared: Cora by ``fs-g`` has 12 times the training nodes that it has by
``fedgcn``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import RandomNodeSplit

from graphml.data.splits import NodeSplit, public_split
from graphml.federated.partition import Partition
from graphml.federated.seeds import derived_seed, forked_random_state

# Training nodes of each class and validation nodes in all, by the number of classes and nodes of the three graphs of
# FederatedScope-GNN; the rest are for test. Other graphs get 60 % and 20 %.
FS_G_SPLITS = {(7, 2708): (232, 542), (6, 3327): (332, 665), (3, 19717): (3943, 3943)}


@dataclass(frozen=True)
class Protocol:
    """How a paper splits, evaluates and chooses.

    Attributes:
        name: What it is called here.
        source: The paper.
        split: From the graph, the partition and a seed to the masks of all nodes, each bool [N].
        evaluate_on: ``graph``: on the un-cut graph, by the server (clients with models of their own evaluate there
            too); ``clients``: each client on its own subgraph, all test nodes counting the same.
        select: ``best``: test accuracy at the round of the best validation accuracy; ``last``: at the last round.
    """

    name: str
    source: str
    split: Callable[[Data, Partition, int], NodeSplit]
    evaluate_on: Literal["graph", "clients"]
    select: Literal["best", "last"]


def fs_g_split(data: Data, partition: Partition, seed: int) -> NodeSplit:
    """Split of FederatedScope-GNN: about 60/20/20, so many training nodes of each class.

    On Cora 232 of each class train; two classes have fewer nodes, and none in the other parts.

    Args:
        data: The graph.
        partition: Unused.
        seed: Seed of the split.
    """
    shape = (int(data.y.max()) + 1, int(data.num_nodes or 0))
    num_train, num_val = FS_G_SPLITS.get(shape, (round(0.6 * shape[1] / shape[0]), round(0.2 * shape[1])))
    # The transform draws from torch's global stream alone.
    with forked_random_state(derived_seed(seed, 0, -3)):
        split = RandomNodeSplit("test_rest", num_splits=1, num_train_per_class=num_train, num_val=num_val)
        out = split(Data(y=data.y, num_nodes=data.num_nodes))
    return NodeSplit(out.train_mask, out.val_mask, out.test_mask)


def openfgl_split(data: Data, partition: Partition, seed: int) -> NodeSplit:
    """Split of OpenFGL: 20/40/40 of each class of each client, rounded down for training and validation.

    Args:
        data: The graph.
        partition: Nodes of each client.
        seed: Seed of the split.
    """
    masks = [torch.zeros(int(data.num_nodes or 0), dtype=torch.bool) for _ in range(3)]
    for number, members in enumerate(partition.members):
        generator = torch.Generator().manual_seed(derived_seed(seed, number, -3))
        for label in range(int(data.y.max()) + 1):
            nodes = members[data.y[members] == label]
            nodes = nodes[torch.randperm(len(nodes), generator=generator)]
            for mask, part in zip(masks, _shares(nodes, 0.2, 0.4), strict=True):
                mask[part] = True
    return NodeSplit(*masks)


def fedgcn_split(data: Data, partition: Partition, seed: int) -> NodeSplit:
    """The split that the graph was published with.

    Args:
        data: The graph.
        partition: Unused.
        seed: Unused.
    """
    return NodeSplit(*(mask[:, 0] for mask in public_split(data)))


def _shares(nodes: Tensor, train: float, val: float) -> tuple[Tensor, Tensor, Tensor]:
    first, second = int(train * len(nodes)), int((train + val) * len(nodes))
    return nodes[:first], nodes[first:second], nodes[second:]


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("fs-g", "FederatedScope-GNN, KDD 2022, arXiv 2204.05562", fs_g_split, "graph", "best"),
        Protocol("openfgl", "OpenFGL, VLDB 2025, arXiv 2408.16288", openfgl_split, "clients", "best"),
        Protocol("fedgcn", "FedGCN, NeurIPS 2023, arXiv 2201.12433", fedgcn_split, "graph", "last"),
        # The paper's figure without exchange (FedAvg, 0 hops) is that of clients on their own cut subgraphs.
        Protocol("fedgcn-cut", "FedGCN, NeurIPS 2023, arXiv 2201.12433", fedgcn_split, "clients", "last"),
    )
}
"""By name; the studies of experiments/federated give each its paper's clients, partition and hyper-parameters."""


def protocol_named(name: str | None) -> Protocol | None:
    """Find a protocol.

    Args:
        name: Its name; None for none.

    Raises:
        ValueError: If there is none of that name.
    """
    if name is None:
        return None
    if name not in PROTOCOLS:
        raise ValueError(f"protocol: expected one of {', '.join(PROTOCOLS)}, got {name!r}")
    return PROTOCOLS[name]
