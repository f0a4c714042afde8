"""The way from clients to the server."""

import functools

import pytest
import torch

from graphml.federated import (
    FedAvg,
    FedAvgM,
    FedPer,
    FedProx,
    Message,
    Scaffold,
    Schedule,
    SequentialEngine,
    Uplink,
    UplinkStage,
    VectorisedEngine,
    simulate,
)
from graphml.federated.weights import weighted_average

SCHEDULE = Schedule(monitor="val_loss")


class Scaled(UplinkStage):
    """Sends ``factor`` times the weights in one array."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def seal(self, answer, sealing):
        flat = torch.cat([value.double().view(-1) for _, value in sorted(answer.arrays.items())])
        return Message({"flat": self.factor * flat}, answer.metrics)

    def wire(self, expected):
        return {"flat": torch.empty(sum(value.numel() for value in expected.values()), dtype=torch.float64)}

    def open(self, answer, expected):
        names = sorted(expected)
        parts = (answer.arrays["flat"] / self.factor).split([expected[name].numel() for name in names])
        shaped = zip(names, parts, strict=True)
        return Message({n: p.view_as(expected[n]).to(expected[n].dtype) for n, p in shaped}, answer.metrics)


class Counting(UplinkStage):
    """Both halves count what they saw; the server is told one answer in the name of all."""

    def seal(self, answer, sealing):
        memory = sealing.client.memory
        sealing.client.memory = memory | {"sealed": memory.get("sealed", torch.tensor(0)) + 1}
        return answer

    def combine(self, answers, shared):
        self.memory = {"answers": self.memory.get("answers", torch.tensor(0)) + len(answers)}
        examples = [answer.metrics["num_examples"] for answer in answers.values()]
        mean = weighted_average([answer.arrays for answer in answers.values()], examples)
        return {min(answers): Message(mean, {"num_examples": sum(examples)})}


class Noisy(UplinkStage):
    def seal(self, answer, sealing):
        noise = {name: torch.randn(value.shape, generator=sealing.generator) for name, value in answer.arrays.items()}
        return Message({name: answer.arrays[name] + noise[name] for name in noise}, answer.metrics)


def run(strategy, make_clients, rounds=3, engine=None, **options):
    clients = make_clients(strategy)
    result = simulate(
        strategy, clients, rounds, engine or SequentialEngine(), schedule=SCHEDULE, progress=False, **options
    )
    assert not result.history.faults, result.history.faults
    return result, clients


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.parametrize("engine", [SequentialEngine, VectorisedEngine])
@pytest.mark.parametrize(
    "algorithm",
    [FedAvg, FedProx, FedAvgM, Scaffold, functools.partial(FedPer, ["encoder.lins.1"]), lambda: FedAvg(0.5)],
)
def test_a_stage_that_does_nothing_changes_nothing(algorithm, engine, make_clients):
    plain, _ = run(algorithm(), make_clients, engine=engine())
    through, _ = run(Uplink(algorithm(), [UplinkStage()]), make_clients, engine=engine())
    assert_equal(plain.last_state, through.last_state)
    assert [row.bytes_up for row in plain.history.rounds] == [row.bytes_up for row in through.history.rounds]


def test_stages_are_undone_in_the_opposite_order(make_clients):
    plain, _ = run(FedAvg(), make_clients)
    through, _ = run(Uplink(FedAvg(), [Scaled(4.0), Scaled(0.5)]), make_clients)
    assert_equal(plain.last_state, through.last_state)  # powers of two: nothing is rounded
    assert through.history.rounds[1].bytes_up != plain.history.rounds[1].bytes_up  # what was sealed is what counts


def test_one_answer_can_stand_for_all(make_clients):
    plain, _ = run(FedAvgM(), make_clients)
    through, _ = run(Uplink(FedAvgM(), [Counting()]), make_clients)
    for name, value in plain.last_state.items():
        torch.testing.assert_close(through.last_state[name], value, rtol=1e-6, atol=1e-7)


def test_both_halves_remember_across_a_checkpoint(make_clients, tmp_path):
    path = tmp_path / "checkpoint.pt"
    whole, _ = run(Uplink(FedAvgM(), [Noisy(), Counting()]), make_clients, 4)
    run(Uplink(FedAvgM(), [Noisy(), Counting()]), make_clients, 2, checkpoint=path)
    strategy = Uplink(FedAvgM(), [Noisy(), Counting()])
    resumed, clients = run(strategy, make_clients, 4, checkpoint=path, resume=True)
    assert_equal(whole.last_state, resumed.last_state)
    assert strategy.memory["uplink/1/answers"] == 16  # four clients, four rounds
    assert [int(client.memory["sealed"]) for client in clients] == [4] * 4


def test_what_is_drawn_depends_on_seed_round_client_and_stage(make_clients):
    def noise(rounds, seed, stages):
        strategy = Uplink(FedAvg(), stages)
        plain, _ = run(FedAvg(), make_clients, rounds, seed=seed)
        result, _ = run(strategy, make_clients, rounds, seed=seed)
        return {name: result.last_state[name] - plain.last_state[name] for name in plain.last_state}

    once = noise(1, 0, [Noisy()])
    assert_equal(once, noise(1, 0, [Noisy()]))
    twice = noise(1, 0, [Noisy(), Noisy()])
    assert not torch.allclose(twice["encoder.lins.0.weight"], 2 * once["encoder.lins.0.weight"], atol=1e-3)


def test_a_wrong_sealed_answer_is_named(make_clients):
    strategy = Uplink(FedAvg(), [Scaled(2.0)])
    strategy.initialize(make_clients(strategy)[0].initial, 4)
    good = strategy.stages[0].seal(Message(strategy.state, {"num_examples": 3.0}), None)
    assert strategy.check(1, good) is None
    assert strategy.check(1, Message(strategy.state, {"num_examples": 3.0})) == "lacks flat"
    short = Message({"flat": good.arrays["flat"][1:]}, good.metrics)
    assert strategy.check(1, short).startswith("sent flat of shape")
    assert strategy.check(1, Message({"flat": good.arrays["flat"] * torch.nan}, good.metrics)).startswith("sent NaN")


def test_no_stage_is_refused():
    with pytest.raises(ValueError, match="stages: expected at least one, got none"):
        Uplink(FedAvg(), [])
