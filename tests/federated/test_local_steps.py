"""What is read from a local optimizer."""

import functools

import pytest
import torch

from graphml.federated import LocalTraining
from graphml.federated.local_steps import learning_rates, sgd_options
from graphml.models import GCN
from graphml.tasks import NodeClassificationTask


@pytest.fixture
def task():
    return NodeClassificationTask(4, 3, model=functools.partial(GCN, hidden_channels=5))


def groups(parameters):
    first, *rest = parameters
    return torch.optim.SGD([{"params": [first], "lr": 0.5}, {"params": rest}], lr=0.1, weight_decay=0.01)


def test_each_parameter_has_the_rate_of_its_group(task):
    rates = learning_rates(LocalTraining(optimizer=groups), task)
    assert rates.keys() == dict(task.named_parameters()).keys()
    assert rates["encoder.lins.0.weight"] == 0.5
    assert {rate for name, rate in rates.items() if name != "encoder.lins.0.weight"} == {0.1}


def test_a_parameter_with_two_names_has_its_rate_by_both(task):
    task.alias = task.encoder.lins[1]
    rates = learning_rates(LocalTraining(optimizer=groups), task)
    assert rates["alias.weight"] == rates["encoder.lins.1.weight"] == 0.1


def test_momentum_is_an_option_and_no_rate(task):
    local = LocalTraining(optimizer=functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9))
    assert {group["momentum"] for group in sgd_options(local, task).values()} == {0.9}
    with pytest.raises(ValueError, match=r"expected torch\.optim\.SGD without momentum, got momentum 0\.9"):
        learning_rates(local, task)


def test_the_tasks_own_adam_is_refused(task):
    with pytest.raises(ValueError, match=r"local\.optimizer: expected torch\.optim\.SGD, got Adam"):
        sgd_options(LocalTraining(), task)
