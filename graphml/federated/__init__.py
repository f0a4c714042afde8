"""Federated learning on graphs: one seam for every algorithm, in this process or on Flower."""

from graphml.federated.algorithms import FedAvg, Local
from graphml.federated.client import Client, LocalTraining, Pull
from graphml.federated.client_data import ClientData, DialoguesData, GraphsData, NodeData
from graphml.federated.clients import LazyClients
from graphml.federated.engines import Engine, SequentialEngine
from graphml.federated.faults import Fault, TooFewClientsError
from graphml.federated.history import History, Round
from graphml.federated.message import Message
from graphml.federated.simulation import Result, Schedule, simulate
from graphml.federated.strategy import Strategy
from graphml.federated.weights import weighted_average

__all__ = [
    "Client",
    "ClientData",
    "DialoguesData",
    "Engine",
    "Fault",
    "FedAvg",
    "GraphsData",
    "History",
    "LazyClients",
    "Local",
    "LocalTraining",
    "Message",
    "NodeData",
    "Pull",
    "Result",
    "Round",
    "Schedule",
    "SequentialEngine",
    "Strategy",
    "TooFewClientsError",
    "simulate",
    "weighted_average",
]
