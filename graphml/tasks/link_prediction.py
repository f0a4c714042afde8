"""Completion of knowledge graphs: true triples against corrupted ones, judged by filtered ranks."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.evaluation import KnownAnswers, filtered_ranks
from graphml.models import DistMult
from graphml.ops import corrupt_triples
from graphml.tasks.counting import CountingTask

HITS = (1, 3, 10)


class LinkPredictionTask(CountingTask):
    """Trains a model of a knowledge graph to tell its triples from corrupted ones.

    The loss is that of choosing each training triple from among its negatives (softmax cross-entropy, as in Ruffinelli,
    Broscheit, Gemulla, ICLR 2020). A batch is the whole graph with the masks of its splits, and ``seeds`` names the
    training triples that the loss is for; messages pass along training triples alone. Heads and tails are ranked
    among all entities, less those that complete another triple of any split.

    Args:
        num_entities: Number of entities (linked from the datamodule on the command line).
        num_relations: Number of relations (linked as well).
        model: Class or partial that makes the model from the two, see `graphml.models.DistMult`, the default.
        num_negatives: Negatives of each training triple, >= 1.
        lr: Learning rate of Adam.
        weight_decay: L2 penalty of Adam.
        chunk_size: Queries that are ranked at once, >= 1; the memory is that of so many scores of all entities.

    Raises:
        ValueError: If an option is out of range.
    """

    monitor = "val_mrr"  # the command line keeps the checkpoint of the epoch where this is highest

    def __init__(
        self,
        num_entities: int,
        num_relations: int,
        model: Callable[[int, int], nn.Module] | None = None,
        num_negatives: int = 64,
        lr: float = 1e-2,
        weight_decay: float = 0.0,
        chunk_size: int = 512,
    ) -> None:
        super().__init__()
        for name, value in {"num_negatives": num_negatives, "chunk_size": chunk_size}.items():
            if value < 1:
                raise ValueError(f"{name}: expected an integer >= 1, got {value}")
        self.save_hyperparameters()
        self.model = (model or DistMult)(num_entities, num_relations)
        self.num_entities, self.num_negatives, self.chunk_size = num_entities, num_negatives, chunk_size
        self.lr, self.weight_decay = lr, weight_decay

    def loss(self, model: nn.Module, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of each training triple of the batch against its negatives.

        Args:
            model: The model, such as ``self.network``.
            batch: The graph.
            generator: Where the negatives come from.
        """
        triples = triples_of(batch, "train")
        negatives = corrupt_triples(triples, self.num_entities, self.num_negatives, generator)
        choices = torch.cat([triples[:, None], negatives], 1)
        scores = model(*messages(batch), choices.flatten(0, 1)).view(choices.shape[:2])
        loss = -F.log_softmax(scores, 1)[:, 0].sum() / max(len(triples), 1)  # 0 without triples
        return loss, {"loss": loss.detach()}

    def counts(self, model: nn.Module, batch: Any, stage: str) -> dict[str, Tensor]:
        """Sums over a stage's queries, two a triple: of the reciprocal ranks, of the ranks, of the hits.

        Args:
            model: The model, in evaluation mode.
            batch: The graph.
            stage: Whose triples to rank.
        """
        ranks = self.ranks(model, batch, triples_of(batch, stage)).flatten()
        hits = {f"hits@{k}": (ranks <= k).sum() for k in HITS}
        sums = {"reciprocal_rank": ranks.reciprocal().sum(), "rank": ranks.sum(), **hits}
        return sums | {"count": torch.tensor(len(ranks))}

    def metrics(self, counts: dict[str, Tensor]) -> dict[str, float]:
        """Mean reciprocal rank, mean rank, and share of ranks up to 1, 3 and 10.

        Args:
            counts: Sum of what ``counts`` returned.
        """
        count = max(int(counts["count"]), 1)
        names = {"mrr": "reciprocal_rank", "mean_rank": "rank"} | {f"hits@{k}": f"hits@{k}" for k in HITS}
        return {name: float(counts[key]) / count for name, key in names.items()}

    @torch.no_grad()
    def ranks(self, model: nn.Module, batch: Any, triples: Tensor) -> Tensor:
        """Filtered ranks of the head and of the tail of each triple.

        Args:
            model: The model, in evaluation mode.
            batch: The graph.
            triples: ``[T, 3]`` triples of the graph.

        Returns:
            ``[T, 2]`` ranks from 1, float64.
        """
        z = model.embed(*messages(batch))  # type: ignore[operator]
        (heads, tails), relations = batch.edge_index, batch.edge_type
        known_heads, known_tails = KnownAnswers(tails, relations, heads), KnownAnswers(heads, relations, tails)
        ranks = [z.new_empty(0, 2, dtype=torch.float64)]
        for head, relation, tail in (chunk.unbind(1) for chunk in triples.split(self.chunk_size) if len(chunk)):
            of_head = filtered_ranks(model.score_heads(z, relation, tail), head, known_heads(tail, relation))  # type: ignore[operator]
            of_tail = filtered_ranks(model.score_tails(z, head, relation), tail, known_tails(head, relation))  # type: ignore[operator]
            ranks.append(torch.stack([of_head, of_tail], 1))
        return torch.cat(ranks)

    def num_items(self, batch: Any) -> int:
        """Number of training triples."""
        return len(triples_of(batch, "train"))

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Filtered ranks ``[T, 2]`` of the head and of the tail of the test triples."""
        return self.ranks(self.network, batch, triples_of(batch, "test"))


def triples_of(batch: Any, stage: str) -> Tensor:
    """Triples ``[T, 3]`` of a stage: head, relation, tail; those of training are the batch's ``seeds`` if it has any.

    Args:
        batch: A knowledge graph.
        stage: ``train``, ``val`` or ``test``.
    """
    seeds = getattr(batch, "seeds", None) if stage == "train" else None
    chosen = batch[f"{stage}_mask"] if seeds is None else seeds
    head, tail = batch.edge_index[:, chosen]
    return torch.stack([head, batch.edge_type[chosen], tail], 1)


def messages(batch: Any) -> tuple[Tensor, Tensor]:
    """Edges ``[2, E]`` and relations ``[E]`` of the training triples, all that a model may know.

    Args:
        batch: A knowledge graph.
    """
    return batch.edge_index[:, batch.train_mask], batch.edge_type[batch.train_mask]
