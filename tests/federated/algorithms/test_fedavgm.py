"""FedAvgM."""

import pytest
import torch

from graphml.federated import FedAvg, FedAvgM


def test_without_momentum_and_with_a_step_of_one_it_is_fedavg_to_the_last_bit(graphs, federate):
    plain = federate(FedAvg(), graphs(FedAvg(), norm=True), 3)
    strategy = FedAvgM(server_lr=1.0, momentum=0.0)
    state = federate(strategy, graphs(strategy, norm=True), 3)
    assert all(torch.equal(state[name], plain[name]) for name in plain)


def test_it_is_sgd_with_momentum_on_the_mean_change(quadratics, problem, federate):
    a, b = (torch.from_numpy(part) for part in problem)
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.7, momentum=0.8)
    for _ in range(6):
        w.grad = (0.1 * a * (w.detach() - b)).mean(0)
        optimizer.step()
    strategy = FedAvgM(server_lr=0.7, momentum=0.8)
    state = federate(strategy, quadratics(strategy, *problem), 6)
    torch.testing.assert_close(state["w"], w.detach(), rtol=1e-10, atol=0)


@pytest.mark.parametrize("options", [{"momentum": 1.0}, {"momentum": -0.1}, {"server_lr": 0.0}])
def test_wrong_arguments_are_refused(options):
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=f"{name}: expected .*, got {value}"):
        FedAvgM(**options)
