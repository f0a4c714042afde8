"""A round of FedAvg: clients one after the other against all clients as one block-diagonal graph.

A GCN of two layers under SGD with weight decay, no dropout. The rival is plain PyG: `GCNConv` on dense features, a
client after the other, each with a fresh optimizer on the global weights, then the weighted average. 10 clients are
Louvain parts of Cora (with `GRAPHML_DATA` unset, of a block model of Cora's size, with as many words a node), whose
bags of words are sparse on our side, as they are by default; 100 and 1,000 clients have a graph of 30 to 70 nodes
each. A round of ours is all of it: messages, checks, training, average. The goal is 4 times the rival at 10 clients.
"""

import functools
import warnings
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

from graphml.bench.measure import Result, compare
from graphml.data import DatasetMissingError, NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.federated import (
    Client,
    Engine,
    FedAvg,
    LocalTraining,
    LouvainPartitioner,
    NodeData,
    Schedule,
    SequentialEngine,
    VectorisedEngine,
)
from graphml.federated.simulation import Federation
from graphml.federated.sources import source_of
from graphml.models import GCN
from graphml.tasks import NodeClassificationTask

GOAL = 4.0
SGD = functools.partial(torch.optim.SGD, lr=0.1, weight_decay=5e-4)


class PyGGCN(nn.Module):
    """The rival's network."""

    def __init__(self, in_channels: int, hidden_channels: int, num_classes: int) -> None:
        super().__init__()
        self.first = GCNConv(in_channels, hidden_channels)
        self.second = GCNConv(hidden_channels, num_classes)

    def forward(self, data: Data) -> torch.Tensor:
        """Logits of the nodes."""
        out: torch.Tensor = self.second(F.relu(self.first(data.x, data.edge_index)), data.edge_index)
        return out


def pyg_round(model: nn.Module, graphs: Sequence[Data], steps: int) -> Callable[[], None]:
    """A function that trains all clients for one round and sets the model to their average."""
    shares = torch.stack([graph.train_mask.sum() for graph in graphs]).double()
    shares = (shares / shares.sum()).tolist()

    def run() -> None:
        start = {name: value.clone() for name, value in model.state_dict().items()}
        average = {name: torch.zeros_like(value) for name, value in start.items()}
        for graph, share in zip(graphs, shares, strict=True):
            model.load_state_dict(start)
            optimizer = SGD(model.parameters())
            for _ in range(steps):
                optimizer.zero_grad()
                F.cross_entropy(model(graph)[graph.train_mask], graph.y[graph.train_mask]).backward()
                optimizer.step()
            for name, value in model.state_dict().items():
                average[name].add_(value, alpha=share)
        model.load_state_dict(average)

    return run


def our_round(engine: Engine, graphs: Sequence[Data], hidden: int, classes: int, steps: int) -> Callable[[], None]:
    """A function that runs one round."""
    model = functools.partial(GCN, hidden_channels=hidden, dropout=0.0)
    task = NodeClassificationTask(graphs[0].x.size(1), classes, model=model)
    local = LocalTraining(steps, SGD)
    clients = [Client(number, task, NodeData(graph), local) for number, graph in enumerate(graphs)]
    federation = Federation(FedAvg(), clients, engine, None, 0, Schedule(evaluate_every=10**9))
    federation.begin()
    return lambda: _checked(federation)


def _checked(federation: Federation) -> None:
    row = federation.advance()
    if row.faults:
        raise RuntimeError(f"expected rounds without faults, got {federation.history.faults}")


def cora() -> tuple[str, list[Data]]:
    """Ten Louvain parts of Cora, or of a block model of its size."""
    options = {"self_loops": True, "sparse_features": "auto"}
    try:
        name, module = "Cora", NodeDataModule("Cora", **options)
        module.raw  # noqa: B018  # reading it tells whether it is there
    except DatasetMissingError:
        sample = contextual_sbm(2708, 7, 1433, 3.9)
        sample.x = (sample.x > sample.x.quantile(0.9873)).float()
        name, module = "a block model of Cora's size", NodeDataModule.from_data(sample, **options)
    source = source_of(module)
    partition = LouvainPartitioner(10)(source.items())
    source.deal(partition, None, 0)
    return name, [source.client_data(number).data for number in range(len(partition))]


def small_graphs(count: int) -> list[Data]:
    """Graphs of 30 to 70 nodes with 32 features."""
    samples = (contextual_sbm(30 + (7 * number) % 41, 4, 32, 4.0, seed=number) for number in range(count))
    return [
        NodeDataModule.from_data(sample, self_loops=True, density_order=1, density_probes=1).data for sample in samples
    ]


def plain(graph: Data) -> Data:
    """What the rival takes: dense features, and edges without the self-loops that it adds itself."""
    x = graph.x.to_dense() if graph.x.layout == torch.sparse_csr else graph.x
    edges = graph.edge_index.as_tensor()
    return Data(x=x, edge_index=edges[:, edges[0] != edges[1]], y=graph.y, train_mask=graph.train_mask)


def benchmark(quick: bool) -> list[Result]:
    """Measure.

    Args:
        quick: 10 and 100 clients, one local step.

    Returns:
        The measurements.
    """
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    torch.manual_seed(0)
    name, parts = cora()
    cases = [(f"{name}, 10 clients", parts, 64, 7), ("100 graphs of 50 nodes", small_graphs(100), 16, 4)]
    cases += [] if quick else [("1,000 graphs of 50 nodes", small_graphs(1000), 16, 4)]
    results = []
    for size, graphs, hidden, classes in cases:
        rivals = [plain(graph) for graph in graphs]
        for steps in (1,) if quick else (1, 4):
            results += compare(
                f"round of FedAvg, local steps: {steps}",
                size,
                {
                    "PyG clients": pyg_round(PyGGCN(graphs[0].x.size(1), hidden, classes), rivals, steps),
                    "graphml sequential": our_round(SequentialEngine(), graphs, hidden, classes, steps),
                    "graphml vectorised": our_round(VectorisedEngine(), graphs, hidden, classes, steps),
                },
                "PyG clients",
                {"graphml vectorised": GOAL} if len(graphs) == 10 else None,
                repeats=3 if len(graphs) > 100 else 5 if quick else 15,
            )
    return results
