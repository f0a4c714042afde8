"""DialogueGCN: a relational graph over a window of utterances, on top of a recurrent context."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.utils import to_dense_batch

from graphml.models.relation_weights import RelationWeights
from graphml.nn import DialogueGRU, concatenate_modalities
from graphml.ops import (
    DialogueBatch,
    DialogueEdges,
    adjacency_pattern,
    relation_pattern,
    relation_product,
    segment_softmax,
    speaker_pair_edges,
    spmm,
)
from graphml.ops.sparse import edge_dot


class DialogueGCN(nn.Module):
    r"""Speakers' influence on each other by two graph convolutions.

    Ghosal, Majumder, Poria, Chhaya, Gelbukh, "DialogueGCN: A Graph Convolutional Neural Network for Emotion Recognition
    in Conversation", EMNLP 2019 (arXiv 1908.11540), its equations 1 to 7:

    .. math::
        \mathbf{g} &= \mathrm{GRU}(\mathbf{u}), \qquad
        \alpha_{ij} = \mathrm{softmax}_j (\mathbf{g}_i^\top \mathbf{W}_e \mathbf{g}_j) \\
        \mathbf{h}^1_i &= \sigma \Big( \sum_r \sum_{j \in N^r_i} \tfrac{\alpha_{ij}}{c_{i,r}} \mathbf{W}_r \mathbf{g}_j
        + \alpha_{ii} \mathbf{W}_0 \mathbf{g}_i \Big), \qquad
        \mathbf{h}^2_i = \sigma \Big( \sum_j \mathbf{W} \mathbf{h}^1_j + \alpha_{ii} \mathbf{W}'_0 \mathbf{h}^1_i \Big)

    An utterance's window is its neighbourhood, itself included; the relations are the pairs of speakers, each in two
    directions (`graphml.ops.speaker_pair_edges`), and :math:`c_{i,r}` counts the neighbours. Every utterance then
    attends to :math:`[\mathbf{g}_j, \mathbf{h}^2_j]` of its whole dialogue, and a layer with ReLU classifies what it
    gathers. Weights: the incoming edges of an utterance add up to 1, as in the paper; the public code normalises
    the outgoing ones.

    Published weighted F1: IEMOCAP (6 classes) 64.2, MELD (7 classes) 58.1; independent re-runs: 61.6 and 63.1.

    Args:
        in_channels: Modalities, and the features of each; they are put side by side.
        num_classes: Number of emotions.
        num_speakers: Speakers S, which give 2 S^2 relations; those from ``num_speakers`` on count as the last.
        hidden_channels: Units of each direction of the GRU, and of the graph's layers.
        dropout: Share of values dropped around the GRU and before the classifier, in [0, 1).
        past: Utterances before an utterance in its window, -1 for all.
        future: Utterances after it, -1 for all.

    Shapes:
        - **input:** a `DialogueBatch` of N utterances
        - **output:** logits :math:`(N, C)`

    Raises:
        ValueError: If the batch's modalities are not those of ``in_channels``.
    """

    def __init__(
        self,
        in_channels: Mapping[str, int],
        num_classes: int,
        num_speakers: int,
        hidden_channels: int = 128,
        dropout: float = 0.5,
        past: int = 10,
        future: int = 10,
    ) -> None:
        super().__init__()
        self.in_channels, self.num_speakers = dict(in_channels), num_speakers
        self.past, self.future = past, future
        self.dropout = nn.Dropout(dropout)
        self.context = DialogueGRU(sum(in_channels.values()), hidden_channels, num_layers=2, dropout=dropout)
        width = self.context.out_channels
        self.edge_attention = nn.Linear(width, width, bias=False)
        self.relation_weights = RelationWeights(2 * num_speakers**2, width, hidden_channels)
        self.self_weight = nn.Linear(width, hidden_channels)
        self.neighbor_weight2 = nn.Linear(hidden_channels, hidden_channels, bias=False)
        self.self_weight2 = nn.Linear(hidden_channels, hidden_channels)
        width += hidden_channels
        self.attention = nn.Linear(width, width, bias=False)
        self.classify = nn.Sequential(
            nn.Linear(width, hidden_channels), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden_channels, num_classes)
        )

    def forward(self, batch: DialogueBatch) -> Tensor:
        """Return the logits of each utterance."""
        x = concatenate_modalities(batch.features, self.in_channels)
        context = self.dropout(self.context(self.dropout(x), batch.lengths))
        speakers = batch.speakers.clamp(max=self.num_speakers - 1)
        # The window there is the source's: who hears `past` utterances back is heard that far ahead.
        edges = speaker_pair_edges(batch.lengths, speakers, self.future, self.past, self.num_speakers)
        h = torch.cat([context, self.convolve(context, edges)], dim=1)
        logits: Tensor = self.classify(self.dropout(self.attend(h, batch.batch)))
        return logits

    def convolve(self, context: Tensor, edges: DialogueEdges) -> Tensor:
        """Weigh the edges and apply both graph convolutions.

        Args:
            context: ``[N, 2 H]`` utterances in context.
            edges: Edges among them, one from each to itself, sorted by target, then by source.

        Returns:
            ``[N, H]``.
        """
        num_nodes = context.size(0)
        pattern = adjacency_pattern(edges.edge_index, num_nodes)
        score = edge_dot(pattern, self.edge_attention(context), context)
        alpha = segment_softmax(score, edges.rowptr)
        to_itself = alpha[edges.edge_index[0] == edges.edge_index[1]].unsqueeze(1)
        matrices = self.relation_weights()
        typed = relation_pattern(edges.edge_index, edges.relation, num_nodes, matrices.size(0))
        weight = typed.in_order(alpha) * typed.mean_weight(alpha.dtype)
        neighbors = relation_product(context, typed, weight, matrices)
        h = F.relu(neighbors + to_itself * self.self_weight(context))
        neighbors = self.neighbor_weight2(spmm(pattern, torch.ones_like(alpha), h))
        return F.relu(neighbors + to_itself * self.self_weight2(h))

    def attend(self, h: Tensor, batch: Tensor) -> Tensor:
        """Replace each utterance by a mean of its dialogue, weighted by similarity.

        Args:
            h: ``[N, F]`` utterances.
            batch: ``[N]`` dialogue of each.

        Returns:
            ``[N, F]``.
        """
        padded, there = to_dense_batch(h, batch)
        query = self.attention(padded)
        out = F.scaled_dot_product_attention(query, padded, padded, there.unsqueeze(1), scale=1.0)
        return out[there]
