"""COGMEN: a Transformer over the dialogue, a relational graph and a graph Transformer on top of it."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import TransformerConv
from torch_geometric.utils import to_dense_batch

from graphml.models.relation_weights import RelationWeights
from graphml.nn import concatenate_modalities
from graphml.ops import DialogueBatch, DialogueEdges, relation_pattern, relation_product, speaker_pair_edges


class COGMEN(nn.Module):
    r"""Global context by attention over the dialogue, local context by graph layers over a window.

    Joshi, Bhat, Jain, Singh, Modi, "COGMEN: COntextualized GNN based Multimodal Emotion recognitioN", NAACL 2022
    (arXiv 2205.02455): the modalities side by side, a Transformer encoder without positions, then

    .. math::
        \mathbf{x}'_i &= \mathbf{\Theta}_0 \mathbf{x}_i
        + \sum_r \tfrac{1}{|N^r_i|} \sum_{j \in N^r_i} \mathbf{\Theta}_r \mathbf{x}_j \\
        \mathbf{h}_i &= \mathbf{W}_1 \mathbf{x}'_i + \sum_j \alpha_{ij} \mathbf{W}_2 \mathbf{x}'_j, \qquad
        \alpha_{ij} = \mathrm{softmax}_j \big( (\mathbf{W}_3 \mathbf{x}'_i)^\top \mathbf{W}_4 \mathbf{x}'_j / \sqrt{d}
        \big)

    over a window, itself included, with the relations of `graphml.ops.speaker_pair_edges`, and a layer with ReLU in
    front of the classifier. It differs in three places. The features are projected to the hidden size before the
    encoder. Its attention leaves padding out (the public code attends to it, so that a result depends on the longest
    dialogue of the batch). LayerNorm stands in for BatchNorm, which fails on a single utterance.

    Published weighted F1: IEMOCAP 67.6 (6 classes), 84.5 (4 classes). There is none for MELD in the paper; others print
    58.7 for it.

    Args:
        in_channels: Modalities, and the features of each.
        num_classes: Number of emotions.
        num_speakers: Speakers S, which give 2 S^2 relations; those from ``num_speakers`` on count as the last.
        hidden_channels: Width of all layers, divisible by ``heads``.
        dropout: Share of values dropped in the encoder and around the graph layers, in [0, 1).
        past: Utterances before an utterance in its window, -1 for all.
        future: Utterances after it, -1 for all.
        num_layers: Layers of the encoder.
        heads: Heads of both kinds of attention.

    Shapes:
        - **input:** a `DialogueBatch` of N utterances
        - **output:** logits :math:`(N, C)`

    Raises:
        ValueError: If ``hidden_channels`` is not divisible by ``heads``, or the batch's modalities are not those of
            ``in_channels``.
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
        num_layers: int = 2,
        heads: int = 4,
    ) -> None:
        super().__init__()
        if hidden_channels % heads != 0:
            raise ValueError(f"hidden_channels: expected a multiple of heads {heads}, got {hidden_channels}")
        self.in_channels, self.num_speakers = dict(in_channels), num_speakers
        self.past, self.future = past, future
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(sum(in_channels.values()), hidden_channels)
        layer = nn.TransformerEncoderLayer(hidden_channels, heads, 4 * hidden_channels, dropout, batch_first=True)
        self.context = nn.TransformerEncoder(layer, num_layers, enable_nested_tensor=False)
        self.relation_weights = RelationWeights(2 * num_speakers**2, hidden_channels, hidden_channels)
        self.self_weight = nn.Linear(hidden_channels, hidden_channels)
        self.graph_attention = TransformerConv(hidden_channels, hidden_channels // heads, heads)
        self.norm = nn.LayerNorm(hidden_channels)
        self.classify = nn.Sequential(
            nn.Linear(hidden_channels, hidden_channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_channels, num_classes),
        )

    def forward(self, batch: DialogueBatch) -> Tensor:
        """Return the logits of each utterance."""
        x = concatenate_modalities(batch.features, self.in_channels)
        padded, there = to_dense_batch(self.project(self.dropout(x)), batch.batch)
        context = self.context(padded, src_key_padding_mask=~there)[there]
        speakers = batch.speakers.clamp(max=self.num_speakers - 1)
        # The window there is the source's: who hears `past` utterances back is heard that far ahead.
        edges = speaker_pair_edges(batch.lengths, speakers, self.future, self.past, self.num_speakers)
        logits: Tensor = self.classify(self.dropout(self.convolve(context, edges)))
        return logits

    def convolve(self, context: Tensor, edges: DialogueEdges) -> Tensor:
        """Apply the relational convolution and the graph Transformer.

        Args:
            context: ``[N, H]`` utterances in context.
            edges: Edges among them.

        Returns:
            ``[N, H]``.
        """
        matrices = self.relation_weights()
        pattern = relation_pattern(edges.edge_index, edges.relation, context.size(0), matrices.size(0))
        mean = pattern.mean_weight(context.dtype)
        h = self.self_weight(context) + relation_product(context, pattern, mean, matrices)
        return F.leaky_relu(self.norm(self.graph_attention(h, edges.edge_index)))
