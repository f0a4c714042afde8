"""Chebyshev basis and filters of degree 10 at the size of PubMed, forward and backward, against PyG's ChebConv.

The peer is ChebConv's propagation: its K + 1 linear maps are replaced by fixed coefficients, because the filters here
have none. Goals: 9 times the speed of ChebConv, and four scales at 1.3 times the cost of one at most, that is 0.77
times its speed.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch_geometric.nn import ChebConv

from graphml.bench.measure import Result, compare
from graphml.data.samples import power_law
from graphml.nn import WaveletFilter
from graphml.ops import adjacency_pattern, chebyshev_basis, chebyshev_filter, symmetric_normalize

ORDER = 10
NUM_NODES, NUM_EDGES = 19_717, 44_324


class Scale(nn.Module):
    """A linear map that only multiplies."""

    def forward(self, x: Tensor) -> Tensor:
        """Halve."""
        return 0.5 * x


def step(function: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], object]:
    """Forward and backward pass of a function of the features."""
    leaf = x.clone().requires_grad_()
    ones = torch.ones_like(function(leaf))
    return lambda: torch.autograd.grad(function(leaf), leaf, ones)


def benchmark(quick: bool) -> list[Result]:
    """Measure 64 and 256 channels; a quick run 64 alone, three rounds."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    edges = power_law(NUM_NODES, NUM_EDGES).to(device)
    pattern = adjacency_pattern(edges, NUM_NODES)
    ready = symmetric_normalize(edges, None, NUM_NODES)
    weight = pattern.in_order(ready)
    coefficients = torch.full((ORDER + 1,), 0.5, device=device)
    peer = ChebConv(1, 1, ORDER + 1, bias=False)
    peer.lins = nn.ModuleList(Scale() for _ in range(ORDER + 1))
    results = []
    for channels in (64,) if quick else (64, 256):
        x = torch.randn(NUM_NODES, channels, generator=torch.Generator().manual_seed(0)).to(device)
        size, rounds = f"PubMed, F {channels}", 3 if quick else 9
        ways = {
            "PyG ChebConv": step(lambda v: peer(v, edges, lambda_max=2.0), x),
            "graphml basis": step(
                lambda v: (coefficients @ chebyshev_basis(v, pattern, weight, ORDER).flatten(1)).view_as(v), x
            ),
            "graphml filter": step(lambda v: chebyshev_filter(v, pattern, weight, coefficients), x),
        }
        goals = {"graphml basis": 9.0, "graphml filter": 9.0}
        results += compare(
            "Chebyshev, K 10, forward + backward", size, ways, "PyG ChebConv", goals, None, rounds, device
        )
        layers = {n: WaveletFilter(n, ORDER, normalize=False).to(device) for n in (1, 2, 4)}
        ways = {f"{n} scales": step(lambda v, layer=layer: layer(v, edges, ready), x) for n, layer in layers.items()}
        goals = {"4 scales": 1 / 1.3}
        results += compare("wavelets, K 10, forward + backward", size, ways, "1 scales", goals, None, rounds, device)
    return results
