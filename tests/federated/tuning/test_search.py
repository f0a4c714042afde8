"""Searches over functions that take no time, in journals of their own."""

import csv
import math
import os

import pytest

from graphml.data import DatasetMissingError
from graphml.federated.tuning import FailingTrialsError, Search, Searcher
from graphml.federated.tuning.trials import write_trials

pytest.importorskip("optuna")

RANDOM = {"class_path": "optuna.samplers.RandomSampler"}
TPE = {"class_path": "optuna.samplers.TPESampler", "init_args": {"n_startup_trials": 3}}
HALVING = {
    "class_path": "optuna.pruners.SuccessiveHalvingPruner",
    "init_args": {"min_resource": 1, "reduction_factor": 3},
}
HYPERBAND = {
    "class_path": "optuna.pruners.HyperbandPruner",
    "init_args": {"min_resource": 1, "max_resource": 9, "reduction_factor": 3},
}
SPACE = {"x": {"low": -1.0, "high": 1.0}, "y": [0, 1]}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Optuna's journal waits for the disk at each report, which is most of what these searches would take."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def parabola(parameters, number, report, rounds=9):
    """Nears its value of 1 - x^2 + y in so many rounds."""
    value = -math.inf
    for done in range(1, rounds + 1):
        value = (1 - parameters["x"] ** 2 + parameters["y"]) * done / rounds
        report(done, value)
    return value


def silent(parameters, number, report):
    return parabola(parameters, number, lambda done, value: None)


def searcher(tmp_path, name="search", minimise=False, **settings):
    search = Search(SPACE, **({"sampler": RANDOM} | settings))
    return Searcher(search, name, tmp_path / f"{name}.log", 9, minimise=minimise, progress=False)


@pytest.mark.parametrize("sampler", [RANDOM, TPE], ids=["random", "tpe"])
def test_a_search_finds_the_top_and_is_the_same_again(sampler, tmp_path):
    first, again = (searcher(tmp_path, name, sampler=sampler, trials=20) for name in ("a", "b"))
    first.run(silent)
    again.run(silent)
    assert [row.parameters for row in first.rows] == [row.parameters for row in again.rows]
    assert len({row.parameters["x"] for row in first.rows}) == 20
    assert first.best.value == max(row.value for row in first.rows) > 1.9
    assert first.best.parameters["y"] == 1
    other = searcher(tmp_path, "c", sampler=sampler, trials=20, seed=1)
    other.run(silent)
    assert first.rows[0].parameters != other.rows[0].parameters


def test_tpe_does_better_than_random(tmp_path):
    means = []
    for name, sampler in (("random", RANDOM), ("tpe", TPE)):
        found = searcher(tmp_path, name, sampler=sampler, trials=40)
        found.run(silent)
        means.append(sum(row.value for row in found.rows[20:]) / 20)
    assert means[1] > means[0] + 0.2


@pytest.mark.parametrize("sampler", [RANDOM, TPE], ids=["random", "tpe"])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(sampler, tmp_path):
    calls = []

    def interrupted(parameters, number, report):
        if number == 5:
            report(1, 0.0)
            raise KeyboardInterrupt
        return parabola(parameters, number, report)

    def counting(parameters, number, report):
        calls.append(number)
        return parabola(parameters, number, report)

    whole, part = (searcher(tmp_path, name, sampler=sampler, trials=12) for name in ("whole", "part"))
    whole.run(parabola)
    with pytest.raises(KeyboardInterrupt):
        part.run(interrupted)
    rest = searcher(tmp_path, "part", sampler=sampler, trials=12)
    rest.run(counting)
    assert calls == list(range(6, 13))  # the six finished ones are not repeated
    assert [row.state for row in rest.rows] == ["complete"] * 5 + ["interrupted"] + ["complete"] * 7
    assert [row.parameters for row in rest.counted] == [row.parameters for row in whole.rows]
    assert rest.rows[5].parameters == rest.rows[6].parameters
    assert rest.spent == whole.spent == 12 * 9
    rest.run(counting)
    assert len(calls) == 7  # nothing is left to do


def test_trials_of_a_killed_process_and_half_a_line_of_its_journal_are_cleared(tmp_path):
    killed = searcher(tmp_path, trials=3)
    killed.study.ask(killed.distributions)  # and no tell
    with (tmp_path / "search.log").open("ab") as file:
        file.write(b'{"op_code":6,"work')
    (tmp_path / "search.log.lock").symlink_to("nowhere")
    rest = searcher(tmp_path, trials=3)
    rest.run(parabola)
    assert [row.state for row in rest.rows] == ["interrupted", "complete", "complete", "complete"]


@pytest.mark.parametrize("pruner", [HALVING, HYPERBAND], ids=["halving", "hyperband"])
def test_pruners_end_bad_trials_early(pruner, tmp_path):
    found = searcher(tmp_path, pruner=pruner, trials=40)
    found.run(parabola)
    states = [row.state for row in found.rows]
    assert states.count("pruned") > 10
    assert all(row.rounds in (1, 3, 9) for row in found.rows)
    assert all(row.rounds == 9 for row in found.rows if row.state == "complete")
    assert found.spent < 0.6 * 40 * 9
    assert found.best.value > 1.8


def test_the_budget_is_never_exceeded(tmp_path):
    found = searcher(tmp_path, budget=21)
    found.run(parabola)
    assert [(row.state, row.rounds, row.note) for row in found.rows] == [
        ("complete", 9, ""), ("complete", 9, ""), ("pruned", 3, "the budget was spent")
    ]  # fmt: skip
    exact = searcher(tmp_path, "exact", budget=18)
    exact.run(parabola)
    assert [row.state for row in exact.rows] == ["complete", "complete"]


def test_rounds_without_a_value_count_all_the_same(tmp_path):
    def rarely(parameters, number, report):
        for done in range(1, 10):
            report(done, 0.5 if done % 4 == 0 else None)
        return 0.5

    found = searcher(tmp_path, budget=18)
    found.run(rarely)
    assert [row.rounds for row in found.rows] == [9, 9]


def test_failed_trials_are_told_and_the_search_goes_on(tmp_path, capsys):
    def fragile(parameters, number, report):
        if parameters["x"] < -0.3:
            report(1, 0.1)
            raise ValueError("x: expected another")
        return math.nan if number == 3 else parabola(parameters, number, report)

    found = searcher(tmp_path, trials=12)
    found.run(fragile)
    failed = [row for row in found.rows if row.state == "failed"]
    assert {row.note for row in failed} >= {"ValueError: x: expected another", "FloatingPointError: its value is nan"}
    assert all(row.rounds == 1 for row in failed if row.number != 3)
    assert found.best.parameters["x"] > -0.3
    assert "failed: ValueError: x: expected another" in capsys.readouterr().err


def test_when_all_trials_fail_the_search_ends(tmp_path):
    def broken(parameters, number, report):
        raise RuntimeError("no memory")

    found = searcher(tmp_path, trials=100)
    with pytest.raises(FailingTrialsError, match="10 trials failed one after the other; the last: no memory"):
        found.run(broken)
    assert len(found.rows) == 10
    assert found.best is None


def test_a_missing_dataset_ends_the_search(tmp_path):
    def absent(parameters, number, report):
        raise DatasetMissingError("no Cora")

    found = searcher(tmp_path, trials=3)
    with pytest.raises(DatasetMissingError, match="no Cora"):
        found.run(absent)
    assert [row.state for row in found.rows] == ["interrupted"]


def test_the_lowest_is_the_best_where_that_is_asked(tmp_path):
    found = searcher(tmp_path, minimise=True, trials=8, pruner=HALVING)
    found.run(lambda *trial: 1 - silent(*trial))
    assert found.best.value == min(row.value for row in found.rows)


def test_trials_are_written_a_line_each(tmp_path):
    found = searcher(tmp_path, budget=12)
    found.run(parabola)
    write_trials(tmp_path / "trials.csv", found.rows)
    with (tmp_path / "trials.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["state"] for line in lines] == ["complete", "pruned"]
    assert [line["rounds"] for line in lines] == ["9", "3"]
    assert [float(line["x"]) for line in lines] == [row.parameters["x"] for row in found.rows]
    assert float(lines[0]["value"]) == pytest.approx(found.rows[0].value, rel=1e-6)
