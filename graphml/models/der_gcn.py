"""DER-GCN: emotions in conversation from speaker and event relations."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.nn.dialogue_gru import DialogueGRU
from graphml.nn.edge_weights import AngularWeight
from graphml.nn.gated_fusion import GatedFusion
from graphml.nn.masked_autoencoder import MaskedGraphAutoencoder
from graphml.nn.modalities import check_modalities, split_missing
from graphml.nn.relation_conv import RelationConv
from graphml.nn.relation_transformer import RelationTransformer
from graphml.nn.speaker_embedding import SpeakerEmbedding
from graphml.ops import DialogueBatch, DialogueEdges, dialogue_edges
from graphml.ops.dialogue_edges import pointers

RELATIONS = ("same speaker, past", "same speaker, future", "other speaker, past", "other speaker, future", "self")
EVENT = "event"


class EncodedDialogues(NamedTuple):
    """What the network made of a batch.

    Attributes:
        nodes: ``[N, H]`` utterances in their context, which are the nodes of the graph.
        edges: The graph.
        weight: ``[E]`` weight of each edge.
        hidden: ``[N, 2 H]`` utterances after the graph, which are classified.
        attention: ``[N, R]`` weight of each relation in an utterance.
        batch: ``[N]`` dialogue of each utterance.
    """

    nodes: Tensor
    edges: DialogueEdges
    weight: Tensor
    hidden: Tensor
    attention: Tensor
    batch: Tensor


class DERGCN(nn.Module):
    """Dialogue and event relation-aware graph network.

    A **reconstruction** of `"DER-GCN" <https://arxiv.org/abs/2312.10579>`_ (Ai et al., TNNLS 2024): its equations and
    hyper-parameters are not available and no code implements it, so this follows its abstract, and relatives where that
    is silent. The paper prints 69.4 weighted F1 on IEMOCAP-6 and 66.1 on MELD-7 (its printed classes give 68.8 and
    65.5), with features that are not those of this repository's studies.

    1. Context: each modality through a bidirectional GRU with the speaker's embedding added; gated sum of those there.
    2. Graph: within a window, (same, other speaker) x (past, future) and the utterance itself; an event relation from
       the batch's links; edges weighted (by angle, or learned) and normalised within relation and target.
    3. `RelationConv` layers with residuals; the last gives a representation for each relation.
    4. `RelationTransformer` fuses these; context and fusion side by side are classified.

    Training adds `MaskedGraphAutoencoder`'s loss (`reconstruction_loss`) and a contrastive one on `project`; at
    evaluation nothing is masked.

    Args:
        in_channels: Modalities and the features of each.
        num_classes: Number of emotions.
        num_speakers: Speaker vectors, see `SpeakerEmbedding`.
        hidden_channels: Width H, even.
        dropout: Dropout probability.
        past: Window before an utterance, -1 for the whole dialogue.
        future: Window after it, likewise.
        num_layers: Relational convolutions, at least 1.
        num_bases: Basis matrices of the convolutions' weights; default: one matrix a relation.
        events: Whether there is an event relation; a batch without links then has no edge in it.
        transformer_layers: Layers of the relation Transformer; with 0 the relations are pooled without seeing each
            other.
        heads: Attention heads of the Transformer.
        edge_weight: Class of the edge weights, `AngularWeight` or `AttentionWeight`.
        node_rate: See `MaskedGraphAutoencoder`.
        edge_rate: Likewise.
        gamma: Likewise.
    """

    def __init__(
        self,
        in_channels: Mapping[str, int],
        num_classes: int,
        num_speakers: int = 2,
        hidden_channels: int = 128,
        dropout: float = 0.5,
        past: int = 10,
        future: int = 10,
        num_layers: int = 1,
        num_bases: int | None = None,
        events: bool = True,
        transformer_layers: int = 1,
        heads: int = 4,
        edge_weight: Callable[[int], nn.Module] = AngularWeight,
        node_rate: float = 0.3,
        edge_rate: float = 0.3,
        gamma: float = 2.0,
    ) -> None:
        super().__init__()
        self.in_channels = dict(in_channels)
        self.past, self.future = past, future
        self.relation_names = [*RELATIONS, EVENT] if events else [*RELATIONS]
        width, num_relations = hidden_channels, len(self.relation_names)
        self.project_in = nn.ModuleDict({name: nn.Linear(size, width) for name, size in self.in_channels.items()})
        self.context = nn.ModuleDict({name: DialogueGRU(width, width // 2, 2, dropout) for name in self.in_channels})
        self.speaker = SpeakerEmbedding(num_speakers, width)
        self.fusion = GatedFusion(width, list(self.in_channels))
        self.edge_weight = edge_weight(width)
        self.convs = nn.ModuleList(RelationConv(width, width, num_relations, num_bases) for _ in range(num_layers - 1))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(num_layers - 1))
        self.last_conv = RelationConv(width, width, num_relations, num_bases, root=False, bias=False)
        self.transformer = RelationTransformer(width, num_relations, transformer_layers, heads, dropout)
        self.autoencoder = MaskedGraphAutoencoder(width, width, num_relations, node_rate, edge_rate, gamma=gamma)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, num_classes)
        self.projection = nn.Linear(2 * width, width)

    def encode(self, batch: DialogueBatch) -> EncodedDialogues:
        """Take the utterances through context, graph and fusion.

        Args:
            batch: N utterances.

        Returns:
            What each step made of them.

        Raises:
            ValueError: If the batch lacks a modality, or one has another number of features.
        """
        nodes = self._context(batch)
        edges = self.graph(batch)
        weight: Tensor = self.edge_weight(nodes, edges)
        tokens = self._convolve(nodes, edges, weight)
        fused, attention = self.transformer(self.dropout(tokens), self._relations_there(edges, nodes.size(0)))
        hidden = torch.cat([nodes, self.dropout(fused)], dim=1)
        return EncodedDialogues(nodes, edges, weight, hidden, attention, batch.batch)

    def forward(self, batch: DialogueBatch) -> Tensor:
        """Logits ``[N, num_classes]`` of the batch's utterances."""
        logits: Tensor = self.head(self.encode(batch).hidden)
        return logits

    def project(self, encoded: EncodedDialogues) -> Tensor:
        """Embeddings ``[N, H]`` for the contrastive loss."""
        out: Tensor = self.projection(encoded.hidden)
        return out

    def reconstruction_loss(self, encoded: EncodedDialogues, generator: torch.Generator) -> Tensor:
        """Loss of the masked graph autoencoder, whose encoder is this network's own convolutions.

        Args:
            encoded: What `encode` returned.
            generator: Where the masks come from.
        """
        edges = encoded.edges

        def encoder(x: Tensor, weight: Tensor) -> Tensor:
            return self._convolve(x, edges, weight).sum(1)

        return self.autoencoder.loss(
            encoded.nodes, edges.edge_index, edges.relation, encoded.weight, encoder, generator, encoded.batch
        )

    def graph(self, batch: DialogueBatch) -> DialogueEdges:
        """Speaker relations within the window and, where the batch has links, event relations, sorted by target."""
        edges = dialogue_edges(batch.lengths, batch.speakers, self.past, self.future)
        if EVENT not in self.relation_names or batch.links is None:
            return edges
        edge_index = torch.cat([edges.edge_index, batch.links.edge_index.to(edges.edge_index.dtype)], dim=1)
        event = edges.relation.new_full(batch.links.weight.shape, self.relation_names.index(EVENT))
        relation = torch.cat([edges.relation, event])
        order = torch.argsort(edge_index[1], stable=True)
        counts = torch.bincount(edge_index[1], minlength=batch.num_utterances)
        return DialogueEdges(edge_index[:, order], relation[order], pointers(counts))

    def _context(self, batch: DialogueBatch) -> Tensor:
        check_modalities(batch.features, self.in_channels)
        speaker = self.speaker(batch.speakers)
        hidden, there = {}, {}
        for name in self.in_channels:
            x, there[name] = split_missing(batch.features[name])
            known = self.project_in[name](x) * there[name].unsqueeze(1)  # the projection's bias is no feature
            hidden[name] = self.context[name](self.dropout(known + speaker), batch.lengths)
        fused: Tensor = self.dropout(self.fusion(hidden, there)[0])
        return fused

    def _convolve(self, x: Tensor, edges: DialogueEdges, weight: Tensor) -> Tensor:
        """Representation of each node under each relation ``[N, R, H]``."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(x + F.relu(conv(x, edges.edge_index, edges.relation, weight)))
        return F.relu(self.last_conv.per_relation(x, edges.edge_index, edges.relation, weight))

    def _relations_there(self, edges: DialogueEdges, num_nodes: int) -> Tensor:
        """Whether a relation has an edge into a node ``[N, R]``; the self relation always has."""
        there = edges.relation.new_zeros(num_nodes * len(self.relation_names), dtype=torch.bool)
        there.index_fill_(0, edges.edge_index[1] * len(self.relation_names) + edges.relation, True)
        return there.view(num_nodes, len(self.relation_names))
