"""Federated learning on graphs: one seam for every algorithm, in this process or on Flower."""

from graphml.federated.algorithms import (
    AdaptiveFedOpt,
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedGCN,
    FedOpt,
    FedProx,
    FedYogi,
    GCFLPlus,
    Local,
)
from graphml.federated.client import Client, LocalTraining, Pull
from graphml.federated.client_data import ClientData, DialoguesData, GraphsData, NodeData
from graphml.federated.clients import LazyClients
from graphml.federated.engines import Engine, SequentialEngine
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
    "Engine",
    "Fault",
    "FedAdagrad",
    "FedAdam",
    "FedAvg",
    "FedAvgM",
    "FedGCN",
    "FedOpt",
    "FedProx",
    "FedYogi",
    "GCFLPlus",
    "GraphsData",
    "GroupPartitioner",
    "History",
    "Items",
    "LazyClients",
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
    "Schedule",
    "SequentialEngine",
    "Strategy",
    "TooFewClientsError",
    "simulate",
    "weighted_average",
]
