"""Messages: copies, exact sizes, and an encoding that nothing can be smuggled through."""

import pytest
import torch

from graphml.federated.message import DTYPES, Message, taken_from, under


def example() -> Message:
    arrays = {name: torch.arange(6).reshape(2, 3).to(dtype) for name, dtype in DTYPES.items()}
    arrays |= {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3), "turned": torch.arange(6.0).reshape(2, 3).T}
    return Message(arrays, {"loss": 0.1, "num_examples": 3}, {"round": 2, "mu": 0.5, "name": "ä", "flag": True})


def test_what_is_encoded_comes_back():
    message = example()
    back = Message.decode(message.encode())
    assert back.metrics == message.metrics
    assert back.config == message.config
    assert back.arrays.keys() == message.arrays.keys()
    for name, array in message.arrays.items():
        assert back.arrays[name].dtype == array.dtype
        assert torch.equal(back.arrays[name], array)


@pytest.mark.parametrize("message", [example(), Message()], ids=["full", "empty"])
def test_the_number_of_bytes_is_that_of_the_whole_encoding(message):
    assert message.num_bytes == len(message.encode())


def test_arrays_are_copies_without_gradients():
    weight = torch.ones(3, requires_grad=True)
    message = Message({"w": weight})
    with torch.no_grad():
        weight.add_(1)
    assert not message.arrays["w"].requires_grad
    assert message.arrays["w"].tolist() == [1, 1, 1]
    other = Message(message.arrays)
    other.arrays["w"].zero_()
    assert message.arrays["w"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "array",
    [torch.eye(2).to_sparse(), torch.zeros(2, dtype=torch.complex64), [1.0, 2.0]],
    ids=["sparse", "complex", "list"],
)
def test_what_cannot_be_sent_is_refused(array):
    with pytest.raises(TypeError, match="arrays: expected 'w' to be a dense tensor"):
        Message({"w": array})


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"", lambda b: b[:20], lambda b: b"\xff" * 30],
    ids=["short", "long", "nothing", "header", "noise"],
)
def test_a_damaged_message_is_refused(damage):
    with pytest.raises(ValueError, match="encoded: expected"):
        Message.decode(damage(example().encode()))


def test_names_below_a_prefix_lie_beside_the_weights():
    arrays = {"a.weight": torch.ones(1)}
    both = arrays | under("control", arrays)
    assert list(both) == ["a.weight", "control/a.weight"]
    assert taken_from("control", both) == arrays
