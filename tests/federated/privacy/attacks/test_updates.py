import functools

import pytest
import torch
import torch.nn.functional as F

from graphml.federated import LocalTraining
from graphml.federated.privacy.attacks import gradient_of_update, local_update
from graphml.federated.weights import weights_of


def gradient_at(task, weights, data):
    task.load_state_dict(weights)
    task.zero_grad()
    F.cross_entropy(task(data)[data.train_mask], data.y[data.train_mask]).backward()
    return {name: parameter.grad.clone() for name, parameter in task.named_parameters()}


def test_one_step_gives_the_gradient_away(task, graphs):
    weights = weights_of(task)
    local = LocalTraining(1, functools.partial(torch.optim.SGD, lr=0.3, weight_decay=0.01))
    update = local_update(task, weights, graphs[0], local, seed=0)
    after = {name: weights[name] + change for name, change in update.items()}
    found = gradient_of_update(weights, after, 0.3, weight_decay=0.01)
    expected = gradient_at(task, weights, graphs[0])
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-4)


def test_several_steps_give_the_mean_gradient(task, graphs):
    weights = weights_of(task)
    step = LocalTraining(1, functools.partial(torch.optim.SGD, lr=0.3))
    middle = {name: weights[name] + change for name, change in local_update(task, weights, graphs[1], step, 0).items()}
    both = LocalTraining(2, functools.partial(torch.optim.SGD, lr=0.3))
    after = {name: weights[name] + change for name, change in local_update(task, weights, graphs[1], both, 0).items()}
    found = gradient_of_update(weights, after, 0.3, steps=2)
    first, second = (gradient_at(task, state, graphs[1]) for state in (weights, middle))
    for name, value in found.items():
        torch.testing.assert_close(value, (first[name] + second[name]) / 2, atol=1e-6, rtol=1e-4)


def test_only_the_named_parameters_are_given():
    before = {"w": torch.ones(2), "running_mean": torch.zeros(2), "count": torch.tensor(3)}
    found = gradient_of_update(before, {name: value + 1 for name, value in before.items()}, 0.5, ["w"])
    assert found.keys() == {"w"}
    assert found["w"].tolist() == [-2.0, -2.0]


def test_an_update_depends_on_the_seed_alone_and_leaves_the_task(task, graphs):
    task.encoder.dropout = 0.5
    weights = weights_of(task)
    local = LocalTraining(2, functools.partial(torch.optim.SGD, lr=0.3))
    first = local_update(task, weights, graphs[0], local, seed=1)
    torch.rand(3)
    again, other = (local_update(task, weights, graphs[0], local, seed) for seed in (1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    assert all(torch.equal(value, weights[name]) for name, value in weights_of(task).items())


def test_numbers_out_of_range_are_errors():
    with pytest.raises(ValueError, match="lr: expected a finite number above 0, got 0"):
        gradient_of_update({}, {}, 0)
    with pytest.raises(ValueError, match="steps: expected at least 1, got 0"):
        gradient_of_update({}, {}, 0.1, steps=0)
