"""Federated algorithms, one a file: a client half and a strategy half."""

from graphml.federated.algorithms.adafgl import AdaFGL
from graphml.federated.algorithms.adaptive_fedmvr import AdaptiveFedMVR
from graphml.federated.algorithms.ditto import Ditto
from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.algorithms.fedavgm import FedAvgM
from graphml.federated.algorithms.fedbn import FedBN
from graphml.federated.algorithms.feddc import FedDC
from graphml.federated.algorithms.fedgcn import FedGCN
from graphml.federated.algorithms.fedmvr import FedMVR
from graphml.federated.algorithms.fedndes import FedNDES
from graphml.federated.algorithms.fednova import FedNova
from graphml.federated.algorithms.fedns import FedNS
from graphml.federated.algorithms.fedopt import AdaptiveFedOpt, FedAdagrad, FedAdam, FedOpt, FedYogi
from graphml.federated.algorithms.fedper import FedPer
from graphml.federated.algorithms.fedprox import FedProx
from graphml.federated.algorithms.fedpub import FedPub
from graphml.federated.algorithms.fedrep import FedRep
from graphml.federated.algorithms.fedsage import FedSagePlus
from graphml.federated.algorithms.gcflplus import GCFLPlus
from graphml.federated.algorithms.local import Local
from graphml.federated.algorithms.newton import GradientDescent, Newton, NoDecreaseError
from graphml.federated.algorithms.scaffold import Scaffold
from graphml.federated.algorithms.spry import FedYogiSplit, Spry

__all__ = [
    "AdaFGL",
    "AdaptiveFedMVR",
    "AdaptiveFedOpt",
    "Ditto",
    "FedAdagrad",
    "FedAdam",
    "FedAvg",
    "FedAvgM",
    "FedBN",
    "FedDC",
    "FedGCN",
    "FedMVR",
    "FedNDES",
    "FedNS",
    "FedNova",
    "FedOpt",
    "FedPer",
    "FedProx",
    "FedPub",
    "FedRep",
    "FedSagePlus",
    "FedYogi",
    "FedYogiSplit",
    "GCFLPlus",
    "GradientDescent",
    "Local",
    "Newton",
    "NoDecreaseError",
    "Scaffold",
    "Spry",
]
