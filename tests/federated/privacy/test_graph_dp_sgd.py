"""DP-SGD whose examples are graphs."""

import functools
import math

import pytest
import torch
from torch import nn

from graphml.federated import FedAvg, FedProx, FedRep, GraphsData, LocalTraining, Message, NodeData, Scaffold, Uplink
from graphml.federated.privacy.accountant import rdp_epsilon
from graphml.federated.privacy.graph_dp_sgd import GraphDPSGD, add_clipped
from graphml.federated.privacy.update import flat_update
from graphml.federated.weights import weights_of
from graphml.models import GINGraphClassifier
from graphml.tasks import GraphClassificationTask

SGD = functools.partial(torch.optim.SGD, lr=0.1)
MODEL = functools.partial(GINGraphClassifier, hidden_channels=4, dropout=0.0, norm=nn.LayerNorm)


@pytest.fixture
def task():
    torch.manual_seed(0)
    return GraphClassificationTask(3, 2, model=MODEL)


@pytest.fixture
def make(task, rings_and_stars):
    """From an algorithm to its clients, two of twenty graphs each."""
    initial = weights_of(task)

    def clients(strategy, graphs=rings_and_stars, epochs=1, data=None, task=task):
        parts = [graphs[:20], graphs[20:]]
        whole = [data or GraphsData({"train": part, "val": part, "test": part}, 64) for part in parts]
        start = initial if task.model.gin.layers[0].norm.__class__ is nn.LayerNorm else None
        local = LocalTraining(epochs, SGD)
        return [strategy.client(n, task, own, local, initial=start) for n, own in enumerate(whole)]

    return clients


def sums(client, drawn=0):
    client.task.load_state_dict(client.initial)
    parameters = list(client.task.parameters())
    total, size = client.clipped_sum(parameters, torch.Generator().manual_seed(drawn))
    return torch.cat([value.flatten() for value in total]), size


def test_without_noise_and_clipping_it_is_sgd_on_all_graphs(make, run_uplink):
    plain = run_uplink(FedAvg(), make(FedAvg(), epochs=3))
    strategy = Uplink(FedAvg(), [GraphDPSGD(math.inf, 0.0, 1.0, steps=3)])
    private = run_uplink(strategy, make(strategy))
    for name, value in plain.last_state.items():
        torch.testing.assert_close(private.last_state[name], value, rtol=1e-4, atol=1e-5)


def test_one_graph_more_moves_the_sum_by_at_most_c(make, rings_and_stars):
    strategy = Uplink(FedAvg(), [GraphDPSGD(0.05, 1.0, 1.0)])
    whole, _ = sums(make(strategy)[0])
    moved = []
    for left_out in (0, 3, 11):
        rest = [graph for number, graph in enumerate(rings_and_stars[:20]) if number != left_out]
        client = make(strategy, data=GraphsData({"train": rest, "val": [], "test": []}, 64))[0]
        moved.append(float((sums(client)[0] - whole).norm()))
    assert max(moved) <= strategy.stages[0].sensitivity * (1 + 1e-4)
    assert max(moved) == pytest.approx(0.05, rel=1e-3)  # the bound is met


def test_gradients_are_clipped_as_a_whole():
    gradients = [torch.full((2, 2), 3.0), None, torch.full((3,), -1.0)]
    total = [torch.zeros(2, 2), torch.zeros(5), torch.zeros(3)]
    add_clipped(total, gradients, 0.5)
    norm = math.sqrt(4 * 9 + 3)
    torch.testing.assert_close(total[0], torch.full((2, 2), 3 * 0.5 / norm))
    torch.testing.assert_close(total[2], torch.full((3,), -0.5 / norm))
    assert total[1].norm() == 0
    add_clipped(total, gradients, 100.0)  # short enough: as it is
    torch.testing.assert_close(total[2], torch.full((3,), -0.5 / norm - 1))
    with pytest.raises(FloatingPointError, match="norm of a gradient is nan"):
        add_clipped(total, [None, None, torch.full((3,), math.nan)], 1.0)


def test_lots_are_drawn_graph_by_graph(make):
    strategy = Uplink(FedAvg(), [GraphDPSGD(math.inf, 0.0, 0.3)])
    client = make(strategy)[0]
    one_by_one = {number: sums(client, number) for number in range(4)}
    assert all(size == pytest.approx(6.0) for _, size in one_by_one.values())  # the expected size, not the drawn one
    assert not torch.equal(one_by_one[0][0], one_by_one[1][0])
    assert torch.equal(sums(client, 2)[0], one_by_one[2][0])


def test_the_noise_has_the_stated_deviation(make):
    def answer(noise):
        strategy = Uplink(FedAvg(), [GraphDPSGD(0.5, noise, 1.0, steps=1)])
        client = make(strategy)[0]
        strategy.initialize(client.initial, 2)
        return flat_update(client.fit(Message(client.initial, config={"round": 1})), client.initial)

    drawn = (answer(40.0) - answer(0.0)).numpy() / 0.1 * 20  # learning rate, number of graphs
    assert drawn.std() == pytest.approx(20.0, rel=0.25)  # sigma C; 4 x 4 weights and more


def test_a_private_run_repeats_itself_and_tells_no_loss(make, run_uplink):
    first, second = (
        run_uplink(strategy, make(strategy)).last_state
        for strategy in (Uplink(FedProx(0.1), [GraphDPSGD(1.0, 1.0, 0.5, 2)]) for _ in range(2))
    )
    for name, value in first.items():
        assert torch.equal(second[name], value)
    strategy = Uplink(FedAvg(), [GraphDPSGD(1.0, 1.0, 0.5, 2)])
    client = make(strategy)[0]
    assert client.fit(Message(client.initial, config={"round": 1})).metrics == {"num_examples": 20.0, "steps": 2.0}


def test_a_client_without_graphs_changes_nothing(make):
    strategy = Uplink(FedAvg(), [GraphDPSGD(1.0, 1.0)])
    client = make(strategy, data=GraphsData({"train": [], "val": [], "test": []}, 64))[0]
    answer = client.fit(Message(client.initial, config={"round": 1}))
    assert flat_update(answer, client.initial).norm() == 0
    assert answer.metrics == {"num_examples": 0.0, "steps": 0.0}


def test_scaffold_runs(make, run_uplink):
    strategy = Uplink(Scaffold(), [GraphDPSGD(1.0, 0.1, 0.5, 2)])
    run_uplink(strategy, make(strategy))


def test_epsilon_is_that_of_all_steps():
    pytest.importorskip("opacus")
    assert GraphDPSGD(1.0, 2.0, 0.2, 5).epsilon(10, 0.1, 1e-4) == rdp_epsilon(2.0, 0.2, 50, 1e-4)


def test_what_is_refused(make, graphs):
    strategy = Uplink(FedAvg(), [GraphDPSGD(1.0, 1.0)])
    batch_norm = GraphClassificationTask(3, 2, model=functools.partial(GINGraphClassifier, hidden_channels=4))
    with pytest.raises(ValueError, match=r"model: expected no BatchNorm.*got model.gin.layers.0.norm"):
        make(strategy, task=batch_norm)
    with pytest.raises(ValueError, match=r"local.epochs: expected 1, .* got 2"):
        make(strategy, epochs=2)
    with pytest.raises(ValueError, match="data: expected graphs to classify, got NodeData"):
        make(strategy, data=NodeData(graphs[0]))
    with pytest.raises(ValueError, match="strategy: expected clients that train as those of FedAvg, got FedRepClient"):
        make(Uplink(FedRep(["model.head"]), [GraphDPSGD(1.0, 1.0)]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling_rate": 0.0}, r"sampling_rate: expected a probability in \(0, 1\], got 0"),
        ({"sampling_rate": 1.1}, "sampling_rate"),
        ({"steps": 0}, "steps: expected at least 1, got 0"),
    ],
)
def test_wrong_numbers(options, message):
    with pytest.raises(ValueError, match=message):
        GraphDPSGD(1.0, 1.0, **options)
