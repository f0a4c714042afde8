"""The sparse product, forward and backward to the features, against PyG and torch.

Graphs with power-law degrees of the sizes of Cora, PubMed and Coauthor Physics. Goals at 512 channels: 12 times the
speed of PyG's MessagePassing (its SimpleConv) at PubMed's size, 14 times at Physics'. The bytes are those of the
gather: each entry reads one row of features, each row of the result is written once, in both directions.
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.nn import SimpleConv

from graphml.bench.measure import Result, compare
from graphml.data.samples import power_law
from graphml.ops import adjacency_pattern, spmm

SIZES = {"Cora": (2_708, 5_278), "PubMed": (19_717, 44_324), "Physics": (34_493, 247_962)}
GOALS = {("PubMed", 512): 12.0, ("Physics", 512): 14.0}


def candidates(num_nodes: int, num_edges: int, channels: int, device: str) -> dict[str, Callable[[], object]]:
    """Each way to compute the product and the gradient to its features."""
    edges = power_law(num_nodes, num_edges).to(device)
    edges = edges[:, torch.argsort(edges[1] * num_nodes + edges[0])]
    generator = torch.Generator().manual_seed(0)
    weight = torch.rand(edges.size(1), generator=generator).to(device)
    x, grad = torch.randn(2, num_nodes, channels, generator=generator).to(device)
    pattern = adjacency_pattern(edges, num_nodes)
    edge_index = EdgeIndex(edges, sparse_size=(num_nodes, num_nodes), sort_order="col").fill_cache_()
    matrix = torch.sparse_csr_tensor(pattern.rowptr, pattern.col, weight, (num_nodes,) * 2, check_invariants=False)
    layer = SimpleConv(aggr="sum")

    def step(product: Callable[[Tensor], Tensor]) -> Callable[[], object]:
        leaf = x.clone().requires_grad_()
        return lambda: torch.autograd.grad(product(leaf), leaf, grad)

    ways = {
        "PyG MessagePassing": step(lambda v: layer(v, edges, weight)),
        "PyG EdgeIndex": step(lambda v: edge_index.matmul(v, weight, transpose=True)),
        "graphml spmm": step(lambda v: spmm(pattern, weight, v)),
    }
    if device == "cpu":
        ways["torch.sparse.mm, sum"] = step(lambda v: torch.sparse.mm(matrix, v, "sum"))
    else:
        ways["torch A @ x"] = step(lambda v: matrix @ v)
    return ways


def benchmark(quick: bool) -> list[Result]:
    """Measure all sizes and widths; a quick run takes the goals' sizes at 512 channels, few rounds."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    results = []
    for name, (num_nodes, num_edges) in SIZES.items():
        for channels in (512,) if quick else (1, 8, 64, 128, 512):
            results += compare(
                "product, forward + backward",
                f"{name}, F {channels}",
                candidates(num_nodes, num_edges, channels, device),
                "PyG MessagePassing",
                {"graphml spmm": GOALS[name, channels]} if (name, channels) in GOALS else None,
                bytes_moved=2 * 4.0 * channels * (2 * num_edges + num_nodes),
                repeats=1 if quick and name == "Physics" else 3 if quick else 9,
                device=device,
            )
    return results
