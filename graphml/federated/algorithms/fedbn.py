"""FedBN: normalisation layers stay with the clients."""

from typing import Any

from torch import nn
from torch_geometric.nn import norm

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.client import Client
from graphml.nn import RelationNorm

NORMALIZATION: tuple[type[nn.Module], ...] = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
    RelationNorm,
    *(getattr(norm, name) for name in norm.__all__),
)
"""What counts as a normalisation layer."""


class FedBNClient(Client):
    """Keeps its normalisation layers, scales and statistics, to itself.

    Args:
        *args: As for `Client`.
        **kwargs: As for `Client`.

    Raises:
        ValueError: If the task has no such layer with anything to keep.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._layers = tuple(
            f"{name}." for name, module in self.task.named_modules() if isinstance(module, NORMALIZATION)
        )
        if not any(self.is_personal(name) for name in self.initial):
            raise ValueError(
                "model: expected one with normalisation layers that have weights or statistics, got none: FedBN would "
                "be FedAvg"
            )

    def is_personal(self, name: str) -> bool:
        """Whether a weight belongs to a normalisation layer.

        Args:
            name: Name of the weight.
        """
        return name.startswith(self._layers)


class FedBN(FedAvg):
    """FedAvg of all but the normalisation layers (Li et al., ICLR 2021, arXiv 2102.07623, algorithm 1).

    Clients whose features are shifted or scaled differently keep their own scales and statistics of BatchNorm; here of
    every normalisation layer of torch, of PyG and of this library. Each client ends up with a model of its own.

    Args:
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].
    """

    client = FedBNClient
    personalised = True
