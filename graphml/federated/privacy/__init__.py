"""Privacy of federations on graphs: attacks that measure what leaks, and defences against them."""

from graphml.federated.privacy.accountant import prv_epsilon, rdp_epsilon
from graphml.federated.privacy.central_dp import CentralDP
from graphml.federated.privacy.clipping import LayerClipping, UpdateClipping
from graphml.federated.privacy.dp_sgd import DPSGD
from graphml.federated.privacy.graph_dp_sgd import GraphDPSGD
from graphml.federated.privacy.krum import Krum, MultiKrum
from graphml.federated.privacy.local_dp import LocalDP
from graphml.federated.privacy.node_dp_sgd import NodeDPSGD
from graphml.federated.privacy.poisoning import GaussianNoise, LabelFlip, SignFlip
from graphml.federated.privacy.poisson import PoissonUplink
from graphml.federated.privacy.robust import CoordinateMedian, TrimmedMean
from graphml.federated.privacy.secure_aggregation import SecureAggregation
from graphml.federated.privacy.stage import PrivateStage, spent

__all__ = [
    "DPSGD",
    "CentralDP",
    "CoordinateMedian",
    "GaussianNoise",
    "GraphDPSGD",
    "Krum",
    "LabelFlip",
    "LayerClipping",
    "LocalDP",
    "MultiKrum",
    "NodeDPSGD",
    "PoissonUplink",
    "PrivateStage",
    "SecureAggregation",
    "SignFlip",
    "TrimmedMean",
    "UpdateClipping",
    "prv_epsilon",
    "rdp_epsilon",
    "spent",
]
