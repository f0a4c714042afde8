"""Sum, mean, maximum and softmax over segments, forward + backward, against PyG and plain torch.

The segments are the edges into each node of a random graph of PubMed's size with power-law degrees, self-loops
included. Where torch-scatter is installed, PyG calls it and its ``segment_csr`` runs too.
"""

import functools
import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.utils import segment, softmax

from graphml.bench.measure import Result, compare
from graphml.ops import segment_max, segment_mean, segment_softmax, segment_sum

OURS = {"sum": segment_sum, "mean": segment_mean, "max": segment_max}


def pointers() -> Tensor:
    """Pointers of 19,717 segments of about 5 entries each, the longest of some hundreds."""
    generator = torch.Generator().manual_seed(0)
    share = torch.rand(19_717, generator=generator).pow(-0.7).clamp(max=200)
    lengths = (share / share.sum() * 108_365).long()
    return torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])


def indexed(values: Tensor, ptr: Tensor, reduce: str) -> Tensor:
    """``scatter_reduce`` by the number of each entry's segment."""
    count = ptr.numel() - 1
    index = torch.arange(count).repeat_interleave(ptr.diff(), output_size=values.size(0))
    out = values.new_zeros(count, values.size(1))
    return out.scatter_reduce(0, index[:, None].expand_as(values), values, reduce, include_self=False)


def rivals(reduce: str, ptr: Tensor) -> dict[str, Callable[[Tensor], Tensor]]:
    """Functions of the values for one kind of reduction."""
    indexed_name = {"max": "amax"}.get(reduce, reduce)
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "PyG segment": lambda values: segment(values, ptr, reduce),
        "torch.segment_reduce": lambda values: torch.segment_reduce(values, reduce, offsets=ptr, axis=0),
        "scatter_reduce": lambda values: indexed(values, ptr, indexed_name),
        "graphml": lambda values: OURS[reduce](values, ptr),
    }
    if importlib.util.find_spec("torch_scatter"):
        import torch_scatter

        functions["torch-scatter"] = lambda values: torch_scatter.segment_csr(values, ptr, reduce=reduce)
    return functions


def softmax_rivals(ptr: Tensor) -> dict[str, Callable[[Tensor], Tensor]]:
    """Functions of the values for the softmax."""
    index = torch.arange(ptr.numel() - 1).repeat_interleave(ptr.diff())
    return {
        "PyG softmax, ptr": lambda values: softmax(values, ptr=ptr),
        "PyG softmax, index": lambda values: softmax(values, index, num_nodes=ptr.numel() - 1),
        "graphml": lambda values: segment_softmax(values, ptr),
    }


def step(function: Callable[[Tensor], Tensor], values: Tensor) -> None:
    """Forward and backward pass."""
    out = function(values.detach().requires_grad_())
    out.backward(torch.ones_like(out))


def benchmark(quick: bool) -> list[Result]:
    """Measure.

    Args:
        quick: Values of 8 columns alone.

    Returns:
        The results.
    """
    ptr, results = pointers(), []
    jobs = {reduce: rivals(reduce, ptr) for reduce in OURS} | {"softmax": softmax_rivals(ptr)}
    for columns in (8,) if quick else (1, 8, 64):
        values = torch.randn(int(ptr[-1]), columns, generator=torch.Generator().manual_seed(0))
        for name, functions in jobs.items():
            results += compare(
                f"segment {name}, forward + backward",
                f"PubMed size, {columns} columns",
                {rival: functools.partial(step, function, values) for rival, function in functions.items()},
                reference=next(iter(functions)),
            )
    return results
