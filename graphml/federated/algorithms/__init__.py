"""Federated algorithms, one a file: a client half and a strategy half."""

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.algorithms.fedavgm import FedAvgM
from graphml.federated.algorithms.fedopt import FedAdagrad, FedAdam, FedOpt, FedYogi
from graphml.federated.algorithms.fedprox import FedProx
from graphml.federated.algorithms.local import Local

__all__ = [
    "FedAdagrad",
    "FedAdam",
    "FedAvg",
    "FedAvgM",
    "FedOpt",
    "FedProx",
    "FedYogi",
    "Local",
]
from graphml.federated.algorithms.fedgcn import FedGCN

__all__ = ["FedAvg", "FedGCN", "Local"]
