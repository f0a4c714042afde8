import pytest

from graphml.federated.tuning.space import corners, distributions, laid_over

optuna = pytest.importorskip("optuna")
INT, FLOAT, LISTED = (
    optuna.distributions.IntDistribution,
    optuna.distributions.FloatDistribution,
    optuna.distributions.CategoricalDistribution,
)


def test_lists_and_ranges_become_distributions():
    space = {
        "a.lr": {"low": 0.01, "high": 1.0, "log": True},
        "a.epochs": [1, 2, None],
        "a.width": {"low": 8, "high": 64, "step": 8},
        "a.rate": {"low": 0, "high": 1.0},
        "a.share": {"low": 0, "high": 1, "step": 0.5},
    }
    assert distributions(space) == {
        "a.lr": FLOAT(0.01, 1.0, log=True),
        "a.epochs": LISTED([1, 2, None]),
        "a.width": INT(8, 64, step=8),
        "a.rate": FLOAT(0, 1.0),
        "a.share": FLOAT(0, 1, step=0.5),
    }


def test_corners_have_every_listed_value_and_both_ends():
    assert corners({"a": [1, 2, 3], "b": {"low": 0.1, "high": 0.9}}) == [
        {"a": 1, "b": 0.1},
        {"a": 2, "b": 0.9},
        {"a": 3, "b": 0.1},
    ]


def test_parameters_are_laid_over_a_copy():
    config = {"rounds": 3, "local": {"optimizer": {"init_args": {"lr": 0.1, "momentum": 0.0}}}}
    tried = laid_over(config, {"local.optimizer.init_args.lr": 0.5, "rounds": 9})
    assert tried == {"rounds": 9, "local": {"optimizer": {"init_args": {"lr": 0.5, "momentum": 0.0}}}}
    assert config["local"]["optimizer"]["init_args"]["lr"] == 0.1


@pytest.mark.parametrize("key", ["local.optimiser.lr", "rounds.many", "local.optimizer.init_args.lr"])
def test_a_key_below_nothing_is_refused(key):
    with pytest.raises(ValueError, match=f"space: expected keys of the configuration, got {key}"):
        laid_over({"rounds": 3, "local": {"optimizer": None}}, {key: 1})


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({}, "space: expected at least one key"),
        ({"a": []}, "a: expected a list of numbers, texts or null, at least one"),
        ({"a": [[1]]}, "a: expected a list of numbers"),
        ({"a": 3}, "a: expected a list, or a range"),
        ({"a": {"low": 1}}, "a: expected a list, or a range"),
        ({"a": {"low": 1, "high": 2, "base": 10}}, "a: expected a list, or a range"),
        ({"a": {"low": "1e-3", "high": 1}}, "a: expected numbers for low and high, got '1e-3' and 1"),
        ({"a": {"low": True, "high": 2}}, "a: expected numbers for low and high"),
        ({"a": {"low": 2.0, "high": 1.0}}, "a: "),
        ({"a": {"low": 0.0, "high": 1.0, "log": True}}, "a: "),
        ({"a": {"low": 1, "high": 9, "log": True, "step": 2}}, "a: "),
    ],
)
def test_a_wrong_space_is_refused(space, told):
    with pytest.raises(ValueError, match=told):
        distributions(space)
