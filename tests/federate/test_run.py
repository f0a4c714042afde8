"""What a run leaves, beyond its command: which engine, which round, which final metrics."""

import csv
import dataclasses
from pathlib import Path

import pytest
import torch

from graphml.federate.run import in_process_engine, run
from graphml.federated import SequentialEngine, VectorisedEngine
from graphml.federated.setup import build, resolve

KARATE = ["--data.name=karate", "--data.num_splits=1", "--partitioner.num_clients=2", "--partitioner.delta=0"]
CONTRASTIVE = {
    "data": {"class_path": "graphml.data.NodeDataModule", "init_args": {"name": "karate", "num_splits": 2}},
    "model": {
        "class_path": "graphml.tasks.ContrastiveTask",
        "init_args": {"encoder": {"class_path": "graphml.models.WaveletEncoder", "init_args": {"hidden_channels": 4}}},
    },
    "partitioner": {"class_path": "graphml.federated.RandomPartitioner", "init_args": {"num_clients": 2}},
    "strategy": {"class_path": "graphml.federated.FedAvg"},
    "schedule": {"monitor": "val_loss"},
    "rounds": 2,
}


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ([], VectorisedEngine),
        (["--engine=sequential"], SequentialEngine),
        (["--timeout=60"], SequentialEngine),  # joint training knows no time limit for a single client
        (["--engine=vectorised"], VectorisedEngine),
    ],
)
def test_the_fastest_engine_that_applies_is_taken(options, kind):
    assert type(in_process_engine(build(resolve([], [*KARATE, *options])))) is kind


def test_learning_without_labels_is_trained_one_after_the_other():
    assert type(in_process_engine(build(CONTRASTIVE))) is SequentialEngine


@pytest.mark.parametrize("strategy", ["FedAvg", "Local"])
def test_embeddings_are_probed_at_the_end(strategy: str, tmp_path: Path) -> None:
    setup = build(CONTRASTIVE, [f"--strategy={strategy}"])
    outcome = run(setup, tmp_path, progress=False, figures=False)
    assert set(outcome.metrics) == {
        "val_loss",
        "test_loss",
        "random 20/20/60/val_accuracy",
        "random 20/20/60/test_accuracy",
    }
    if strategy == "FedAvg":
        setup.task.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
        (batch,) = setup.server.data.batches("test")
        assert setup.task.final_metrics(batch).items() <= outcome.metrics.items()


def test_a_protocol_may_choose_the_last_round(tmp_path: Path) -> None:
    options = ["--protocol=fs-g", "--rounds=4", "--local.epochs=20", "--model.lr=0.5"]
    best = build(resolve([], [*KARATE, *options]))
    chosen = run(best, tmp_path / "best", progress=False, figures=False).chosen.round
    with (tmp_path / "best" / "rounds.csv").open() as file:
        accuracies = [float(row["val_accuracy"]) for row in csv.DictReader(file)]
    assert accuracies[chosen] == max(accuracies)
    made = build(resolve([], [*KARATE, *options]))
    last = dataclasses.replace(made, protocol=dataclasses.replace(made.protocol, select="last"))
    assert run(last, tmp_path / "last", progress=False, figures=False).chosen.round == 4
    weights = torch.load(tmp_path / "last" / "weights.pt", weights_only=True)
    assert all(torch.equal(weights[name], last.strategy.state[name]) for name in weights)
