"""Stochastic views of a graph for contrastive learning: weights on one fixed, symmetric edge list.

An undirected edge is dropped in both directions together, so the Laplacian stays symmetric; the normalisation is
recomputed; shapes stay static and the cached transpose stays valid.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric import EdgeIndex

from graphml.nn.feature_linear import mask_columns
from graphml.ops import SparsePattern, adjacency_pattern, symmetric_normalize
from graphml.spectral.filters import inverse_softplus


class View(NamedTuple):
    """One view: features ``[N, F]`` and ready (normalised) edge weights ``[E]`` on the graph's own edge list."""

    x: Tensor
    edge_weight: Tensor


def _rand(size: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform numbers on the generator's device, moved to ``like``'s: the same on CPU and GPU for a CPU generator."""
    return torch.rand(size, generator=generator, device=generator.device).to(like.device)


def _symmetric_pattern(edge_index: Tensor, num_nodes: int) -> SparsePattern:
    """Pattern whose ``transpose`` names the reverse of each edge: both forms hold the same columns in one order."""
    pattern = adjacency_pattern(edge_index, num_nodes)
    if not torch.equal(pattern.col, pattern.row) and isinstance(edge_index, EdgeIndex):
        # PyG's own caches come from a sort that is not stable; sort again.
        pattern = adjacency_pattern(edge_index.as_tensor(), num_nodes)
    if not torch.equal(pattern.col, pattern.row):
        raise ValueError(
            "edge_index: expected a symmetric edge list (each edge in both directions), got a directed one"
        )
    return pattern


def drop_edges(edge_index: Tensor, num_nodes: int, probability: float, generator: torch.Generator) -> Tensor:
    """``[E]`` float 0/1 weights: each undirected edge is dropped with ``probability``; self-loops are kept."""
    pattern = _symmetric_pattern(edge_index, num_nodes)
    number = torch.arange(pattern.col.numel(), device=pattern.col.device)
    uniform = _rand(number.numel(), number, generator)
    shared = uniform[torch.minimum(number, pattern.transpose)]  # the entry and its reverse look at the same number
    keep = ((shared >= probability) | (pattern.target == pattern.col)).to(torch.float32)
    if pattern.perm is None:
        return keep
    return torch.empty_like(keep).index_copy_(0, pattern.perm.long(), keep)


class Views(nn.Module):
    """Draws views by edge dropping, feature masking, and noise on an encoder's scales and weights.

    Args:
        edge_drop: Probability in [0, 1) of dropping an undirected edge (GRACE, arXiv 2006.04131).
        feature_mask: Probability in [0, 1) of setting a feature to zero for all nodes.
        scale_jitter: Standard deviation of the Gaussian factor ``exp(noise)`` on the encoder's wavelet scales.
        weight_noise: Noise on the encoder's weights, relative to their standard deviation (SimGRACE, arXiv 2202.03104).
    """

    def __init__(
        self,
        edge_drop: float = 0.3,
        feature_mask: float = 0.3,
        scale_jitter: float = 0.0,
        weight_noise: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in (("edge_drop", edge_drop), ("feature_mask", feature_mask)):
            if not 0 <= value < 1:
                raise ValueError(f"{name}: expected a probability in [0, 1), got {value}")
        for name, value in (("scale_jitter", scale_jitter), ("weight_noise", weight_noise)):
            if not value >= 0:  # NaN too
                raise ValueError(f"{name}: expected a standard deviation >= 0, got {value}")
        self.edge_drop = edge_drop
        self.feature_mask = feature_mask
        self.scale_jitter = scale_jitter
        self.weight_noise = weight_noise

    def draw(self, x: Tensor, edge_index: Tensor, generator: torch.Generator) -> View:
        """A view of a graph with features ``x`` ``[N, F]`` and a symmetric ``edge_index`` ``[2, E]``."""
        keep = drop_edges(edge_index, x.size(0), self.edge_drop, generator)
        mask = (_rand(x.size(1), keep, generator) >= self.feature_mask).to(torch.float32)
        return View(mask_columns(x, mask), symmetric_normalize(edge_index, keep, x.size(0)))

    def encode(
        self,
        encoder: nn.Module,
        x: Tensor,
        edge_index: Tensor,
        density: Tensor | None,
        generator: torch.Generator,
    ) -> Tensor:
        """Embeddings ``[N, d]`` of a fresh view under a freshly perturbed encoder."""
        view = self.draw(x, edge_index, generator)
        args = (view.x, edge_index, view.edge_weight, density)
        if self.scale_jitter == 0 and self.weight_noise == 0:
            out: Tensor = encoder(*args)
            return out
        fixed_scales = [item for item in encoder.named_buffers() if item[0].endswith("raw_scales")]
        tensors = [*encoder.named_parameters(), *fixed_scales]
        perturbed = {name: self._perturb(name, tensor, generator) for name, tensor in tensors}
        noisy: Tensor = torch.func.functional_call(encoder, perturbed, args)
        return noisy

    def _perturb(self, name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(parameter.shape, generator=generator, device=generator.device).to(parameter)
        if name.endswith("raw_scales"):
            return inverse_softplus(F.softplus(parameter) * torch.exp(self.scale_jitter * noise))
        if parameter.dim() < 2:
            return parameter
        return parameter + self.weight_noise * parameter.detach().std(correction=0) * noise
