"""The first layer on bag-of-words features, sparse against dense, forward and backward to the weights.

Random matrices with the shapes and densities of Cora (1.3 %), CiteSeer (0.85 %) and PubMed (10 %), 64 and 512 channels.
Goal: 10 times the speed of the dense layer on Cora's features with 512 channels.
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from graphml.bench.measure import Result, compare
from graphml.nn import FeatureLinear

SHAPES = {"Cora": (2_708, 1_433, 0.0127), "CiteSeer": (3_327, 3_703, 0.0085), "PubMed": (19_717, 500, 0.1)}


def step(layer: FeatureLinear, x: Tensor, grad: Tensor) -> Callable[[], object]:
    """Forward pass, and backward to the layer's parameters."""
    return lambda: torch.autograd.grad(layer(x), tuple(layer.parameters()), grad)


def benchmark(quick: bool) -> list[Result]:
    """Measure all shapes and widths, with fewer rounds when quick."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    results = []
    for name, (num_nodes, features, density) in SHAPES.items():
        generator = torch.Generator().manual_seed(0)
        x = (torch.rand(num_nodes, features, generator=generator) < density).float().to(device)
        sparse = x.to_sparse_csr()
        for channels in (64, 512):
            layer = FeatureLinear(features, channels).to(device)
            grad = torch.randn(num_nodes, channels, generator=generator).to(device)
            results += compare(
                "first layer, forward + backward",
                f"{name}, {100 * density:.3g} %, {channels} channels",
                {"dense": step(layer, x, grad), "graphml sparse": step(layer, sparse, grad)},
                "dense",
                {"graphml sparse": 10.0} if (name, channels) == ("Cora", 512) else None,
                repeats=3 if quick else 9,
                device=device,
            )
    return results
