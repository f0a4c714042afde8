"""Trials of runs: what a search sees of a federation, and of a central training."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from graphml.federated import PROTOCOLS, Strategy
from graphml.federated.tuning import Rung
from graphml.study.runs import RUNS, TRIALS
from graphml.study.watch import Watch

FEDERATION = """
rounds: 5
seed: 0
data: {class_path: graphml.data.NodeDataModule, init_args: {name: karate}}
model:
  class_path: graphml.tasks.NodeClassificationTask
  init_args: {model: {class_path: graphml.models.GCN, init_args: {hidden_channels: 4}}}
partitioner: {class_path: graphml.federated.RandomPartitioner, init_args: {num_clients: 8}}
strategy: {class_path: graphml.federated.FedAvg}
"""


class StopError(Exception):
    """How a search ends a trial."""


def federation(**changes: Any) -> dict[str, Any]:
    return RUNS["federate"].resolve([yaml.safe_load(FEDERATION), changes], [])


def validate(config: dict[str, Any], folder: Path, **options: Any) -> tuple[float, list[tuple[int, float | None]]]:
    told: list[tuple[int, float | None]] = []
    watch = Watch(report=lambda done, value: told.append((done, value)), **({"monitor": "val_accuracy"} | options))
    return TRIALS["federate"].validate(config, [], 0, folder, watch), told


def test_a_trial_reports_the_best_so_far_and_ends_as_the_run(tmp_path: Path) -> None:
    value, told = validate(federation(), tmp_path)
    measured = {m.metric: m.value for m in RUNS["federate"].measure(federation(), [], 0, tmp_path / "run", False)}
    assert value == pytest.approx(measured["val_accuracy"], rel=1e-6)
    assert [done for done, _ in told] == [1, 2, 3, 4, 5]
    values = [value for _, value in told if value is not None]
    assert values == sorted(values)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]  # the trial leaves nothing


def test_rounds_without_an_evaluation_report_no_value(tmp_path: Path) -> None:
    _, told = validate(federation(schedule={"evaluate_every": 2}), tmp_path)
    assert [value is None for _, value in told] == [True, False, True, False, False]


def test_a_loss_is_the_better_the_lower(tmp_path: Path) -> None:
    _, told = validate(federation(), tmp_path, monitor="val_loss")
    values = [value for _, value in told]
    assert values == sorted(values, reverse=True)


def test_a_protocol_that_takes_the_last_round_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROTOCOLS, "fs-g", dataclasses.replace(PROTOCOLS["fs-g"], select="last"))
    config = federation(rounds=8, protocol="fs-g", local={"epochs": 9})
    value, told = validate(config, tmp_path)
    measured = {m.metric: m.value for m in RUNS["federate"].measure(config, [], 0, tmp_path, False)}
    assert value == told[-1][1] == pytest.approx(measured["val_accuracy"], rel=1e-6)
    assert measured["round"] == 8


def test_rungs_draw_fewer_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    sample = Strategy.sample
    monkeypatch.setattr(Strategy, "sample", lambda *args: drawn.append(len(chosen := sample(*args))) or chosen)
    validate(federation(), tmp_path, rungs=(Rung(2, 0.25), Rung(3, 0.5)))
    assert drawn == [2, 2, 4, 8, 8]
    drawn.clear()
    fraction = {"class_path": "graphml.federated.FedAvg", "init_args": {"client_fraction": 0.75}}
    validate(federation(strategy=fraction), tmp_path, rungs=(Rung(1, 0.25),))
    assert drawn == [2, 6, 6, 6, 6]


def test_rungs_of_all_clients_change_nothing(tmp_path: Path) -> None:
    assert validate(federation(), tmp_path, rungs=(Rung(3, 1.0),)) == validate(federation(), tmp_path)


def test_what_the_report_raises_ends_the_run(tmp_path: Path) -> None:
    def report(done: int, value: float | None) -> None:
        if done == 2:
            raise StopError

    with pytest.raises(StopError):
        TRIALS["federate"].validate(federation(), [], 0, tmp_path, Watch("val_accuracy", report))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("changes", "monitor", "told"), [
    ({"engine": "flower"}, "val_accuracy", "engine: a search runs in one process"),
    ({}, "val_f1", "monitor: expected one of the metrics"),
])  # fmt: skip
def test_wrong_federations_are_refused(changes: dict[str, Any], monitor: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=told):
        validate(federation(**changes), tmp_path, monitor=monitor)


def test_the_metric_is_that_of_the_schedule_or_of_the_task() -> None:
    monitor = TRIALS["federate"].monitor
    assert monitor(federation(schedule={"monitor": "val_loss"})) == "val_loss"
    assert monitor(federation()) == "val_accuracy"
    graphs = {"class_path": "graphml.tasks.LinkPredictionTask"}
    assert monitor(federation() | {"model": graphs}) == "val_mrr"
