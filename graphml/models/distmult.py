"""DistMult: knowledge graph completion by a diagonal bilinear score."""

import torch
from torch import Tensor, nn


class DistMult(nn.Module):
    r"""DistMult (Yang et al., ICLR 2015, `arXiv 1412.6575 <https://arxiv.org/abs/1412.6575>`_).

    The score of a triple is :math:`\sum_c e_{hc} \, w_{rc} \, e_{tc}`: it is the same with head and tail exchanged.

    A model of knowledge graphs embeds the entities (`embed`) and scores triples (`forward`) or all completions of a
    query (`score_tails`, `score_heads`). This one embeds without the graph.

    Args:
        num_entities: Number of entities N.
        num_relations: Number of relations R.
        hidden_channels: Size of the embeddings.

    Shapes:
        - **input:** edges ``[2, E]`` from head to tail and their relations ``[E]``, triples ``[B, 3]`` of head,
          relation and tail
        - **output:** scores ``[B]``
    """

    def __init__(self, num_entities: int, num_relations: int, hidden_channels: int = 128) -> None:
        super().__init__()
        sizes = {"num_entities": num_entities, "num_relations": num_relations, "hidden_channels": hidden_channels}
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"{name}: expected an integer >= 1, got {value}")
        self.num_relations = num_relations
        self.entity = nn.Parameter(torch.empty(num_entities, hidden_channels))
        self.relation = nn.Parameter(torch.empty(num_relations, hidden_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Reset the embeddings (Glorot)."""
        nn.init.xavier_uniform_(self.entity)
        nn.init.xavier_uniform_(self.relation)

    def embed(self, edge_index: Tensor, edge_type: Tensor) -> Tensor:
        """Embeddings of all entities.

        Args:
            edge_index: ``[2, E]`` known triples from head to tail; unused.
            edge_type: ``[E]`` their relations; unused.

        Returns:
            ``[N, hidden_channels]``.
        """
        return self.entity

    def forward(self, edge_index: Tensor, edge_type: Tensor, triples: Tensor) -> Tensor:
        """Score triples."""
        z = self.embed(edge_index, edge_type)
        head, relation, tail = triples.unbind(1)
        return (z[head] * self.relation[relation] * z[tail]).sum(1)

    def score_tails(self, z: Tensor, head: Tensor, relation: Tensor) -> Tensor:
        """Scores of every entity as the tail.

        Args:
            z: ``[N, hidden_channels]`` embeddings of all entities.
            head: ``[B]`` heads.
            relation: ``[B]`` relations.

        Returns:
            ``[B, N]``.
        """
        return (z[head] * self.relation[relation]) @ z.T

    def score_heads(self, z: Tensor, relation: Tensor, tail: Tensor) -> Tensor:
        """Scores of every entity as the head.

        Args:
            z: ``[N, hidden_channels]`` embeddings of all entities.
            relation: ``[B]`` relations.
            tail: ``[B]`` tails.

        Returns:
            ``[B, N]``.
        """
        return self.score_tails(z, tail, relation)
