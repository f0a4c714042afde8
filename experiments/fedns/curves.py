"""Loss gap of sketched Newton and its rivals, against rounds and against bytes.

``python experiments/fedns/curves.py`` federates four convex problems, each by FedNS with sketches of several sizes,
FedNDES, Newton, gradient descent and FedAvg, and writes ``results.csv`` and the figures beside this file. With
``--only NAME`` one problem, and nothing is written. Cora is left out where there are no data (``GRAPHML_DATA``).
"""

import argparse
import csv
import functools
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch_geometric.data import Data

from graphml.data import DatasetMissingError, NodeDataModule
from graphml.federated import Client, FedAvg, LocalTraining, LouvainPartitioner, NodeData, Strategy, simulate
from graphml.federated.algorithms.fedndes import FedNDES
from graphml.federated.algorithms.fedns import FedNS
from graphml.federated.algorithms.newton import GradientDescent, Newton, NoDecreaseError
from graphml.federated.head_loss import HeadLoss, head_matrix
from graphml.federated.history import Round
from graphml.federated.protocols import protocol_named
from graphml.federated.sources import source_of
from graphml.federated.weights import weights_of
from graphml.io import atomic_write
from graphml.models import IdentityEncoder, WaveletEncoder
from graphml.plots.style import PALETTE, new_figure
from graphml.tasks import BinaryNodeClassificationTask, NodeClassificationTask

HERE = Path(__file__).parent
ROUNDS, LOCAL_STEPS = 30, 5
GOALS = (1e-4, 1e-8)
Rows = tuple[NDArray[np.float64], NDArray[np.int64]]


class Problem(NamedTuple):
    """Rows and labels of each client and of the test set, the ridge, and the sizes of sketches to try."""

    parts: list[Rows]
    test: Rows
    ridge: float
    sizes: tuple[int, ...]


class Point(NamedTuple):
    """Where a run is after a round; bytes are those that one client has sent, on average."""

    problem: str
    method: str
    round: int
    bytes_up: float
    gap: float
    test_accuracy: float


def phishing_size() -> Problem:
    """Logistic data of the size of LIBSVM's phishing: 11,040 rows, 68 weights with the bias, 40 clients."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((13_000, 67))
    y = (2 / 67**0.5 * x @ rng.standard_normal(67) + rng.logistic(size=len(x)) > 0).astype(np.int64)
    return Problem(dealt(x[:11_040], y[:11_040], 40), (x[11_040:], y[11_040:]), 1e-3, (34, 17, 5))


def breast_cancer() -> Problem:
    """Scikit-learn's breast cancer: 30 features, two classes, 10 clients."""
    return tabular(*load_breast_cancer(return_X_y=True), 10, (16, 8, 4))


def digits() -> Problem:
    """Scikit-learn's digits: 64 pixels, ten classes, 40 clients."""
    return tabular(*load_digits(return_X_y=True), 40, (195, 98, 49))


def tabular(x: NDArray[np.float64], y: NDArray[np.int64], clients: int, sizes: tuple[int, ...]) -> Problem:
    """Three quarters for training, standardised, dealt at random."""
    x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0, stratify=y)
    scaler = StandardScaler().fit(x_train)
    return Problem(dealt(scaler.transform(x_train), y_train, clients), (scaler.transform(x_test), y_test), 1e-3, sizes)


def dealt(x: NDArray[np.float64], y: NDArray[np.int64], clients: int) -> list[Rows]:
    """Equal shares at random."""
    order = np.random.default_rng(1).permutation(len(x))
    return [(x[rows], y[rows]) for rows in np.array_split(order, clients)]


def cora() -> Problem:
    """Cora's nodes as an untrained wavelet encoder embeds them, in 20 Louvain clients, each in its own subgraph."""
    torch.manual_seed(0)
    module = NodeDataModule(name="Cora", split="public", self_loops=False, normalize_features=True)
    source = source_of(module)
    source.deal(LouvainPartitioner(20)(source.items()), protocol_named("fs-g"), 0)
    whole = source.server_data().data
    encoder = WaveletEncoder(whole.num_features, 64, num_layers=2, K=8, residual=0.3, identity=0.0).eval()
    encoder.set_density(whole.density)
    parts = [embedded(encoder, source.client_data(number).data, "train") for number in range(20)]
    scaler = StandardScaler().fit(np.concatenate([z for z, _ in parts]))  # of sums, which clients could send
    x, y = embedded(encoder, whole, "test")
    return Problem(
        [(scaler.transform(z), labels) for z, labels in parts], (scaler.transform(x), y), 1e-3, (273, 137, 68)
    )


@torch.no_grad()
def embedded(encoder: nn.Module, graph: Data, stage: str) -> Rows:
    """Embeddings and labels of a stage's nodes."""
    z = encoder(graph.x, graph.edge_index, graph.edge_weight, None).double()
    chosen = graph[f"{stage}_mask"]
    return z[chosen].numpy(), graph.y[chosen].numpy()


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "phishing size": phishing_size,
    "breast cancer": breast_cancer,
    "digits": digits,
    "Cora embeddings": cora,
}


def graph_of(rows: Rows) -> Data:
    """Rows as nodes without edges, all of them of all stages."""
    inside = torch.ones(len(rows[1]), dtype=torch.bool)
    edges = torch.empty(2, 0, dtype=torch.long)
    x, y = torch.from_numpy(rows[0]), torch.from_numpy(rows[1])
    masks = {f"{stage}_mask": inside for stage in ("train", "val", "test")}
    return Data(x=x, y=y, edge_index=edges, edge_weight=torch.empty(0), **masks)


def methods(problem: Problem) -> dict[str, tuple[Strategy, float]]:
    """Strategies by name, and the learning rate of those that have one: 1 / L, with L known to nobody in practice."""
    x, y = (np.concatenate(columns) for columns in zip(*problem.parts, strict=True))
    x = np.c_[x, np.ones(len(x))]
    bound = 0.25 if y.max() == 1 else 0.5  # on the curvature of a logistic and of a softmax loss
    step = 1 / (bound * np.linalg.eigvalsh(x.T @ x / len(x))[-1] + problem.ridge)
    sketched = {f"FedNS k={size}": (FedNS(size, ridge=problem.ridge), step) for size in problem.sizes}
    searching = {f"FedNDES k={size}": (FedNDES(size, problem.ridge), step) for size in problem.sizes}
    return {
        "Newton": (Newton(ridge=problem.ridge), step),
        **sketched,
        **searching,
        "FedNDES, k of d_eff": (FedNDES(None, problem.ridge), step),
        "gradient descent": (GradientDescent(step, problem.ridge), step),
        f"FedAvg, {LOCAL_STEPS} steps": (FedAvg(), step),
    }


def run(name: str, problem: Problem, method: str, strategy: Strategy, step: float) -> list[Point]:
    """Losses, not yet gaps, after each round."""
    y = np.concatenate([labels for _, labels in problem.parts])
    kind = BinaryNodeClassificationTask if y.max() == 1 else NodeClassificationTask
    task = kind(problem.test[0].shape[1], int(y.max()) + 1, encoder=IdentityEncoder).double()
    for parameter in task.parameters():
        nn.init.zeros_(parameter)
    sgd = functools.partial(torch.optim.SGD, lr=step, weight_decay=problem.ridge)
    local, initial = LocalTraining(LOCAL_STEPS, sgd), weights_of(task)
    data = [NodeData(graph_of(rows)) for rows in problem.parts]
    clients = [strategy.client(number, task, part, local, initial=initial) for number, part in enumerate(data)]
    losses = [HeadLoss(task, part.data) for part in data]
    test = Client(-1, task, NodeData(graph_of(problem.test)), local, initial=initial)
    points: list[Point] = []

    def measure(row: Round) -> None:
        head = head_matrix(strategy.state)
        parts = [loss.loss(head) * len(loss.chosen) for loss in losses]
        value = sum(parts) / len(y) + 0.5 * problem.ridge * float(head.square().sum())
        before = points[-1].bytes_up if points else 0.0
        points.append(
            Point(name, method, row.round, before + row.bytes_up / len(clients), value, row.metrics["test_accuracy"])
        )

    try:
        simulate(strategy, clients, ROUNDS, server=test, progress=False, on_round=measure)
    except NoDecreaseError as error:
        print(f"{name}, {method}: {error}", file=sys.stderr)
    return points


def curves(name: str) -> list[Point]:
    """All methods on one problem; the gap is to the lowest loss that any has found."""
    problem = PROBLEMS[name]()
    found = [
        point
        for method, (strategy, step) in methods(problem).items()
        for point in run(name, problem, method, strategy, step)
    ]
    lowest = min(point.gap for point in found)
    return [point._replace(gap=max(point.gap - lowest, 1e-16)) for point in found]


def table(points: Iterable[Point]) -> str:
    """Rounds and kilobytes of a client until the gap is at each goal, and where the run ends, in Markdown."""
    columns = [
        "problem",
        "method",
        *(f"rounds, KiB to {goal:.0e}" for goal in GOALS),
        "gap at the end",
        "test accuracy",
    ]
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    runs: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        runs.setdefault((point.problem, point.method), []).append(point)
    for names, run_points in runs.items():
        last = run_points[-1]
        end = f"{last.gap:.1e}" + ("" if last.round == ROUNDS else f" (stopped in round {last.round + 1})")
        cells = [*names, *(cost(run_points, goal) for goal in GOALS), end, f"{100 * last.test_accuracy:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def cost(points: list[Point], goal: float) -> str:
    """Rounds and kilobytes until the gap is at a goal."""
    there = next((point for point in points if point.gap <= goal), None)
    return "-" if there is None else f"{there.round}, {there.bytes_up / 1024:.0f}"


def draw(name: str, points: list[Point], against: str, label: str) -> None:
    """One figure: the gap against rounds or bytes."""
    figure, axes = new_figure()
    for place, method in enumerate(dict.fromkeys(point.method for point in points)):
        chosen = [point for point in points if point.method == method]
        x, y = [getattr(point, against) for point in chosen], [point.gap for point in chosen]
        style = "--" if place >= len(PALETTE) else "-"
        axes.plot(
            x, y, style, color=PALETTE[place % len(PALETTE)], marker="o", markersize=3, linewidth=1.4, label=method
        )
    axes.set(yscale="log", xlabel=label, ylabel="loss gap", title=name, ylim=(1e-13, 10))
    if against == "bytes_up":
        axes.set_xscale("log")
    axes.legend(frameon=False, fontsize=7)
    with atomic_write(HERE / "figures" / f"{name.replace(' ', '_').lower()}-{against.split('_')[0]}.png") as path:
        figure.savefig(path)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PROBLEMS, help="one problem; its table is printed and nothing is written")
    only = parser.parse_args().only
    found: list[Point] = []
    for name in [only] if only else PROBLEMS:
        try:
            points = curves(name)
        except DatasetMissingError as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        found += points
        if not only:
            draw(name, points, "round", "round")
            draw(name, points, "bytes_up", "bytes sent by a client")
    print(table(found))
    if not only:
        with atomic_write(HERE / "results.csv") as path, path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(Point._fields)
            writer.writerows((*point[:4], f"{point.gap:.4g}", f"{point.test_accuracy:.5f}") for point in found)


if __name__ == "__main__":
    main()
