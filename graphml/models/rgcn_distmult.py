"""A relational graph convolutional encoder with DistMult as its decoder."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn.inits import glorot, zeros

from graphml.models.distmult import DistMult
from graphml.ops import RelationPattern, relation_pattern, relation_product


class RGCNDistMult(DistMult):
    r"""R-GCN (Schlichtkrull et al., ESWC 2018, `arXiv 1703.06103 <https://arxiv.org/abs/1703.06103>`_) and DistMult.

    .. math::
        \mathbf{x}_i' = \mathbf{W}_0 \mathbf{x}_i + \mathbf{b} + \sum_{r} \frac{1}{|\mathcal{N}_r(i)|}
        \sum_{j \in \mathcal{N}_r(i)} \mathbf{W}_r \mathbf{x}_j, \qquad \mathbf{W}_r = \sum_b a_{rb} \mathbf{V}_b

    Each relation also has an inverse. Between layers ReLU, then dropout. PyG's ``RGCNConv`` computes the same with a
    pass over the edges for each relation.

    Args:
        num_entities: Number of entities N.
        num_relations: Number of relations R.
        hidden_channels: Size of the embeddings and of all layers.
        num_layers: Number of layers, >= 1.
        num_bases: Number of basis matrices of a layer's relations, >= 1.
        dropout: Dropout probability between layers.

    Shapes:
        - **input:** edges ``[2, E]`` from head to tail and their relations ``[E]``, triples ``[B, 3]`` of head,
          relation and tail
        - **output:** scores ``[B]``
    """

    def __init__(
        self,
        num_entities: int,
        num_relations: int,
        hidden_channels: int = 128,
        num_layers: int = 2,
        num_bases: int = 4,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(num_entities, num_relations, hidden_channels)
        for name, value in {"num_layers": num_layers, "num_bases": num_bases}.items():
            if value < 1:
                raise ValueError(f"{name}: expected an integer >= 1, got {value}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected a probability in [0, 1), got {dropout}")
        self.dropout = dropout
        self.layers = nn.ModuleList(_Layer(hidden_channels, 2 * num_relations, num_bases) for _ in range(num_layers))

    def reset_parameters(self) -> None:
        """Reset embeddings and layers (Glorot)."""
        super().reset_parameters()
        for layer in getattr(self, "layers", ()):  # the base class resets before there are any
            layer.reset_parameters()

    def embed(self, edge_index: Tensor, edge_type: Tensor) -> Tensor:
        """Embeddings of all entities.

        Args:
            edge_index: ``[2, E]`` known triples from head to tail.
            edge_type: ``[E]`` their relations.

        Returns:
            ``[N, hidden_channels]``.
        """
        edges = torch.cat([edge_index, edge_index.flip(0)], 1)
        types = torch.cat([edge_type, edge_type + self.num_relations])
        pattern = relation_pattern(edges, types, self.entity.size(0), 2 * self.num_relations)
        z: Tensor = self.entity
        for number, layer in enumerate(self.layers):
            z = F.dropout(F.relu(z), self.dropout, self.training) if number > 0 else z
            z = layer(z, pattern)
        return z


class _Layer(nn.Module):
    """PyG's ``RGCNConv`` with bases, and with its names, by one product over all relations."""

    def __init__(self, channels: int, num_relations: int, num_bases: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_bases, channels, channels))
        self.comp = nn.Parameter(torch.empty(num_relations, num_bases))
        self.root = nn.Parameter(torch.empty(channels, channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for parameter in (self.weight, self.comp, self.root):
            glorot(parameter)
        zeros(self.bias)

    def forward(self, x: Tensor, pattern: RelationPattern) -> Tensor:
        weight = torch.einsum("rb,bio->rio", self.comp, self.weight)
        return relation_product(x, pattern, pattern.mean_weight(x.dtype), weight) + x @ self.root + self.bias
