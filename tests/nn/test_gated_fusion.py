"""Fusion of modalities that may be missing."""

import torch

from graphml.nn import GatedFusion


def test_it_is_a_softmax_over_the_modalities_that_are_there() -> None:
    layer = GatedFusion(4, ["text", "audio"])
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    hidden = {"text": torch.randn(3, 4), "audio": torch.randn(3, 4)}
    there = {"text": torch.tensor([True, True, False]), "audio": torch.tensor([True, False, False])}
    out, gates = layer(hidden, there)
    scores = torch.cat([gate(hidden[name]) for gate, name in zip(layer.gates, hidden, strict=True)], dim=1)
    first = scores[0].softmax(0)
    torch.testing.assert_close(gates[0], first)
    torch.testing.assert_close(out[0], first[0] * hidden["text"][0] + first[1] * hidden["audio"][0])
    torch.testing.assert_close(out[1], hidden["text"][1])
    assert (out[2] == 0).all()
    assert gates[2].tolist() == [0, 0]


def test_gates_start_equal_and_gradients_stay_finite_where_nothing_is_there() -> None:
    layer = GatedFusion(2, ["text", "audio"])
    hidden = {name: torch.randn(2, 2, requires_grad=True) for name in layer.modalities}
    there = {name: torch.tensor([True, False]) for name in layer.modalities}
    out, gates = layer(hidden, there)
    assert gates.tolist() == [[0.5, 0.5], [0.0, 0.0]]
    out.square().sum().backward()
    assert all(bool(x.grad.isfinite().all()) for x in hidden.values())
