"""Federated learning on graphs: one seam for every algorithm, in this process or on Flower."""

from graphml.federated.algorithms import (
    AdaptiveFedOpt,
    Ditto,
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedBN,
    FedDC,
    FedGCN,
    FedNova,
    FedOpt,
    FedPer,
    FedProx,
    FedPub,
    FedRep,
    FedSagePlus,
    FedYogi,
    GCFLPlus,
    Local,
    Scaffold,
)
from graphml.federated.client import Client, LocalTraining, Pull
from graphml.federated.client_data import ClientData, DialoguesData, GraphsData, LinksData, NodeData
from graphml.federated.clients import LazyClients
from graphml.federated.engines import Engine, SequentialEngine, VectorisedEngine
from graphml.federated.faults import Fault, TooFewClientsError
from graphml.federated.history import History, Round
from graphml.federated.message import Message
from graphml.federated.partition import (
    BalancedDirichletPartitioner,
    DirichletPartitioner,
    GroupPartitioner,
    Items,
    LouvainPartitioner,
    MetisPartitioner,
    Partition,
    Partitioner,
    PartitionStatistics,
    RandomPartitioner,
)
from graphml.federated.protocols import PROTOCOLS, Protocol
from graphml.federated.simulation import Result, Schedule, simulate
from graphml.federated.strategy import Strategy
from graphml.federated.weights import weighted_average

__all__ = [
    "PROTOCOLS",
    "AdaptiveFedOpt",
    "BalancedDirichletPartitioner",
    "Client",
    "ClientData",
    "DialoguesData",
    "DirichletPartitioner",
    "Ditto",
    "Engine",
    "Fault",
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
    "GraphsData",
    "GroupPartitioner",
    "History",
    "Items",
    "LazyClients",
    "LinksData",
    "Local",
    "LocalTraining",
    "LouvainPartitioner",
    "Message",
    "MetisPartitioner",
    "NodeData",
    "Partition",
    "PartitionStatistics",
    "Partitioner",
    "Protocol",
    "Pull",
    "RandomPartitioner",
    "Result",
    "Round",
    "Scaffold",
    "Schedule",
    "SequentialEngine",
    "Strategy",
    "TooFewClientsError",
    "VectorisedEngine",
    "simulate",
    "weighted_average",
]
