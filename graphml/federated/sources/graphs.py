"""Graphs that are dealt to clients."""

import torch
from torch import Tensor

from graphml.data.graph_set_datamodule import GraphSetDataModule
from graphml.federated.client_data import STAGES, GraphsData
from graphml.federated.partition import Items
from graphml.federated.sources.source import Source, source_of


class GraphSource(Source):
    """Graphs for training, validation and test, each of which keeps its part of the data module's split.

    Weights of one client are evaluated on its own graphs, as in FederatedScope-GNN (Wang et al., KDD 2022) and GCFL
    (Xie et al., NeurIPS 2021); all clients' counts are added, so all test graphs count the same. The groups are
    ``domain``, the dataset that a graph is of.

    Args:
        module: Data module of the graphs.
    """

    kind = "graphs"

    def __init__(self, module: GraphSetDataModule) -> None:
        self.module = module
        self.graphs = module.graphs

    def items(self) -> Items:
        """Graphs, with labels and domains."""
        return Items(len(self.graphs), self.module.labels, groups={"domain": self.module.domains})

    def client_data(self, number: int) -> GraphsData:
        """Graphs of one client.

        Args:
            number: Number of the client.
        """
        return self._data(self.partition.members[number])

    def evaluation_data(self, number: int) -> GraphsData:
        """Graphs of one client.

        Args:
            number: Number of the client.
        """
        return self.client_data(number)

    def server_data(self) -> GraphsData:
        """All graphs."""
        return self._data(torch.arange(len(self.graphs)))

    def _data(self, chosen: Tensor) -> GraphsData:
        parts = {stage: chosen[torch.isin(chosen, getattr(self.module.split, stage))].tolist() for stage in STAGES}
        graphs = {stage: [self.graphs[number] for number in part] for stage, part in parts.items()}
        return GraphsData(graphs, self.module.batch_size)


@source_of.register
def _(datamodule: GraphSetDataModule) -> Source:
    return GraphSource(datamodule)
