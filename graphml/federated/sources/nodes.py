"""A graph whose nodes are dealt to clients."""

import torch
from torch import Tensor

from graphml.data import NodeDataModule
from graphml.data.splits import NodeSplit
from graphml.federated.client_data import NodeData
from graphml.federated.partition import Items, Partition
from graphml.federated.protocols import Protocol
from graphml.federated.sources.source import Source, source_of


class NodeSource(Source):
    """Nodes of one graph.

    A client's subgraph is normalised by its own degrees and has its own spectral density. Beside what every graph has
    it carries ``n_id`` [n], the nodes' numbers in the whole graph, and ``cut_edge_index`` [2, c], edges to nodes that
    it does not hold: (own number, number in the whole graph). Algorithms that mend cut edges know these numbers;
    nothing else of the neighbours.

    Args:
        module: Data module of the graph.
    """

    def __init__(self, module: NodeDataModule) -> None:
        self.module = module

    def items(self) -> Items:
        """Nodes, with labels and edges."""
        raw = self.module.raw
        return Items(raw.num_nodes, raw.y, raw.edge_index)

    def deal(self, partition: Partition, protocol: Protocol | None, seed: int) -> None:
        """Fix clients and masks.

        Args:
            partition: Nodes of each client.
            protocol: Whose split is drawn; None for that of the data module.
            seed: Seed of the split.
        """
        self.partition = partition
        if protocol is None:
            data = self.module.data
            self.masks = NodeSplit(data.train_mask, data.val_mask, data.test_mask)
            self.splits = data.splits
        else:
            self.masks = protocol.split(self.module.raw, partition, seed)
            self.splits = {protocol.name: NodeSplit(*(mask.unsqueeze(1) for mask in self.masks))}

    def client_data(self, number: int) -> NodeData:
        """Subgraph of one client.

        Args:
            number: Number of the client.
        """
        nodes = self.partition.members[number]
        data = self.module.part(nodes, self.partition.edges(number), self.masks)
        data.cut_edge_index = self._cut_edges(nodes)
        return NodeData(data)

    def server_data(self) -> NodeData:
        """The graph without cuts, with the masks of all nodes, and with all splits for probes."""
        raw = self.module.raw
        data = self.module.part(torch.arange(raw.num_nodes), raw.edge_index, self.masks)
        data.splits = self.splits
        return NodeData(data)

    def _cut_edges(self, nodes: Tensor) -> Tensor:
        raw = self.module.raw
        place = torch.full((raw.num_nodes,), -1)
        place[nodes] = torch.arange(len(nodes))
        inside, outside = raw.edge_index
        cut = (place[inside] >= 0) & (place[outside] < 0)
        return torch.stack([place[inside[cut]], outside[cut]])


@source_of.register
def _(datamodule: NodeDataModule) -> Source:
    return NodeSource(datamodule)
