"""Messages as Flower's records and back: bit by bit."""

import math

import pytest
import torch

pytest.importorskip("flwr")

from flwr.app import RecordDict

from graphml.federated import Message
from graphml.federated.engines.flower.records import from_array_record, from_records, to_array_record, to_records
from graphml.federated.message import DTYPES

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def same_bits(left: torch.Tensor, right: torch.Tensor) -> bool:
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    kind = BITS[left.dtype.itemsize]
    return torch.equal(left.contiguous().view(-1).view(kind), right.contiguous().view(-1).view(kind))


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_arrays_of_every_type_survive(name, shape):
    values = torch.randn(shape, dtype=torch.float64).mul(100).to(DTYPES[name])
    found = from_array_record(to_array_record({"w": values}))
    assert same_bits(found["w"], values)


def test_what_floats_cannot_hold_survives():
    large = torch.tensor([2**62 + 1, -(2**63)])
    strange = torch.tensor([math.nan, math.inf, -0.0, 5e-324], dtype=torch.float64)
    found = from_array_record(
        to_array_record({"large": large, "strange": strange, "turned": torch.arange(6).view(2, 3).T})
    )
    assert found["large"].tolist() == large.tolist()
    assert same_bits(found["strange"], strange)
    assert found["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_message_survives():
    message = Message(
        {"layer.weight": torch.randn(2, 2), "steps": torch.tensor(3)},
        {"num_examples": 7.0, "loss": 0.1, "worst": math.inf},
        {"round": -1, "share": 0.5, "name": 'a "ü"', "last": True},
    )
    found = from_records(RecordDict({**to_records(message), "other": to_array_record({})}))
    assert found.encode() == message.encode()
    assert [type(value) for value in found.config.values()] == [int, float, str, bool]


def test_an_empty_message_survives():
    assert from_records(RecordDict(to_records(Message()))) == Message()
