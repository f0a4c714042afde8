"""Triples of a knowledge graph that are dealt to clients."""

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphml.data import LinkDataModule
from graphml.federated.client_data import STAGES, LinksData
from graphml.federated.partition import Items
from graphml.federated.sources.source import Source, source_of


class LinkSource(Source):
    """Triples of a knowledge graph, each of which keeps its part of the published split.

    Labels and groups (``relation``) are the types of the relations, so that clients can be relations, or differ in
    them. Entities and relations have the same numbers everywhere; a client has embeddings of all, and messages pass
    along its own training triples alone.

    Weights of one client are evaluated on its own validation and test triples, ranked against all entities but those
    that make a triple of any client: the filter is that of the whole graph, so that ranks of different partitions can
    be compared.

    Args:
        module: Data module of the knowledge graph.
    """

    kind = "triples"

    def __init__(self, module: LinkDataModule) -> None:
        self.module = module

    def items(self) -> Items:
        """Triples, with their relations."""
        relations = self.module.data.edge_type
        return Items(len(relations), relations, groups={"relation": relations})

    def client_data(self, number: int) -> LinksData:
        """Triples of one client, and nothing of the others'.

        Args:
            number: Number of the client.
        """
        whole, chosen = self.module.data, self.partition.members[number]
        data = Data(edge_index=whole.edge_index[:, chosen], edge_type=whole.edge_type[chosen])
        return self._data(data, {stage: whole[f"{stage}_mask"][chosen] for stage in STAGES})

    def evaluation_data(self, number: int) -> LinksData:
        """Triples of one client in the stages' masks, among those of all clients, which are no answers.

        Args:
            number: Number of the client.
        """
        whole = self.module.data
        own = torch.zeros(len(whole.edge_type), dtype=torch.bool)
        own[self.partition.members[number]] = True
        data = Data(edge_index=whole.edge_index, edge_type=whole.edge_type)
        return self._data(data, {stage: whole[f"{stage}_mask"] & own for stage in STAGES})

    def server_data(self) -> LinksData:
        """The whole graph."""
        return LinksData(self.module.data, self.module.batch_size)

    def _data(self, data: Data, masks: dict[str, Tensor]) -> LinksData:
        for stage, mask in masks.items():
            data[f"{stage}_mask"] = mask
        data.num_nodes = self.module.num_entities
        return LinksData(data, self.module.batch_size)


@source_of.register
def _(datamodule: LinkDataModule) -> Source:
    return LinkSource(datamodule)
