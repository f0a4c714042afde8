"""Spry: who trains which tensor, what comes back, Yogi's step, and forward gradients in place of backpropagation."""

import json
import re
from collections import Counter

import numpy as np
import pytest
import torch

from graphml.federated import FedAvg, FedYogi, Message, TooFewClientsError, VectorisedEngine
from graphml.federated.algorithms.spry import FedYogiSplit, Spry, deal_tensors
from graphml.federated.engines.vectorised import why_not
from graphml.federated.weights import weighted_average

LAST = ["encoder.lins.1", "encoder.biases.1"]
NAMES = ["encoder.biases.0.bias", "encoder.biases.1.bias", "encoder.lins.0.weight", "encoder.lins.1.weight"]


@pytest.mark.parametrize(("tensors", "clients"), [(1, 4), (4, 4), (5, 3), (11, 4), (3, 10)])
def test_every_round_deals_every_tensor_and_every_client_has_some(tensors, clients):
    names, numbers = [f"t{n}" for n in range(tensors)], [7 * n for n in range(clients)]
    for round in range(1, 6):
        dealt = deal_tensors(names, numbers, round)
        assert list(dealt) == numbers
        owners = Counter(name for own in dealt.values() for name in own)
        assert owners.keys() == set(names)
        fewest = max(1, clients // tensors)
        assert set(owners.values()) <= {fewest, fewest + (clients % tensors > 0 if clients > tensors else 0)}
        sizes = {len(own) for own in dealt.values()}
        assert sizes <= {max(1, tensors // clients), -(-tensors // clients)}


def test_a_tensor_goes_through_the_hands_of_all_clients():
    owners = [next(n for n, own in deal_tensors(NAMES, [0, 1, 2], r).items() if NAMES[2] in own) for r in (1, 2, 3)]
    assert sorted(owners) == [0, 1, 2]


@pytest.mark.parametrize("strategy", [FedYogiSplit(), Spry(draws=2)])
def test_clients_send_their_own_tensors_and_the_buffers(strategy, graphs, federate, recording):
    federate(strategy, graphs(strategy, norm=True), 2, engine=recording)
    fits = [(request, reply) for call, _, request, reply in recording.seen if call == "fit"]
    assert len(fits) == 6
    for request, reply in fits:
        own = json.loads(request.config["tensors"])
        buffers = {name for name in request.arrays if "running" in name or "num_batches" in name}
        assert reply.arrays.keys() == set(own) | buffers
        assert all(not torch.equal(reply.arrays[name], request.arrays[name]) for name in own)


def test_backpropagation_on_one_tensor_is_fedyogi_to_the_last_bit(quadratics, problem, federate):
    plain = federate(FedYogi(), quadratics(FedYogi(), *problem, [3, 1, 2, 5], steps=3), 6)
    split = federate(FedYogiSplit(), quadratics(FedYogiSplit(), *problem, [3, 1, 2, 5], steps=3), 6)
    assert torch.equal(plain["w"], split["w"])


def test_one_client_that_backpropagates_is_fedyogi_to_the_last_bit(graphs, federate):
    plain = federate(FedYogi(), graphs(FedYogi(), norm=True)[:1], 3)
    split = federate(FedYogiSplit(), graphs(FedYogiSplit(), norm=True)[:1], 3)
    assert all(torch.equal(split[name], plain[name]) for name in plain)


def test_each_tensor_is_averaged_over_its_owners_and_steps_by_yogi(graphs, federate, recording):
    strategy = FedYogiSplit(trained=LAST, tau=1e-2)  # two tensors for three clients: one of them has two owners
    clients = graphs(strategy)
    start = dict(clients[0].initial)
    state = federate(strategy, clients, 1, engine=recording)
    replies = [reply for call, _, _, reply in recording.seen if call == "fit"]
    for name in start:
        owners = [reply for reply in replies if name in reply.arrays]
        if not any(name.startswith(part) for part in LAST):
            assert not owners
            assert torch.equal(state[name], start[name])
            continue
        shares = [reply.metrics["num_examples"] for reply in owners]
        average = weighted_average([{name: reply.arrays[name]} for reply in owners], shares)[name]
        delta = (average - start[name]).double().numpy()
        v = 1e-4 - 0.01 * delta**2 * np.sign(1e-4 - delta**2)
        expected = start[name].double().numpy() + 0.1 * 0.1 * delta / (np.sqrt(v) + 1e-2)
        np.testing.assert_allclose(state[name].numpy(), expected, rtol=1e-4, atol=1e-7)
    owners = Counter(name for reply in replies for name in reply.arrays)
    assert sorted(owners.values()) == [1, 2]


def test_buffers_are_averaged_over_all_and_a_forward_pass_with_tangents_measures_the_same(graphs, federate):
    states = {
        kind: federate(strategy, graphs(strategy, norm=True, epochs=1), 1)
        for kind, strategy in {"plain": FedAvg(), "split": FedYogiSplit(), "spry": Spry()}.items()
    }
    buffers = [name for name in states["plain"] if "running" in name or "num_batches" in name]
    assert buffers
    for name in buffers:
        assert torch.equal(states["split"][name], states["plain"][name])
        torch.testing.assert_close(states["spry"][name], states["plain"][name])
        assert not torch.equal(states["spry"][name], graphs(Spry(), norm=True)[0].initial[name])


def test_many_directions_lead_where_fedyogi_goes(quadratics, problem, federate):
    """One client: its change is the learning rate times the gradient, with an error of sqrt((d + 1) / K)."""
    a, b = (part[:1] for part in problem)
    rounds = 2
    exact = federate(FedYogi(tau=0.1), quadratics(FedYogi(), a, b), rounds)["w"]
    strategy = Spry(draws=250, tau=0.1)
    near = federate(strategy, quadratics(strategy, a, b), rounds)["w"]
    assert not torch.equal(near, exact)
    assert (near - exact).norm() < 0.25 * exact.norm()


def test_the_change_of_a_client_is_an_unbiased_step(graphs):
    strategy = Spry(draws=300, trained=LAST)
    client = graphs(strategy, epochs=1)[0]
    client.task.encoder.dropout = 0.0
    names = [f"{LAST[0]}.weight", f"{LAST[1]}.bias"]
    request = Message(client.initial, config={"round": 1, "tensors": json.dumps(names)})
    change = torch.cat([(client.fit(request).arrays[name] - client.initial[name]).flatten() for name in names])
    client.task.load_state_dict(client.initial)
    loss = client.task.loss(client.task.network, client.data.data, torch.Generator())[0]
    gradient = torch.autograd.grad(loss, [dict(client.task.named_parameters())[name] for name in names])
    step = -0.1 * torch.cat([part.flatten() for part in gradient])
    assert (change - step).norm() < 1.5 * ((len(step) + 1) / 300) ** 0.5 * step.norm()


def test_clients_that_agree_reach_the_optimum(quadratics, problem, federate):
    """There their gradients vanish, and with them the noise of the directions."""
    a, b = problem[0], problem[1][:1].repeat(4, axis=0)
    strategy = Spry(server_lr=0.2)
    state = federate(strategy, quadratics(strategy, a, b), 100)
    start, end = np.abs(b[0]).max(), np.abs(state["w"].numpy() - b[0]).max()
    assert end < 0.02 * start


@pytest.mark.parametrize("fraction", [0.5, 1.0])
def test_equal_seeds_give_equal_bits(graphs, federate, fraction):
    def run(seed):
        strategy = Spry(draws=2, client_fraction=fraction)
        clients = graphs(strategy)
        for client in clients:
            client.seed = seed
        return federate(strategy, clients, 3, seed=seed)

    first, second, other = run(0), run(0), run(1)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_tensor_that_nobody_answered_for_stays(graphs):
    strategy = FedYogiSplit()
    client = graphs(strategy)[0]
    strategy.initialize(client.initial, 3, NAMES)
    own, others = NAMES[:1], NAMES[1:]
    request = Message(client.initial, config={"round": 1, "tensors": json.dumps(own)})
    before = dict(strategy.state)
    strategy.aggregate_fit(1, {0: client.fit(request)})
    assert not torch.equal(strategy.state[own[0]], before[own[0]])
    assert all(torch.equal(strategy.state[name], before[name]) for name in others)


def test_a_client_without_examples_changes_nothing(quadratics, problem, federate):
    a, b = problem
    few = federate(Spry(), quadratics(Spry(), a[:3], b[:3], [2, 3, 4]), 4)
    more = federate(Spry(), quadratics(Spry(), a, b, [2, 3, 4, 0], steps=[1, 1, 1, 0]), 4)
    torch.testing.assert_close(more, few, rtol=1e-12, atol=0)


def test_what_was_frozen_stays_so_and_gradients_come_back_after_an_error(graphs):
    client = graphs(Spry())[0]
    client.task.encoder.biases[0].bias.requires_grad_(False)
    before = {name: value.requires_grad for name, value in client.task.named_parameters()}
    client.data.data.x = client.data.data.x * float("nan")
    with pytest.raises(FloatingPointError):
        client.fit(Message(client.initial, config={"round": 1, "tensors": json.dumps(NAMES)}))
    assert {name: value.requires_grad for name, value in client.task.named_parameters()} == before
    assert all(value.grad is None for value in client.task.parameters() if not value.requires_grad)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda arrays: {}, "sent none of the tensors to train"),
        (lambda arrays: {NAMES[0]: arrays[NAMES[0]]}, "lacks norm"),
        (lambda arrays: arrays | {"encoder.other": torch.ones(2)}, "sent encoder.other, which nobody asked for"),
        (lambda arrays: arrays | {NAMES[0]: torch.ones(2)}, r"sent encoder.biases.0.bias of shape \[2\]"),
        (lambda arrays: arrays | {NAMES[0]: arrays[NAMES[0]] * torch.inf}, "sent NaN or infinity"),
    ],
)
def test_wrong_answers_are_told(graphs, change, told):
    strategy = FedYogiSplit()
    state = graphs(strategy)[0].initial | {"norm": torch.ones(3)}
    strategy.initialize(state, 3, NAMES)
    good = {NAMES[0]: state[NAMES[0]] + 1, "norm": state["norm"]}
    assert strategy.check(1, Message(good, {"num_examples": 3})) is None
    assert re.match(told, strategy.check(1, Message(change(good), {"num_examples": 3})))


def test_a_layer_without_forward_mode_fails_in_the_first_round_by_name(graphs, federate):
    class Doubling(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

    strategy = Spry()
    clients = graphs(strategy)
    encoder = clients[0].task.encoder
    forward = encoder.forward
    encoder.forward = lambda *args: Doubling.apply(forward(*args))
    with pytest.raises(TooFewClientsError, match=r"(?s)encoder\.\w+\.\d.*implement the jvp function"):
        federate(strategy, clients, 1)


def test_it_trains_one_client_after_the_other(graphs):
    assert why_not(graphs(Spry())) == "SpryClient trains in a way of its own"
    assert why_not(graphs(FedYogiSplit())) == "SplitClient trains in a way of its own"
    with pytest.raises(ValueError, match="trains in a way of its own"):
        VectorisedEngine().exchange("fit", graphs(Spry()), {0: Message(config={"round": 1})})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"draws": 0}, "draws: expected at least 1, got 0"),
        ({"trained": []}, r"trained: expected a list of modules or parameters, or None, got \[\]"),
        ({"trained": "model.head"}, "trained: expected a list of modules or parameters, or None, got 'model.head'"),
        ({"server_lr": 0.0}, "server_lr: expected"),
        ({"tau": -1.0}, "tau: expected"),
        ({"beta1": 1.0}, "beta1: expected"),
        ({"beta2": 1.0}, "beta2: expected"),
        ({"client_fraction": 0.0}, "client_fraction: expected"),
    ],
)
def test_wrong_arguments_are_refused(options, told):
    with pytest.raises(ValueError, match=told):
        Spry(**options)


def test_a_name_that_no_parameter_has_is_refused(graphs, federate):
    strategy = Spry(trained=["encoder.lins.1", "encoder.head"])
    with pytest.raises(ValueError, match=r"trained: expected modules or parameters of .*lins.*, got 'encoder\.head'"):
        federate(strategy, graphs(strategy), 1)
