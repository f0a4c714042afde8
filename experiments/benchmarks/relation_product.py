"""Relation product, forward + backward with 8 relations, against PyG's RGCNConv; goal: 1.7 times as fast.

On a random graph of PubMed's size with power-law degrees and on a batch of dialogues of IEMOCAP's lengths, in which
the relation is the pair of speakers and whether the source comes first (as in COGMEN and DialogueGCN). FastRGCNConv is
there for the record, on the dialogues alone: it holds a matrix for each edge. All take the mean of each relation.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.nn import FastRGCNConv, RGCNConv

from graphml.bench.measure import Result, compare
from graphml.ops import relation_pattern, relation_product

RELATIONS = 8
GOAL = 1.7


def citations() -> tuple[int, Tensor, Tensor]:
    """Nodes, edges and random relations of PubMed's size; both ends drawn by a power law."""
    generator = torch.Generator().manual_seed(0)
    num_nodes, num_edges = 19_717, 88_648
    popularity = torch.rand(num_nodes, generator=generator).pow(-0.6)
    ends = [torch.multinomial(popularity, num_edges, replacement=True, generator=generator) for _ in range(2)]
    return num_nodes, torch.stack(ends), torch.randint(0, RELATIONS, (num_edges,), generator=generator)


def dialogues() -> tuple[int, Tensor, Tensor]:
    """Nodes, edges and relations of 32 dialogues of 20 to 90 utterances, two speakers, a window of 10 each way."""
    generator = torch.Generator().manual_seed(0)
    num_nodes, edges = 0, []
    for length in torch.randint(20, 91, (32,), generator=generator).tolist():
        turn = torch.arange(length)
        edges.append(((turn[:, None] - turn).abs() <= 10).nonzero().T + num_nodes)
        num_nodes += length
    source, target = edge_index = torch.cat(edges, dim=1)
    speaker = torch.randint(0, 2, (num_nodes,), generator=generator)
    return num_nodes, edge_index, 4 * speaker[source] + 2 * speaker[target] + (source < target)


def step(layer: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: Tensor, grad: Tensor) -> None:
    """Forward and backward pass from features and weights on."""
    inputs = x.detach().requires_grad_(), weight.detach().requires_grad_()
    torch.autograd.backward(layer(*inputs), grad)


def candidates(
    num_nodes: int, edges: Tensor, relation: Tensor, widths: tuple[int, int], fast: bool
) -> dict[str, Callable[[], None]]:
    """One step of each candidate."""
    generator = torch.Generator().manual_seed(1)
    x, grad = (torch.randn(num_nodes, width, generator=generator) for width in widths)
    weight = torch.randn(RELATIONS, *widths, generator=generator) / widths[0] ** 0.5
    pattern = relation_pattern(edges, relation, num_nodes, RELATIONS)
    mean = pattern.mean_weight()

    def peer(kind: type[RGCNConv]) -> Callable[[Tensor, Tensor], Tensor]:
        layer = kind(*widths, RELATIONS, root_weight=False, bias=False, aggr="mean")
        return lambda x, weight: torch.func.functional_call(layer, {"weight": weight}, (x, edges, relation))

    layers = {
        "RGCNConv": peer(RGCNConv),
        "graphml": lambda x, weight: relation_product(x, pattern, mean, weight),
    }
    if fast:
        layers["FastRGCNConv"] = peer(FastRGCNConv)
    return {name: functools.partial(step, layer, x, weight, grad) for name, layer in layers.items()}


def benchmark(quick: bool) -> list[Result]:
    """Measure.

    Args:
        quick: One pair of widths a graph, and FastRGCNConv not at all.

    Returns:
        The results.
    """
    widths = [(64, 64)] if quick else [(64, 64), (500, 64), (64, 256), (256, 256)]
    talk_widths = [(100, 100)] if quick else [(100, 100), (512, 128), (100, 512)]
    results = []
    for graph, name, pairs in ((citations(), "PubMed size", widths), (dialogues(), "32 dialogues", talk_widths)):
        for pair in pairs:
            results += compare(
                "relation product, forward + backward",
                f"{name}, {pair[0]} to {pair[1]}",
                candidates(*graph, pair, fast=not quick and pair == (100, 100)),
                reference="RGCNConv",
                goals={"graphml": GOAL},
                repeats=5,
            )
    return results
