"""How a partition deals out items, labels and edges: the numbers that say how hard a federation is."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class PartitionStatistics:
    """The numbers of a partition of N items with E edges and C classes among K clients.

    Attributes:
        sizes: ``[K]`` items of each client.
        label_counts: ``[K, C]`` items of each client with each label; None where no item has one.
        label_skew: ``[K]`` total variation distance of each client's label distribution from that of all items, from 0
            (equal) to 1; NaN for a client without a labelled item. None where no item has a label.
        num_edges: Edges E, an undirected one counted twice, as `edge_index` holds it.
        num_edges_cut: Edges that no client holds.
        num_items_in_none: Items that no client holds.
        num_items_in_several: Items that more than one client holds.
    """

    sizes: Tensor
    label_counts: Tensor | None
    label_skew: Tensor | None
    num_edges: int
    num_edges_cut: int
    num_items_in_none: int
    num_items_in_several: int

    @property
    def mean_label_skew(self) -> float | None:
        """Mean of `label_skew` over the clients that hold a labelled item; None where no item has a label."""
        return None if self.label_skew is None else float(self.label_skew.nanmean())

    @property
    def edges_cut(self) -> float:
        """Share of the edges that no client holds, from 0 to 1; 0 where there are no edges."""
        return self.num_edges_cut / max(self.num_edges, 1)


def total_variation(counts: Tensor, reference: Tensor) -> Tensor:
    """Compare distributions with one, all given by counts: half the sum of absolute differences.

    Args:
        counts: ``[K, C]`` counts of K distributions.
        reference: ``[C]`` counts of the distribution to compare with, one of them above 0.

    Returns:
        ``[K]`` distances from 0 to 1; NaN where a row has no counts.
    """
    shares = counts / counts.sum(dim=1, keepdim=True)
    return (shares - reference / reference.sum()).abs().sum(dim=1) / 2
