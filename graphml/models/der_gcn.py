"""DER-GCN: emotions in conversation from speaker and event relations."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from graphml.nn.bottleneck_conv import BottleneckConv
from graphml.nn.dialogue_gru import DialogueGRU
from graphml.nn.edge_weights import AngularWeight
from graphml.nn.gated_fusion import GatedFusion
from graphml.nn.masked_autoencoder import MaskedGraphAutoencoder
from graphml.nn.modalities import check_modalities, split_missing
from graphml.nn.relation_conv import RelationConv, relation_rows
from graphml.nn.relation_norm import RelationNorm
from graphml.nn.relation_transformer import RelationTransformer
from graphml.nn.speaker_embedding import SpeakerEmbedding
from graphml.ops import DialogueBatch, DialogueEdges, SparsePattern, dialogue_edges
from graphml.ops.dialogue_edges import pointers

CONTEXT = "context"  # in the graph a modality like the others


class Routes(NamedTuple):
    """What all convolutions over a batch share: found once, for the modalities and for the masked pass alike.

    Attributes:
        pattern: The edges by relation and target, see `relation_rows`.
        present: ``[N, R]`` whether a relation has an edge into a node; the utterance itself always is one.
        known: For each modality ``[R N]`` whether one of those edges comes from an utterance that has it.
        heard: For each modality ``[E]`` 1 for edges from an utterance that has it, and 0.
    """

    pattern: SparsePattern
    present: Tensor
    known: dict[str, Tensor]
    heard: dict[str, Tensor]


class EncodedDialogues(NamedTuple):
    """What the network made of a batch.

    Attributes:
        x: ``[N, F]`` features of all modalities, 0 where one is missing.
        there: For each modality ``[N]`` whether it is there.
        edges: The graph.
        weight: ``[E]`` weight of each edge.
        hidden: ``[N, H]`` utterances after the graph, which are classified.
        attention: ``[N, R]`` weight of each relation in an utterance.
        dialogues: The batch itself.
        routes: What the convolutions share.
    """

    x: Tensor
    there: dict[str, Tensor]
    edges: DialogueEdges
    weight: Tensor
    hidden: Tensor
    attention: Tensor
    dialogues: DialogueBatch
    routes: Routes


class DERGCN(nn.Module):
    """Dialogue and event relation-aware graph network.

    A **reconstruction** of `"DER-GCN" <https://arxiv.org/abs/2312.10579>`_ (Ai et al., TNNLS 2024): its equations and
    hyper-parameters were not at hand and no public code implements it, so this follows its abstract, and relatives and
    measurements where that is silent. The paper prints 69.4 weighted F1 on IEMOCAP-6 and 66.1 on MELD-7 (its printed
    classes give 68.8 and 65.5), with features that are not those of this repository's studies.

    1. Graph: an utterance's relations are itself; for each window (same, other speaker), past and future apart if asked
       for; and the events of the batch's links. Edges are weighted, by angle or learned.
    2. `RelationConv` on the features of each modality: the weighted mean over each relation, of the utterances that
       have the modality, normalised; gated fusion of the modalities of each mean. A recurrent context
       is one modality more where asked for; the relatives put the graph on it alone (experiments/emotion compares).
    3. `RelationTransformer` adds the relations' representations up, each by a weight that depends on all of them; the
       sum is classified.

    Training adds `MaskedGraphAutoencoder`'s loss (`reconstruction_loss`) and a contrastive one on `project`; at
    evaluation nothing is masked.

    Args:
        in_channels: Modalities and the features of each.
        num_classes: Number of emotions.
        num_speakers: Speaker vectors, see `SpeakerEmbedding`.
        hidden_channels: Width H.
        dropout: Dropout probability of hidden values.
        input_dropout: Dropout probability of the relations' means.
        windows: Utterances before and after the target, -1 for all: relations of their own for each window. Edges grow
            with the square of a dialogue's length where a window is -1: with thousands of utterances take a width.
        directed: Whether past and future are different relations.
        events: Whether there is an event relation; a batch without links then has no edge in it.
        context_layers: Layers of a bidirectional GRU along the dialogue whose output joins the modalities on the
            graph; 0 for none.
        num_bases: Basis matrices of the convolutions' weights; default: one matrix a relation.
        bottleneck: Numbers of each modality that neighbours are heard through, see `BottleneckConv`; 0 for all of their
            features. For conversations whose neighbours tell little: short, of many speakers. Bases are then not used.
        transformer_layers: Layers of the relation Transformer; with 0 the relations are summed, as in R-GCN.
        edge_weight: Class of the edge weights, `AngularWeight` or `AttentionWeight`.
        node_rate: See `MaskedGraphAutoencoder`.
        edge_rate: Likewise.
        gamma: Likewise.

    Raises:
        ValueError: If a modality has the name that the context goes by.
    """

    def __init__(
        self,
        in_channels: Mapping[str, int],
        num_classes: int,
        num_speakers: int,
        hidden_channels: int = 128,
        dropout: float = 0.5,
        input_dropout: float = 0.7,
        windows: Sequence[tuple[int, int]] = ((10, 10), (-1, -1)),
        directed: bool = False,
        events: bool = True,
        context_layers: int = 0,
        num_bases: int | None = None,
        bottleneck: int = 0,
        transformer_layers: int = 1,
        edge_weight: Callable[[int], nn.Module] = AngularWeight,
        node_rate: float = 0.3,
        edge_rate: float = 0.3,
        gamma: float = 2.0,
    ) -> None:
        super().__init__()
        if CONTEXT in in_channels:
            raise ValueError(f"in_channels: expected other names than {CONTEXT!r}, which the network uses itself")
        self.in_channels = dict(in_channels)
        self.windows, self.directed, self.events = [tuple(window) for window in windows], directed, events
        self.relation_names = relation_names(self.windows, directed, events)
        width, size, relations = hidden_channels, sum(self.in_channels.values()), len(self.relation_names)
        self.edge_weight = edge_weight(size)

        def conv(channels: int) -> nn.Module:
            if bottleneck:
                return BottleneckConv(channels, width, relations, bottleneck, input_dropout, dropout)
            options: dict[str, Any] = {"root": False, "bias": False, "norm": True, "dropout": input_dropout}
            return RelationConv(channels, width, relations, num_bases, **options)

        self.activation = nn.Identity() if bottleneck else nn.ReLU()  # `BottleneckConv` has its own
        self.convs = nn.ModuleDict({name: conv(channels) for name, channels in in_channels.items()})
        self.context = DialogueGRU(size + width, width, context_layers, dropout) if context_layers else None
        if self.context is not None:
            self.convs[CONTEXT] = conv(self.context.out_channels)
        self.fusion = GatedFusion(width, list(self.convs))
        self.speaker = SpeakerEmbedding(num_speakers, width)
        self.transformer = RelationTransformer(width, relations, transformer_layers) if transformer_layers else None
        self.autoencoder = MaskedGraphAutoencoder(size, width, relations, node_rate, edge_rate, gamma=gamma)
        self.dropout = nn.Dropout(dropout)
        self.head, self.projection = nn.Linear(width, num_classes), nn.Linear(width, width)

    def encode(self, batch: DialogueBatch) -> EncodedDialogues:
        """Take the utterances through graph and fusion.

        Args:
            batch: N utterances.

        Returns:
            What each step made of them.

        Raises:
            ValueError: If the batch lacks a modality, or one has another number of features.
        """
        check_modalities(batch.features, self.in_channels)
        split = {name: split_missing(batch.features[name]) for name in self.in_channels}
        x, there = torch.cat([part for part, _ in split.values()], dim=1), {name: t for name, (_, t) in split.items()}
        edges, strength = self.graph(batch)
        weight: Tensor = self.edge_weight(x, edges) * strength
        routes = self._routes(there, edges)
        tokens, present = self._convolve(x, routes, edges, weight, batch), routes.present
        if self.transformer is None:
            fused, attention = tokens.sum(1), present / present.sum(1, keepdim=True)
        else:
            fused, attention = self.transformer(tokens, present)
        hidden = self.dropout(self.activation(fused + self.speaker(batch.speakers)))
        return EncodedDialogues(x, there, edges, weight, hidden, attention, batch, routes)

    def forward(self, batch: DialogueBatch) -> Tensor:
        """Logits ``[N, num_classes]`` of the batch's utterances."""
        logits: Tensor = self.head(self.encode(batch).hidden)
        return logits

    def project(self, encoded: EncodedDialogues) -> Tensor:
        """Embeddings ``[N, H]`` for the contrastive loss."""
        out: Tensor = self.projection(encoded.hidden)
        return out

    def reconstruction_loss(self, encoded: EncodedDialogues, generator: torch.Generator) -> Tensor:
        """Loss of the masked graph autoencoder, whose encoder is this network's own convolution.

        Args:
            encoded: What `encode` returned.
            generator: Where the masks come from.
        """
        edges = encoded.edges

        def encoder(x: Tensor, weight: Tensor) -> Tensor:
            out: Tensor = self.activation(self._convolve(x, encoded.routes, edges, weight, encoded.dialogues).sum(1))
            return out

        with contextlib.ExitStack() as stack:
            for module in self.convs.modules():
                if isinstance(module, RelationNorm):
                    stack.enter_context(module.untracked())  # evaluation sees no masked data
            return self.autoencoder.loss(
                encoded.x,
                edges.edge_index,
                edges.relation,
                encoded.weight,
                encoder,
                generator,
                encoded.dialogues.batch,
                encoded.routes.pattern,
            )

    def graph(self, batch: DialogueBatch) -> tuple[DialogueEdges, Tensor]:
        """Lay the graph over a batch.

        Args:
            batch: N utterances.

        Returns:
            The relations of each window and, where the batch has links, events, sorted by target; and ``[E]`` the
            strength that the links give to events, 1 for all others.
        """
        own = torch.arange(batch.num_utterances, device=batch.lengths.device)
        found, relations = [torch.stack([own, own])], [torch.zeros_like(own)]
        kinds = torch.tensor([0, 1, 2, 3] if self.directed else [0, 0, 1, 1], device=own.device)
        for number, (past, future) in enumerate(self.windows):
            edges = dialogue_edges(batch.lengths, batch.speakers, past, future)
            others = edges.relation != 4  # `speaker_direction`'s number of the utterance itself
            found.append(edges.edge_index[:, others].long())
            relations.append(1 + number * (int(kinds[-1]) + 1) + kinds[edges.relation[others].long()])
        strength = torch.ones(sum(map(len, relations)), device=own.device)
        if self.events and batch.links is not None:
            found.append(batch.links.edge_index.long())
            relations.append(torch.full_like(batch.links.edge_index[0], len(self.relation_names) - 1).long())
            strength = torch.cat([strength, batch.links.weight])
        edge_index, relation = torch.cat(found, dim=1), torch.cat(relations)
        order = torch.argsort(edge_index[1], stable=True)
        counts = torch.bincount(edge_index[1], minlength=batch.num_utterances)
        return DialogueEdges(edge_index[:, order], relation[order], pointers(counts)), strength[order]

    def _routes(self, there: Mapping[str, Tensor], edges: DialogueEdges) -> Routes:
        """Find what the convolutions of all modalities share."""
        source, target = edges.edge_index
        size, relations = edges.rowptr.numel() - 1, len(self.relation_names)
        row = edges.relation * size + target
        heard = {name: mask[source] for name, mask in there.items()}
        if self.context is not None:
            heard[CONTEXT] = torch.ones_like(row, dtype=torch.bool)
        present = _reached(row, size * relations)
        return Routes(
            relation_rows(edges.edge_index, edges.relation, size, relations),
            present.view(relations, size).t(),
            {
                name: _reached(row.masked_fill(~mask, size * relations), size * relations)
                for name, mask in heard.items()
            },
            heard,
        )

    def _convolve(
        self, x: Tensor, routes: Routes, edges: DialogueEdges, weight: Tensor, batch: DialogueBatch
    ) -> Tensor:
        """Representation of each utterance under each relation ``[N, R, H]``."""
        parts = dict(zip(self.in_channels, x.split(list(self.in_channels.values()), dim=1), strict=True))
        if self.context is not None:
            said = self.dropout(torch.cat([x, self.speaker(batch.speakers)], dim=1))
            parts[CONTEXT] = self.context(said, batch.lengths)
        tokens = {}
        for name, conv in self.convs.items():
            means = cast(RelationConv | BottleneckConv, conv).per_relation(
                parts[name], edges.edge_index, edges.relation, weight * routes.heard[name], routes.pattern
            )
            tokens[name] = means.transpose(0, 1).flatten(0, 1)  # relation by relation, as they lie in memory
        fused: Tensor = self.fusion(tokens, routes.known)[0]
        return fused.view(len(self.relation_names), x.size(0), -1).transpose(0, 1)


def _reached(row: Tensor, size: int) -> Tensor:
    """Which of ``size`` rows are among these; ``size`` itself stands for none."""
    return torch.zeros(size + 1, dtype=torch.bool, device=row.device).index_fill_(0, row, True)[:size]


def relation_names(windows: Sequence[tuple[int, ...]], directed: bool, events: bool) -> list[str]:
    """Names of the relations, in the order of their numbers."""
    names = ["itself"]
    for past, future in windows:
        reach = "dialogue" if past < 0 and future < 0 else f"window {past}/{future}"
        for speaker in ("same speaker", "other speaker"):
            names += (
                [f"{speaker}, {side}, {reach}" for side in ("past", "future")] if directed else [f"{speaker}, {reach}"]
            )
    return [*names, "event"] if events else names
