"""`graphml federate`, from its options to the files that it leaves."""

import csv
from pathlib import Path

import pytest
import torch
import yaml

from graphml import cli

TINY = ["--data.name", "karate", "--partitioner.num_clients", "2", "--partitioner.delta", "0", "--rounds", "3"]


def federate(*options: str) -> int:
    return cli.main(["federate", *options])


def test_it_leaves_numbers_figures_and_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert federate(*TINY, "--out", str(out)) == 0
    told = capsys.readouterr().out
    assert f"Written to {out}" in told
    assert "test_accuracy" in told
    names = {path.name for path in out.iterdir()}
    figures = {"curves.png", "partition.png"}
    assert names == figures | {
        "rounds.csv", "partition.csv", "weights.pt", "faults.txt", "checkpoint.pt", "config.yaml"
    }  # fmt: skip
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in figures)
    with (out / "rounds.csv").open() as file:
        assert [row["round"] for row in csv.DictReader(file)] == ["0", "1", "2", "3"]
    with (out / "partition.csv").open() as file:
        assert sum(int(row["size"]) for row in csv.DictReader(file)) == 34
    assert "encoder.lins.0.weight" in torch.load(out / "weights.pt", weights_only=True)


def test_a_logger_gets_the_rounds(tmp_path: Path) -> None:
    logger = ["--logger", "CSVLogger", "--logger.save_dir", str(tmp_path / "logs"), "--logger.name", "mine"]
    assert federate(*TINY, "--out", str(tmp_path / "run"), *logger) == 0
    with (tmp_path / "logs" / "mine" / "version_0" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "run" / "rounds.csv").open() as file:
        expected = list(csv.DictReader(file))[1:]
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert [float(row["val_accuracy"]) for row in rows] == pytest.approx(
        [float(row["val_accuracy"]) for row in expected]
    )


def test_a_resumed_run_ends_as_the_whole_one(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert federate(*TINY, "--rounds", "6", "--out", str(whole)) == 0
    assert federate(*TINY, "--out", str(parts)) == 0
    assert federate(*TINY, "--rounds", "6", "--out", str(parts), "--resume") == 0
    states = [torch.load(folder / "weights.pt", weights_only=True) for folder in (whole, parts)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    tables = []
    for folder in (whole, parts):
        with (folder / "rounds.csv").open() as file:
            tables.append([{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)])
    assert tables[0] == tables[1]


def test_a_run_is_not_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "run")]
    assert federate(*TINY, *out) == 0
    assert federate(*TINY, *out) == 2
    assert "holds a run: add --resume or --overwrite" in capsys.readouterr().err
    assert federate(*TINY, *out, "--local.epochs", "7", "--resume") == 2
    assert "has another configuration" in capsys.readouterr().err
    assert federate(*TINY, *out, "--overwrite") == 0
    assert federate(*TINY, "--out", str(tmp_path / "new"), "--resume") == 2
    assert "found none" in capsys.readouterr().err


STUDY = """
study: tests/federation
run: federate
config:
  rounds: 2
  data: {class_path: graphml.data.NodeDataModule, init_args: {name: karate}}
  model:
    class_path: graphml.tasks.NodeClassificationTask
    init_args: {model: {class_path: graphml.models.GCN, init_args: {hidden_channels: 4}}}
  partitioner: {class_path: graphml.federated.RandomPartitioner, init_args: {num_clients: 2}}
  strategy: {class_path: graphml.federated.FedAvg}
variants:
  fedavg: {}
  local: {strategy: {class_path: graphml.federated.Local}}
"""


def test_a_study_runs_by_variant_and_over_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "federation.yaml"
    path.write_text(STUDY)
    assert federate("--config", str(path), "--variant", "local", "--out", str(tmp_path / "run")) == 0
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["strategy"]["class_path"] == "graphml.federated.Local"
    assert federate("--config", str(path), "--variant", "globally", "--out", str(tmp_path / "x")) == 2
    assert "--variant: expected one of fedavg, local, got 'globally'" in capsys.readouterr().err
    assert cli.main(["study", str(path), "--seeds", "2", "--out", str(tmp_path / "study")]) == 0
    with (tmp_path / "study" / "results.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "test_accuracy"]
    assert [(row["variant"], row["seed"]) for row in rows] == [
        ("fedavg", "0"), ("local", "0"), ("fedavg", "1"), ("local", "1")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--rounds", "many"], "rounds"),
        (["--config", "absent.yaml"], "no configuration absent.yaml"),
        (["--protocol", "fsg"], "protocol: expected one of"),
        (["--partitioner.num_clients", "99"], "num_clients: expected at most 34"),
        (["--strategy", "FedAverage"], "FedAverage"),
        (["--schedule.monitor", "val_f1"], "monitor: expected one of the metrics"),
        (["--engine", "teleport"], "engine: expected"),
        (["--variant", "a"], "--variant: expected none"),
    ],
)
def test_wrong_options_are_told(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert federate(*TINY, "--out", str(tmp_path / "run"), *options) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error


def test_a_missing_dataset_skips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = ["--data.name", "Cora", "--data.root", str(tmp_path / "nowhere")]
    assert federate(*TINY, *missing, "--out", str(tmp_path / "run")) == 3
    assert capsys.readouterr().err.startswith("skipped: dataset Cora is missing")


def test_help_names_the_options_and_what_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        federate("--help")
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("--config", "--resume", "--strategy", "rounds.csv", "exit status"))
    assert federate("--help-options") == 0
    assert "--local.epochs" in capsys.readouterr().out
