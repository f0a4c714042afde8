"""Federated algorithms, one a file: a client half and a strategy half."""

from graphml.federated.algorithms.adafgl import AdaFGL
from graphml.federated.algorithms.ditto import Ditto
from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.algorithms.fedavgm import FedAvgM
from graphml.federated.algorithms.fedbn import FedBN
from graphml.federated.algorithms.feddc import FedDC
from graphml.federated.algorithms.fedgcn import FedGCN
from graphml.federated.algorithms.fednova import FedNova
from graphml.federated.algorithms.fedopt import AdaptiveFedOpt, FedAdagrad, FedAdam, FedOpt, FedYogi
from graphml.federated.algorithms.fedper import FedPer
from graphml.federated.algorithms.fedprox import FedProx
from graphml.federated.algorithms.fedpub import FedPub
from graphml.federated.algorithms.fedrep import FedRep
from graphml.federated.algorithms.fedsage import FedSagePlus
from graphml.federated.algorithms.gcflplus import GCFLPlus
from graphml.federated.algorithms.local import Local
from graphml.federated.algorithms.scaffold import Scaffold

__all__ = [
    "AdaFGL",
    "AdaptiveFedOpt",
    "Ditto",
    "FedAdagrad",
    "FedAdam",
    "FedAvg",
    "FedAvgM",
    "FedBN",
    "FedDC",
    "FedGCN",
    "FedNova",
    "FedOpt",
    "FedPer",
    "FedProx",
    "FedPub",
    "FedRep",
    "FedSagePlus",
    "FedYogi",
    "GCFLPlus",
    "Local",
    "Scaffold",
]
