"""Federated algorithms, one a file: a client half and a strategy half."""

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.algorithms.fedavgm import FedAvgM
from graphml.federated.algorithms.fedgcn import FedGCN
from graphml.federated.algorithms.fedopt import AdaptiveFedOpt, FedAdagrad, FedAdam, FedOpt, FedYogi
from graphml.federated.algorithms.fedprox import FedProx
from graphml.federated.algorithms.gcflplus import GCFLPlus
from graphml.federated.algorithms.local import Local

__all__ = [
    "AdaptiveFedOpt",
    "FedAdagrad",
    "FedAdam",
    "FedAvg",
    "FedAvgM",
    "FedGCN",
    "FedOpt",
    "FedProx",
    "FedYogi",
    "GCFLPlus",
    "Local",
]
