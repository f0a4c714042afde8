"""Models on a dense adjacency: a gradient can be taken through them, and through that gradient once more."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.federated.weights import Weights
from graphml.models import GCN, GINGraphClassifier

DenseForward = Callable[[Weights, Tensor, Tensor], Tensor]
"""From weights, features [n, F] and an adjacency without self-loops [n, n], in [0, 1], to logits [n or 1, C]."""


@dataclass(frozen=True)
class DenseGCN:
    """`graphml.models.GCN` without dropout, on an adjacency that may be relaxed.

    Attributes:
        prefix: What stands before the names of the model's weights.
        num_layers: Number of layers.
        self_loops: Whether the data carry self-loops.
    """

    prefix: str
    num_layers: int
    self_loops: bool = True

    def __call__(self, weights: Weights, x: Tensor, adjacency: Tensor) -> Tensor:
        """Logits of the nodes.

        Args:
            weights: Weights by name.
            x: Features [n, F].
            adjacency: Adjacency [n, n].

        Returns:
            Logits [n, C].
        """
        operator = normalized(adjacency, self.self_loops)
        h = x
        for layer in range(self.num_layers):
            h = F.relu(h) if layer > 0 else h
            h = operator @ (h @ weights[f"{self.prefix}lins.{layer}.weight"].T)
            h = h + weights[f"{self.prefix}biases.{layer}.bias"]
        return h


@dataclass(frozen=True)
class DenseGINGraph:
    """`graphml.models.GINGraphClassifier` on one graph in training mode without dropout.

    BatchNorm takes the statistics of this graph's nodes, as it does where a client's batch is one graph. It makes
    searches for the graph end far from the observed gradient: expect little more than the labels and the used features
    to be found through it.

    Attributes:
        prefix: What stands before the names of the model's weights.
        num_layers: Number of GIN layers.
        mean: Whether the nodes are averaged; else they are summed.
        self_loops: Whether the data carry self-loops, which count a node once more.
    """

    prefix: str
    num_layers: int
    mean: bool = False
    self_loops: bool = False

    def __call__(self, weights: Weights, x: Tensor, adjacency: Tensor) -> Tensor:
        """Logits of the graph.

        Args:
            weights: Weights by name.
            x: Features [n, F].
            adjacency: Adjacency [n, n].

        Returns:
            Logits [1, C].
        """
        operator = adjacency + (2 if self.self_loops else 1) * torch.eye(len(x), dtype=x.dtype)
        h = self._linear(weights, "embed", x)
        for layer in range(self.num_layers):
            name = f"gin.layers.{layer}"
            h = F.relu(h) if layer > 0 else h
            h = operator @ (h @ weights[f"{self.prefix}{name}.first.weight"].T)
            scale, shift = (weights[f"{self.prefix}{name}.norm.{part}"] for part in ("weight", "bias"))
            h = self._linear(weights, f"{name}.second", F.relu(_batch_norm(h) * scale + shift))
        pooled = h.mean(0, keepdim=True) if self.mean else h.sum(0, keepdim=True)
        return self._linear(weights, "head", F.relu(self._linear(weights, "hidden", pooled)))

    def _linear(self, weights: Weights, name: str, x: Tensor) -> Tensor:
        return F.linear(x, weights[f"{self.prefix}{name}.weight"], weights[f"{self.prefix}{name}.bias"])


def normalized(adjacency: Tensor, self_loops: bool) -> Tensor:
    """Symmetric normalisation of an adjacency.

    Args:
        adjacency: Adjacency without self-loops [n, n], not negative.
        self_loops: Whether to add self-loops first.

    Returns:
        D^-1/2 A D^-1/2 [n, n]; rows of nodes without edges are 0.
    """
    whole = adjacency + torch.eye(len(adjacency), dtype=adjacency.dtype) if self_loops else adjacency
    degree = whole.sum(dim=1)
    scale = torch.where(degree > 0, degree.clamp_min(1e-12).rsqrt(), 0.0)
    return scale[:, None] * whole * scale


def _batch_norm(h: Tensor) -> Tensor:
    centred = h - h.mean(dim=0)
    return centred * (centred.square().mean(dim=0) + 1e-5).rsqrt()  # BatchNorm1d's epsilon


@functools.singledispatch
def dense_forward(model: nn.Module, prefix: str = "", self_loops: bool = True) -> DenseForward:
    """The stand-in of a model for attacks on its gradients.

    Args:
        model: The model.
        prefix: What stands before the names of its weights, such as ``encoder.`` in a node task's.
        self_loops: Whether the data carry self-loops.

    Raises:
        TypeError: If there is none for such a model; attacks take any function of the form `DenseForward`.
    """
    raise TypeError(
        f"model: expected a GCN or a GINGraphClassifier, got {type(model).__name__}: write its forward pass on a dense "
        "adjacency, as graphml.federated.privacy.attacks.dense does"
    )


@dense_forward.register
def _(model: GCN, prefix: str = "", self_loops: bool = True) -> DenseForward:
    return DenseGCN(prefix, len(model.lins), self_loops)


@dense_forward.register
def _(model: GINGraphClassifier, prefix: str = "", self_loops: bool = True) -> DenseForward:
    mean = "mean" in model.pool.__name__
    return DenseGINGraph(prefix, len(model.gin.layers), mean, self_loops)
