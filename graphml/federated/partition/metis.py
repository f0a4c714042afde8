"""Clients of equal sizes with as few edges between them as METIS finds."""

import torch
from torch_geometric.utils import remove_self_loops, to_undirected

from graphml.federated.partition.items import Items
from graphml.federated.partition.partition import Partition
from graphml.federated.partition.partitioner import Partitioner

INSTALL = "pip install 'graphml-torch[metis]', or: conda install -c conda-forge pymetis"


class MetisPartitioner(Partitioner):
    """Cuts the graph into parts of nearly equal sizes with few edges between them.

    Karypis, Kumar, "A Fast and High Quality Multilevel Scheme for Partitioning Irregular Graphs", SIAM J. Sci. Comput.
    1998, by pymetis: recursive bisection up to 8 clients, k-way above. The graph is taken as undirected and without
    weights. Every item is in exactly one client.

    METIS may leave a part empty where there are only a few items for each client; that is an error.

    Args:
        num_clients: Number of clients K.
        seed: Seed, not negative and below 2^31.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, num_clients: int, seed: int = 0) -> None:
        super().__init__(num_clients, seed)
        if seed >= 2**31:
            raise ValueError(f"seed: expected less than 2^31, which METIS takes, got {seed}")

    def _deal(self, items: Items, num_clients: int) -> Partition:
        edges, _ = remove_self_loops(self._edges_of(items))
        try:
            import pymetis
        except ModuleNotFoundError as error:
            message = f"pymetis is not installed, and MetisPartitioner needs it. Install it: {INSTALL}"
            raise ModuleNotFoundError(message) from error
        source, target = to_undirected(edges, num_nodes=items.num_items)  # sorted by source, duplicates merged
        degrees = source.bincount(minlength=items.num_items)
        neighbors = [row.tolist() for row in target.split(degrees.tolist())]
        _, owner = pymetis.part_graph(num_clients, neighbors, options=pymetis.Options(seed=self.seed))
        num_parts = len(set(owner))
        if num_parts < num_clients:
            got = f"got {num_clients} for {items.num_items} items, of which METIS makes {num_parts}"
            raise ValueError(f"num_clients: expected as many as METIS makes parts that are not empty, {got}")
        return Partition.from_owner(torch.tensor(owner), num_clients, items.edge_index)
