"""Time of one forward pass of WaveletConv by its number of scales, at the size of PubMed.

The graph is PubMed when ``--data.root`` (or GRAPHML_DATA) has it, else a random one of the same size:
``python experiments/benchmarks/wavelet_scales.py``. The sum of filters must cost at most 1.3 times as much with 4
scales as with 1; concatenation widens the linear layer behind the filters, so it is shown without a bound.
"""

import argparse
import time

import torch
from torch_geometric import EdgeIndex

from graphml.data import DatasetMissingError, NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.nn import WaveletConv


def graph(root: str | None) -> tuple[str, EdgeIndex, torch.Tensor, torch.Tensor]:
    """Name, edges, ready weights and density of PubMed or of a random graph of its size."""
    try:
        name, module = "PubMed", NodeDataModule("PubMed", root)
        data = module.data
    except DatasetMissingError:
        sample = contextual_sbm(num_nodes=19_717, num_classes=3, num_features=8, average_degree=4.5, seed=0)
        name, data = "random graph of PubMed's size", NodeDataModule.from_data(sample).data
    return name, data.edge_index, data.edge_weight, data.density


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data.root", dest="root")
    parser.add_argument("--channels", type=int, default=500)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    name, edge_index, weight, density = graph(options.root)
    x = torch.randn(edge_index.sparse_size(0), options.channels)
    layers = {
        (scales, concat): WaveletConv(
            options.channels, options.hidden, scales, concat=concat, normalize=False, density=density
        )
        for scales in (1, 2, 4)
        for concat in (False, True)
    }
    seconds: dict[tuple[int, bool], list[float]] = {key: [] for key in layers}
    with torch.no_grad():
        for layer in layers.values():
            layer(x, edge_index, weight)  # first calls fill caches
        for _ in range(options.repeats):  # in turn, so that a busy machine slows all of them
            for key, layer in layers.items():
                start = time.perf_counter()
                layer(x, edge_index, weight)
                seconds[key].append(time.perf_counter() - start)
    median = {key: sorted(times)[len(times) // 2] for key, times in seconds.items()}
    print(f"{name}: {x.size(0):,} nodes, {edge_index.size(1):,} edges, {options.channels} to {options.hidden} channels")
    for concat in (False, True):
        print("concatenation" if concat else "sum (default)")
        for scales in (1, 2, 4):
            value = median[scales, concat]
            print(f"  {scales} scales: {1000 * value:7.1f} ms, {value / median[1, concat]:.2f} times 1 scale")


if __name__ == "__main__":
    main()
