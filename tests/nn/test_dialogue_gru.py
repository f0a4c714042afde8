"""The GRU over dialogues: against torch's own on each dialogue alone."""

import pytest
import torch

from graphml.nn import DialogueGRU


def test_equals_the_gru_on_each_dialogue_alone() -> None:
    layer = DialogueGRU(3, 4, num_layers=2).double()
    x, lengths = torch.randn(10, 3, dtype=torch.float64), torch.tensor([4, 1, 5])
    expected = torch.cat([layer.gru(part.unsqueeze(0))[0][0] for part in x.split(lengths.tolist())])
    torch.testing.assert_close(layer(x, lengths), expected)


def test_an_utterance_sees_its_own_dialogue_only() -> None:
    layer, lengths = DialogueGRU(2, 3), torch.tensor([3, 2])
    x = torch.randn(5, 2, requires_grad=True)
    layer(x, lengths)[:3].sum().backward()
    assert x.grad is not None
    assert (x.grad[:3] != 0).all()
    assert (x.grad[3:] == 0).all()


def test_gradients_are_those_of_finite_differences() -> None:
    layer = DialogueGRU(2, 2, num_layers=1).double()
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layer(x, torch.tensor([1, 3])), x)


def test_shape_repr_and_reset() -> None:
    layer = DialogueGRU(3, 4)
    before = layer.gru.weight_hh_l0.clone()
    layer.reset_parameters()
    assert layer.out_channels == 8
    assert repr(layer) == "DialogueGRU(3, 4, num_layers=2)"
    assert not torch.equal(before, layer.gru.weight_hh_l0)


def test_lengths_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(RuntimeError, match="split_with_sizes"):
        DialogueGRU(3, 4)(torch.randn(5, 3), torch.tensor([2, 2]))
