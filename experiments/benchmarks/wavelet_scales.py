"""Forward pass of WaveletConv by its number of scales, on a random graph of PubMed's size.

The filters share one basis, so the sum of 4 filters must cost at most 1.3 times as much as 1: a ratio of 0.77 or more.
Concatenation widens the linear layer behind the filters, so it is shown without a goal.
"""

import functools

import torch

from graphml.bench.measure import Result, compare
from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.nn import WaveletConv

GOAL = 1 / 1.3


def benchmark(quick: bool) -> list[Result]:
    """Measure.

    Args:
        quick: 64 input channels instead of 500, and sums alone.

    Returns:
        The results.
    """
    sample = contextual_sbm(num_nodes=19_717, num_classes=3, num_features=8, average_degree=4.5, seed=0)
    data = NodeDataModule.from_data(sample).data
    channels, hidden = (64, 64) if quick else (500, 256)
    x = torch.randn(sample.num_nodes, channels, generator=torch.Generator().manual_seed(0))
    results = []
    for concat in (False,) if quick else (False, True):
        layers = {
            f"{scales} scales" if scales > 1 else "1 scale": WaveletConv(
                channels, hidden, scales, concat=concat, normalize=False, density=data.density
            ).requires_grad_(False)
            for scales in (1, 2, 4)
        }
        results += compare(
            f"WaveletConv forward, {'concatenation' if concat else 'sum'} of filters",
            f"PubMed size, {channels} to {hidden}",
            {name: functools.partial(layer, x, data.edge_index, data.edge_weight) for name, layer in layers.items()},
            reference="1 scale",
            goals=None if concat else {"4 scales": GOAL},
        )
    return results
