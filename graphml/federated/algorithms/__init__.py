"""Federated algorithms, one a file: a client half and a strategy half."""

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.algorithms.fedgcn import FedGCN
from graphml.federated.algorithms.fedsage import FedSagePlus
from graphml.federated.algorithms.local import Local

__all__ = ["FedAvg", "FedGCN", "FedSagePlus", "Local"]
