"""Secure aggregation: the sum is right, an answer tells nothing, and clients may drop out at each step."""

import functools
import sys

import numpy as np
import pytest
import torch
from scipy import stats

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.federated import (
    FedAvg,
    FedAvgM,
    FedPer,
    FedProx,
    Message,
    Schedule,
    SequentialEngine,
    TooFewClientsError,
    Uplink,
    UplinkStage,
    VectorisedEngine,
    simulate,
)
from graphml.federated.compression import TopK, Updates
from graphml.federated.weights import weighted_average
from graphml.models import GCNEncoder
from graphml.tasks import NodeClassificationTask

pytest.importorskip("cryptography")

from graphml.federated.privacy.keys import agreed_key, mask, opened_box, private_key, public_key, sealed_box
from graphml.federated.privacy.secure_aggregation import SecureAggregation

SCHEDULE = Schedule(monitor="val_loss")


@pytest.fixture
def five():
    """Five graphs of unlike sizes."""
    made = [contextual_sbm(30 + 7 * k, 3, 6, average_degree=6, seed=k) for k in range(5)]
    return [NodeDataModule.from_data(data, self_loops=True, train_fraction=0.5).data for data in made]


class Watching(SequentialEngine):
    """Keeps all answers, and lets clients fail: ``failing`` holds (call or step, round, client)."""

    def __init__(self, failing=()):
        super().__init__()
        self.failing, self.seen = set(failing), []

    def answer(self, call, client, request):
        what = str(request.config.get("step", call)), int(request.config["round"]), client.number
        if what not in self.failing:
            reply = super().answer(call, client, request)
        else:
            reply = self.attempt(client, request, self._fail_after, call, client, request)
        self.seen.append((*what, reply))
        return reply

    @staticmethod
    def _fail_after(call, client, request):
        getattr(client, call)(request)  # all is done, and the answer never arrives
        raise OSError("the line is dead")


def run(strategy, make_clients, graphs, rounds=3, engine=None, **options):
    clients = make_clients(strategy, graphs=graphs)
    return simulate(
        strategy, clients, rounds, engine or Watching(), schedule=SCHEDULE, progress=False, **options
    ), clients


def assert_close(first, second, atol):
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=atol)


def assert_equal(first, second):
    assert_close(first, second, 0)


@pytest.mark.parametrize("engine", [SequentialEngine, VectorisedEngine])
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize(
    "algorithm",
    [FedAvg, FedProx, FedAvgM, functools.partial(FedPer, ["encoder.lins.1"]), lambda: FedAvg(client_fraction=0.6)],
)
def test_the_average_is_the_plain_one(algorithm, bits, engine, make_clients, five):
    plain, _ = run(algorithm(), make_clients, five, engine=engine())
    secure, clients = run(Uplink(algorithm(), [SecureAggregation(bits=bits)]), make_clients, five, engine=engine())
    assert not secure.history.faults, secure.history.faults
    # five clients, 104 examples, scale 1024 (or 2^42), three rounds: 3 x 5 / (2 x 1024 x 104) at most; float32
    assert_close(plain.last_state, secure.last_state, 1e-4 if bits == 32 else 1e-6)
    assert not any(name.startswith("secure/") for client in clients for name in client.memory)  # all is forgotten


def test_the_sum_is_exact(make_clients, five):
    """What comes out is the decoded sum of what each client would have sent without masks, to the last bit."""
    engine, stage = Watching(), SecureAggregation()
    secure, _ = run(Uplink(FedAvg(), [stage]), make_clients, five, 1, engine)
    plain = Watching()
    run(FedAvg(), make_clients, five, 1, plain)
    total, names = 0, sorted(secure.last_state)
    for call, _, _, reply in plain.seen:
        if call == "fit":
            flat = torch.cat([reply.arrays[name].double().flatten() for name in names])
            total = total + stage.codec.encode(flat, int(reply.metrics["num_examples"])).view(np.int32).astype(np.int64)
    mean = torch.from_numpy(total[:-1] / (total[-1] * stage.codec.scale)).float()
    assert torch.equal(torch.cat([secure.last_state[name].flatten() for name in names]), mean)


def test_buffers_are_averaged_and_integers_kept(five, make_clients):
    torch.manual_seed(0)
    task = NodeClassificationTask(6, 3, encoder=functools.partial(GCNEncoder, hidden_channels=4))  # with BatchNorm
    stage = SecureAggregation()
    strategy = Uplink(FedAvg(), [stage])
    strategy.initialize(task.state_dict(), 2)
    answers = [{n: v + k if v.is_floating_point() else v + 9 for n, v in task.state_dict().items()} for k in range(2)]
    flat = [torch.cat([each[n].double().flatten() for n in sorted(each) if "num_b" not in n]) for each in answers]
    codes = stage.codec.encode(flat[0], 3) + stage.codec.encode(flat[1], 1)
    opened = stage.open(Message({"masked": torch.from_numpy(codes.view(np.int32))}), strategy.inner.expected(1))
    found = stage.combine({0: opened}, strategy.state)[0]
    expected = weighted_average([task.state_dict(), answers[1]], [3, 1])
    assert found.metrics == {"num_examples": 4}
    assert any("num_batches" in name for name in expected)
    assert_close(expected, found.arrays, 1e-3)


def masked_by(engine, client=0, round=1):
    return next(
        reply.arrays["masked"] for what, r, number, reply in engine.seen if (what, r, number) == ("fit", round, client)
    )


def test_a_masked_answer_is_uniform_and_new_each_time(task, make_clients, five):
    engines = [Watching(), Watching()]
    for engine in engines:
        run(Uplink(FedAvg(), [SecureAggregation()]), make_clients, five, 2, engine)
    parts = [masked_by(engine, number, round) for engine in engines for round in (1, 2) for number in range(5)]
    raw = torch.cat(parts).numpy().view(np.uint8)
    assert raw.size > 3000
    assert stats.chisquare(np.bincount(raw, minlength=256)).pvalue > 1e-4
    assert len({part.numpy().tobytes() for part in parts}) == len(parts)
    told = next(reply for what, _, _, reply in engines[0].seen if what == "fit")
    assert told.arrays.keys() == {"masked"}
    assert told.metrics == {"num_examples": 1}


def test_without_its_own_mask_an_answer_is_hidden_by_those_with_the_others(make_clients, five):
    left = []

    class Peeking(Watching):
        def answer(self, call, client, request):
            reply = super().answer(call, client, request)
            if call == "fit":
                codes = reply.arrays["masked"].numpy().view(np.uint32)
                left.append(codes - mask(bytes(client.memory["secure/secrets"][2].tolist()), codes.size, np.uint32))
            return reply

    run(Uplink(FedAvg(), [SecureAggregation()]), make_clients, five, 4, Peeking())
    raw = np.concatenate(left).view(np.uint8)
    assert raw.size > 3000
    assert stats.chisquare(np.bincount(raw, minlength=256)).pvalue > 1e-4
    total = np.sum(left[:5], axis=0, dtype=np.uint32)  # the five of a round: what they share cancels
    assert total[-1] == sum(int(graph.train_mask.sum()) for graph in five)


def test_equal_seeds_give_equal_results_whatever_the_keys(make_clients, five):
    engines = Watching(), Watching()
    (first, _), (second, _) = (run(Uplink(FedAvg(), [SecureAggregation()]), make_clients, five, 3, e) for e in engines)
    assert_equal(first.last_state, second.last_state)
    for one, other in zip(first.history.rounds, second.history.rounds, strict=True):
        assert (one.metrics, one.bytes_up, one.bytes_down) == (other.metrics, other.bytes_up, other.bytes_down)
    assert not torch.equal(masked_by(engines[0]), masked_by(engines[1]))


@pytest.mark.parametrize("lost", [[2], [0, 4]], ids=["one", "two"])
@pytest.mark.parametrize("step", ["advertise", "share", "fit"])
def test_the_sum_of_the_others_is_found_when_clients_drop_out(step, lost, make_clients, five):
    """As if those that are lost in round 2 had been left out of it."""
    plain, _ = run(FedAvg(), make_clients, five, engine=Watching(("fit", 2, number) for number in lost))
    engine = Watching((step, 2, number) for number in lost)
    secure, _ = run(Uplink(FedAvg(), [SecureAggregation()]), make_clients, five, engine=engine)
    assert {(fault.client, fault.round) for fault in secure.history.faults} == {(number, 2) for number in lost}
    assert [row.clients for row in secure.history.rounds] == [0, 5, 5 - len(lost), 5]
    assert_close(plain.last_state, secure.last_state, 1e-4)


@pytest.mark.parametrize("lost", [[1], [1, 3]], ids=["one", "two"])
def test_who_is_lost_after_answering_is_in_the_sum(lost, make_clients, five):
    plain, _ = run(FedAvg(), make_clients, five)
    engine = Watching(("reveal", 2, number) for number in lost)
    secure, _ = run(Uplink(FedAvg(), [SecureAggregation()]), make_clients, five, engine=engine)
    assert len(secure.history.faults) == len(lost)
    assert_close(plain.last_state, secure.last_state, 1e-4)


def test_some_may_drop_out_at_every_step(make_clients, five):
    plain, _ = run(FedAvg(), make_clients, five, engine=Watching([("fit", 1, 3)]))
    engine = Watching([("fit", 1, 3), ("reveal", 1, 0)])
    secure, _ = run(Uplink(FedAvg(), [SecureAggregation()]), make_clients, five, engine=engine)
    assert_close(plain.last_state, secure.last_state, 1e-4)


@pytest.mark.parametrize(
    ("step", "done"),
    [
        ("advertise", "told their keys"),
        ("share", "dealt their secrets"),
        ("fit", "answered"),
        ("reveal", "told their shares"),
    ],
)
def test_fewer_than_the_threshold_cannot_open_the_sum(step, done, make_clients, five):
    engine = Watching((step, 1, number) for number in (0, 1, 2))
    told = f"round 1: 2 of 5 clients have {done}, fewer than the threshold of 3"
    with pytest.raises(TooFewClientsError, match=told):
        run(Uplink(FedAvg(), [SecureAggregation()]), make_clients, five, engine=engine)


def test_one_client_is_no_crowd(make_clients, five):
    with pytest.raises(TooFewClientsError, match="1 of 1 clients have told their keys, fewer than the threshold of 2"):
        run(Uplink(FedAvg(), [SecureAggregation()]), make_clients, five[:1])


def test_a_weight_that_does_not_fit_is_a_fault_of_its_client(make_clients, five):
    class Large(UplinkStage):
        def seal(self, answer, sealing):
            factor = 1e6 if sealing.client.number == 1 else 1.0
            return Message({name: factor * value for name, value in answer.arrays.items()}, answer.metrics)

    plain, _ = run(FedAvg(), make_clients, five, engine=Watching(("fit", r, 1) for r in (1, 2, 3)))
    secure, _ = run(Uplink(FedAvg(), [Large(), SecureAggregation()]), make_clients, five)
    assert all("max_value: expected weights of magnitude up to 16.0" in fault.reason for fault in secure.history.faults)
    assert len(secure.history.faults) == 3
    assert_close(plain.last_state, secure.last_state, 1e-4)


def test_stages_before_it_get_the_average(make_clients, five):
    plain, _ = run(FedAvg(), make_clients, five)
    secure, _ = run(Uplink(FedAvg(), [Updates(), SecureAggregation(max_value=1.0)]), make_clients, five)
    assert_close(plain.last_state, secure.last_state, 1e-5)  # changes are smaller: their fixed point is finer


def test_it_continues_from_a_checkpoint(make_clients, five, tmp_path):
    def go(rounds, **options):
        return run(Uplink(FedAvgM(), [SecureAggregation()]), make_clients, five, rounds, **options)[0].last_state

    whole, path = go(4), tmp_path / "checkpoint.pt"
    go(2, checkpoint=path)
    assert_equal(whole, go(4, checkpoint=path, resume=True))


def test_a_client_tells_its_shares_once_and_never_to_a_few(make_clients, five):
    strategy = Uplink(FedAvg(), [SecureAggregation()])
    clients = make_clients(strategy, graphs=five)
    engine = Watching()
    asked = []

    class Recording(Watching):
        def answer(self, call, client, request):
            if request.config.get("step") == "reveal" and client.number == 0:
                few = {"answered": torch.tensor([0, 1])}
                alone = Message(request.arrays | few, config=request.config)
                asked.append(self.attempt(client, alone, client.assist, alone))
                reply = super().answer(call, client, request)
                asked.append(self.attempt(client, request, client.assist, request))
                return reply
            return super().answer(call, client, request)

    engine = Recording()
    simulate(strategy, clients, 1, engine, schedule=SCHEDULE, progress=False)
    assert "answered: expected this client (0) and others of the round, 3 or more in all, got [0, 1]" in asked[0].reason
    assert "round: expected one whose secrets the client still has, got 1" in asked[1].reason


def test_answers_of_wrong_shape_are_faults(make_clients, five):
    class Broken(Watching):
        def answer(self, call, client, request):
            reply = super().answer(call, client, request)
            wrong = request.config.get("step") == "share" and client.number == 3
            return Message({"boxes": reply.arrays["boxes"][:2]}) if wrong else reply

    secure, _ = run(Uplink(FedAvg(), [SecureAggregation()]), make_clients, five, 1, Broken())
    assert [(fault.client, fault.reason) for fault in secure.history.faults] == [
        (3, "sent boxes of shape [2, 82] of torch.uint8, expected [5, 82] of torch.uint8")
    ]


def test_two_clients_agree_on_a_key_and_others_do_not():
    first, second, third = private_key(), private_key(), private_key()
    key = agreed_key(first, public_key(second), "a test")
    assert key == agreed_key(second, public_key(first), "a test")
    assert key != agreed_key(first, public_key(second), "another")
    assert key != agreed_key(third, public_key(second), "a test")
    box = sealed_box(key, b"what is in it")
    assert opened_box(key, box) == b"what is in it"
    with pytest.raises(ValueError, match="box: expected one that was sealed with this key, got another"):
        opened_box(key, box[:-1] + bytes([box[-1] ^ 1]))


@pytest.mark.parametrize("threshold", [0.5, 1.1])
def test_thresholds_out_of_range_are_refused(threshold):
    with pytest.raises(ValueError, match=r"threshold: expected a share in \(0.5, 1\], got"):
        SecureAggregation(threshold)


def test_nothing_can_be_sealed_again_nor_sums_of_packed_answers_be_opened():
    with pytest.raises(ValueError, match="stages: expected SecureAggregation to be the last"):
        Uplink(FedAvg(), [SecureAggregation(), UplinkStage()])
    with pytest.raises(ValueError, match="expected answers of their own form before SecureAggregation, got TopK"):
        Uplink(FedAvg(), [TopK(), SecureAggregation()])


def test_the_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'graphml-torch\[privacy\]', or: conda install"):
        SecureAggregation()
