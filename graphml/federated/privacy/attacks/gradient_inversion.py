"""What gradient inversion sees and what it looks for: a client's graph whose gradient is the one that was observed."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from graphml.federated.privacy.attacks.dense import DenseForward
from graphml.federated.weights import Weights


@dataclass(frozen=True)
class Observation:
    """What an honest-but-curious server has before it inverts a gradient.

    It sent the weights, it got a gradient back (see `gradient_of_update`), it knows the model and how many nodes the
    client has. Labels it knows or infers (`infer_label`, `infer_labels`). Features or the adjacency may be public.

    Attributes:
        forward: The model on a dense adjacency, without dropout.
        weights: Weights that the gradient was taken at.
        gradient: Gradient of the parameters, by name.
        labels: Labels, int64 [n] of the nodes (-100 for one without) or [1] of the graph; the loss is the mean
            cross-entropy of those that there are.
        num_nodes: Number of nodes n.
        num_features: Number of features F.
        x: Features [n, F], where they are known.
        adjacency: Adjacency without self-loops [n, n], where it is known.
        used: Features that may be other than zero, bool [F], such as `used_features` finds; default all.
        bounds: Smallest and largest value that a feature can have, where that is known.
    """

    forward: DenseForward
    weights: Weights
    gradient: Weights
    labels: Tensor
    num_nodes: int
    num_features: int
    x: Tensor | None = None
    adjacency: Tensor | None = None
    used: Tensor | None = None
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.x is not None and self.adjacency is not None:
            raise ValueError("adjacency: expected None where x is known, got both: nothing is left to find")
        shapes = {"x": (self.num_nodes, self.num_features), "adjacency": (self.num_nodes, self.num_nodes)}
        for name, shape in shapes.items():
            given = getattr(self, name)
            if given is not None and given.shape != shape:
                raise ValueError(f"{name}: expected the shape {list(shape)}, got {list(given.shape)}")
        unknown = sorted(self.gradient.keys() - self.weights.keys())
        if unknown:
            raise ValueError(f"gradient: expected names of the weights, got {', '.join(unknown)}")


@dataclass(frozen=True)
class Reconstruction:
    """What an inversion has found.

    Attributes:
        x: Features, float64 [n, F].
        adjacency: How likely each pair is linked, float64 [n, n] in [0, 1], symmetric with a diagonal of 0.
        distance: Distance of its gradient from the observed one, by the attack's own measure.
    """

    x: Tensor
    adjacency: Tensor
    distance: float


class Guess:
    """The unknowns of an inversion: features that may be other than zero, and a logit for each pair of nodes.

    Attributes:
        unknowns: Those of the two that are not known: the tensors to optimise.

    Args:
        observation: What is known.
        generator: Where the first guess comes from.
    """

    def __init__(self, observation: Observation, generator: torch.Generator) -> None:
        self.known = observation
        used = observation.used
        self.columns = torch.arange(observation.num_features) if used is None else used.nonzero().squeeze(1)
        self.pairs = torch.triu_indices(observation.num_nodes, observation.num_nodes, offset=1)
        self.features = self._first_features(generator)
        self.logits = torch.zeros(self.pairs.size(1), dtype=torch.float64)
        found = {"x": self.features, "adjacency": self.logits}
        self.unknowns = [
            tensor.requires_grad_() for name, tensor in found.items() if getattr(observation, name) is None
        ]

    def _first_features(self, generator: torch.Generator) -> Tensor:
        shape = (self.known.num_nodes, len(self.columns))
        if self.known.bounds is None:
            return torch.randn(shape, generator=generator, dtype=torch.float64)
        low, high = self.known.bounds
        return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)

    def x(self) -> Tensor:
        """Features [n, F]."""
        if self.known.x is not None:
            return self.known.x.double()
        x = torch.zeros(self.known.num_nodes, self.known.num_features, dtype=torch.float64)
        return x.index_copy(1, self.columns, self.features)

    def adjacency(self) -> Tensor:
        """Relaxed adjacency [n, n]: the logistic function of a symmetric matrix of logits, without a diagonal."""
        if self.known.adjacency is not None:
            return self.known.adjacency.double()
        half = torch.zeros(self.known.num_nodes, self.known.num_nodes, dtype=torch.float64)
        half = half.index_put(tuple(self.pairs), self.logits.sigmoid())
        return half + half.T

    @torch.no_grad()
    def project(self) -> None:
        """Bring the features back into the bounds, where there are any."""
        if self.known.bounds is not None:
            self.features.clamp_(*self.known.bounds)

    def reconstruction(self, distance: float) -> Reconstruction:
        """The guess as it stands.

        Args:
            distance: Distance of its gradient from the observed one.
        """
        return Reconstruction(self.x().detach(), self.adjacency().detach(), distance)


class GradientMatch:
    """The gradient of a guess, beside the observed one.

    Args:
        observation: What is known.

    Raises:
        ValueError: If the observed gradient is zero.
    """

    def __init__(self, observation: Observation) -> None:
        self.forward, self.labels = observation.forward, observation.labels
        self.weights = {name: value.detach().double() for name, value in observation.weights.items()}
        self.names = list(observation.gradient)
        self.observed = torch.cat([observation.gradient[name].detach().double().flatten() for name in self.names])
        if not self.observed.any():
            raise ValueError("observation.gradient: expected one that is not zero, got zeros: the client did not train")
        for name in self.names:
            self.weights[name].requires_grad_()

    def gradient(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """Gradient of the loss on a graph, which can be differentiated by the graph.

        Args:
            x: Features [n, F].
            adjacency: Adjacency [n, n].

        Returns:
            All parameters' gradients end to end [P].
        """
        loss = F.cross_entropy(self.forward(self.weights, x, adjacency), self.labels)
        parts = torch.autograd.grad(loss, [self.weights[name] for name in self.names], create_graph=True)
        return torch.cat([part.flatten() for part in parts])


def best_of(search: Callable[[], Reconstruction], restarts: int) -> Reconstruction:
    """The nearest of several searches, each from a guess of its own: most end in a local minimum.

    Args:
        search: One search.
        restarts: How many, at least 1.

    Raises:
        ValueError: If there is none.
    """
    if restarts < 1:
        raise ValueError(f"restarts: expected at least 1, got {restarts}")
    return min((search() for _ in range(restarts)), key=lambda found: found.distance)
