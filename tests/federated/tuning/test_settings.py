import sys

import pytest

from graphml.federated.tuning import Search

SPACE = {"lr": {"low": 0.1, "high": 1.0}}


def test_sampler_and_pruner_are_made_by_class_path():
    optuna = pytest.importorskip("optuna")
    search = Search(
        SPACE,
        sampler={"class_path": "optuna.samplers.TPESampler", "init_args": {"n_startup_trials": 3}},
        pruner={"class_path": "optuna.pruners.HyperbandPruner", "init_args": {"min_resource": 2, "max_resource": 9}},
        trials=2,
        fidelity=[{"rounds": 3, "client_fraction": 0.5}],
    )
    assert isinstance(search.make_sampler(0), optuna.samplers.TPESampler)
    assert isinstance(search.make_pruner(), optuna.pruners.HyperbandPruner)
    assert search.rungs[0].client_fraction == 0.5
    assert isinstance(Search(SPACE, budget=9).make_pruner(), optuna.pruners.NopPruner)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"trials": None}, "trials and budget: expected at least one of them"),
        ({"trials": 0}, "trials: expected an integer of at least 1, got 0"),
        ({"budget": 2.5}, "budget: expected an integer of at least 1, got 2.5"),
        ({"seed": -1}, "seed: expected an integer of at least 0"),
        ({"monitor": "test_accuracy"}, "monitor: expected a metric of the validation data, .* got 'test_accuracy'"),
        ({"space": {"lr": 3}}, "space: lr"),
        ({"fidelity": [{"rounds": 3}]}, "fidelity: expected rungs"),
        ({"sampler": {"class_path": "optuna.samplers.GridSampler"}}, "BruteForceSampler for a grid"),
        (
            {"sampler": {"class_path": "optuna.samplers.TPESampler", "init_args": {"seed": 3}}},
            "sampler: expected no seed",
        ),
        ({"sampler": {"class_path": "optuna.samplers.TPESampler", "init_args": {"speed": 3}}}, "sampler: (.|\n)*speed"),
        ({"sampler": {"class_path": "optuna.pruners.NopPruner"}}, "sampler: "),
        ({"sampler": {}}, "sampler: "),
        ({"pruner": {"class_path": "optuna.pruners.Hyperband"}}, "pruner: (.|\n)*Hyperband"),
        (
            {"pruner": {"class_path": "optuna.pruners.SuccessiveHalvingPruner", "init_args": {"min_resource": 0}}},
            "pruner: ",
        ),
    ],
)
def test_wrong_settings_are_refused(values, told):
    pytest.importorskip("optuna")
    with pytest.raises(ValueError, match=told):
        Search(**({"space": SPACE, "trials": 2} | values))


def test_without_optuna_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ModuleNotFoundError, match=r"graphml-torch\[tune\].*conda install -c conda-forge optuna"):
        Search(SPACE, trials=2)
