"""Transforms that run once per graph, before training: structure, normalisation, spectral density.

Each is a PyG transform: PyG's own ones (`NormalizeFeatures`, `ToUndirected`, `RemoveSelfLoops`, `AddSelfLoops`)
compose with them.
"""

import warnings

import torch
from torch_geometric import EdgeIndex
from torch_geometric.data import Data
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import coalesce

from graphml.spectral import SpectralDensity


class ToSortedEdgeIndex(BaseTransform):
    """Turn a symmetric edge list into PyG's `EdgeIndex` with both compressed forms cached.

    Duplicates are merged and edges are sorted by target, then by source, in both compressed forms. So the permutation
    that `get_csr()` returns names, for each edge, the position of its reverse.

    Edge weights do not survive merging: apply this before `SymmetricNormalization`.
    """

    def forward(self, data: Data) -> Data:
        """Replace `data.edge_index` by a validated int64 `EdgeIndex`.

        Args:
            data: Graph with a symmetric `edge_index` [2, E].

        Returns:
            The graph with its edges as `EdgeIndex`, sorted by "col", undirected, caches filled.

        Raises:
            ValueError: If an index is negative or out of range, or the edge list is not symmetric.
        """
        edges = data.edge_index
        edges = edges.as_tensor() if isinstance(edges, EdgeIndex) else edges
        edges = coalesce(edges.to(torch.int64), num_nodes=data.num_nodes, sort_by_row=False)
        size = (data.num_nodes, data.num_nodes)
        edge_index = EdgeIndex(edges.contiguous(), sparse_size=size, sort_order="col", is_undirected=True)
        data.edge_index = _fill_cache(edge_index.validate())
        data.edge_weight = None
        return data


def _fill_cache(edge_index: EdgeIndex) -> EdgeIndex:
    """Fill the caches, the transposition by a stable sort: PyG's is not stable, and would order sources at random."""
    source, target = edge_index.as_tensor()
    edge_index._T_perm = source.argsort(stable=True)
    edge_index._T_index = (target, source)  # sorted by source, a symmetric list is the same list reversed
    return edge_index.fill_cache_()


class ToSparseFeatures(BaseTransform):
    """Turn `data.x` into a `torch.sparse_csr` matrix, for bags of words of which 1 % is not zero.

    Args:
        max_density: Largest share in [0, 1] of non-zero features that is turned; denser features stay as they are.

    Raises:
        ValueError: If the density is no share.
    """

    # Up to this density the first layer is faster on sparse features. Forward and backward on one core, against the
    # dense product, 64 and 512 channels: 2.3 and 3.1 times faster at Cora's 1.3 %, 3.1 and 3.7 times at CiteSeer's
    # 0.85 %, 4.8 and 2.2 times slower at PubMed's 10 %; the time grows with the density.
    WORTHWHILE = 0.03

    def __init__(self, max_density: float = 1.0) -> None:
        if not 0 <= max_density <= 1:  # NaN too
            raise ValueError(f"max_density must be in [0, 1], got {max_density}")
        self.max_density = max_density

    def forward(self, data: Data) -> Data:
        """Replace `data.x` [N, F] by the same matrix in sparse CSR layout, unless it is too dense.

        Args:
            data: Graph with dense features.

        Returns:
            The graph.
        """
        if int(data.x.count_nonzero()) > self.max_density * data.x.numel():
            return data
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            data.x = data.x.to_sparse_csr()
        return data


class SymmetricNormalization(BaseTransform):
    """Set `data.edge_weight` to the symmetric normalisation D^-1/2 A D^-1/2 of the edges that are there.

    PyG's `gcn_norm` on unit weights, with no loops added (PyG's `AddSelfLoops` before it gives the GCN's operator).
    Kipf and Welling, "Semi-supervised Classification with Graph Convolutional Networks", ICLR 2017.
    """

    def forward(self, data: Data) -> Data:
        """Set `data.edge_weight`.

        Args:
            data: Graph with `edge_index` [2, E]; an isolated node is fine.

        Returns:
            The graph with `edge_weight` float32 [E], replacing any other.
        """
        edges = data.edge_index
        plain = edges.as_tensor() if isinstance(edges, EdgeIndex) else edges
        _, data.edge_weight = gcn_norm(plain, None, data.num_nodes, add_self_loops=False, dtype=torch.float32)
        return data


class AddSpectralDensity(BaseTransform):
    """Set `data.density`: the spectral density of the graph's normalised Laplacian on the library's fixed grid.

    Args:
        order: Chebyshev order of the kernel polynomial method, at least 1.
        num_probes: Random probe vectors, at least 1.
        seed: Seed of the probes.
    """

    def __init__(self, order: int = 30, num_probes: int = 10, seed: int = 0) -> None:
        self.order = order
        self.num_probes = num_probes
        self.seed = seed

    def forward(self, data: Data) -> Data:
        """Set `data.density`.

        Args:
            data: Graph with a symmetric `edge_index` [2, E], with the self-loops that the filters will see.

        Returns:
            The graph with `density` float32 [256] of mean 1 on [0, 2].
        """
        edges = data.edge_index
        plain = edges.as_tensor() if isinstance(edges, EdgeIndex) else edges
        density = SpectralDensity.estimate(
            plain,
            data.num_nodes,
            order=self.order,
            num_probes=self.num_probes,
            generator=torch.Generator().manual_seed(self.seed),
        )
        data.density = density.on_grid().to(torch.float32)
        return data
