"""`graphml tune`, from its file to the files that it leaves."""

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from graphml import cli
from graphml.study.runs import TRIALS

pytest.importorskip("optuna")

FEDERATION = """
study: tests/federation
run: federate
config:
  rounds: 4
  data: {class_path: graphml.data.NodeDataModule, init_args: {name: karate}}
  model:
    class_path: graphml.tasks.NodeClassificationTask
    init_args: {model: {class_path: graphml.models.GCN, init_args: {hidden_channels: 4}}}
  partitioner: {class_path: graphml.federated.RandomPartitioner, init_args: {num_clients: 4}}
  strategy: {class_path: graphml.federated.FedAvg}
  local: {optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.1}}}
variants:
  fedavg: {}
  fedprox: {strategy: {class_path: graphml.federated.FedProx}}
"""
SEARCH = """
tune: tests/search
base: {file: federation.yaml, variant: fedprox}
config: {schedule: {evaluate_every: 2}}
search:
  space:
    strategy.init_args.mu: {low: 0.0, high: 1.0}
    local.optimizer.init_args.lr: {low: 0.001, high: 1.0, log: true}
    local.epochs: [1, 2]
  sampler: {class_path: optuna.samplers.RandomSampler}
  trials: 3
variants:
  random: {}
  halving:
    pruner: {class_path: optuna.pruners.SuccessiveHalvingPruner, init_args: {min_resource: 2, reduction_factor: 2}}
    fidelity: [{rounds: 2, client_fraction: 0.5}]
    trials: 8
"""
CENTRAL = """
tune: tests/central
run: fit
config:
  trainer: {max_epochs: 6, accelerator: cpu}
  data: {class_path: graphml.data.NodeDataModule, init_args: {name: karate, self_loops: true}}
  model:
    class_path: graphml.tasks.NodeClassificationTask
    init_args: {model: {class_path: graphml.models.GCN, init_args: {hidden_channels: 4}}}
search:
  space: {model.init_args.lr: {low: 0.0001, high: 0.1, log: true}}
  monitor: val_loss
  pruner: {class_path: optuna.pruners.SuccessiveHalvingPruner, init_args: {min_resource: 2, reduction_factor: 2}}
  trials: 6
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of two searches, in which the test works; the journal does not wait for the disk."""
    for name, text in (("federation", FEDERATION), ("search", SEARCH), ("central", CENTRAL)):
        (tmp_path / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return tmp_path


@pytest.fixture
def untested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the test of the best configuration out: it starts a process for each seed."""
    monkeypatch.setattr("graphml.tune.run._test", lambda plan, best: ("", []))


def tune(*options: str, file: str = "search.yaml") -> int:
    return cli.main(["tune", "--config", file, *options])


def trials(out: Path) -> list[dict[str, str]]:
    with (out / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def interrupting(monkeypatch: pytest.MonkeyPatch, run: str, at: int) -> list[int]:
    """Let the trial of a number raise Ctrl-C's exception after its first report; returns the calls, as they come."""
    calls: list[int] = []
    kind = TRIALS[run]

    def validate(config: dict[str, Any], options: Any, seed: int, folder: Path, watch: Any) -> float:
        calls.append(len(calls))
        if len(calls) - 1 == at:
            watch.report(1, None)
            raise KeyboardInterrupt
        return kind.validate(config, options, seed, folder, watch)

    monkeypatch.setitem(TRIALS, run, kind._replace(validate=validate))
    return calls


def test_it_leaves_trials_a_figure_and_a_configuration_that_federates(
    folder: Path, capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests
) -> None:
    out = Path("runs/tune/tests/search/random")
    assert tune("--seeds", "1") == 0
    told = capsys.readouterr()
    with subtests.test("told"):
        assert "3 trials (3 complete), 12 rounds" in told.out
        assert "best: trial" in told.out
        assert told.out.count("mean ± std") == 1
        assert f"Written to {out}" in told.out
        assert "3/3" in told.err
    with subtests.test("files"):
        names = {path.name for path in out.iterdir()}
        assert names == {"trials.csv", "best.yaml", "history.png", "journal.log", "tune.yaml", "test", ".lock"}
        assert (out / "history.png").read_bytes().startswith(b"\x89PNG")
    rows = trials(out)
    with subtests.test("a line a trial"):
        columns = ["number", "state", "value", "rounds", "seconds"]
        keys = ["strategy.init_args.mu", "local.optimizer.init_args.lr", "local.epochs"]
        assert list(rows[0]) == [*columns, *keys, "note"]
        assert [row["rounds"] for row in rows] == ["4"] * 3
    with subtests.test("the best by validation"):
        best = yaml.safe_load((out / "best.yaml").read_text())
        winner = max(rows, key=lambda row: float(row["value"]))
        assert best["local"]["optimizer"]["init_args"]["lr"] == float(winner["local.optimizer.init_args.lr"])
        assert best["strategy"]["class_path"] == "graphml.federated.FedProx"
    with subtests.test("it federates to the same"):
        assert cli.main(["federate", "--config", str(out / "best.yaml"), "--out", "run"]) == 0
        with (folder / "run" / "rounds.csv").open() as file:
            values = [float(row["val_accuracy"]) for row in csv.DictReader(file) if row["val_accuracy"]]
        assert max(values) == pytest.approx(float(winner["value"]), rel=1e-6)
    with subtests.test("its test is a study"), next(out.glob("test/trial-*/results.csv")).open() as file:
        assert {row["metric"] for row in csv.DictReader(file)} >= {"test_accuracy", "val_accuracy"}


@pytest.mark.usefixtures("untested")
def test_pruned_trials_are_shown_and_cost_less(capsys: pytest.CaptureFixture[str]) -> None:
    assert tune("--variant", "halving", "--out", "out") == 0
    rows = trials(Path("out"))
    assert {row["state"] for row in rows} == {"complete", "pruned"}
    assert {row["rounds"] for row in rows if row["state"] == "pruned"} == {"2"}
    assert "pruned)" in capsys.readouterr().out


@pytest.mark.usefixtures("untested")
def test_a_stopped_search_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune("--out", "whole") == 0
    calls = interrupting(monkeypatch, "federate", at=1)
    assert tune("--out", "out") == 130
    assert "with --resume goes on from here" in capsys.readouterr().err
    assert [row["state"] for row in trials(Path("out"))] == ["complete", "interrupted"]
    assert tune("--out", "out") == 2
    assert "holds a search: add --resume or --overwrite" in capsys.readouterr().err
    assert tune("--out", "out", "--resume") == 0
    assert len(calls) == 4  # one, the interrupted one, that one again, and one more
    compared = [[{k: v for k, v in row.items() if k not in ("number", "seconds")} for row in trials(Path(name))]
                for name in ("whole", "out")]  # fmt: skip
    assert [row for row in compared[1] if row["state"] != "interrupted"] == compared[0]
    assert tune("--out", "out", "--resume", "--trials", "4") == 0
    assert len(calls) == 5
    assert tune("--out", "out", "--resume", "--rounds", "5") == 2
    assert "is another one: config.rounds changed" in capsys.readouterr().err
    assert tune("--out", "out", "--overwrite", "--rounds", "5") == 0
    assert [row["rounds"] for row in trials(Path("out"))] == ["5"] * 3
    assert tune("--out", "new", "--resume") == 2
    assert "found none" in capsys.readouterr().err


@pytest.mark.usefixtures("untested")
def test_the_budget_is_in_rounds() -> None:
    assert tune("--out", "out", "--budget", "6") == 0
    assert [(row["state"], row["rounds"]) for row in trials(Path("out"))] == [("complete", "4"), ("pruned", "2")]
    assert trials(Path("out"))[1]["note"] == "the budget was spent"
    assert tune("--out", "poor", "--budget", "1") == 1


def test_central_training_is_searched_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert tune("--out", "out", "--seeds", "1", file="central.yaml") == 0
    rows = trials(Path("out"))
    assert {row["state"] for row in rows} == {"complete", "pruned"}
    assert {row["rounds"] for row in rows if row["state"] == "pruned"} <= {"2", "4"}
    told = capsys.readouterr().out
    assert "epochs" in told
    assert "test_accuracy" in told
    assert all("test" in path.parts for path in Path().rglob("*.ckpt"))  # the trials leave none
    best = yaml.safe_load(Path("out/best.yaml").read_text())
    winner = min((row for row in rows if row["state"] == "complete"), key=lambda row: float(row["value"]))
    assert best["model"]["init_args"]["lr"] == float(winner["model.init_args.lr"])


@pytest.mark.usefixtures("untested")
def test_a_task_that_is_validated_by_a_probe_alone_is_searched_too() -> None:
    central = yaml.safe_load(CENTRAL)
    encoder = {"class_path": "graphml.models.GCNEncoder", "init_args": {"hidden_channels": 8}}
    central["config"]["model"] = {"class_path": "graphml.tasks.ContrastiveTask", "init_args": {"encoder": encoder}}
    central["config"]["trainer"] |= {"max_epochs": 2, "limit_val_batches": 0}
    central["config"]["data"]["init_args"] |= {"split": "random", "num_splits": 1}
    central["search"] |= {"trials": 2, "monitor": "val_accuracy"}
    Path("central.yaml").write_text(yaml.safe_dump(central))
    assert tune("--out", "out", file="central.yaml") == 0
    assert all(row["state"] == "complete" and 0 < float(row["value"]) <= 1 for row in trials(Path("out")))


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "options", "told"),
    [
        (None, ["--config", "absent.yaml"], "no file absent.yaml"),
        (None, ["--config", "federation.yaml"], "expected a search, with the keys tune, "),
        (None, ["--variant", "all"], "--variant: expected one of random, halving, got 'all'"),
        (None, ["--rounds", "many"], "rounds"),
        (None, ["--engine", "flower"], "engine: a search runs in one process"),
        (lambda file: file.update(extra=1), [], "unknown key extra; the keys of a search are tune, "),
        (lambda file: file.update(base={"file": "none.yaml"}), [], "no study file"),
        (lambda file: file["base"].update(variant="scaffold"), [], "base: variant: expected one of fedavg, fedprox"),
        (lambda file: file.update(base="federation.yaml"), [], "base: expected file and variant, got 'federation"),
        (lambda file: file["search"].update(tries=3), [], "search: unknown key tries; the keys of a search are space"),
        (lambda file: file["search"].pop("space"), [], "search: expected a space"),
        (lambda file: file["search"]["space"].update({"local.optimiser.lr": [1]}), [], "there is no local.optimiser"),
        (lambda file: file["search"]["space"].update({"local.epoch": [1]}), [], "space: "),
        (lambda file: file["search"]["space"].update({"local.epochs": [1, "two"]}), [], "local.epochs 'two'"),
        (
            lambda file: file["search"].update(monitor="test_accuracy"),
            [],
            "monitor: expected a metric of the validation",
        ),
        (
            lambda file: file["config"]["schedule"].update(monitor="test_loss"),
            [],
            "monitor: expected a metric of the val",
        ),
        (lambda file: file.update(variants={"random": 3}), [], "variants: random: expected settings"),
    ],
)
@pytest.mark.usefixtures("untested")
def test_wrong_files_and_options_are_told(
    change: Change | None, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = yaml.safe_load(SEARCH)
    if change is not None:
        change(file)
        Path("search.yaml").write_text(yaml.safe_dump(file))
    assert tune("--out", "out", *options) == (1 if "flower" in options else 2)
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error


@pytest.mark.usefixtures("untested")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda file: file["search"].update(fidelity=[{"rounds": 2, "client_fraction": 0.5}]), "no clients to draw"),
        (lambda file: file["search"].pop("monitor"), "monitor: expected a metric of the validation data"),
        (lambda file: file["search"].update(monitor="val_f1"), "monitor: expected a metric of the validation data"),
        (lambda file: file["config"]["trainer"].update(max_epochs=-1), "trainer.max_epochs: expected at least 1"),
    ],
)
def test_wrong_central_searches_are_told(change: Change, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = yaml.safe_load(CENTRAL)
    change(file)
    Path("central.yaml").write_text(yaml.safe_dump(file))
    assert tune("--out", "out", file="central.yaml") != 0
    assert told in capsys.readouterr().err


def test_a_missing_dataset_skips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune("--data.name", "Cora", "--data.root", str(tmp_path / "nowhere")) == 3
    assert "skipped: search.yaml" in capsys.readouterr().err


@pytest.mark.usefixtures("untested")
def test_cora_is_searched(data_root: Path) -> None:
    file = Path(__file__).resolve().parents[2] / "experiments" / "federated" / "tune_cora.yaml"
    options = ["--rounds", "6", "--budget", "15", "--data.root", str(data_root), "--out", "out"]
    assert tune(*options, "--variant", "random", file=str(file)) == 0
    rows = trials(Path("out"))
    assert [(row["state"], row["rounds"]) for row in rows] == [("complete", "6"), ("complete", "6"), ("pruned", "3")]
    assert max(float(row["value"]) for row in rows) > 0.5
    assert "root" not in Path("out/tune.yaml").read_text().replace("root: null", "")  # it is this machine's


def test_help_tells_of_the_file_and_of_what_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["tune", "--help"])
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("--budget", "--resume", "trials.csv", "best.yaml", "space:", "exit status"))
